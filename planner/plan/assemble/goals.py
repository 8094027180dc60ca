"""What the scenario wants optimized, as amounts of each variable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from planner.optimize.problem import Goal, Integers, integers
from planner.plan.assemble.draw import Draw
from planner.plan.day import Day, PeriodDemand
from planner.scenario import HOURS_PER_DAY, Scenario, Workload
from planner.scenario.promises import WEIGHTED, Weighed


def goals_of(scenario: Scenario, day: Day, draw: Draw, demands: Sequence[PeriodDemand]) -> tuple[Goal, ...]:
    """Return the goals in the scenario's order, () for cost alone.

    `served` is one goal for each priority, the most important first: units left unserved, all workloads
    of a priority counting alike; where the day has several periods, units times the hours they are missing
    (batch work: all day). It comes first where a workload states `minimum_served` without a price.
    `tokens_per_s_per_mw` is power at the grid over output tokens served, `usd_per_mtok` cost over all tokens
    served: ratios where demand may stay unserved, else amounts. Cost comes last where it is not named, so
    that what is left open is not wasted.
    """
    names = [name for _, name in scenario.objective.goals]
    if "served" not in names and served_first(scenario):
        names.insert(0, "served")
    servers = integers([1] * len(draw.of["servers"]))
    if names == ["cost"]:
        return ()
    goals: list[Goal] = []
    for name in names:
        if name == "power":
            goals.append(Goal(name, "mW", draw.milliwatts()))
        elif name == "tokens_per_s_per_mw":
            tokens = [unit_tokens(scenario, day, demand)[1] for demand in demands]
            goals.append(_ratio(Goal(name, "mW", draw.grid_milliwatts()), scenario, demands, tokens))
        elif name == "usd_per_mtok":
            tokens = [sum(unit_tokens(scenario, day, demand)) for demand in demands]
            goals.append(_ratio(Goal(name, "micro-USD/h", {}, cost_factor=1), scenario, demands, tokens))
        elif name == "carbon":
            goals.append(Goal(name, "mg CO2/h", draw.carbon_mg()))
        elif name == "servers":
            goals.append(Goal(name, "servers", {"servers": servers}))
        elif name == "served":
            goals += _served(scenario, day, demands)
        elif name == WEIGHTED:
            goals.append(_weighted(scenario.objective.weights or {}, draw, servers))
        else:
            goals.append(Goal("cost", "micro-USD/h", {}, cost_factor=1))
    if "cost" not in names:
        goals.append(Goal("cost", "micro-USD/h", {}, cost_factor=1))
    return tuple(goals)


def unit_tokens(scenario: Scenario, day: Day, demand: PeriodDemand) -> tuple[int, int]:
    """Return the (input, output) tokens of one unit of a demand, whole tokens per hour over the day."""
    workload = scenario.workload(demand.workload)
    rate = day.mean_missing_unit_rps(workload, demand.arrived, scenario.solver.units)
    lengths = (float(workload.input_tokens.mean), float(workload.output_tokens.mean))
    return round(rate * 3600 * lengths[0]), round(rate * 3600 * lengths[1])


NANO_USD: Mapping[Weighed, int] = {"cost": 1000, "power": 1000, "carbon": 1000, "servers": 1_000_000_000}
"""What a weight of 1 (USD/h per USD/h, kW, kg/h, server) makes of a micro-USD/h, mW, mg/h or server."""


def _weighted(weights: Mapping[Weighed, float], draw: Draw, servers: Integers) -> Goal:
    """Return one goal for a weighted sum, nano-USD per hour."""
    amounts: dict[str, Integers] = {}

    def add(weight: float, name: Weighed, parts: Mapping[str, Integers]) -> None:
        for kind, part in parts.items():
            amounts[kind] = amounts.get(kind, np.zeros_like(part)) + round(weight * NANO_USD[name]) * part

    add(weights.get("power", 0.0), "power", draw.milliwatts())
    add(weights.get("carbon", 0.0), "carbon", draw.carbon_mg())
    add(weights.get("servers", 0.0), "servers", {"servers": servers})
    factor = round(weights.get("cost", 0.0) * NANO_USD["cost"])
    return Goal(WEIGHTED, "nano-USD/h", amounts, cost_factor=factor)


def _ratio(amount: Goal, scenario: Scenario, demands: Sequence[PeriodDemand], tokens: Sequence[int]) -> Goal:
    """Return the goal over tokens served, where demand may stay unserved; the amount itself elsewhere."""
    if not any(may_stay_unserved(scenario.workload(demand.workload), scenario) for demand in demands):
        return amount
    most = sum(demand.units * each for demand, each in zip(demands, tokens, strict=True))
    return replace(amount, lost=integers(tokens), served_most=most)


def served_first(scenario: Scenario) -> bool:
    """Return whether shortage is shared by priority, not by price: a workload states what it can do without,
    and no price for it.
    """
    return any(
        workload.minimum_served is not None
        and workload.unserved_usd_per_request is None
        and workload.rate_rps > 0
        for workload in scenario.workloads
    )


def may_stay_unserved(workload: Workload, scenario: Scenario) -> bool:
    """Return whether some of a workload may stay unserved."""
    stated = workload.minimum_served is not None or workload.unserved_usd_per_request is not None
    return stated or ("maximize", "served") in scenario.objective.goals


def _served(scenario: Scenario, day: Day, demands: Sequence[PeriodDemand]) -> list[Goal]:
    """Return one goal for each priority: the units of its workloads that are left unserved."""
    priority = {workload.name: workload.priority for workload in scenario.workloads}
    of_demand = np.array([priority[demand.workload] for demand in demands], dtype=np.int64)
    hours = integers([missing_hours(day, demand.arrived) for demand in demands])
    unit = "units unserved" if len(day.periods) == 1 else "unit-hours unserved"
    goals = []
    able = np.array(
        [may_stay_unserved(scenario.workload(demand.workload), scenario) for demand in demands], dtype=bool
    )
    for level in sorted(set(of_demand[able].tolist())):
        amounts: dict[str, Integers] = {"unserved": (of_demand == level) * hours}
        goals.append(Goal(f"served/priority-{level}", unit, amounts))
    return goals


def missing_hours(day: Day, arrived: str) -> int:
    """Return how many hours a unit is missing that is not served; 1 where the day has one period."""
    if len(day.periods) == 1:
        return 1
    return len(day[arrived].hours) if arrived in day.names else HOURS_PER_DAY
