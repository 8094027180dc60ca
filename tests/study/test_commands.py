"""Studies on the command line: files, exit codes, and Ctrl-C."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass

import pandas as pd
import pytest

from planner.cli import main
from planner.study import solving
from tests.study.questions import PREDICTED, SCENARIO, cheapest, written


@dataclass
class Result:
    """What a command left on the terminal."""

    returncode: int
    stdout: str
    stderr: str


@pytest.fixture
def run(monkeypatch, capsys):
    """A function that runs the planner's command line in a folder."""

    def run(*arguments, folder):
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["planner", *arguments])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        printed = capsys.readouterr()
        return Result(code, printed.out, printed.err)

    return run


def test_a_sweep_writes_its_table_plans_and_report(tmp_path, run):
    """One line per point on the way; everything in the folder in the end."""
    written(tmp_path, {"vary": {"workloads.chat.rate_rps": [2, 9]}})
    result = run("sweep", "study.json", "-o", "out", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert "1 of 2: workloads.chat.rate_rps = 2: optimal" in result.stderr
    table = pd.read_csv(tmp_path / "out" / "results.csv")
    assert table["workloads.chat.rate_rps"].tolist() == [2, 9]
    assert table["cost_rent_usd_per_h"].round(6).tolist() == [cheapest(2), cheapest(9)]
    assert all((tmp_path / "out" / plan).is_file() for plan in table["plan"])
    assert "<svg" in (tmp_path / "out" / "report.html").read_text()


def test_faults_end_with_exit_code_2_and_lines(tmp_path, run):
    """Nothing is written."""
    written(tmp_path, {})
    (tmp_path / "wrong.yaml").write_text("scenario: scenario.json\nvary: {workloads.chatt.rate_rps: [1]}\n")
    result = run("sweep", "wrong.yaml", "-o", "out", folder=tmp_path)
    assert result.returncode == 2
    assert "wrong.yaml:2: vary" in result.stderr
    assert not (tmp_path / "out").exists()


def test_what_if_prints_the_change_and_exits_3_without_a_plan(tmp_path, run):
    """The differences as JSON and as a report; the reason where nothing is left."""
    written(tmp_path, {})
    arguments = ("what-if", "scenario.json", "--set", "workloads.*.rate_rps=*2", "-o", "out", "--json")
    result = run(*arguments, folder=tmp_path)
    assert result.returncode == 0, result.stderr
    record = json.loads(result.stdout)
    assert abs(record["cost_usd_per_h"]["change"] - 4.2) < 2e-3
    assert json.loads((tmp_path / "out" / "what-if.json").read_text())["changes"] == record["changes"]
    assert (tmp_path / "out" / "changed" / "plan.json").is_file()
    based = run(
        "what-if", "scenario.json", "--base", "out/base", "--set", "limits.servers=1", folder=tmp_path
    )
    assert based.returncode == 3
    assert "powered servers" in based.stdout
    assert "Ways out" in based.stderr


def test_sensitivity_pareto_and_break_even_write_their_reports(tmp_path, run):
    """Each prints its finding and leaves one page."""
    ranked = [{"name": "demand", "path": "workloads.*.rate_rps", "low": 0.2, "high": 2, "relative": True}]
    written(tmp_path, {"inputs": ranked})
    result = run("sensitivity", "study.json", "-o", "tornado", folder=tmp_path)
    assert "demand: × 0.2: 1" in result.stdout, result.stderr
    written(tmp_path, {"objectives": ["cost", "power"]})
    result = run("pareto", "study.json", "-o", "front", folder=tmp_path)
    assert result.returncode == 0, result.stderr
    assert len(pd.read_csv(tmp_path / "front" / "front.csv")) == 1  # names without watts draw nothing
    price = ("--path", "fleet.rent.1.usd_per_h", "--low", "3", "--high", "6")
    result = run(
        "break-even", "scenario.json", *price, "--watch", "server_types", "-o", "even", folder=tmp_path
    )
    assert result.returncode == 0, result.stderr
    found = json.loads((tmp_path / "even" / "break-even.json").read_text())
    assert abs(found["value"] - 4) < 0.05  # a big and a small against five smalls
    for folder in ("tornado", "front", "even"):
        assert "</html>" in (tmp_path / folder / "report.html").read_text()


def test_ctrl_c_keeps_what_is_done_and_running_again_goes_on(tmp_path):
    """Interrupted after the first row, the sweep leaves a table and a report, and exits with 4."""
    rates = [round(2 + 0.1 * step, 1) for step in range(200)]
    written(tmp_path, {"vary": {"workloads.chat.rate_rps": rates}}, name=SCENARIO["name"])
    process = subprocess.Popen(
        [sys.executable, "-m", "planner.cli", "sweep", "study.json", "-o", "out"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    lines = tmp_path / "out" / "results.jsonl"
    deadline = time.monotonic() + 60
    while not lines.is_file() and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 4, errors
    assert "run it again to go on" in errors
    table = pd.read_csv(tmp_path / "out" / "results.csv")
    assert 1 <= len(table) < len(rates)
    assert "</html>" in (tmp_path / "out" / "report.html").read_text()


def test_what_is_no_plan_or_no_study_is_named(tmp_path, run):
    """`--base` with another file, and a scenario where a study is wanted: one sentence, exit code 2."""
    written(tmp_path, {"vary": {"workloads.chat.rate_rps": [2, 9]}})
    (tmp_path / "other.json").write_text('{"name": "x"}')
    for base, said in (
        ("rates.csv", "rates.csv: found no plan"),
        ("other.json", "other.json: found no plan"),
        ("nowhere", "nowhere: found no such file"),
    ):
        result = run(
            "what-if", "scenario.json", "--set", "workloads.chat.rate_rps=9", "--base", base, folder=tmp_path
        )
        assert result.returncode == 2
        assert said in result.stderr
    result = run("sweep", "scenario.json", "-o", "out", folder=tmp_path)
    assert result.returncode == 2
    assert "found a scenario; allowed: a sweep study" in result.stderr
    assert "1 error in the input" in result.stderr


def interrupt_after(solved, monkeypatch):
    """Let Ctrl-C come when so many questions are solved."""
    solve, calls = solving.solve, []

    def interrupted(*given):
        if len(calls) == solved:
            raise KeyboardInterrupt
        calls.append(1)
        return solve(*given)

    monkeypatch.setattr(solving, "solve", interrupted)
    monkeypatch.setattr(os, "_exit", sys.exit)


@pytest.mark.parametrize(("solved", "kept"), [(0, False), (1, True)])
def test_an_interrupted_what_if_keeps_the_plan_before_the_change(tmp_path, run, monkeypatch, solved, kept):
    """Interrupted while the changed question is solved, the base is there to go on from; exit code 4."""
    written(tmp_path, {"vary": {}})
    interrupt_after(solved, monkeypatch)
    change = ("--set", "workloads.chat.rate_rps=9")
    result = run("what-if", "scenario.json", *change, "-o", "out", folder=tmp_path)
    assert result.returncode == 4
    assert "interrupted" in result.stderr
    assert (tmp_path / "out" / "base" / "plan.json").is_file() == kept
    if kept:
        monkeypatch.undo()
        again = run("what-if", "scenario.json", *change, "--base", "out/base", folder=tmp_path)
        assert again.returncode == 0, again.stderr


def test_an_interrupted_pareto_study_writes_the_front_so_far(tmp_path, run, monkeypatch):
    """One end is found, then Ctrl-C: report and front.csv have it."""
    written(tmp_path, {"objectives": ["cost", "power"], "points": 9})
    interrupt_after(1, monkeypatch)
    result = run("pareto", "study.json", "-o", "out", folder=tmp_path)
    assert result.returncode == 4
    assert len(pd.read_csv(tmp_path / "out" / "front.csv")) >= 1
    assert (tmp_path / "out" / "report.html").is_file()


def test_a_second_run_of_a_procurement_times_nothing(tmp_path, run, monkeypatch):
    """timings.json stands beside the results; a run that starts from them predicts no replica again."""
    from planner.performance import latency

    (tmp_path / "scenario.json").write_text(json.dumps(PREDICTED))
    study = {"scenario": "scenario.json", "start": "2026-01-01", "periods": 2, "alternatives": False}
    (tmp_path / "study.json").write_text(json.dumps(study))
    first = run("procure", "study.json", "-o", "out", folder=tmp_path)
    assert first.returncode == 0, first.stderr
    assert (tmp_path / "out" / "timings.json").is_file()

    def refuse(*_):
        raise AssertionError("a replica was looked at again")

    monkeypatch.setattr(latency, "load_model", refuse)
    (tmp_path / "study.json").write_text(json.dumps({**study, "periods": 3}))
    again = run("procure", "study.json", "-o", "again", "--base", "out", folder=tmp_path)
    assert again.returncode == 0, again.stderr
