"""Goals: what the plan says it reached of each goal is what its content amounts to.

Amounts are whole, in the goal's unit: micro-USD/h of cost, milliwatts of expected power (of IT, and at the
grid for tokens per watt), milligrams of CO2 per hour, servers, units left unserved, nano-USD/h of a
weighted sum. Ratios (`usd_per_mtok`, `tokens_per_s_per_mw`) state the amount at what the plan serves.
`objective` and `bound` of the plan are the first goal's, in USD/h, kW, kg/h, servers or units.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from planner.plan.costs import MicroCost
from planner.plan.draw import carbon_mg_per_h, expected_milliwatts, grid_milliwatts
from planner.plan.objective import stated
from planner.plan.verify.context import Context
from planner.plan.verify.violation import Violation, exceeds, same
from planner.scenario import HOURS_PER_DAY
from planner.scenario.promises import WEIGHTED

FAMILY = "goals"

NANO_USD_PER_UNIT = {"cost": 1000, "power": 1000, "carbon": 1000, "servers": 1_000_000_000}
"""A weight of 1 USD/h per USD/h, kW, kg/h or server, for a micro-USD/h, milliwatt, mg/h or server."""

UNSERVED = "served/priority-"


def check(context: Context, cost: MicroCost) -> Iterator[Violation]:
    """Yield goals that are not the scenario's, and amounts that the content does not make."""
    goals = list(context.plan.solver.get("goals", ()))
    names = [str(goal.get("name")) for goal in goals]
    wanted = expected_names(context)
    if goals and names != wanted[: len(names)]:
        text = f"are {', '.join(names)}; the scenario asks for {', '.join(wanted)}"
        yield Violation("goals", FAMILY, text)
        return
    for number, goal in enumerate(goals):
        name, unit = names[number], str(goal.get("unit"))
        amount = reached(name, context, cost)
        if goal.get("value") != amount:
            text = f"says {goal.get('value')} {unit}, the content makes {amount} {unit}"
            yield Violation(f"goals/{name}", FAMILY, text, _number(goal, "value"), amount, unit)
        bound = _number(goal, "bound")
        if bound is None or exceeds(bound, amount):
            text = f"its bound {goal.get('bound')} is above what was reached"
            yield Violation(f"goals/{name}/bound", FAMILY, text, bound, amount, unit)
    yield from _objective(context, goals, wanted[0], reached(wanted[0], context, cost))


def _objective(
    context: Context, goals: list[Mapping[str, Any]], first: str, amount: int
) -> Iterator[Violation]:
    """Yield an objective that is not what the first goal reached."""
    unit = str(goals[0].get("unit")) if goals else "micro-USD/h"
    objective = context.plan.objective
    value, people_unit = stated(amount, unit)
    if not same(objective, value):
        text = f"is {objective:.6f} {people_unit}, the plan reaches {value:.6f} of {first}"
        yield Violation("objective", FAMILY, text, objective, value, people_unit)


def _number(goal: Mapping[str, Any], field: str) -> float | None:
    value = goal.get(field)
    return float(value) if isinstance(value, int | float) else None


def expected_names(context: Context) -> list[str]:
    """Return the goals of the scenario in order: `served` once per priority, cost last if not named."""
    scenario = context.setting.scenario
    names: list[str] = []
    wanted = [name for _, name in scenario.objective.goals]
    everyone = "served" in wanted
    if not everyone and any(
        w.minimum_served is not None and w.unserved_usd_per_request is None and w.rate_rps > 0
        for w in scenario.workloads
    ):
        wanted.insert(0, "served")
    for name in wanted:
        if name == "served":
            levels = {
                w.priority
                for w in scenario.workloads
                if w.rate_rps > 0
                and (everyone or w.minimum_served is not None or w.unserved_usd_per_request is not None)
            }
            names += [f"{UNSERVED}{level}" for level in sorted(levels)]
        else:
            names.append(name)
    return names if "cost" in names else [*names, "cost"]


def reached(name: str, context: Context, cost: MicroCost) -> int:
    """Return what the content of the plan amounts to in a goal, whole units of it."""
    plan, setting = context.plan, context.setting
    if name == "servers":
        return len(plan.servers)
    if name == "power":
        return expected_milliwatts(plan, setting, context.columns)
    if name == "tokens_per_s_per_mw":
        return grid_milliwatts(plan, setting, context.columns)
    if name == WEIGHTED:
        weights = setting.scenario.objective.weights or {}
        return sum(
            round(weight * NANO_USD_PER_UNIT[part]) * reached(part, context, cost)
            for part, weight in weights.items()
        )
    if name == "carbon":
        return carbon_mg_per_h(plan, setting, context.columns)
    if name.startswith(UNSERVED):
        level = int(name.removeprefix(UNSERVED))
        members = {w.name for w in setting.scenario.workloads if w.priority == level}
        hours = {period.name: len(period.hours) for period in plan.periods}
        several = len(hours) > 1
        return sum(
            missing.units * (hours.get(missing.period, HOURS_PER_DAY) if several else 1)
            for missing in plan.unserved
            if missing.workload in members
        )
    return cost.total
