"""What a little more of something is worth: the linear relaxation, solved again with other bounds.

A `Move` shifts bounds of rows together (a limit that several rows state). Along a move the optimum of the
relaxation is a convex, piecewise straight line: its slope at the start is the marginal value, to each side
of the start there is one, and each holds up to the next bend. Slopes are taken from the duals and accepted
only where solving again a step further gives the same.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse

from planner.optimize.lazy import part_with, survived
from planner.optimize.problem import Integers, Problem
from planner.optimize.program import Arrays, Floats, RowInfo
from planner.optimize.solvers import highs
from planner.optimize.solvers.glop import LinearProgram
from planner.optimize.solvers.outcome import SolverFailure

SAME_SLOPE = 0.01
"""Slopes that differ by less, relatively, are the same."""

FLAT = 1e-9
"""Relative to the whole objective per step: smaller changes are what solvers leave."""

SMALLER = 10.0
"""Steps that pass a bend are made so many times smaller."""

MOST_STEPS = 6
"""Tries to find a step without a bend, and bends that are passed to find where a slope ends."""

PRECISION = 0.005
"""Relative precision of where a slope ends."""

SMALLEST = 1e-5
"""Part of a bound below which a step is not made smaller: solvers may miss bounds by a tenth of it."""

AGAIN_S = 10.0
"""Time to solve the relaxation again from where it stands, before it is solved anew."""

FARTHEST = 1e4
"""Steps after which a slope counts as lasting for ever."""


@dataclass(frozen=True)
class Move:
    """Rows whose bounds move, and by how much for one unit of the move (positive: the bound rises)."""

    rows: Integers
    by: Floats


@dataclass(frozen=True)
class Point:
    """The relaxation with moved bounds: its objective, and the duals of its rows."""

    objective: float
    duals: Floats


@dataclass(frozen=True)
class Side:
    """The slope to one side of where things stand.

    slope: change of the objective per unit moved in the positive direction. lasts: units moved until the
    slope changes (infinite: for ever). steps_agree: whether duals and solving again gave the same.
    """

    slope: float
    lasts: float
    steps_agree: bool


class Relaxation:
    """The linear relaxation of a program, with those failures that its solution does not survive unstated."""

    def __init__(self, arrays: Arrays, deadline: float, ranges_until: float = math.inf) -> None:
        """Solve the relaxation.

        Args:
            arrays: the program.
            deadline: `time.perf_counter()` from which on nothing further is begun.
            ranges_until: from then on a slope is told to hold for the step it was found with only.

        Raises:
            ValueError: it has no solution, or was not solved in time.
        """
        self.deadline, self.ranges_until = deadline, ranges_until
        active: list[int] = []
        while True:
            part = part_with(arrays, active)
            outcome = highs.solve_linear(part.arrays, max(deadline - time.perf_counter(), 1.0))
            if outcome.status != "optimal":
                raise ValueError("the linear relaxation was not solved in time")
            values = part.lift(outcome.values, np.zeros(len(arrays.cost)))
            others = [number for number in range(len(arrays.sections)) if number not in active]
            _, lost = survived(arrays, values, others, whole=False)
            if not lost:
                break
            active += lost
        self.arrays = part.arrays
        self.columns = part.columns
        self.values = outcome.values
        self.start = Point(outcome.objective, outcome.duals)
        self._again: LinearProgram | None = None
        self.number: Mapping[str, int] = {row.name: r for r, row in enumerate(part.arrays.rows)}

    @property
    def out_of_time(self) -> bool:
        """True if nothing further should be begun."""
        return time.perf_counter() > self.deadline

    def move(self, gives: Mapping[str, float]) -> Move | None:
        """Return the move that loosens rows by so much per unit, None if none of them is stated here."""
        there = [(self.number[name], by) for name, by in gives.items() if name in self.number and by]
        if not there:
            return None
        rows = np.array([row for row, _ in there], dtype=np.int64)
        floors = self.arrays.row_lower[rows] > 0
        by = np.array([by for _, by in there])
        return Move(rows, np.where(floors, -by, by))

    def slope(self, point: Point, move: Move) -> float:
        """Return what the duals say about a unit of a move."""
        return float(point.duals[move.rows] @ move.by)

    def moved(self, move: Move, units: float) -> Point | None:
        """Return the relaxation with bounds moved, None if it then has no solution."""
        lower, upper = self.arrays.row_lower.copy(), self.arrays.row_upper.copy()
        lower[move.rows] += move.by * units
        upper[move.rows] += move.by * units
        outcome = self._solved(replace(self.arrays, row_lower=lower, row_upper=upper), move.rows.tolist())
        return Point(outcome.objective, outcome.duals) if outcome.status == "optimal" else None

    def with_cost(self, cost: Floats) -> float | None:
        """Return the objective of the relaxation with other costs of the columns of the whole program."""
        outcome = self._solved(replace(self.arrays, cost=cost[self.columns]), ())
        return outcome.objective if outcome.status == "optimal" else None

    def _solved(self, changed: Arrays, duals_of: Sequence[int]) -> highs.LinearOutcome:
        """Solve the relaxation with other bounds or costs, from the basis where the last one ended.

        Its objective and the duals of some rows are asked for, nothing else.
        GLOP goes on from a basis, HiGHS begins anew but gives up less often: it is asked where GLOP does.
        """
        if self._again is None:
            self._again = LinearProgram(self.arrays)
        self._again.move_rows(changed.row_lower, changed.row_upper)
        self._again.price(changed.cost)
        try:
            outcome = self._again.solve(AGAIN_S, duals_of)
            if outcome.status != "unknown":
                return outcome
        except SolverFailure:
            pass
        self._again = None
        return highs.solve_linear(changed)

    def side(self, move: Move, step: float, most: float = math.inf) -> Side | None:
        """Return the slope to one side: a positive step loosens, a negative one tightens; at most `most`.

        None: there is nothing on that side (the relaxation has no solution), or time is up.
        """
        length, least = step, SMALLEST * self._size(move)
        for tried in range(MOST_STEPS):
            if self.out_of_time:
                return None
            if tried and abs(length) < least:
                break
            point = self.moved(move, length)
            if point is not None:
                slope = (point.objective - self.start.objective) / length
                there = self.slope(point, move)
                if same(slope, there, self._nothing(length)):
                    return Side(slope, self._lasts(move, length, slope, most), True)
            length /= SMALLER
        if point is None:
            return None
        return Side(slope, 0.0, False)

    def _size(self, move: Move) -> float:
        """Return the units of a move after which the largest bound would be twice what it is."""
        bounds = np.where(
            self.arrays.row_lower[move.rows] > 0,
            self.arrays.row_lower[move.rows],
            self.arrays.row_upper[move.rows],
        )
        sizes = np.abs(bounds / move.by)
        return float(sizes[np.isfinite(sizes)].max(initial=0.0))

    def _nothing(self, length: float) -> float:
        """Return the slope that is as good as none over a length."""
        return FLAT * max(abs(self.start.objective), 1.0) / abs(length)

    def _lasts(self, move: Move, length: float, slope: float, most: float) -> float:
        """Return how far the slope holds: where tangents from farther away meet it.

        At most `most`, and not looked at beyond twice the bound that is moved.
        """
        if time.perf_counter() > self.ranges_until:
            return abs(length)
        end = min(abs(length) * FARTHEST, most, max(self._size(move), abs(length)))
        near, far, farthest = length, math.copysign(end, length), math.inf
        for _ in range(2 * MOST_STEPS):
            if self.out_of_time or abs(far - near) <= PRECISION * abs(near):
                break
            point = self.moved(move, far)
            if point is None:
                farthest = far
                far = math.copysign(math.sqrt(abs(near * far)), length)
                continue
            expected = self.start.objective + slope * far
            tolerance = SAME_SLOPE * abs(slope * far) / 10 + FLAT * abs(self.start.objective)
            if abs(point.objective - expected) <= tolerance:
                near = far
                if not math.isfinite(farthest):
                    break
                far = math.copysign(math.sqrt(abs(near * farthest)), length)
                continue
            there = self.slope(point, move)
            bend = near
            if there != slope:
                bend = (point.objective - there * far - self.start.objective) / (slope - there)
            if abs(bend) <= abs(near) or abs(bend) >= abs(far) * (1 - PRECISION / 10):
                break
            farthest = far = bend
        return math.inf if abs(near) >= abs(length) * FARTHEST else abs(near)


def same(one: float, other: float, nothing: float = 0.0) -> bool:
    """Return whether two slopes are the same within a hundredth, or both are nothing."""
    return abs(one - other) <= SAME_SLOPE * max(abs(one), abs(other)) + nothing


ANY_NUMBER = 1_000_000
"""Servers of a kind from which on nothing but rows bounds them."""


def movable(problem: Problem, arrays: Arrays, offered: Sequence[tuple[str, Sequence[int], int]]) -> Arrays:
    """Return the program with bounds of columns that rows imply left to those rows, so that they can move.

    What each column may be at most follows from racks, space and packing; what is `offered` (row name,
    candidates, most) becomes a row of its own.
    """
    upper = arrays.column_upper.copy()
    for kind, first, count in arrays.column_kind:
        if kind in ("mixes", "replicas") or kind.endswith("/replicas"):
            upper[first : first + count] = np.inf
    servers = np.arange(len(upper))[arrays.block("servers")]
    upper[servers[problem.candidates.maximum >= ANY_NUMBER]] = np.inf
    extra_rows: list[int] = []
    extra_columns: list[int] = []
    names: list[RowInfo] = []
    limits: list[float] = []
    for name, candidates, most in offered:
        for candidate in candidates:
            extra_rows.append(len(names))
            extra_columns.append(int(servers[candidate]))
            upper[servers[candidate]] = np.inf
        names.append(RowInfo(name, "stock", "servers", "fleet.rent"))
        limits.append(float(most))
    added = scipy.sparse.csr_matrix(
        (np.ones(len(extra_rows)), (extra_rows, extra_columns)), shape=(len(names), len(upper))
    )
    return replace(
        arrays,
        column_upper=upper,
        matrix=scipy.sparse.vstack([arrays.matrix, added], format="csr"),
        row_lower=np.concatenate([arrays.row_lower, np.full(len(names), -np.inf)]),
        row_upper=np.concatenate([arrays.row_upper, limits]),
        rows=(*arrays.rows, *names),
    )
