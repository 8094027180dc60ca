"""JOBS as a folder, a scenario, a list or a study; wrong ones are answered with file and line."""

import pytest

from planner.batch.entries import Entry, read_entries
from planner.files import InputFaults
from planner.topology import load_question
from tests.batch.questions import write_grid, write_scenario


def names_of(jobs):
    """Return the names of the entries of JOBS."""
    return [entry.name for entry in read_entries(jobs)[0]]


def rate_of(entry):
    """Return the arrival rate that an entry ends up with."""
    return entry.question().scenario.workloads[0].rate_rps


def faults_of(jobs):
    """Return the messages about JOBS that are wrong."""
    with pytest.raises(InputFaults) as caught:
        read_entries(jobs)
    return [str(fault) for fault in caught.value.faults]


def test_a_folder_is_its_scenarios_and_studies(tmp_path):
    """Folders inside are searched; topologies and hidden files are left out, and the former are named."""
    write_scenario(tmp_path, "b")
    write_scenario(tmp_path / "deep", "a")
    write_scenario(tmp_path / ".hidden", "c")
    (tmp_path / "place.yaml").write_text("name: place\nsites: []\n")
    (tmp_path / "some.yml").write_text("scenario: b.yaml\nlist: [{solver.seed: 1}]\n")
    entries, notes = read_entries(tmp_path)
    assert [entry.name for entry in entries] == ["b", "deep/a", "some: solver.seed=1"]
    assert notes == ["not scenarios, left out: place.yaml"]


def test_a_typo_in_a_folder_is_not_left_out_silently(tmp_path):
    """A file that names a topology is meant as a scenario, whatever its other fields are called."""
    path = write_scenario(tmp_path)
    path.write_text(path.read_text().replace("workloads:", "workload:"))
    assert names_of(tmp_path) == ["cloud"]


def test_a_list_has_a_path_and_changes_on_each_line(tmp_path):
    """Paths start at the list; # begins a comment; what is written twice gets a number."""
    write_scenario(tmp_path / "s", "one")
    path = tmp_path / "jobs.txt"
    path.write_text("# tonight\ns/one.yaml\ns/one.yaml workloads.chat.rate_rps=31 'name=a b'\n\ns/one.yaml\n")
    entries, _ = read_entries(path)
    assert [entry.name for entry in entries] == [
        "s/one",
        "s/one workloads.chat.rate_rps=31 name=a b",
        "s/one #2",
    ]
    assert [rate_of(entry) for entry in entries] == [20, 31, 20]


def test_a_table_has_a_column_for_each_change(tmp_path):
    """An empty cell changes nothing; a column `name` gives names."""
    write_scenario(tmp_path)
    path = tmp_path / "jobs.csv"
    path.write_text("name,scenario,workloads.chat.rate_rps\nlow,cloud.yaml,5\nas is,cloud.yaml,\n")
    entries, _ = read_entries(path)
    assert [(entry.name, rate_of(entry)) for entry in entries] == [("low", 5), ("as is", 20)]


def test_a_study_is_every_combination_of_its_grid_and_its_list(tmp_path):
    """Grid points come first; `changes` hold everywhere; factors scale what the scenario says."""
    write_scenario(tmp_path)
    path = tmp_path / "study.yaml"
    path.write_text(
        "scenario: cloud.yaml\nchanges: [solver.seed=3]\n"
        "grid:\n  workloads.chat.rate_rps: [5, '*2']\n  limits.servers: [4, 9]\n"
        "list:\n  - {workloads.chat.rate_rps: 7, name: seven}\n"
    )
    entries, _ = read_entries(path)
    assert [rate_of(entry) for entry in entries] == [5, 5, 40, 40, 7]
    assert entries[3].name == "study: workloads.chat.rate_rps=*2, limits.servers=9"
    questions = [entry.question().scenario for entry in entries]
    assert [question.limits.servers for question in questions] == [4, 9, 4, 9, None]
    assert {question.solver.seed for question in questions} == {3}
    assert questions[4].name == "seven"


def test_python_may_give_paths_data_and_questions(tmp_path):
    """Each is named after itself, and an entry survives being stored."""
    path = write_scenario(tmp_path)
    question = load_question(path, ["name=loaded", "workloads.chat.rate_rps=8"])
    data = {**question.scenario.model_dump(mode="json"), "name": "data"}
    entries, _ = read_entries([path, data, question, Entry("mine", str(path), ("solver.seed=1",))])
    assert [entry.name for entry in entries] == ["cloud", "data", "loaded", "mine"]
    again = [Entry.restored(entry.name, entry.stored()) for entry in entries]
    assert [rate_of(entry) for entry in again] == [20, 8, 8, 20]


def test_everything_wrong_with_a_list_is_said_at_once(tmp_path):
    """Each fault has its line."""
    write_scenario(tmp_path)
    path = tmp_path / "jobs.txt"
    path.write_text("cloud.yaml seed\nmissing.yaml\ncloud.yaml 'open\n")
    faults = faults_of(path)
    assert len(faults) == 3
    assert "jobs.txt:1" in faults[0]
    assert "'seed'" in faults[0]
    assert "jobs.txt:2" in faults[1]
    assert "missing.yaml" in faults[1]
    assert "jobs.txt:3" in faults[2]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("scenario: cloud.yaml\n", "grid"),
        ("scenario: cloud.yaml\ngrid: {solver.seed: []}\n", "at least one value"),
        ("scenario: cloud.yaml\ngird: {}\nlist: [{a: 1}]\n", "did you mean 'grid'"),
        ("scenario: nowhere.yaml\ngrid: {solver.seed: [1]}\n", "no file 'nowhere.yaml'"),
        ("study: pareto\nscenario: cloud.yaml\n", "run `planner pareto`"),
    ],
)
def test_a_study_that_is_wrong_is_refused_with_its_line(tmp_path, text, expected):
    """The message names the file and what would be right."""
    write_scenario(tmp_path)
    path = tmp_path / "study.yaml"
    path.write_text(text)
    faults = faults_of(path)
    assert len(faults) == 1
    assert "study.yaml:" in faults[0]
    assert expected in faults[0]


def test_a_grid_of_a_million_points_is_taken_for_a_mistake(tmp_path):
    """Before anything is made of it."""
    path = write_grid(tmp_path, [1.0])
    values = list(range(101))
    path.write_text(f"scenario: cloud.yaml\ngrid: {{a: {values}, b: {values}, c: {values}}}\n")
    assert "1,030,301 combinations" in faults_of(path)[0]


def test_nothing_to_do_is_a_mistake_too(tmp_path):
    """An empty folder and a table without the column of scenarios."""
    assert "at least one" in faults_of(tmp_path)[0]
    (tmp_path / "jobs.csv").write_text("a,b\n1,2\n")
    assert "a column `scenario`" in faults_of(tmp_path / "jobs.csv")[0]


def test_a_sweep_is_a_job_for_each_of_its_points(tmp_path):
    """The study of `planner sweep` can run as a batch; relative values are worked out from the scenario."""
    write_scenario(tmp_path, "cloud")
    study = tmp_path / "sweep.yaml"
    study.write_text(
        "study: sweep\nscenario: cloud.yaml\n"
        "vary:\n  workloads.*.rate_rps: ['*0.5', 30]\n  solver.seed: [1, 2]\n"
    )
    entries, _ = read_entries(study)
    assert [rate_of(entry) for entry in entries] == [10, 10, 30, 30]
    assert [entry.question().scenario.solver.seed for entry in entries] == [1, 2, 1, 2]
    study.write_text("study: sweep\nscenario: cloud.yaml\nvary: {worklods.*.rate_rps: [1]}\n")
    (message,) = faults_of(study)
    assert message.startswith(f"{study}:3: vary")


def test_a_folder_with_a_broken_file_and_other_studies_still_runs(tmp_path):
    """What is no YAML becomes a job that ends as invalid; studies of other kinds and plans are left out."""
    write_scenario(tmp_path, "good")
    (tmp_path / "broken.yaml").write_text("workloads: [\n")
    (tmp_path / "front.yaml").write_text("study: pareto\nscenario: good.yaml\n")
    (tmp_path / "plan.json").write_text('{"scenario": {}, "status": "optimal"}')
    entries, notes = read_entries(tmp_path)
    assert [entry.name for entry in entries] == ["broken", "good"]
    with pytest.raises(InputFaults, match="valid YAML"):
        entries[0].question()
    assert notes == [
        "not scenarios, left out: plan.json",
        "studies with a command of their own, left out: front.yaml (`planner pareto`)",
    ]
