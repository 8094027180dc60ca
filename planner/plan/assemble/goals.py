"""What the scenario wants optimized, as amounts of each variable."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from planner.optimize.problem import Goal, Integers, integers
from planner.plan.assemble.limits import carbon_mg_per_h
from planner.plan.assemble.offers import Offer
from planner.plan.day import Day, PeriodDemand
from planner.scenario import HOURS_PER_DAY, Scenario
from planner.topology.nodes import Graph


def goals_of(
    scenario: Scenario,
    graph: Graph,
    day: Day,
    offers: Sequence[Offer],
    assign_watts: Sequence[float],
    assign_carbon_mg: Sequence[int],
    demands: Sequence[PeriodDemand],
) -> tuple[Goal, ...]:
    """Return the goals in the scenario's order, () for cost alone.

    `served` is one goal for each priority, the most important first: units left unserved, all workloads
    of a priority counting alike; where the day has several periods, units times the hours they are missing
    (batch work: all day). `tokens_per_s_per_mw` is power at the demand that is served. Cost comes
    last where it is not named, so that what is left open is not wasted.
    """
    names = [name for _, name in scenario.objective.goals]
    if names == ["cost"]:
        return ()
    goals: list[Goal] = []
    for name in names:
        if name in ("power", "tokens_per_s_per_mw"):
            amounts = {
                "servers": integers([round(offer.idle_w * MILLI) for offer in offers]),
                "assign": integers([round(watts * MILLI) for watts in assign_watts]),
            }
            goals.append(Goal(name, "mW", amounts))
        elif name == "carbon":
            idle = [
                carbon_mg_per_h(offer.idle_w, offer.pue, float(graph.nodes[offer.site]["carbon_g_per_kwh"]))
                for offer in offers
            ]
            amounts = {"servers": integers(idle), "assign": integers(assign_carbon_mg)}
            goals.append(Goal(name, "mg CO2/h", amounts))
        elif name == "servers":
            goals.append(Goal(name, "servers", {"servers": integers([1] * len(offers))}))
        elif name == "served":
            goals += _served(scenario, day, demands)
        else:
            goals.append(Goal("cost", "micro-USD/h", {}))
    if "cost" not in names:
        goals.append(Goal("cost", "micro-USD/h", {}))
    return tuple(goals)


MILLI = 1000
"""Watts are counted in milliwatts: a unit of traffic may draw less than a watt."""


def _served(scenario: Scenario, day: Day, demands: Sequence[PeriodDemand]) -> list[Goal]:
    """Return one goal for each priority: the units of its workloads that are left unserved."""
    priority = {workload.name: workload.priority for workload in scenario.workloads}
    of_demand = np.array([priority[demand.workload] for demand in demands], dtype=np.int64)
    hours = integers([missing_hours(day, demand.arrived) for demand in demands])
    unit = "units unserved" if len(day.periods) == 1 else "unit-hours unserved"
    goals = []
    for level in sorted(set(of_demand.tolist())):
        amounts: dict[str, Integers] = {"unserved": (of_demand == level) * hours}
        goals.append(Goal(f"served/priority-{level}", unit, amounts))
    return goals


def missing_hours(day: Day, arrived: str) -> int:
    """Return how many hours a unit is missing that is not served; 1 where the day has one period."""
    if len(day.periods) == 1:
        return 1
    return len(day[arrived].hours) if arrived in day.names else HOURS_PER_DAY
