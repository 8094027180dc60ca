"""Plans that are nearly as good and as different as can be in what people care about."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from typing import Any

import numpy as np

from planner.explain.rebuild import Rebuilt, rebuild
from planner.optimize.forcing import COST, amounts_of, first_goal, near_optimal, without_candidates
from planner.optimize.method import solve_problem
from planner.optimize.problem import Goal, Integers, Problem, integers
from planner.optimize.solution import Reached, Settings, Solution
from planner.plan.assemble import assemble
from planner.plan.edit import edited
from planner.plan.reuse import start_values
from planner.plan.solve import search_settings, to_plan
from planner.plan.survival import Losses, with_losses
from planner.plan.types import Plan
from planner.plan.verify import verify
from planner.plan.verify.violation import Violation
from planner.shapes import KeptTimings

WITHIN = 0.02
"""How much worse an alternative may be, as a share of the objective."""

SECONDS_EACH = 10.0
"""Time to look for each alternative."""

NOTHING = Goal("nothing", "", {})
"""A goal that every plan reaches."""

MOST_ROUNDS = 6
"""How often an alternative whose replicas do not survive where they stand is solved again."""

MOST_KINDS = 3
"""Sets of more kinds of accelerators are not tried."""


@dataclass(frozen=True)
class Wish:
    """What an alternative has as little of as possible."""

    name: str
    unit: str
    amounts: Mapping[str, Integers]


@dataclass(frozen=True)
class Alternative:
    """A plan near the optimum. wish: what it has least of. amount: of it, and `base`: of the plan itself.

    proven: no plan within the share has less. verified: every row holds, losses to survive as placed
    included; where not, `problem` says which row does not.
    """

    wish: str
    unit: str
    base: float
    amount: float
    proven: bool
    objective: float
    change_share: float
    verified: bool
    problem: str
    plan: Plan

    def record(self) -> dict[str, Any]:
        """Return it as plain data, without the plan itself."""
        shown = {name: value for name, value in vars(self).items() if name != "plan"}
        return {**shown, "figures": figures(self.plan)}


def figures(plan: Plan) -> dict[str, float]:
    """Return what people compare: sites, kinds of accelerators, new servers, power, capex, cost."""
    return {
        "cost_usd_per_h": plan.cost.total,
        "sites": len({server.site for server in plan.servers}),
        "expected_kw": plan.metrics.expected_kw,
        "accelerator_types": len({server.accelerator for server in plan.servers}),
        "new_servers": sum(server.origin != "existing" for server in plan.servers),
        "capex_usd": plan.metrics.capex_usd,
        "servers": len(plan.servers),
    }


def alternatives(
    plan: Plan,
    within: float = WITHIN,
    seconds_each: float = SECONDS_EACH,
    against: Plan | None = None,
    timings: KeptTimings | None = None,
) -> Iterator[Alternative]:
    """Yield the alternatives: fewest sites, least power, fewest kinds of accelerators, moves, least capex.

    Args:
        plan: a plan, with its question inside.
        within: how much worse the first goal may be, as a share.
        seconds_each: time for each of them.
        against: the plan in force, from which moves are counted; None: from what stands in the topology.
        timings: what was timed for the plan already; None: nothing.

    Raises:
        ValueError: the question inside the plan cannot be read.
    """
    rebuilt = rebuild(plan, timings=timings)
    settings = replace(
        search_settings(rebuilt.question.scenario.solver), time_limit_s=seconds_each, relative_gap=0.0
    )
    most = int(rebuilt.objective * rebuilt.goal[2] * (1 + within))
    for wish in wishes(rebuilt, against):
        goal = Goal(wish.name, wish.unit, wish.amounts)

        def wished(problem: Problem, goal: Goal = goal) -> Problem:
            return near_optimal(problem, most, goal, first_goal(problem))

        yield from _placed(rebuilt, wish, wished, settings)
    yield from _fewest_kinds(rebuilt, most, settings)


def wishes(rebuilt: Rebuilt, against: Plan | None = None) -> Iterator[Wish]:
    """Yield what alternatives have as little of as possible, but kinds of accelerators."""
    problem, offers = rebuilt.problem, rebuilt.assembly.offers
    yield Wish("fewest sites", "sites", {"open": integers(np.ones(len(problem.sites.names)))})
    yield Wish("least power", "mW", _power(rebuilt))
    if against is None:
        new = integers([offer.origin != "existing" for offer in offers])
        yield Wish("fewest moves", "servers installed or rented", {"servers": new})
    else:
        standing = start_values(against, rebuilt.assembly)["servers"]
        yield Wish("fewest moves", "servers of new kinds or places", {"servers": integers(standing == 0)})
    capex = integers([round(offer.capex_usd) for offer in offers])
    retrofit = integers(
        [
            round(float(rack_class.attributes["retrofit"]["usd"])) if mix.retrofit else 0
            for rack_class, mix in rebuilt.assembly.mixes
        ]
    )
    yield Wish("least capex", "USD", {"servers": capex, "mixes": retrofit})


def _power(rebuilt: Rebuilt) -> Mapping[str, Integers]:
    """Return what every decision draws, mW, as the goal `power` counts it."""
    question = edited(rebuilt.question, ["objective.maximize=null", "objective.minimize=[power]"])
    return assemble(question, rebuilt.timings).problem.goals[0].amounts


def _fewest_kinds(rebuilt: Rebuilt, most: int, settings: Settings) -> Iterator[Alternative]:
    """Try ever larger sets of accelerators until one is within reach, those of the plan first."""
    offers = rebuilt.assembly.offers
    kinds = sorted({offer.host.accelerator for offer in offers})
    own = {server.accelerator for server in rebuilt.plan.servers}
    deadline = time.perf_counter() + settings.time_limit_s
    proven = True
    for size in range(1, min(MOST_KINDS, len(own) - 1) + 1):
        for chosen in sorted(combinations(kinds, size), key=lambda chosen: -len(own & set(chosen))):
            left = deadline - time.perf_counter()
            if left <= 0:
                return
            barred = [j for j, offer in enumerate(offers) if offer.host.accelerator not in chosen]

            def barring(problem: Problem, barred: list[int] = barred) -> Problem:
                return near_optimal(without_candidates(problem, barred), most, COST, NOTHING)

            wish = Wish("fewest accelerator types", "types", {})
            limited = replace(settings, time_limit_s=max(left / 2, 1.0), relative_gap=0.01)
            found = list(_placed(rebuilt, wish, barring, limited))
            if found:
                yield replace(found[0], amount=float(size), proven=proven)
                return
            proven = proven and time.perf_counter() < deadline


def _placed(
    rebuilt: Rebuilt, wish: Wish, wished: Callable[[Problem], Problem], settings: Settings
) -> Iterator[Alternative]:
    """Solve, place, and where a loss is not survived as placed state it and solve again."""
    losses = Losses()
    start = start_values(rebuilt.plan, rebuilt.assembly)
    told: Alternative | None = None
    for _ in range(MOST_ROUNDS):
        found = solve_problem(wished(with_losses(rebuilt.problem, losses)), settings, start=start)
        if found.status not in ("optimal", "feasible"):
            break
        told, unsurvived = _told(rebuilt, wish, found)
        if not unsurvived or not losses.add_from(told.plan, rebuilt.assembly, unsurvived):
            break
    if told is not None:
        yield told


def _told(rebuilt: Rebuilt, wish: Wish, found: Solution) -> tuple[Alternative, Sequence[Violation]]:
    """Turn a solution into a plan of the original question, and the losses that it does not survive."""
    problem, divisor = rebuilt.problem, rebuilt.goal[2]
    goals = [
        Reached(goal.name, goal.unit, value, value)
        for goal in problem.goals or (COST,)
        for value in [amounts_of(problem, found.values, goal)]
    ]
    bound = goals[0].value
    if math.isfinite(rebuilt.bound):
        bound = min(round(rebuilt.bound * divisor), bound)
    goals[0] = replace(goals[0], bound=bound)
    stated = replace(found, objective=goals[0].value, bound=bound, goals=tuple(goals), status="feasible")
    plan = to_plan(rebuilt.assembly, stated, 0.0)
    violations = [violation for violation in verify(plan) if violation.family != "goals"]
    people, scale = {"mW": ("kW", 1e6)}.get(wish.unit, (wish.unit, 1.0))
    objective = amounts_of(problem, found.values) / divisor
    start = start_values(rebuilt.plan, rebuilt.assembly)
    base = sum(float(amounts @ start[kind]) for kind, amounts in wish.amounts.items()) / scale
    if not wish.amounts:
        base = float(len({server.accelerator for server in rebuilt.plan.servers}))
    reached = found.goals[0]
    told = Alternative(
        wish=wish.name,
        unit=people,
        base=base,
        amount=reached.value / scale,
        proven=reached.bound >= reached.value,
        objective=objective,
        change_share=objective / rebuilt.objective - 1 if rebuilt.objective else 0.0,
        verified=not violations,
        problem="" if not violations else f"{violations[0].row}: {violations[0].text}",
        plan=plan,
    )
    return told, [violation for violation in violations if violation.family == "reliability"]
