"""`planner batch` as a user meets it: files, exit codes, tables."""

import json
import subprocess
import sys

import pandas as pd
import pytest

from tests.batch.questions import write_grid, write_scenario
from tests.plan.questions import changed


def planner(*arguments, folder):
    """Run `planner batch` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "planner.cli", "batch", *map(str, arguments)],
        cwd=folder,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.fixture(scope="module")
def night(tmp_path_factory):
    """A batch of four: two grid points, one without a plan, one that is wrong."""
    folder = tmp_path_factory.mktemp("night")
    write_grid(folder / "jobs", [20, 31])
    (folder / "jobs" / "cloud.yaml").rename(folder / "jobs" / "base.yaml")
    study = folder / "jobs" / "night.yaml"
    study.write_text(study.read_text().replace("cloud.yaml", "base.yaml"))
    (folder / "jobs" / "poor.json").write_text(json.dumps(changed(limits={"capex_usd": 400_000})))
    wrong = write_scenario(folder / "jobs", "wrong")
    wrong.write_text(wrong.read_text().replace("[mine]", "[yours]"))
    ran = planner("run", "jobs", "-o", "night", "--workers", 1, folder=folder)
    return folder, ran


def test_a_run_says_what_is_wrong_and_what_became_of_the_rest(night):
    """Exit code 2 for the entry that could not be read; everything else is answered."""
    folder, ran = night
    assert ran.returncode == 2
    assert "5 jobs: 1 infeasible, 1 invalid, 3 optimal; answers in night/answers" in ran.stdout
    assert "invalid: wrong: " in ran.stderr
    assert "wrong.yaml:3" in ran.stderr
    assert len(list(folder.glob("night/answers/*/plan.json"))) == 2
    assert len(list(folder.glob("night/answers/*/infeasible.json"))) == 1


def test_the_table_has_a_row_for_each_job(night):
    """As CSV and as Parquet, in the order of JOBS."""
    folder, _ = night
    for name in ("table.csv", "table.parquet"):
        assert planner("results", "night", "-o", name, folder=folder).returncode == 0
    table = pd.read_csv(folder / "table.csv")
    assert list(table["job"]) == [
        "base",
        "night: workloads.chat.rate_rps=20",
        "night: workloads.chat.rate_rps=31",
        "poor",
        "wrong",
    ]
    assert list(table["status"]) == ["optimal", "optimal", "optimal", "infeasible", "invalid"]
    needed = ["job", "status", "objective", "gap", "seconds", "usd_per_h", "servers", "accelerators", "error"]
    assert set(needed) <= set(table.columns)
    assert table.loc[1, "objective"] == pytest.approx(table.loc[1, "usd_per_h"])
    assert table.loc[1, "servers"] == table.loc[1, "accelerators"] == 3
    assert pd.isna(table.loc[3, "objective"])
    assert "400,000 USD for bought servers" in table.loc[3, "error"]
    same = pd.read_parquet(folder / "table.parquet")
    assert list(same["job"]) == list(table["job"])
    assert same["servers"].dtype.kind == "f" or str(same["servers"].dtype).startswith("Int")
    assert same["objective"].dropna().tolist() == table["objective"].dropna().tolist()


def test_other_tables_are_refused(night):
    """With what is allowed."""
    refused = planner("results", "night", "-o", "table.xlsx", folder=night[0])
    assert refused.returncode == 2
    assert "allowed: .csv or .parquet" in refused.stderr


def test_status_is_a_picture_or_json(night):
    """Counts add up to all entries."""
    folder, _ = night
    shown = planner("status", "night", folder=folder).stdout
    assert "5 of 5 done" in shown
    assert "3 optimal, 1 infeasible, 1 invalid" in shown
    state = json.loads(planner("status", "night", "--json", folder=folder).stdout)
    assert state["counts"] == {"infeasible": 1, "invalid": 1, "optimal": 3}
    assert (state["total"], state["done"], state["jobs"], state["running"]) == (5, 5, 3, [])


def test_retry_reads_a_corrected_file_again(night):
    """What was wrong is right now: exit code 0, five answers."""
    folder, _ = night
    wrong = folder / "jobs" / "wrong.yaml"
    wrong.write_text(wrong.read_text().replace("[yours]", "[mine]").replace("rate_rps: 20", "rate_rps: 9"))
    again = planner("retry", "night", "--workers", 1, folder=folder)
    assert again.returncode == 0, again
    assert "1 to be solved again" in again.stderr
    assert "5 jobs: 1 infeasible, 4 optimal" in again.stdout


def test_cancelled_jobs_stay_cancelled_until_retried(night, tmp_path):
    """A resume does not touch them; the exit code says that not everything is answered."""
    folder, _ = night
    assert planner("retry", "night", "base", "--only-queue", folder=folder).returncode == 0
    assert "1 cancelled, 0 running" in planner("cancel", "night", "base", folder=folder).stdout
    resumed = planner("resume", "night", "--workers", 1, "--quiet", folder=folder)
    assert resumed.returncode == 1
    assert "cancelled: base" in resumed.stderr
    assert "no job 'bsae': did you mean 'base'" in planner("cancel", "night", "bsae", folder=folder).stderr


def test_wrong_arguments_are_refused_before_anything_is_made(tmp_path):
    """No such JOBS, no such engine, a limit of nothing, a folder without a batch."""
    path = write_scenario(tmp_path)
    for arguments, expected in (
        (("run", "nothing.yaml", "-o", "night"), "no such file"),
        (("run", path, "-o", "night", "--engine", "slurm"), "allowed: local, ray"),
        (("run", path, "-o", "night", "--memory-gb", "0.01"), "memory_gb: found 0.01"),
        (("status", "night"), "no batch here"),
    ):
        refused = planner(*arguments, folder=tmp_path)
        assert refused.returncode == 2, refused
        assert expected in refused.stderr
        assert not (tmp_path / "night").exists()
