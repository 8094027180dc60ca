"""Batches as a user runs them from Python: results, callbacks, sharing, changes while they run."""

import json
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

import planner
from planner.batch import Entry, Limits, run_batch
from planner.batch.checkpoint import Checkpoint
from planner.batch.engines.local import LocalEngine
from planner.batch.overview import overview
from planner.batch.store import Store
from tests.batch.questions import answer, write_grid, write_scenario

SOLVER = "tests.batch.solvers:solve"
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _tests_can_be_imported(monkeypatch):
    """Worker processes find the solvers of these tests."""
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))


def engine(workers=2, **limits):
    """Return processes that run the solver of these tests."""
    return LocalEngine(workers, Limits(**limits), solver=SOLVER)


def named(folder, *names, rate=20):
    """Return entries of scenarios that behave as their names say."""
    path = write_scenario(folder, rate=rate)
    return [
        Entry(name, str(path), (f"name={name}", f"workloads.chat.rate_rps={rate + number}"))
        for number, name in enumerate(names)
    ]


def statuses(results):
    """Return the status by name."""
    return {result.job: result.status for result in results}


def test_a_batch_answers_as_single_solves_do(tmp_path):
    """Real solves: every plan is that of `planner.solve`, and verifies."""
    study = write_grid(tmp_path, [7, 20, 33])
    results = list(planner.batch(study, tmp_path / "night", workers=1))
    assert [result.status for result in results] == ["optimal"] * 3
    for result, rate in zip(sorted(results, key=lambda found: found.objective), [7, 20, 33], strict=True):
        single = planner.solve(tmp_path / "cloud.yaml", [f"workloads.chat.rate_rps={rate}"])
        assert result.objective == single.objective
        assert result.plan().servers == single.servers
        assert planner.verify(result.plan()) == []
        assert result.figures["usd_per_h"] == single.cost.total


def test_nothing_is_solved_twice(tmp_path):
    """The same call again finds everything; a job more solves one; the same question twice is one job."""
    folder = tmp_path / "night"
    entries = named(tmp_path, "one", "two")
    first = list(run_batch(entries, folder, engine=engine()))
    again = list(run_batch(entries, folder, engine=engine()))
    assert [result.attempts for result in again] == [1, 1]
    assert statuses(again) == statuses(first) == {"one": "optimal", "two": "optimal"}
    twin = Entry("twin", entries[0].scenario, (*entries[0].overrides, "name=twin"))
    third = Entry("three", entries[0].scenario, ("workloads.chat.rate_rps=50",))
    results = list(run_batch([*entries, twin, third], folder, engine=engine()))
    assert len(results) == 4
    assert overview_of(folder).jobs == 3
    keys = {result.job: result.key for result in results}
    assert keys["one"] == keys["twin"]


def overview_of(folder):
    """Return how a batch stands."""
    store = Store(folder, to_read=True)
    state = overview(store)
    store.close()
    return state


def test_callbacks_hear_of_results_and_incumbents(tmp_path):
    """In the thread of the caller, incumbents before the result."""
    heard = []
    results = run_batch(
        named(tmp_path, "slow"),
        tmp_path / "night",
        engine=engine(),
        on_result=lambda result: heard.append((result.job, result.status, threading.current_thread())),
        on_incumbent=lambda news: heard.append((news.names, news.objective, news.bound, news.gap)),
    )
    assert len(list(results)) == 1
    assert heard[0] == (("slow",), 12.0, 9.0, 0.25)
    assert heard[1] == ("slow", "optimal", threading.current_thread())


def test_bad_entries_and_bad_jobs_leave_the_others_alone(tmp_path):
    """A scenario with a typo and one that crashes come out with their errors among good answers."""
    entries = named(tmp_path, "good", "crash", "fine")
    wrong = write_scenario(tmp_path / "wrong", "wrong")
    wrong.write_text(wrong.read_text().replace("rate_rps", "rate_rsp"))
    entries.append(Entry("wrong", str(wrong)))
    results = {result.job: result for result in run_batch(entries, tmp_path / "night", engine=engine())}
    assert statuses(results.values()) == {
        "good": "optimal",
        "crash": "failed",
        "fine": "optimal",
        "wrong": "invalid",
    }
    assert "SIGSEGV" in results["crash"].error
    assert "wrong.yaml:3" in results["wrong"].error
    assert "did you mean 'rate_rps'" in results["wrong"].error


def test_a_running_batch_can_be_cancelled_and_retried_from_outside(tmp_path):
    """One that would take an hour is stopped; another waits; the rest is done."""
    folder = tmp_path / "night"
    entries = [
        *named(tmp_path / "a", "slow", rate=99),
        *named(tmp_path / "b", "good", "late"),
    ]
    batch = run_batch(entries, folder, engine=engine(workers=1))
    results = []
    runner = threading.Thread(target=lambda: results.extend(batch))
    runner.start()
    while not overview_of(folder).running:
        time.sleep(0.05)
    store = Store(folder)
    ended, told = store.cancel(["slow", "late"])
    assert told == 1
    assert ended == 1
    runner.join()
    assert statuses(results) == {"slow": "cancelled", "late": "cancelled", "good": "optimal"}
    assert store.retry(["late"]) == 1
    store.close()
    assert statuses(run_batch(None, folder, engine=engine()))["late"] == "optimal"


def test_a_consumer_who_stops_leaves_a_batch_that_can_be_resumed(tmp_path):
    """Leaving the loop gives unfinished jobs back."""
    folder = tmp_path / "night"
    entries = named(tmp_path, *(f"good-{number}" for number in range(12)))
    batch = run_batch(entries, folder, engine=engine())
    next(batch)
    batch.close()
    state = overview_of(folder)
    assert state.counts.get("running", 0) == 0
    assert 1 <= state.done < 12
    results = list(run_batch(None, folder, engine=engine()))
    assert statuses(results) == {entry.name: "optimal" for entry in entries}


SHARE = """
import sys, time
from pathlib import Path
from planner.batch import run_batch
from planner.batch.engines.local import LocalEngine
jobs, folder, signal = sys.argv[1:]
while not Path(signal).exists():
    time.sleep(0.01)
results = list(run_batch(jobs, folder, engine=LocalEngine(1, solver="tests.batch.solvers:solve")))
print(len(results))
"""


def test_two_processes_share_a_batch_without_duplicates(tmp_path):
    """Started at the same moment: each job is tried once, both work, both see all results."""
    study = write_grid(tmp_path, list(range(10, 50)))
    folder, signal = tmp_path / "night", tmp_path / "go"
    command = [sys.executable, "-c", SHARE, str(study), str(folder), str(signal)]
    both = [
        subprocess.Popen(command, cwd=REPOSITORY, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    time.sleep(1.0)
    signal.touch()
    said = [process.communicate(timeout=120) for process in both]
    assert [out.strip() for out, _ in said] == ["40", "40"], said
    store = Store(folder)
    attempts = store.read("SELECT key, owner, status FROM attempts")
    store.close()
    assert len(attempts) == len({row["key"] for row in attempts}) == 40
    assert {row["status"] for row in attempts} == {"optimal"}
    assert len({row["owner"] for row in attempts}) == 2


def test_a_killed_solve_goes_on_from_its_checkpoint(tmp_path):
    """The run is killed once a checkpoint is there; the next one starts from its plan and bound."""
    folder = tmp_path / "night"
    path = write_scenario(tmp_path, "continued")
    script = (
        "import sys\nfrom planner.batch import run_batch\n"
        "from planner.batch.engines.local import LocalEngine\n"
        f"list(run_batch(sys.argv[1], sys.argv[2], engine=LocalEngine(1, solver={SOLVER!r})))\n"
    )
    process = subprocess.Popen([sys.executable, "-c", script, str(path), str(folder)], cwd=REPOSITORY)
    while not list(folder.glob("checkpoints/*.npz")):
        assert process.poll() is None
        time.sleep(0.05)
    process.kill()
    process.wait()
    (file,) = folder.glob("checkpoints/*.npz")
    assert Checkpoint(file.read_bytes()).recall("program").objective == 30.0
    (result,) = run_batch(None, folder, engine=engine())
    assert (result.status, result.objective, result.bound, result.attempts) == ("optimal", 30.0, 20.0, 2)
    assert not file.exists()


def test_inline_questions_survive_a_restart(tmp_path):
    """Plain data given from Python is stored whole: a resume needs nothing but the folder."""
    data = json.loads(json.dumps(planner_data(tmp_path)))
    folder = tmp_path / "night"
    store = Store(folder, create=True)
    store.add([Entry("inline", data, (), str(tmp_path))])
    store.close()
    (result,) = run_batch(None, folder, engine="local", workers=1)
    assert result.status == "optimal"
    assert answer(result.answer)["scenario"]["workloads"][0]["rate_rps"] == 20


def planner_data(folder):
    """Return the tiny scenario as plain data with a path relative to the folder."""
    from ruamel.yaml import YAML

    return YAML(typ="safe").load(write_scenario(folder).read_text())
