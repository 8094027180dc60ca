"""Moves away from the plan in force: priced, limited, and none at all where that is asked."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import planner
from planner.plan.churn import moves, with_plan_in_force
from planner.plan.types import Plan
from planner.topology import Question, load_question
from tests.plan.by_hand import question, site, solved
from tests.plan.questions import changed


def two_sites(tmp_path: Path, cheap: str, **fields: Any) -> dict[str, Any]:
    """Two sites with two standing servers each; opening one costs 2 USD/h, the cheap one 1 USD/h."""
    racks = [{"name": "r", "power_kw": 44, "slots": 4, "servers": {"dgx-h100": 2}}]
    sites = [site(name, racks=racks, open_usd_per_h=1.0 if name == cheap else 2.0) for name in ("a", "b")]
    return question(tmp_path, sites=sites, **fields)


def after(plan: Plan, asked: dict[str, Any]) -> Question:
    """Return a question with a plan in force."""
    return with_plan_in_force(load_question(asked), plan)


def at(plan: Plan) -> set[str]:
    return {server.site for server in plan.servers}


@pytest.mark.parametrize(("usd", "where"), [(359.0, "b"), (361.0, "a")])
def test_replicas_move_when_that_pays_within_the_time_it_is_spread_over(
    tmp_path: Path, usd: float, where: str
) -> None:
    """Two replicas move for a saving of 1 USD/h over 720 h: worth 360 USD each."""
    old = solved(two_sites(tmp_path, "a"))
    assert at(old) == {"a"}
    new = planner.solve(after(old, two_sites(tmp_path, "b", churn={"usd_per_move": usd})))
    assert planner.verify(new) == []
    assert at(new) == {where}
    assert new.cost.moves == pytest.approx((2 * usd / 720) if where == "b" else 0.0, abs=1e-5)


@pytest.mark.parametrize(("most", "where"), [(1, {"a"}), (2, {"b"})])
def test_at_most_so_many_moves(tmp_path: Path, most: int, where: set[str]) -> None:
    """Half a move saves nothing: two replicas move, or none."""
    old = solved(two_sites(tmp_path, "a"))
    new = planner.solve(after(old, two_sites(tmp_path, "b", churn={"max_moves": most})))
    assert planner.verify(new) == []
    assert at(new) == where
    row = next(row for row in new.ledgers.budget if row.name == "churn/moves")
    assert (row.used, row.limit) == (0 if where == {"a"} else 2, most)


@pytest.mark.parametrize("churn", [{"max_moves": 0}, {"usd_per_move": 1e7}])
def test_the_plan_in_force_is_always_available(churn: dict[str, Any]) -> None:
    """With no move allowed, or at a price beyond all, every replica stays on its accelerators."""
    old = planner.solve(changed())
    new = planner.solve(after(old, changed(churn=churn, workload={"rate_rps": 450})))
    assert planner.verify(new) == []
    before = {(group.pool, tuple(place)) for group in old.replicas for place in group.placements}
    now = {(group.pool, tuple(place)) for group in new.replicas for place in group.placements}
    assert now <= before
    assert moves(new, load_question(changed()).scenario) == 0
    same = planner.solve(after(old, changed(churn=churn)))
    assert {(group.pool, tuple(place)) for group in same.replicas for place in group.placements} == before
    assert same.cost.moves == 0


def test_a_conflict_over_moves_is_named(tmp_path: Path) -> None:
    """More demand than what runs serves, and nothing may start."""
    old = solved(two_sites(tmp_path, "a"))
    with pytest.raises(planner.NoPlan) as caught:
        planner.solve(after(old, two_sites(tmp_path, "a", churn={"max_moves": 0}, rate_rps=40)))
    assert caught.value.infeasible is not None
    assert "churn/moves" in {row.row for row in caught.value.infeasible.conflict}


def test_moves_beyond_the_limit_are_refused_by_the_verifier(tmp_path: Path) -> None:
    """The same plan under a lower limit: the row of the moves is named."""
    old = solved(two_sites(tmp_path, "a"))
    new = planner.solve(after(old, two_sites(tmp_path, "b", churn={"max_moves": 2})))
    new.scenario["churn"]["max_moves"] = 1
    assert "churn/moves" in {violation.row for violation in planner.verify(new)}
    new.scenario["churn"].update(max_moves=2, usd_per_move=72.0)
    assert "cost/moves" in {violation.row for violation in planner.verify(new)}
