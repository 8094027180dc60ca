"""Promises that can be dropped or loosened: is there a plan then, and how little must give way?

A `Group` is one stated promise: the rows of the program that state it, and by how much their bounds move
when it is loosened by one of its own unit. Rows of logic belong to no group and always hold. What must
hold beyond the program (times of replicas, what a rack can hold) is changed by those who build it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from planner.optimize.build import build_program
from planner.optimize.lazy import is_traffic
from planner.optimize.problem import Entries, Integers, Ledger, Problem, integers
from planner.optimize.program import Arrays, Floats
from planner.optimize.solvers import cp_sat, highs

DUAL_TOLERANCE = 1e-7
"""Duals of the elastic relaxation below this are zero."""

MORE_RACKS = 1000
"""How many times the racks of a class could grow before their number stops being the reason."""

EXACT_COLUMNS = 4_000
"""Programs up to this many columns are checked to the last unit of traffic; in larger ones traffic may be
split freely, as servers, racks and replicas decide."""

ELASTIC_GAP = 1e-3
"""How near to the least change is near enough."""

PRICE_SCALE = 1e6
"""A whole price in the solver's objective: costs are handed over in millionths."""


@dataclass(frozen=True)
class Group:
    """One promise in the program.

    rows: row numbers. gives: (rows,) by how much each bound moves, towards looser, for each unit of the
    promise. most: units by which it can be loosened (infinite where nothing ends it). whole: only whole
    units count. price: what one unit counts where several promises share the change.
    """

    rows: Integers
    gives: Floats
    most: float
    whole: bool
    price: float


def loosenable(problem: Problem, offered: Mapping[str, Sequence[tuple[int, int]]] | None = None) -> Arrays:
    """Return the program in a form in which every promise is a row of one side.

    Column bounds that people stated become rows: the number of racks of a class (`racks/...`), and what
    is `offered`: row name -> (candidate, most). Demand asks for at least what is stated, which has plans
    whenever the exact demand has.
    """
    classes, candidates = problem.rack_classes, problem.candidates
    maximum = candidates.maximum.copy()
    names: list[str] = []
    limits: list[int] = []
    used: list[tuple[int, int, int]] = []
    for name, members in (offered or {}).items():
        for candidate, most in members:
            used.append((len(names), candidate, 1))
            maximum[candidate] = 1_000_000
            limit = most
        names.append(name)
        limits.append(limit)
    ledgers = problem.ledgers
    if names:
        table = np.array(used, dtype=np.int64)
        entries = {"servers": Entries(table[:, 0], table[:, 1], table[:, 2])}
        ledgers += (
            Ledger("stock", tuple(names), integers(limits), "servers", ("fleet.rent",) * len(names), entries),
        )
    roomy = replace(
        problem,
        rack_classes=replace(classes, count=classes.count * _growth(problem)),
        candidates=replace(candidates, maximum=maximum),
        ledgers=ledgers,
    )
    arrays = build_program(roomy)
    racks = {f"racks/{name}": count for name, count in zip(classes.names, classes.count, strict=True)}
    upper = arrays.row_upper.copy()
    for r, row in enumerate(arrays.rows):
        if row.name in racks:
            upper[r] = racks[row.name]
        elif row.family == "demand" and row.is_promise:
            upper[r] = np.inf
    return replace(arrays, row_upper=upper)


def _growth(problem: Problem) -> Integers:
    """Return (rack classes,) how many times the racks of each class could grow in the program.

    Where the loss of a rack must be survived, what it takes depends on how many there are: 1.
    """
    growth = np.full(len(problem.rack_classes.names), MORE_RACKS, dtype=np.int64)
    if problem.failures is not None:
        lost = problem.failures.lost_rack_of
        growth[lost[lost >= 0]] = 1
    return growth


def without(arrays: Arrays, groups: Sequence[Group]) -> Arrays:
    """Return the program without the promises of some groups."""
    lower, upper = arrays.row_lower.copy(), arrays.row_upper.copy()
    for group in groups:
        floors = lower[group.rows] > 0
        lower[group.rows] = np.where(floors, 0.0, lower[group.rows])
        upper[group.rows] = np.where(floors, upper[group.rows], np.inf)
    return replace(arrays, row_lower=lower, row_upper=upper)


def has_solution(arrays: Arrays, seconds: float, workers: int = 2) -> bool | None:
    """Return whether the program has a solution in whole numbers; None if that took too long."""
    linear = highs.solve_linear(arrays, max(seconds, 0.5))
    if linear.status == "infeasible":
        return False
    if linear.status == "unknown":
        return None
    nothing = replace(arrays, cost=np.zeros_like(arrays.cost))
    if len(arrays.cost) <= EXACT_COLUMNS:
        status = cp_sat.solve(nothing, time_limit_s=max(seconds, 0.5), workers=workers).status
    else:
        status = highs.solve_integer(
            nothing, integer=~is_traffic(arrays), time_limit_s=max(seconds, 0.5), relative_gap=1.0
        ).status
    return None if status == "unknown" else status != "infeasible"


def in_the_proof(arrays: Arrays, groups: Sequence[Group]) -> list[int] | None:
    """Return the groups that are needed to show, with linear programs alone, that something is missing.

    None: the linear relaxation has a solution, or was not solved; whole numbers are the reason.
    """
    elastic = _elastic(arrays, groups, integer=False)
    outcome = highs.solve_linear(elastic.arrays)
    if outcome.status != "optimal" or outcome.objective <= DUAL_TOLERANCE:
        return None
    rows = len(arrays.rows)
    needed = np.abs(outcome.duals[:rows]) > DUAL_TOLERANCE
    return [number for number, group in enumerate(groups) if needed[group.rows].any()]


def least_change(arrays: Arrays, groups: Sequence[Group], seconds: float) -> list[float] | None:
    """Return by how many units each group must be loosened, at the least total price.

    None: no loosening of these groups alone leaves a solution, or none was found in time.
    """
    elastic = _elastic(arrays, groups, integer=True)
    outcome = highs.solve_integer(
        elastic.arrays,
        integer=elastic.whole,
        time_limit_s=max(seconds, 0.5),
        relative_gap=ELASTIC_GAP,
    )
    if outcome.values is None:
        return None
    amounts = outcome.values[len(arrays.cost) :] * elastic.step
    return [
        float(np.rint(amount)) if group.whole else max(float(amount), 0.0)
        for group, amount in zip(groups, amounts, strict=True)
    ]


@dataclass(frozen=True)
class _Elastic:
    """A program with one more column for each group: how many steps of `step` units it gives way."""

    arrays: Arrays
    step: Floats
    whole: NDArray[np.bool_]


def _elastic(arrays: Arrays, groups: Sequence[Group], *, integer: bool) -> _Elastic:
    """Return the program that minimizes the price of loosening instead of cost.

    Steps of what is not counted in whole units are as large as its price is small, so that the columns
    stay near 1 whatever the unit.
    """
    count, rows = len(groups), len(arrays.rows)
    row = np.concatenate([group.rows for group in groups])
    column = np.concatenate([np.full(len(group.rows), g) for g, group in enumerate(groups)])
    signs = np.where(arrays.row_lower[row] > 0, 1.0, -1.0)
    price = np.array([group.price for group in groups])
    step = np.where([group.whole and integer for group in groups], 1.0, 1.0 / price)
    gives = np.concatenate([group.gives for group in groups])
    slack = scipy.sparse.csr_matrix((signs * gives * step[column], (row, column)), shape=(rows, count))
    program = replace(
        arrays,
        cost=np.concatenate([np.zeros_like(arrays.cost), PRICE_SCALE * price * step]),
        column_lower=np.concatenate([arrays.column_lower, np.zeros(count)]),
        column_upper=np.concatenate([arrays.column_upper, np.array([g.most for g in groups]) / step]),
        matrix=scipy.sparse.hstack([arrays.matrix, slack], format="csr"),
    )
    whole = [np.ones(len(arrays.cost), dtype=bool), np.array([group.whole for group in groups], dtype=bool)]
    return _Elastic(program, step, np.concatenate(whole))
