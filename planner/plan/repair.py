"""A plan that does not survive a loss where it stands: a few replicas more, on servers that have room.

The program knows what the average loss takes; it does not see which replicas the lost server held. Plans that
are too large to be placed anew, server by server (`placement`), often need one or two replicas more, and
those cost only what they draw. The bound of the program stays what it was: it holds for every plan.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from planner.optimize.problem import Integers, Problem
from planner.optimize.solution import Solution
from planner.plan.types import Plan
from planner.plan.verify.violation import Violation

MOST_ADDED = 8
"""Replicas added before it is given up; more of them are rather a case for another search."""

MOST_SERVERS = 200
"""Larger plans take too long to check after each replica."""

Checked = tuple[Plan, Sequence[Violation]]


def repaired(
    problem: Problem, solution: Solution, plan: Plan, check: Callable[[Solution], Checked]
) -> tuple[Solution, Plan] | None:
    """Return a solution with replicas added until its plan survives, None if that does not help.

    Args:
        problem: the program, whose only goal is cost.
        solution: of the program; its plan breaks reliability rows and nothing else.
        plan: of the solution.
        check: makes the plan of a solution and verifies it.
    """
    goals = [goal.name for goal in problem.goals]
    if goals not in ([], ["cost"]) or len(plan.servers) > MOST_SERVERS:
        return None
    for _ in range(MOST_ADDED):
        best: tuple[float, Solution] | None = None
        for p in _growing(problem, solution.values):
            grown = _with_one_more(problem, solution, p)
            found, violations = check(grown)
            if not violations:
                return grown, found
            if all(violation.family == "reliability" for violation in violations):
                short = _missing(violations)
                if best is None or short < best[0]:
                    best = (short, grown)
        if best is None:
            return None
        solution = best[1]
    return None


def _growing(problem: Problem, values: Mapping[str, Integers]) -> list[int]:
    """Return the hostings in use whose host group has room for one more replica inside a server."""
    hostings, groups = problem.hostings, problem.host_groups
    servers = np.zeros(len(groups.names), dtype=np.int64)
    np.add.at(servers, problem.candidates.host_group, values["servers"])
    size = np.where(
        hostings.whole_servers > 0, groups.accelerators[hostings.host_group], hostings.accelerators
    )
    size = size * np.maximum(hostings.whole_servers, 1)
    taken = np.zeros(len(groups.names), dtype=np.int64)
    np.add.at(taken, hostings.host_group, size * values["replicas"])
    free = servers * groups.accelerators - taken
    in_pool = np.zeros(len(problem.pools.names), dtype=np.int64)
    np.add.at(in_pool, hostings.pool, values["replicas"])
    fits = (hostings.accelerators > 0) & (hostings.accelerators <= free[hostings.host_group])
    allowed = in_pool[hostings.pool] < problem.pools.maximum[hostings.pool]
    return [int(p) for p in np.flatnonzero((values["replicas"] > 0) & fits & allowed)]


def _with_one_more(problem: Problem, solution: Solution, p: int) -> Solution:
    replicas = solution.values["replicas"].copy()
    replicas[p] += 1
    costs = problem.hostings.cost
    more = int(costs[p]) if costs.size else 0
    values = {**solution.values, "replicas": replicas}
    goals = tuple(replace(goal, value=goal.value + more) for goal in solution.goals)
    return replace(solution, values=values, objective=solution.objective + more, goals=goals)


def _missing(violations: Sequence[Violation]) -> float:
    """Return by how much the promises after losses are missed, units of traffic in all."""
    return sum((violation.limit or 0.0) - (violation.used or 0.0) for violation in violations)
