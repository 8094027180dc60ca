"""Why there is no plan: a minimal set of promises that collide, and ways out.

Rows that a person stated (`RowInfo.is_promise`) can be loosened; rows of logic cannot. The conflict comes
from the duals of an elastic relaxation (which rows are needed to prove that something is missing), made
minimal by a deletion filter; a way out is the least amount by which one promise alone, or several
together, must give way.
"""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse

from planner.optimize.build import build_program
from planner.optimize.problem import Problem
from planner.optimize.program import Arrays, RowInfo
from planner.optimize.solvers import cp_sat, highs

SECONDS_PER_CHECK = 10.0
"""Time for one integer feasibility check of the deletion filter; a row is kept where it is not enough."""

DUAL_TOLERANCE = 1e-7
"""Duals of the elastic relaxation below this are zero."""


@dataclass(frozen=True)
class Loosened:
    """One promise that gives way: its row, the stated bound, and the bound that would do (same unit)."""

    row: RowInfo
    stated: int
    needed: int


@dataclass(frozen=True)
class Finding:
    """The conflict (rows) and the ways out, least relative change first.

    minimal: True if dropping any one row of the conflict was shown to leave a plan.
    """

    conflict: tuple[RowInfo, ...]
    minimal: bool
    ways_out: tuple[tuple[Loosened, ...], ...]


MORE_RACKS = 1000
"""How many times the racks of a class could grow before their number stops being the reason."""


def diagnose(problem: Problem, time_limit_s: float = 60.0, workers: int = 2) -> Finding:
    """Return why the infeasible `problem` has no solution."""
    arrays = loosened_program(problem)
    search = _Diagnosis(arrays, time.perf_counter() + time_limit_s, workers)
    conflict, minimal = search.minimal_conflict()
    return Finding(
        conflict=tuple(arrays.rows[r] for r in conflict),
        minimal=minimal,
        ways_out=tuple(search.ways_out(conflict)),
    )


def loosened_program(problem: Problem) -> Arrays:
    """Return the program with only its rows, not its column bounds, limiting the number of racks."""
    classes = problem.rack_classes
    roomy = replace(problem, rack_classes=replace(classes, count=classes.count * MORE_RACKS))
    arrays = build_program(roomy)
    upper = arrays.row_upper.copy()
    for r, row in enumerate(arrays.rows):
        if row.family == "racks" and row.is_promise:
            upper[r] /= MORE_RACKS
    return replace(arrays, row_upper=upper)


class _Diagnosis:
    def __init__(self, arrays: Arrays, deadline: float, workers: int) -> None:
        self.arrays = arrays
        self.deadline = deadline
        self.workers = workers
        self.promises = [r for r, row in enumerate(arrays.rows) if row.is_promise]

    def minimal_conflict(self) -> tuple[list[int], bool]:
        """Return promise rows that collide, and whether the set was shown to be minimal."""
        kept = self._rows_in_the_proof()
        linear = highs.solve_linear(self._without(set(self.promises) - set(kept))).status == "infeasible"
        if not linear:
            kept = list(self.promises)
        minimal = True
        for row in list(kept):
            if time.perf_counter() > self.deadline:
                return kept, False
            trial = [other for other in kept if other != row]
            verdict = self._is_infeasible(self._without(set(self.promises) - set(trial)), linear)
            if verdict:
                kept = trial
            elif verdict is None:
                minimal = False
        return kept, minimal

    def ways_out(self, conflict: Sequence[int]) -> list[tuple[Loosened, ...]]:
        """Return the least change of each row of the conflict alone, then of all together."""
        found: list[tuple[float, tuple[Loosened, ...]]] = []
        for row in conflict:
            changes = self._least_change([row])
            if changes:
                found.append((_relative(changes), changes))
        if not found:
            changes = self._least_change(list(conflict)) or self._least_change(self.promises)
            if changes:
                found.append((_relative(changes), changes))
        return [changes for _, changes in sorted(found, key=lambda item: item[0])]

    def _rows_in_the_proof(self) -> list[int]:
        """Return the promise rows with a nonzero dual when the total shortage is minimized."""
        elastic = _elastic(self.arrays, self.promises, self._scales(self.promises))
        outcome = highs.solve_linear(elastic)
        if outcome.status != "optimal":
            return list(self.promises)
        return [r for r in self.promises if abs(outcome.duals[r]) > DUAL_TOLERANCE] or list(self.promises)

    def _is_infeasible(self, arrays: Arrays, linear: bool) -> bool | None:
        """True: proven to have no solution; False: has one; None: not decided in time."""
        if highs.solve_linear(arrays).status == "infeasible":
            return True
        if linear:
            # A linear conflict: what is left may still lack an integer solution; ask for one.
            return bool(self._integer(arrays, SECONDS_PER_CHECK) == "infeasible")
        status = self._integer(arrays, SECONDS_PER_CHECK)
        return None if status == "unknown" else status == "infeasible"

    def _integer(self, arrays: Arrays, seconds: float) -> str:
        nothing = replace(arrays, cost=np.zeros_like(arrays.cost))
        left = max(0.5, min(seconds, self.deadline - time.perf_counter()))
        return cp_sat.solve(nothing, time_limit_s=left, workers=self.workers).status

    def _scales(self, rows: Sequence[int]) -> np.ndarray:
        """Return the stated bound of each row: slack is measured relative to it."""
        stated = np.array([abs(_bound(self.arrays, r)) for r in rows], dtype=np.float64)
        return np.maximum(stated, 1.0)

    def _without(self, dropped: set[int]) -> Arrays:
        """Return the program without some promises (demand rows may then stay unserved)."""
        lower, upper = self.arrays.row_lower.copy(), self.arrays.row_upper.copy()
        for row in dropped:
            if np.isfinite(lower[row]):
                lower[row] = min(0.0, lower[row])
            if self.arrays.rows[row].family != "demand":
                upper[row] = np.inf
        return replace(self.arrays, row_lower=lower, row_upper=upper)

    def _least_change(self, rows: Sequence[int]) -> tuple[Loosened, ...]:
        """Return the least relative change of `rows` that leaves a plan, () if none does or time is up."""
        if time.perf_counter() > self.deadline:
            return ()
        elastic = _elastic(self.arrays, rows, self._scales(rows))
        count = len(self.arrays.cost)
        integer = np.ones(len(elastic.cost), dtype=bool)
        outcome = highs.solve_integer(
            elastic,
            integer=integer,
            time_limit_s=max(0.5, min(SECONDS_PER_CHECK, self.deadline - time.perf_counter())),
            relative_gap=1e-3,
        )
        if outcome.values is None:
            return ()
        slack = np.rint(outcome.values[count:]).astype(np.int64)
        return tuple(
            Loosened(self.arrays.rows[row], stated, stated + sign * int(amount))
            for row, amount in zip(rows, slack, strict=True)
            if amount > 0
            for stated, sign in [(_bound(self.arrays, row), _direction(self.arrays, row))]
        )


def _is_floor(arrays: Arrays, row: int) -> bool:
    """True for rows that ask for at least something (demand)."""
    return bool(np.isfinite(arrays.row_lower[row]) and arrays.row_lower[row] > 0)


def _bound(arrays: Arrays, row: int) -> int:
    bound = arrays.row_lower[row] if _is_floor(arrays, row) else arrays.row_upper[row]
    return int(bound)


def _direction(arrays: Arrays, row: int) -> int:
    return -1 if _is_floor(arrays, row) else 1


def _elastic(arrays: Arrays, rows: Sequence[int], scales: np.ndarray) -> Arrays:
    """Return the program that minimizes the relative slack of `rows` instead of cost."""
    count = len(rows)
    signs = np.array([1.0 if _is_floor(arrays, row) else -1.0 for row in rows])
    slack = scipy.sparse.csr_matrix(
        (signs, (np.asarray(rows, dtype=np.int64), np.arange(count))), shape=(len(arrays.rows), count)
    )
    upper = np.array([_bound(arrays, row) if _is_floor(arrays, row) else np.inf for row in rows])
    return replace(
        arrays,
        cost=np.concatenate([np.zeros_like(arrays.cost), 1e9 / scales]),
        column_lower=np.concatenate([arrays.column_lower, np.zeros(count)]),
        column_upper=np.concatenate([arrays.column_upper, upper]),
        matrix=scipy.sparse.hstack([arrays.matrix, slack], format="csr"),
    )


def _relative(changes: Sequence[Loosened]) -> float:
    return sum(abs(c.needed - c.stated) / max(abs(c.stated), 1) for c in changes)
