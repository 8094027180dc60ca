"""A job is named by everything its answer depends on, and by nothing else."""

import json
import shutil

import pytest

import planner
from planner.batch.job import FilesChanged, job_of, question_of
from planner.batch.limits import Limits
from planner.batch.messages import Task
from planner.batch.solving import solve_task
from planner.topology import load_question
from tests.batch.questions import write_scenario
from tests.plan.questions import SMALL, changed


def key_of(source, *overrides):
    """Return the key of a scenario's job."""
    return job_of(load_question(source, overrides)).key


def test_the_same_question_in_another_place_is_the_same_job(tmp_path):
    """Folder, file name, label and threads do not change the answer, so they do not change the key."""
    here = write_scenario(tmp_path / "here")
    there = write_scenario(tmp_path / "there", "renamed")
    assert key_of(here) == key_of(there) == key_of(here, "name=other", "solver.workers=7")


@pytest.mark.parametrize(
    "override",
    ["workloads.chat.rate_rps=21", "fleet.rent.0.usd_per_h=2", "solver.seed=1", "limits.servers=9"],
)
def test_another_question_is_another_job(tmp_path, override):
    """Whatever may change the answer changes the key."""
    path = write_scenario(tmp_path)
    assert key_of(path) != key_of(path, override)


def test_the_content_of_files_is_part_of_the_key(tmp_path):
    """A new measurement in the table of rates makes a new job though no path has changed."""
    path = write_scenario(tmp_path)
    before = key_of(path)
    with (tmp_path / "rates.csv").open("a") as stream:
        stream.write("mine,small,other,3\n")
    assert key_of(path) != before


def test_the_content_of_an_llm_given_by_path_is_part_of_the_key(tmp_path):
    """The same config elsewhere is the same job; a changed one is not."""
    from planner.shipped import shipped_folder

    keys = []
    for name in ("one", "two"):
        folder = tmp_path / name / "mymodel"
        folder.mkdir(parents=True)
        shutil.copy(shipped_folder("models") / "llama-3.1-8b" / "config.json", folder)
        question = changed(workload={"llms": [str(folder)]})
        keys.append(key_of(question))
    assert keys[0] == keys[1]
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 30}))
    assert key_of(question) != keys[1]


def test_a_job_is_solved_as_the_scenario_it_came_from():
    """Through JSON and back, the question has the same plan."""
    question = load_question(SMALL)
    again = question_of(job_of(question).document)
    same = {"objective", "bound", "servers", "replicas", "routes", "cost", "topology", "scenario"}
    assert planner.solve(again).model_dump(include=same) == planner.solve(question).model_dump(include=same)


def test_a_job_without_answer_still_names_file_and_line(tmp_path):
    """infeasible.json of a batch points into the user's file, as that of `planner solve` does."""
    path = tmp_path / "poor.json"
    path.write_text(json.dumps(changed(limits={"capex_usd": 400_000}), indent=1))
    line = 1 + path.read_text().splitlines().index('  "capex_usd": 400000,')
    task = Task("k", job_of(load_question(path)).document, Limits())
    ended = solve_task(task, lambda _: None, None)
    assert ended.status == "infeasible"
    rows = {row["row"]: row for row in json.loads(ended.answer)["conflict"]}
    assert rows["budget/capex"]["line"] == line
    assert rows["budget/capex"]["file"] == str(path)


def test_a_file_that_changed_since_is_noticed(tmp_path):
    """A job is never solved with other numbers than those it was named by."""
    job = job_of(load_question(write_scenario(tmp_path)))
    (tmp_path / "rates.csv").write_text("llm,accelerator,max_rps\nmine,small,1\n")
    with pytest.raises(FilesChanged, match=r"rates.csv has changed since the job was added"):
        question_of(job.document)
    (tmp_path / "rates.csv").unlink()
    with pytest.raises(FilesChanged, match=r"rates.csv is not there"):
        question_of(job.document)


def test_limits_lower_what_the_scenario_asks_for():
    """Threads and search time are the smaller of both; a limit of nothing is refused with every fault."""
    limits = Limits(threads=2, time_limit_s=5)
    assert limits.search_s({"time_limit_s": 60}) == 5
    assert limits.search_s({"time_limit_s": 3}) == 3
    assert Limits(kill_after_s=7).longest_s({"time_limit_s": 60, "reproducible": False}) == 7
    with pytest.raises(ValueError, match=r"threads: found 0.*\n.*time_limit_s: found -1.*\n.*memory_gb"):
        Limits(threads=0, time_limit_s=-1, memory_gb=0.1)
