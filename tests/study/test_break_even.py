"""The value of an input at which the answer changes."""

from __future__ import annotations

import pytest

from planner.study.break_even import BreakEvenStudy, run_break_even, sentence
from planner.study.break_even_page import break_even_page
from planner.study.study_file import open_study
from tests.study.questions import written

PRICE = {"path": "fleet.rent.1.usd_per_h", "low": 3.5, "high": 6}
CHANGES = {"changes": ["workloads.chat.rate_rps=18"]}


def test_two_bigs_beat_nine_smalls_below_four_and_a_half(tmp_path):
    """18 requests/s: two bigs at price p cost 2 p, nine smalls 9; a big and five smalls never win."""
    opened = open_study(BreakEvenStudy, written(tmp_path, {**PRICE, **CHANGES, "tolerance": 0.001}))
    found = run_break_even(opened, tmp_path / "out")
    assert (found.below.answer, found.above.answer) == ("big", "small")
    assert found.below.value <= 4.5 <= found.above.value
    assert found.above.value - found.below.value <= 0.001 * found.above.value
    assert found.value == pytest.approx(4.5, rel=0.001)
    assert sentence(opened.study, found).startswith("big up to fleet.rent.1.usd_per_h = 4.49")
    page = break_even_page(opened.study, found)
    assert sum(row.mark for row in page.chapters[0].tables[0].rows) == 2


def test_an_answer_that_stays_is_reported_as_such(tmp_path):
    """Two solves are enough to see it."""
    opened = open_study(BreakEvenStudy, written(tmp_path, {**PRICE, "low": 1, "high": 3, **CHANGES}))
    found = run_break_even(opened, tmp_path / "out")
    assert (found.value, len(found.tried)) == (None, 2)
    assert "stays big" in sentence(opened.study, found)


def test_where_a_plan_ceases_to_exist_is_a_change_too(tmp_path):
    """Four boxes serve at most 36 requests/s."""
    study = {"path": "workloads.*.rate_rps", "low": 10, "high": 60, "changes": ["limits.servers=4"]}
    opened = open_study(BreakEvenStudy, written(tmp_path, study))
    found = run_break_even(opened, tmp_path / "out")
    assert (found.below.answer, found.above.answer) == ("big", "no plan")
    assert found.below.value <= 36 <= found.above.value


def test_factors_are_factors(tmp_path):
    """The same price as a factor of 4.10 USD/h."""
    study = {**PRICE, **CHANGES, "low": 0.9, "high": 1.5, "relative": True, "watch": "server_types"}
    opened = open_study(BreakEvenStudy, written(tmp_path, study))
    found = run_break_even(opened, tmp_path / "out")
    assert found.value == pytest.approx(4.5 / 4.1, rel=0.01)
