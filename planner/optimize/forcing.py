"""Programs with a decision forced, or kept near the optimum: "why not that" and "what else"."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import numpy as np

from planner.optimize.problem import VARIABLE_KINDS, Entries, Goal, Integers, Ledger, Problem, integers
from planner.optimize.program import Program
from planner.optimize.variables import add_variables

FORCED = "forced"
"""Name of the row that forces a decision."""

COST = Goal("cost", "micro-USD/h", {}, cost_factor=1)
"""What every plan pays."""

NEAR = "near-optimal"
"""Name of the row that keeps what the first goal may amount to."""


def at_least(problem: Problem, kind: str, columns: Sequence[int], count: int) -> Problem:
    """Return the problem in which variables of a kind add up to at least `count`."""
    return _with_row(problem, FORCED, {kind: (columns, -1)}, -count)


def at_most(problem: Problem, kind: str, columns: Sequence[int], count: int) -> Problem:
    """Return the problem in which variables of a kind add up to at most `count`."""
    return _with_row(problem, FORCED, {kind: (columns, 1)}, count)


def near_optimal(problem: Problem, most: int, goal: Goal, then: Goal) -> Problem:
    """Return the problem that minimizes `goal`, then `then`, where the first goal stays within `most`.

    Args:
        problem: the question.
        most: largest value of its first goal, in that goal's unit.
        goal: what to minimize instead. Sites count as open wherever a server stands.
        then: what to minimize among equals.
    """
    amounts = goal_amounts(problem)
    entries = {
        kind: Entries(np.zeros(int((a != 0).sum()), dtype=np.int64), np.flatnonzero(a), a[a != 0])
        for kind, a in amounts.items()
        if (a != 0).any()
    }
    row = Ledger(NEAR, (NEAR,), integers([most]), "of the first goal", ("",), entries)
    # Rows that tie servers to open sites are written where opening costs something: it costs next to nothing.
    sites = replace(problem.sites, open_cost=np.maximum(problem.sites.open_cost, 1))
    return replace(problem, ledgers=(*problem.ledgers, row), goals=(goal, then), sites=sites)


def first_goal(problem: Problem) -> Goal:
    """Return the first goal of a problem; cost where it states none, or a ratio, which is no plain sum."""
    if not problem.goals or problem.goals[0].lost is not None:
        return COST
    return problem.goals[0]


def goal_amounts(problem: Problem) -> Mapping[str, Integers]:
    """Return the amounts of the first goal for every variable of every kind."""
    return amounts_for(problem, first_goal(problem))


def amounts_for(problem: Problem, goal: Goal) -> Mapping[str, Integers]:
    """Return the amounts of a goal for every variable of every kind, costs of the tables included."""
    program = Program()
    add_variables(program, problem)
    arrays = program.finish()
    amounts = {}
    for kind in VARIABLE_KINDS:
        amounts[kind] = goal.cost_factor * np.rint(arrays.cost[arrays.block(kind)]).astype(np.int64)
        if kind in goal.amounts:
            amounts[kind] = amounts[kind] + integers(goal.amounts[kind])
    return amounts


def amounts_of(problem: Problem, values: Mapping[str, Integers], goal: Goal | None = None) -> int:
    """Return what decisions amount to in a goal's unit; in the first goal's without one."""
    amounts = amounts_for(problem, goal or first_goal(problem))
    return sum(int(amounts[kind] @ values[kind]) for kind in amounts)


def without_candidates(problem: Problem, candidates: Sequence[int]) -> Problem:
    """Return the problem in which some kinds of servers cannot be powered."""
    maximum = problem.candidates.maximum.copy()
    maximum[list(candidates)] = 0
    return replace(problem, candidates=replace(problem.candidates, maximum=maximum))


def _with_row(
    problem: Problem, name: str, uses: Mapping[str, tuple[Sequence[int], int]], most: int
) -> Problem:
    entries = {
        kind: Entries(
            np.zeros(len(columns), dtype=np.int64),
            integers(list(columns)),
            np.full(len(columns), amount, dtype=np.int64),
        )
        for kind, (columns, amount) in uses.items()
    }
    row = Ledger(name, (name,), integers([most]), "", ("",), entries)
    return replace(problem, ledgers=(*problem.ledgers, row))
