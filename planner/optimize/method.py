"""The solution method: relax, round, prove.

0. Groups of hosts that are alike are one for the replicas on them (`merged_groups`).
1. The linear relaxation gives a first bound, and shows most infeasible questions at once. Failures join
   the program only when a solution does not survive them.
2. HiGHS solves the program with integer servers, racks and replicas but continuous traffic: a bound for
   the real program, and the design of a plan.
3. The traffic is made whole around that design (servers and replicas may grow, nothing shrinks), and every
   failure is tried on it; those not survived join the program, and the design is solved again.
4. CP-SAT searches the whole program from that plan while time and gap are left; small programs start here.
5. Among plans of (nearly) the same cost the simplest is kept: fewest pools, fewest replicas.

From an earlier plan the search begins at step 2, for designs alone that are cheaper by nearly the gap asked
for: where there are none, the plan stays as it is. Steps 1 to 4 follow where that does not settle it.

The bound is the best of all stages; it always belongs to the real program. A goal that is a ratio (cost
per token, tokens per watt) is reached by a few such searches, each with a price on unserved demand (`ratio`).
"""

from __future__ import annotations

import math
import time
from collections.abc import Collection, Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse

from planner.optimize.build import build_for_search
from planner.optimize.merged_groups import merge_groups
from planner.optimize.problem import Goal, Integers, Problem
from planner.optimize.program import Arrays, Floats, RowInfo
from planner.optimize.ratio import least_ratio
from planner.optimize.rerouting import SHORTAGE_TOLERANCE
from planner.optimize.search import DETERMINISTIC_UNITS_PER_S, Search
from planner.optimize.solution import (
    Keeper,
    Listener,
    Reached,
    Settings,
    Solution,
    relative_gap,
    values_by_kind,
)
from planner.optimize.tidy import tidied
from planner.optimize.trimming import trimmed


def solve_problem(
    problem: Problem,
    settings: Settings | None = None,
    listener: Listener | None = None,
    start: Mapping[str, Integers] | None = None,
    keeper: Keeper | None = None,
    mattered: Collection[str] = (),
) -> Solution:
    """Solve `problem` and return the plan in numbers with its proven bound.

    Several goals are reached one after the other: each keeps what those before it reached.

    Args:
        problem: the question.
        settings: how long and how hard to search.
        listener: told about every step.
        start: decisions by kind of variable to start from, a plan of this or of a similar question.
        keeper: remembers how far the search has come, to continue it when it is interrupted.
        mattered: names of failures that were part of the program that `start` is a plan of.
    """
    merging = merge_groups(problem)
    found = _solved(
        merging.problem,
        settings or Settings(),
        listener,
        None if start is None else merging.merged(start),
        keeper,
        mattered,
    )
    return replace(found, values=merging.original_values(found.values)) if found.values else found


def _solved(
    problem: Problem,
    settings: Settings,
    listener: Listener | None,
    start: Mapping[str, Integers] | None,
    keeper: Keeper | None,
    mattered: Collection[str],
) -> Solution:
    """Solve as `solve_problem`, with the groups of hosts as they are."""
    arrays = build_for_search(problem)
    goals = problem.goals or (COST,)
    deadline = time.perf_counter() + settings.time_limit_s
    solution: Solution | None = None
    first: Solution | None = None
    reached: list[Reached] = []
    stages: list[Mapping[str, object]] = []
    aims: list[Floats] = []
    best: Floats | None = None
    active: list[str] = []
    adopted = False
    for number, goal in enumerate(goals):
        aimed = _aim(arrays, goal)
        left = max(deadline - time.perf_counter(), 0.0) / (len(goals) - number)
        limited = replace(settings, time_limit_s=max(left, LEAST_SECONDS))
        if goal.lost is not None:
            ratio = least_ratio(aimed, goal, limited, listener, best)
            found, values, adopted = ratio.solution, ratio.values, False
            if values is not None:
                arrays, aimed = ratio.serving_as_much(arrays), ratio.serving_as_much(aimed)
        else:
            search = Search(aimed, limited, listener, best, keeper)
            if start is not None and best is None:
                search.adopt(_laid_out(arrays, start), mattered)
            found = search.run()
            # A start that nothing beat was tidied in its time.
            adopted = search.best is (best if adopted else search.adopted)
            # Failures that joined the program during the search have their columns at the end.
            values = None if search.best is None else search.best[: len(aimed.cost)]
            names = [search.arrays.sections[number].name for number in search.active]
            active = list(dict.fromkeys([*active, *names]))
        if found.status in ("infeasible", "unknown"):
            break
        solution, best = found, values
        first = first or found
        stages += [{"goal": goal.name, **stage} for stage in found.stages]
        aims.append(aimed.cost)
        reached.append(Reached(goal.name, goal.unit, found.objective, found.bound))
        arrays = _keep(arrays, aimed.cost, found.objective, goal.name)
    if solution is None or first is None or best is None:
        return found
    tidy = best
    if not adopted:
        among = aimed if start is None else _among(aimed, best, start)
        tidy = _tidied(problem, among, best, reached[-1], settings, deadline - time.perf_counter())
    # A later stage may better what an earlier goal reached: state what the final plan amounts to.
    final = [replace(goal, value=round(float(cost @ tidy))) for goal, cost in zip(reached, aims, strict=True)]
    objective = final[0].value
    bound = min(final[0].bound, objective)
    proven = relative_gap(objective, bound) <= settings.relative_gap
    return replace(
        solution,
        status="optimal" if proven else "feasible",
        objective=objective,
        bound=bound,
        values=values_by_kind(aimed, tidy),
        goals=tuple(replace(goal, bound=min(goal.bound, goal.value)) for goal in final),
        stages=tuple(stages),
        mattered=tuple(active),
    )


TIDY_SHARE = 0.001
"""What a simpler plan may cost more, where the gap asked for allows it."""

TIDY_SECONDS = 5.0
"""Time to look for a simpler plan of the same cost, at most a fifth of the time limit."""


def _tidied(
    problem: Problem, aimed: Arrays, values: Floats, reached: Reached, settings: Settings, left_s: float
) -> Floats:
    """Return the simplest plan within what the last goal's gap leaves."""
    allowed = math.floor(reached.bound / (1 - settings.relative_gap)) if settings.relative_gap < 1 else 0
    budget = max(reached.value, min(allowed, math.floor(reached.value * (1 + TIDY_SHARE))))
    seconds = min(TIDY_SECONDS, 0.2 * settings.time_limit_s)
    simpler = tidied(
        problem,
        aimed,
        values,
        budget,
        time_limit_s=min(seconds, max(left_s, 0.5)) if not settings.reproducible else 100 * seconds,
        workers=settings.workers,
        seed=settings.seed,
        deterministic_limit=seconds * DETERMINISTIC_UNITS_PER_S if settings.reproducible else None,
    )
    simpler = trimmed(aimed, simpler)
    lost = aimed.losses is not None and aimed.losses.lacking(simpler, SHORTAGE_TOLERANCE)
    return values if lost else simpler


def _among(arrays: Arrays, values: Floats, start: Mapping[str, Integers]) -> Arrays:
    """Return the program with those replicas only that a plan or the plan it started from has.

    The start was tidied in its time: what is simple is mostly there, and is found much sooner.
    """
    block, upper = arrays.block("replicas"), arrays.column_upper.copy()
    upper[block] = np.where((values[block] > 0) | (start["replicas"] > 0), upper[block], 0.0)
    return replace(arrays, column_upper=np.maximum(upper, arrays.column_lower))


def _laid_out(arrays: Arrays, values: Mapping[str, Integers]) -> Floats:
    """Return values by kind as one vector; columns of other kinds are 0."""
    vector = np.zeros(len(arrays.cost))
    for kind, amounts in values.items():
        vector[arrays.block(kind)] = amounts
    return vector


COST = Goal("cost", "micro-USD/h", {}, cost_factor=1)
"""The goal of a problem that states none."""

LEAST_SECONDS = 1.0
"""Time that each goal gets at least."""


def _aim(arrays: Arrays, goal: Goal) -> Arrays:
    """Return the program with the goal's amounts for costs."""
    if goal.name == COST.name or (goal.cost_factor == 1 and not goal.amounts):
        return arrays
    cost = goal.cost_factor * arrays.cost
    for kind, amounts in goal.amounts.items():
        cost[arrays.block(kind)] += amounts
    return replace(arrays, cost=cost)


def _keep(arrays: Arrays, cost: Floats, value: int, name: str) -> Arrays:
    """Return the program with a row that keeps a goal at the value it reached."""
    row: Any = scipy.sparse.csr_matrix(cost.reshape(1, -1))
    return replace(
        arrays,
        matrix=scipy.sparse.vstack([arrays.matrix, row], format="csr"),
        row_lower=np.append(arrays.row_lower, -np.inf),
        row_upper=np.append(arrays.row_upper, float(value)),
        rows=(*arrays.rows, RowInfo(f"goal/{name}", "goal")),
    )
