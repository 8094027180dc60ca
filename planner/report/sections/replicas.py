"""What runs: recipes, and the pools that follow them with their load."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from planner.plan.types import Plan, ReplicaGroup
from planner.report.numbers import names_in_short, percent, quantity
from planner.report.recipes import Recipe, size

MOST_ROWS = 400
"""Pools that are printed; the tables beside the report have all."""


FEW_DOMAINS = 3
"""Fabric domains of a pool that are named."""


@dataclass(frozen=True)
class PoolRow:
    """One pool. domains: where its replicas stand, in short. load: share of the pool that is busy."""

    recipe: Recipe
    pool: str
    site: str
    domains: str
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
    for used in plan.at_peak().pools:
        load[used.pool] += used.load
        rate[used.pool] += used.rate_rps
    groups: dict[str, list[ReplicaGroup]] = defaultdict(list)
    for group in plan.replicas:
        groups[group.pool].append(group)
    rows = [_row(members, recipes[pool], load[pool], rate[pool]) for pool, members in groups.items()]
    rows.sort(key=lambda row: (row.recipe.number, row.site))
    found = sorted({recipe.number: recipe for recipe in recipes.values()}.items())
    return ReplicaView([recipe for _, recipe in found], rows[:MOST_ROWS], max(len(rows) - MOST_ROWS, 0))


def _row(groups: Sequence[ReplicaGroup], recipe: Recipe, load: float, rate_rps: float) -> PoolRow:
    count = sum(group.count for group in groups)
    domains = list(dict.fromkeys(group.fabric_domain for group in groups if group.fabric_domain))
    few = names_in_short(domains) if len(domains) <= FEW_DOMAINS else [f"{len(domains)} fabric domains"]
    return PoolRow(
        recipe=recipe,
        pool=groups[0].pool,
        site=groups[0].site,
        domains=", ".join(few),
        server=groups[0].server,
        count=count,
        accelerators=count * size(groups[0].shape),
        rate=f"{quantity(rate_rps)}/s",
        load=percent(load / max(count, 1)),
        standby=load == 0,
    )
