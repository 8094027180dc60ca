"""A tornado ranks inputs by how far they move the result."""

from __future__ import annotations

import pytest

from planner.files import InputFaults
from planner.study.sensitivity import SensitivityStudy, effects, run_sensitivity
from planner.study.sensitivity_page import sensitivity_page
from planner.study.study_file import open_study
from tests.study.questions import cheapest, written

DEMAND = {"name": "demand", "path": "workloads.*.rate_rps", "low": 0.2, "high": 2, "relative": True}
PRICES = {
    "name": "prices",
    "path": ["fleet.rent.0.usd_per_h", "fleet.rent.1.usd_per_h"],
    "low": 0.8,
    "high": 1.2,
    "relative": True,
}
BIG = {"path": "fleet.rent.1.usd_per_h", "low": 3, "high": 5}


def test_inputs_are_ranked_by_their_swing(tmp_path):
    """Demand moves the rent from 1 to 9.20 USD/h, all prices by a fifth of 5, a big's from 4 to 5."""
    opened = open_study(SensitivityStudy, written(tmp_path, {"inputs": [PRICES, BIG, DEMAND]}))
    rows = run_sensitivity(opened, tmp_path / "out")
    assert len(rows) == 7
    ranked = effects(opened.study, rows)
    found = {effect.input.title: (effect.low, effect.base, effect.high) for effect in ranked}
    assert list(found) == ["demand", "prices", "fleet.rent.1.usd_per_h"]
    assert found["demand"] == pytest.approx((cheapest(2), 5, cheapest(20)), abs=2e-3)
    assert found["fleet.rent.1.usd_per_h"] == pytest.approx((cheapest(10, 3), 5, cheapest(10, 5)), abs=2e-3)
    assert found["prices"] == pytest.approx((4, 5, 6), abs=2e-3)
    assert [effect.swing for effect in ranked] == pytest.approx([8.2, 2, 1], abs=2e-3)


def test_an_end_without_a_plan_ranks_first_and_says_why(tmp_path):
    """What makes the question impossible matters most."""
    limit = {"name": "boxes", "path": "limits.servers", "low": 1, "high": 50}
    opened = open_study(SensitivityStudy, written(tmp_path, {"inputs": [DEMAND, limit]}))
    rows = run_sensitivity(opened, tmp_path / "out")
    first = effects(opened.study, rows)[0]
    assert (first.input.title, first.low, first.swing) == ("boxes", None, float("inf"))
    page = sensitivity_page(opened.study, rows)
    assert page.headline == "Cost depends most on boxes"
    cells = [cell for row in page.chapters[0].tables[0].rows for cell in row.cells]
    assert any(cell.startswith("no plan: ") and "powered servers" in cell for cell in cells)


def test_another_figure_can_be_looked_at(tmp_path):
    """Here the number of boxes, which prices that move together do not change."""
    study = {"inputs": [DEMAND, PRICES], "measure": "servers"}
    opened = open_study(SensitivityStudy, written(tmp_path, study))
    ranked = effects(opened.study, run_sensitivity(opened, tmp_path / "out"))
    assert [(e.input.title, e.low, e.base, e.high) for e in ranked] == [
        ("demand", 1, 5, 3),
        ("prices", 5, 5, 5),
    ]


def test_a_base_without_a_plan_has_no_tornado(tmp_path):
    """The page says so instead of drawing nothing."""
    study = {"inputs": [DEMAND], "changes": ["limits.servers=1"]}
    opened = open_study(SensitivityStudy, written(tmp_path, study))
    rows = run_sensitivity(opened, tmp_path / "out")
    assert effects(opened.study, rows) == []
    assert sensitivity_page(opened.study, rows).headline.startswith("The base has no plan")


def test_inputs_that_lead_nowhere_are_told_together(tmp_path):
    """Before anything is solved."""
    wrong = [{**DEMAND, "path": "workloads.chatt.rate_rps"}, {**BIG, "path": "nowhere.at.all"}]
    opened = open_study(SensitivityStudy, written(tmp_path, {"inputs": wrong}))
    with pytest.raises(InputFaults) as caught:
        run_sensitivity(opened, tmp_path / "out")
    assert len(caught.value.faults) == 2
    assert not (tmp_path / "out").exists()
