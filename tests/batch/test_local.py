"""A job that crashes, hangs, or takes too much memory ends its own worker process and nothing else."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from planner.batch.engines import engine_named
from planner.batch.engines.local import LocalEngine
from planner.batch.limits import Limits
from planner.batch.messages import Ended, Progressed, Started, Task
from planner.batch.process import CannotWork

SOLVER = "tests.batch.solvers:solve"
REPOSITORY = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def _tests_can_be_imported(monkeypatch):
    """Worker processes find the solvers of these tests."""
    monkeypatch.setenv("PYTHONPATH", str(REPOSITORY))


def task(name, rate=1.0, **limits):
    """Return a job that behaves as its name says."""
    document = {"scenario": {"name": name, "workloads": [{"rate_rps": rate}]}}
    return Task(name, json.dumps(document), Limits(**limits))


def run_all(engine, tasks, seconds=60):
    """Give all jobs to an engine and return their ends by key, in the order in which they came."""
    waiting, ends = list(tasks), {}
    deadline = time.monotonic() + seconds
    try:
        while len(ends) < len(tasks) and time.monotonic() < deadline:
            while waiting and engine.room() > 0:
                engine.give(waiting.pop(0))
            ends |= {event.key: event for event in engine.events(0.2) if isinstance(event, Ended)}
    finally:
        engine.close()
    return ends


def test_bad_jobs_do_not_take_others_with_them():
    """A segmentation fault, an early exit, a defect, a hang and a memory hog among eight good jobs."""
    bad = [task("crash"), task("quit"), task("raise"), task("hang", kill_after_s=1.5), task("devour")]
    good = [task(f"good-{number}", number) for number in range(8)]
    mixed = [job for pair in zip(bad, good[:5], strict=True) for job in pair] + good[5:]
    ends = run_all(LocalEngine(2, Limits(memory_gb=0.6), solver=SOLVER), mixed)
    assert {key: end.status for key, end in ends.items() if key.startswith("good")} == {
        job.key: "optimal" for job in good
    }
    assert {ends[job.key].status for job in bad} == {"failed"}
    assert ends["crash"].error.startswith("crashed: SIGSEGV")
    assert ends["quit"].error == "crashed: its process ended with code 7\ngoing home early"
    assert ends["hang"].error.startswith("hung: killed after")
    assert ends["devour"].error.startswith("out of memory")


def test_a_defect_of_the_planner_is_told_with_its_trace():
    """An exception that a solver lets through is a crash with its trace in the error."""
    ends = run_all(LocalEngine(1, solver=SOLVER), [task("raise")])
    assert "ZeroDivisionError: a defect" in ends["raise"].error
    assert "raise_an_error" in ends["raise"].error


def test_dropped_jobs_leave_those_beside_them_alone():
    """Dropping a waiting job does not disturb the running one; dropping the running one starts the next."""
    engine = LocalEngine(1, solver=SOLVER)
    for job in (task("slow-a", 99), task("good-b"), task("good-c")):
        engine._workers[0].give(job)
    while not any(isinstance(event, Started) for event in engine.events(1.0)):
        pass
    engine.drop("good-b")
    assert [waiting.key for waiting in engine._workers[0].tasks] == ["slow-a", "good-c"]
    engine.drop("slow-a")
    assert list(run_to_end(engine, "good-c")) == ["good-c"]


def run_to_end(engine, key):
    """Return the ends of jobs up to that of `key`, by key."""
    ends = {}
    while key not in ends:
        ends |= {event.key: event for event in engine.events(1.0) if isinstance(event, Ended)}
    engine.close()
    return ends


def test_news_come_while_a_job_runs():
    """Incumbent, bound and place are told before the end."""
    engine = LocalEngine(1, solver=SOLVER)
    engine.give(task("slow"))
    seen = []
    while not any(isinstance(event, Ended) for event in seen):
        seen += engine.events(1.0)
    engine.close()
    assert [type(event) for event in seen] == [Started, Progressed, Ended]
    assert seen[1].gap == pytest.approx(0.25)
    assert seen[2].peak_memory_gb > 0


def test_a_worker_that_cannot_start_stops_the_run_with_its_reason():
    """Every job would fail in the same way: none is blamed."""
    engine = LocalEngine(1, solver="tests.batch.nowhere:solve")
    engine.give(task("good"))
    with pytest.raises(CannotWork, match=r"No module named 'tests\.batch\.nowhere'"):
        run_to_end(engine, "good")


def test_workers_die_with_the_process_that_started_them():
    """A killed run leaves nothing behind that uses the machine."""
    script = (
        "from tests.batch.test_local import *\n"
        "engine = LocalEngine(1, solver=SOLVER)\n"
        "engine.give(task('hang'))\n"
        "while not any(isinstance(event, Started) for event in engine.events(1.0)): pass\n"
        "print(engine._workers[0]._process.pid, flush=True)\n"
        "time.sleep(600)\n"
    )
    starter = subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, text=True, cwd=REPOSITORY
    )
    worker = int(starter.stdout.readline())
    os.kill(worker, 0)
    starter.send_signal(signal.SIGKILL)
    starter.wait()
    starter.stdout.close()
    deadline = time.monotonic() + 30
    while running(worker) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not running(worker)


def running(pid):
    """Return whether a process exists and is not a zombie."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] not in ("Z", "X")
    except OSError:
        return False


def test_engines_are_known_by_name():
    """Others are refused with those that exist; an address is for a cluster."""
    engine_named("local", 1).close()
    with pytest.raises(ValueError, match="allowed: local, ray"):
        engine_named("slurm")
    with pytest.raises(ValueError, match="address"):
        engine_named("local", address="auto")
