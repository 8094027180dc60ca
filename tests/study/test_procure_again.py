"""Procurements solved again after a change: from the plan before, to the same cost as from nothing."""

from __future__ import annotations

import numpy as np
import pytest

from planner.optimize.solvers import highs
from planner.study.procure.aims import Aimed, Risk
from planner.study.procure.output import write_tables
from planner.study.procure.program import build
from planner.study.procure.run import run_procure, setting_of
from planner.study.procure.search import LAST, Effort, _Search
from planner.study.procure.study import ProcureStudy
from planner.study.study_file import open_study
from tests.study.procurements import MONTHS, PRICE_USD, bought, solve, write

STUDY = {
    "periods": 12,
    "alternatives": False,
    "relative_gap": 1e-6,
    "buy": {"dgx-h200": {"lead_months": MONTHS, "discounts": [{"from_count": 3, "share": 0.1}]}},
    "tree": [
        {"name": "low", "from_period": 2, "probability": 0.4},
        {"name": "high", "from_period": 2, "probability": 0.6, "demand": 3},
    ],
}


@pytest.mark.parametrize(
    "change",
    [
        "workloads.chat.rate_rps=11",
        "workloads.chat.rate_rps=25",
        "fleet.prices_usd.dgx-h200=*1.1",
        "topology.sites.hall.grid_kw=25",
    ],
)
def test_a_changed_question_costs_what_it_costs_from_nothing(tmp_path, change):
    """Whether the earlier plan still holds, is mended, or is of no use."""
    found = solve(tmp_path, STUDY)
    write_tables(found, tmp_path / "out")
    write(tmp_path, {**STUDY, "changes": [change]})
    opened = open_study(ProcureStudy, tmp_path / "study.json")
    alone = run_procure(opened)
    again = run_procure(opened, base=tmp_path / "out")
    assert again.violations == []
    assert again.solved.status == "optimal"
    assert again.solved.expected == pytest.approx(alone.solved.expected, rel=1e-5)


def test_what_cannot_be_served_is_impossible_from_an_earlier_plan_too(tmp_path):
    """Twenty times what the hall holds, and one box to rent: no start makes it possible."""
    rent = [{"accelerator": "box", "usd_per_h": 20.0, "max_count": 1}]
    fleet = {"fleet": {"buy": ["dgx-h200"], "rent": rent, "prices_usd": {"dgx-h200": PRICE_USD}}}
    write_tables(solve(tmp_path, STUDY, fleet), tmp_path / "out")
    path = write(tmp_path, {**STUDY, "changes": ["workloads.chat.rate_rps=10000"]}, fleet)
    opened = open_study(ProcureStudy, path)
    assert run_procure(opened).solved.status == "infeasible"
    assert run_procure(opened, base=tmp_path / "out").solved.status == "infeasible"


def test_bounds_come_from_searches_without_a_start(tmp_path, monkeypatch):
    """Every stage is run, as for a gap that is never met; no bound is too high."""
    write_tables(solve(tmp_path, STUDY), tmp_path / "out")
    study = {**STUDY, "changes": ["workloads.chat.rate_rps=25"]}
    write(tmp_path, study)
    opened = open_study(ProcureStudy, tmp_path / "study.json")
    alone = run_procure(opened).solved
    asked = []
    solve_integer = highs.solve_integer

    def heard(arrays, **given):
        outcome = solve_integer(arrays, **given)
        asked.append((given["hint"] is not None, given["cutoff"] is not None))
        return outcome

    monkeypatch.setattr(highs, "solve_integer", heard)
    monkeypatch.setattr(_Search, "_reached", lambda self: False)
    again = run_procure(opened, base=tmp_path / "out").solved
    assert (True, False) in asked
    assert (False, True) in asked
    assert (True, True) not in asked
    assert again.bound <= alone.objective * (1 + 1e-9)
    assert again.objective == pytest.approx(alone.objective, rel=1e-5)
    assert again.gap < 1e-5


def test_a_plan_that_no_longer_serves_is_mended_without_searching_the_whole_program(tmp_path):
    """With ten requests/s more there is one server more: three at 90,000, not two at 100,000."""
    flat = {**STUDY, "tree": [], "periods": 40, "relative_gap": 0.01}
    rent = [{"accelerator": "box", "usd_per_h": 20.0, "max_count": 3}]
    fleet = {"fleet": {"buy": ["dgx-h200"], "rent": rent, "prices_usd": {"dgx-h200": PRICE_USD}}}
    found = solve(tmp_path, {**flat, "changes": ["workloads.chat.rate_rps=20"]}, fleet)
    write_tables(found, tmp_path / "out")
    path = write(tmp_path, {**flat, "changes": ["workloads.chat.rate_rps=30"]}, fleet)
    stages = []
    again = run_procure(
        open_study(ProcureStudy, path),
        base=tmp_path / "out",
        tell=lambda *told: stages.append(told[0]),
    )
    assert bought(again)[0][1] == 3
    assert again.solved.status == "optimal"
    assert "what to buy near the earlier plan" in stages
    assert LAST not in stages


def test_every_server_of_a_large_order_gets_its_discount(tmp_path):
    """A search that ended early may pay the full price of one of three; the plan taken does not."""
    growth = {"chat": [3.0] * 30}
    study = {**STUDY, "tree": [], "periods": 30, "growth": growth}
    study["buy"] = {"dgx-h200": {"lead_months": 0, "discounts": [{"from_count": 2, "share": 0.1}]}}
    found = solve(tmp_path, study)
    built = build(setting_of(open_study(ProcureStudy, tmp_path / "study.json")))
    search = _Search(built, Effort(), Aimed(built.arrays, built, "expected", Risk()), None)
    dear = found.solved.values.copy()
    tier = int(built.decisions("tier", 0)[0])
    assert dear[tier] == 3
    dear[tier] = 2
    settled = search._settled(dear)
    assert settled[tier] == 3
    cost = built.arrays.cost
    assert cost @ settled == pytest.approx(cost @ found.solved.values, rel=1e-6)
    assert cost @ dear > cost @ settled


def test_a_search_ends_at_what_is_enough():
    """A knapsack: any solution within 90 % of the relaxation will do, and one such is found."""
    from planner.optimize.program import Program, RowInfo

    program = Program()
    draw = np.random.default_rng(3)
    weights, worth = draw.integers(50, 100, 40), draw.integers(50, 100, 40)
    items = program.add_columns("item", np.ones(40), cost=-1e6 * worth)
    program.add_rows([RowInfo("room", "room")], [(np.zeros(40, dtype=int), items, weights)], upper=700)
    arrays = program.finish()
    relaxed = highs.solve_linear(arrays).objective
    whole = np.ones(40, dtype=bool)
    best = highs.solve_integer(arrays, integer=whole, time_limit_s=20, relative_gap=0)
    enough = highs.solve_integer(arrays, integer=whole, time_limit_s=20, relative_gap=0, enough=0.9 * relaxed)
    assert best.status == "optimal"
    assert enough.objective <= 0.9 * relaxed
    alone = highs.solve_integer(arrays, integer=whole, time_limit_s=20, relative_gap=0, sub_searches=False)
    assert alone.objective == pytest.approx(best.objective)
