"""A sweep solves every point, keeps each at once, and goes on where it was interrupted."""

from __future__ import annotations

import pytest

from planner.files import InputFaults
from planner.plan.types import Plan
from planner.plan.verify import verify
from planner.study.progress import Progress
from planner.study.solving import Solver
from planner.study.study_file import open_study
from planner.study.sweep import SweepStudy, run_sweep
from planner.study.sweep_page import number_of, sweep_page
from tests.study.questions import BIG_USD_PER_H, cheapest, written

GRID = {
    "vary": {
        "workloads.*.rate_rps": [2, 9, 18, 31],
        "fleet.rent.1.usd_per_h": {"low": 0.5, "high": 1.5, "steps": 3, "relative": True},
    },
    "show": ["cost_usd_per_h", "servers"],
}


def test_every_point_of_a_grid_costs_what_trying_all_boxes_finds(tmp_path):
    """Twelve points against exhaustive enumeration; every plan is on disk and verifies."""
    rows = run_sweep(open_study(SweepStudy, written(tmp_path, GRID)), tmp_path / "out")
    assert len(rows) == 12
    for row in rows:
        price = BIG_USD_PER_H * number_of(row.inputs["fleet.rent.1.usd_per_h"])
        assert row.cost["rent"] == pytest.approx(cheapest(row.inputs["workloads.*.rate_rps"], price))
        assert verify(Plan.load(tmp_path / "out" / row.plan)) == []


def test_a_point_without_a_plan_is_a_row_with_its_reason(tmp_path):
    """Three boxes do not serve 31 requests/s; the others are solved all the same."""
    study = {"vary": {"workloads.chat.rate_rps": [9, 31]}, "changes": ["limits.servers=3"]}
    rows = run_sweep(open_study(SweepStudy, written(tmp_path, study)), tmp_path / "out")
    assert [row.status for row in rows] == ["optimal", "infeasible"]
    assert "at most 3 powered servers" in rows[1].reason


def test_an_interrupted_sweep_goes_on_where_it_stopped(tmp_path, monkeypatch):
    """After Ctrl-C in the third point, running again solves only what is missing."""
    opened = open_study(SweepStudy, written(tmp_path, {"vary": {"workloads.chat.rate_rps": [2, 4, 6, 8]}}))
    solved = []
    original = Solver.solve

    def interrupted(self, question, start=None, diagnosis_s=0.0):
        solved.append(question.scenario.workloads[0].rate_rps)
        if len(solved) == 3:
            raise KeyboardInterrupt
        return original(self, question, start, diagnosis_s)

    monkeypatch.setattr(Solver, "solve", interrupted)
    progress = Progress()
    with pytest.raises(KeyboardInterrupt):
        run_sweep(opened, tmp_path / "out", progress)
    assert [row.inputs["workloads.chat.rate_rps"] for row in progress.rows] == [2, 4]
    rows = run_sweep(opened, tmp_path / "out")
    assert solved == [2, 4, 6, 6, 8]
    assert [row.cost["rent"] for row in rows] == pytest.approx([cheapest(rate) for rate in (2, 4, 6, 8)])


def test_a_changed_question_is_solved_again(tmp_path):
    """Rows are known by the question, not by their number."""
    vary = {"vary": {"workloads.chat.rate_rps": [2]}}
    run_sweep(open_study(SweepStudy, written(tmp_path, vary)), tmp_path / "out")
    dearer = {**vary, "changes": ["fleet.rent.0.usd_per_h=3"]}
    (row,) = run_sweep(open_study(SweepStudy, written(tmp_path, dearer)), tmp_path / "out")
    assert row.cost["rent"] == pytest.approx(3)


def test_points_come_from_a_table(tmp_path):
    """A CSV file beside the study; a path that leads nowhere is told before anything is solved."""
    (tmp_path / "points.csv").write_text("workloads.chat.rate_rps,fleet.rent.1.usd_per_h\n18,*2\n2,\n")
    opened = open_study(SweepStudy, written(tmp_path, {"method": "csv", "path": "points.csv"}))
    rows = run_sweep(opened, tmp_path / "out")
    assert [row.cost["rent"] for row in rows] == pytest.approx([cheapest(18, 8.2), 1])
    (tmp_path / "points.csv").write_text("workloads.chatt.rate_rps\n1\n")
    with pytest.raises(InputFaults, match="did you mean 'chat'"):
        run_sweep(opened, tmp_path / "other")
    assert not (tmp_path / "other").exists()


def test_two_inputs_are_drawn_as_a_map_and_one_as_a_line(tmp_path):
    """What is drawn follows from how many inputs vary; words on an axis draw nothing."""
    opened = open_study(SweepStudy, written(tmp_path, GRID))
    rows = run_sweep(opened, tmp_path / "out")
    two = sweep_page("two", rows, opened.study.show)
    assert [chapter.name for chapter in two.chapters] == ["cost_usd_per_h", "servers", "points"]
    assert str(two.chapters[0].figures[0].picture).count('class="cell"') == 12
    line = [row for row in rows if row.inputs["fleet.rent.1.usd_per_h"] == "*1.0"]
    for row in line:
        del row.inputs["fleet.rent.1.usd_per_h"]
    one = sweep_page("one", line, ["cost_usd_per_h"])
    assert str(one.chapters[0].figures[0].picture).count("<circle") == 4
