"""What a procurement asks: the study, the places, the futures and the prices."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from planner.optimize.program import Floats
from planner.study.procure.deployment import Deployment, Limit
from planner.study.procure.market import Market
from planner.study.procure.study import ProcureStudy
from planner.study.procure.tree import Tree

HOURS_PER_MONTH = 730.0

DATED_FAMILIES = ("power", "grid", "heat")
"""Families whose rows are about one node of the topology, which may come online later."""

WATTS_PER_KW = 1000.0


@dataclass(frozen=True)
class Setting:
    """What is asked: the study, the places, the futures and the prices."""

    study: ProcureStudy
    places: Deployment
    tree: Tree
    market: Market
    outages_allowed: bool = False
    """Whether demand may be left unserved at a prohibitive price, to find out what cannot be served."""

    @property
    def hours(self) -> float:
        """Hours of one period."""
        return self.study.months_per_period * HOURS_PER_MONTH

    @property
    def bought(self) -> list[int]:
        """Types that can be ordered."""
        known = self.market.question.scenario.fleet.buy
        return [k for k, name in enumerate(self.places.types) if name in known]

    def lead(self, kind: int) -> int:
        """Return the periods from order to delivery of a type."""
        return self.study.in_periods(self.study.terms(self.places.types[kind]).lead_months)

    def discount(self) -> tuple[Floats, float]:
        """Return what money of each moment is worth at the start, and that after the last period."""
        worth = [self.market.discounting(moment.period) for moment in self.tree.moments]
        return np.array(worth), self.market.discounting(self.study.periods + 1)


def dated_node(limit: Limit) -> str | None:
    """Return the node of the topology that a row is about, None if it is about none that has a date."""
    parts = limit.name.split("/")
    return parts[2] if limit.family in DATED_FAMILIES and len(parts) > 2 else None


def limit_at(study: ProcureStudy, limit: Limit, period: int) -> int:
    """Return a limit in a period: what is there before its node comes online is less."""
    value = limit.limit
    for online in study.online:
        if period < online.period and online.at == dated_node(limit):
            value = min(value, int(round(online.kw_before * WATTS_PER_KW, 6)))
    return value


def budget_at(budget: float | Sequence[float], period: int) -> float:
    """Return the budget of a period."""
    return float(budget) if isinstance(budget, int | float) else float(budget[period - 1])
