"""The examples of the physical world and of money answer, verify, and show what their headers say."""

from __future__ import annotations

from pathlib import Path

import pytest

import planner
from planner.plan.types import Plan

EXAMPLES = Path(__file__).parents[2] / "examples"
QUICK = ("solver.relative_gap=0.02", "solver.workers=1")


def plan_of(name: str, *changes: str) -> Plan:
    """Return the verified plan of an example."""
    plan = planner.solve(EXAMPLES / f"{name}.yaml", overrides=(*QUICK, *changes))
    assert planner.verify(plan) == []
    return plan


def used(plan: Plan, row: str) -> float:
    """Return what is used of a limit."""
    rows = (*plan.ledgers.power, *plan.ledgers.grid, *plan.ledgers.budget)
    return next(found.used for found in rows if found.name == row)


def count(plan: Plan, server: str) -> int:
    return sum(found.server == server for found in plan.servers)


def terms(plan: Plan) -> set[str]:
    """Return the terms on which units are rented."""
    offers = plan.scenario["fleet"]["rent"]
    return {offers[server.rent_index]["terms"] for server in plan.servers if server.rent_index is not None}


def test_spot_and_reserved() -> None:
    """Spot is part of the mix, but not where all demand must hold without it."""
    assert "spot" in terms(plan_of("spot-and-reserved"))
    assert "spot" not in terms(plan_of("spot-and-reserved", "reliability.levels.spot=1"))


def test_upgrade_and_delivery() -> None:
    """The cheaper servers are bought once they all arrive in time; without upgrades fewer are needed."""
    plan = plan_of("upgrade-and-delivery")
    assert count(plan, "dgx-h100") <= 2
    assert count(plan_of("upgrade-and-delivery", "fleet.needed_in_weeks=40"), "dgx-h100") > 2
    assert len(plan_of("upgrade-and-delivery", "reliability.upgrade_servers=0").servers) < len(plan.servers)


def test_objectives() -> None:
    """A price of carbon moves the work to the clean site."""
    clean = plan_of("objectives", "objective={weights: {cost: 1, carbon: 0.5}}")
    dirty = plan_of("objectives", "objective={minimize: cost}")
    assert {server.site for server in clean.servers} == {"clean"}
    assert {server.site for server in dirty.servers} == {"dirty"}


def test_spares_and_moves() -> None:
    """A spare at 99.9 %, none at 99 %, where moving pays then."""
    assert sum(spare.count for spare in plan_of("spares-and-moves").spares) == 1
    loose = plan_of("spares-and-moves", "reliability.spares.availability=0.98")
    assert loose.spares == []
    assert used(loose, "churn/moves") <= 2
    assert used(plan_of("spares-and-moves", "churn.max_moves=0"), "churn/moves") == 0


def test_oversubscribed_feed() -> None:
    """More is provisioned than the feed carries, and after shedding it fits."""
    plan = plan_of("oversubscribed-feed")
    assert used(plan, "power/feed/ams-A") > 60_000 >= used(plan, "power/feed/ams-A/shed")
    strict = plan_of("oversubscribed-feed", "topology.sites.ams.power.A.oversubscription=1")
    assert strict.objective > plan.objective


@pytest.mark.parametrize(("litres", "desert"), [(50, 4), (90, 5)])
def test_hot_site(litres: int, desert: int) -> None:
    """The water of the hot site decides how many servers stand there."""
    plan = plan_of("hot-site", f"topology.sites.desert.water_l_per_h={litres}")
    assert sum(server.site == "desert" for server in plan.servers) == desert
