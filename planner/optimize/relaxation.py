"""The folded linear relaxation, kept between solves, with those cuts only that matter to it.

Covers of every loss are as many rows as sites times workloads, each over nearly all replicas; a handful of
them is ever tight. They join when a solution breaks one, together with those that are nearly tight.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from planner.optimize.folding import Folded
from planner.optimize.program import Arrays, Cut, Floats
from planner.optimize.rerouting import with_cuts
from planner.optimize.solvers import highs
from planner.optimize.solvers.glop import LinearProgram

BROKEN = 1e-9
"""Share of what a cut asks for by which a solution must miss it to break it."""

NEARLY_TIGHT = 0.05
"""Cuts that are kept by no more than this share of what they ask for join with those that are broken."""

Bounds = tuple[Floats, Floats]


class Relaxation:
    """A folded program that is solved again after its bounds moved and cuts joined."""

    def __init__(self, folding: Folded) -> None:
        self.folding = folding
        self._program: LinearProgram | None = None
        self._joined: list[Cut] = []
        self._waiting: list[Cut] = []

    def solve(
        self,
        cuts: Sequence[Cut],
        time_limit_s: float,
        columns: Bounds | None = None,
        rows: Bounds | None = None,
        more: float = 0.0,
    ) -> highs.LinearOutcome:
        """Solve from where the last solve ended.

        Args:
            cuts: over columns of the real program, those of earlier calls first.
            time_limit_s: seconds for each linear program.
            columns: lower and upper bounds of the folded columns; None: their own.
            rows: lower and upper bounds of the folded rows; None: their own.
            more: share by which each cut asks for more than it says.

        Returns:
            A solution over folded columns.

        Raises:
            SolverFailure: the solvers ended with an error.
        """
        arrays = self.folding.arrays
        known = len(self._joined) + len(self._waiting)
        self._waiting += [self.folding.cut(cut) for cut in cuts[known:]]
        lower, upper = columns or (arrays.column_lower, arrays.column_upper)
        row_lower, row_upper = rows or (arrays.row_lower, arrays.row_upper)
        moved = replace(
            arrays, column_lower=lower, column_upper=upper, row_lower=row_lower, row_upper=row_upper
        )
        while True:
            outcome = self._again(moved, more, time_limit_s)
            if outcome.status not in ("optimal", "infeasible"):
                # GLOP gives up more often than HiGHS.
                self._program = None
                asked = [_asking(cut, more) for cut in (*self._joined, *self._waiting)]
                return highs.solve_linear(with_cuts(moved, asked), time_limit_s)
            if outcome.status == "infeasible" or not self._join(outcome.values, more):
                return outcome

    def _again(self, moved: Arrays, more: float, time_limit_s: float) -> highs.LinearOutcome:
        """Solve with the cuts that have joined."""
        if self._program is None:
            self._program = LinearProgram(with_cuts(self.folding.arrays, self._joined), presolved=False)
        least = np.array([_asking(cut, more).lower for cut in self._joined])
        self._program.move_columns(moved.column_lower, moved.column_upper)
        self._program.move_rows(
            np.append(moved.row_lower, least), np.append(moved.row_upper, np.full(len(least), np.inf))
        )
        return self._program.solve(time_limit_s)

    def _join(self, values: Floats, more: float) -> bool:
        """Let cuts join where a solution breaks any; says whether it does."""
        assert self._program is not None
        broken = False
        near: list[Cut] = []
        rest: list[Cut] = []
        for cut in self._waiting:
            lower = _asking(cut, more).lower
            kept = float(cut.amounts @ values[cut.columns]) - lower
            broken = broken or kept < -BROKEN * abs(lower)
            (near if kept < NEARLY_TIGHT * abs(lower) else rest).append(cut)
        if broken:
            for cut in near:
                self._program.add_row(cut.columns, cut.amounts, cut.lower)
            self._joined, self._waiting = self._joined + near, rest
        return broken


def _asking(cut: Cut, more: float) -> Cut:
    """Return a cut that asks for a share more."""
    return replace(cut, lower=cut.lower + more * abs(cut.lower)) if more else cut
