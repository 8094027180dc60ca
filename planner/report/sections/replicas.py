"""What runs: recipes, and the pools that follow them with their load."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

from planner.plan.types import Plan, ReplicaGroup
from planner.report.numbers import percent, quantity
from planner.report.recipes import Recipe, size

MOST_ROWS = 400
"""Pools that are printed; the tables beside the report have all."""


@dataclass(frozen=True)
class PoolRow:
    """One pool in one fabric domain. load: share of the whole pool that is busy."""

    recipe: Recipe
    pool: str
    site: str
    domain: str
    server: str
    count: int
    accelerators: int
    rate: str
    load: str
    standby: bool


@dataclass(frozen=True)
class ReplicaView:
    """The section."""

    recipes: list[Recipe]
    rows: list[PoolRow]
    left_out: int


def replica_view(plan: Plan, recipes: Mapping[str, Recipe]) -> ReplicaView:
    """Return the section, the largest recipe first."""
    load: dict[str, float] = defaultdict(float)
    rate: dict[str, float] = defaultdict(float)
    for used in plan.pools:
        load[used.pool] += used.load
        rate[used.pool] += used.rate_rps
    replicas: dict[str, int] = defaultdict(int)
    for group in plan.replicas:
        replicas[group.pool] += group.count
    rows = [_row(group, recipes, load, rate, replicas) for group in plan.replicas]
    rows.sort(key=lambda row: (row.recipe.number, row.site, row.domain))
    found = sorted({recipe.number: recipe for recipe in recipes.values()}.items())
    return ReplicaView([recipe for _, recipe in found], rows[:MOST_ROWS], max(len(rows) - MOST_ROWS, 0))


def _row(
    group: ReplicaGroup,
    recipes: Mapping[str, Recipe],
    load: Mapping[str, float],
    rate: Mapping[str, float],
    replicas: Mapping[str, int],
) -> PoolRow:
    busy = load.get(group.pool, 0.0) / max(replicas[group.pool], 1)
    return PoolRow(
        recipe=recipes[group.pool],
        pool=group.pool,
        site=group.site,
        domain=group.fabric_domain or "",
        server=group.server,
        count=group.count,
        accelerators=group.count * size(group.shape),
        rate=f"{quantity(rate.get(group.pool, 0.0))}/s",
        load=percent(busy),
        standby=busy == 0,
    )
