"""A first plan of a large program within seconds: the relaxation with room, rounded (`rounding`).

Of tens of thousands of columns a relaxation uses a few hundred. What rounding their counts up adds to each
limit is known before: where the relaxation, solved again, leaves that much, its counts can be rounded one by
one without a search. Such a plan costs a percent or two more than the optimum; what follows starts from it.
"""

from __future__ import annotations

import numpy as np
import scipy.sparse

from planner.optimize.beside import Beside
from planner.optimize.lazy import part_with
from planner.optimize.neighbourhood import around
from planner.optimize.program import Arrays, Floats
from planner.optimize.rerouting import with_cuts
from planner.optimize.rounding import Rounding
from planner.optimize.site_packing import of_kind
from planner.optimize.site_plans import laid, spacious

ROUNDED_COLUMNS = 20_000
"""Smaller programs have a first plan from the counts in use as soon."""

ROOMS = ((0.35, 0.002), (0.7, 0.003), (1.2, 0.01))
"""What is tried in turn: the part of what rounding all counts up would add that each limit leaves, and by
what share more is asked for than is needed."""

LEAST_ROOM, MOST_ROOM = 0.5, 0.1
"""Of its largest amount, what a limit leaves at least; of itself, what it leaves at most."""

NEAR_CUT = 0.05
"""Cuts that the relaxation keeps by no more than this share of what they ask for are kept in sight."""

IN_USE = 1e-6
"""Amounts above this are in use."""

ROUNDED = ("mixes", "servers", "replicas")
"""Kinds of counts in the order in which they are rounded."""


class FirstPlan(Beside):
    """Rounds the relaxation of large programs."""

    def _plan_by_rounding(self, opened: Floats) -> bool:
        """Make the relaxation with room a plan; says whether there is one.

        Args:
            opened: (sites,) 1 for sites that are open, 0 for others.
        """
        if len(self.arrays.cost) <= ROUNDED_COLUMNS or self.best is not None:
            return False
        started = self._elapsed()
        for part, more in ROOMS:
            if self._done():
                break
            design = self._relaxation_rounded(opened, part, more)
            whole = None if design is None or self._lacks(design) else self._rounded(design)
            if whole is not None and self._complete(whole, "rounded") == "found":
                break
        self._record("rounded", self._elapsed() - started, "unknown" if self.best is None else "feasible")
        return self.best is not None

    def _relaxation_rounded(self, opened: Floats, part: float, more: float) -> Floats | None:
        """Return (columns,) whole counts and the traffic that they serve; None where that fails.

        Args:
            opened: (sites,) which are open.
            part: of what rounding all counts up adds, what limits leave.
            more: share by which more is asked for than is needed.
        """
        base = part_with(self.arrays, self.active)
        arrays = base.arrays
        assert self.linear is not None
        room = limit_room(arrays, self.linear[base.columns], part)
        folding = self._folding()
        small = folding.arrays
        asked = small.row_lower * np.where(small.row_lower > 0, 1.0 + more, 1.0)
        upper = np.where(small.row_lower == small.row_upper, asked, small.row_upper)
        upper = upper - np.bincount(folding.row_class, weights=room, minlength=len(upper))
        columns, limit_s = self._with_sites(opened), max(self._remaining(), 1.0)
        outcome = self._relaxation().solve(self.cuts, limit_s, columns, (asked, upper), more)
        if outcome.status != "optimal":
            return None
        near = folding.unfolded(outcome.values)
        tight = [cut for cut in self.cuts if cut.amounts @ near[cut.columns] <= (1 + NEAR_CUT) * cut.lower]
        arrays = with_cuts(arrays, tight)
        room = np.append(room, np.zeros(len(tight)))
        used = near > IN_USE
        for kind in ("spares", "moves"):
            used |= of_kind(arrays, kind)
        start = np.zeros(len(near))
        block = arrays.block("open")
        start[block], used[block] = np.rint(near[block]), False
        free = around(arrays, start, used)
        rows = np.flatnonzero(np.diff(arrays.matrix[:, free.columns].tocsr().indptr))

        def whole(values: Floats) -> Floats:
            """Return (rows of the program in use,) the room for whole traffic."""
            return taken(arrays, spacious(arrays, used, laid(free, values, start)))[rows]

        kinds = [of_kind(arrays, kind)[free.columns] for kind in ROUNDED]
        rounding = Rounding(free.arrays, arrays.row_lower[rows] > 0, max(self.bound, 1.0))
        values = rounding.rounded(kinds, room[rows], more, whole)
        if values is None:
            return None
        return base.lift(laid(free, values, start), np.zeros(len(self.arrays.cost)))

    def _with_sites(self, opened: Floats) -> tuple[Floats, Floats]:
        """Return bounds of the folded columns with sites open (1) or closed (0)."""
        folding = self._folding()
        arrays = folding.arrays
        block = arrays.block("open")
        classes = folding.column_class[self.arrays.block("open")] - block.start
        lower, upper = arrays.column_lower.copy(), arrays.column_upper.copy()
        many = block.stop - block.start
        lower[block] = upper[block] = np.bincount(classes, weights=np.rint(opened), minlength=many)
        return lower, upper


def limit_room(arrays: Arrays, values: Floats, part: float) -> Floats:
    """Return (rows,) what limits are to leave so that counts can be rounded up.

    Args:
        arrays: the program.
        values: (columns,) a solution whose counts may be fractional.
        part: of what its counts, all rounded up, would add.
    """
    counts = of_kind(arrays, "servers") | of_kind(arrays, "replicas")
    limits = np.isneginf(arrays.row_lower) & np.isfinite(arrays.row_upper) & (arrays.row_upper > 0)
    limits &= np.asarray(arrays.matrix.min(axis=1).todense()).reshape(-1) >= 0
    added = arrays.matrix @ np.where(counts, np.ceil(values - IN_USE) - values, 0.0)
    amounts = arrays.matrix @ scipy.sparse.diags_array(counts.astype(np.float64))
    largest = np.asarray(amounts.max(axis=1).todense(), dtype=np.float64).reshape(-1)
    unit = taken(arrays, spacious(arrays))
    room = np.maximum(np.maximum(part * added, LEAST_ROOM * largest), unit)
    return np.where(limits, np.minimum(room, MOST_ROOM * arrays.row_upper), 0.0)


def taken(arrays: Arrays, tighter: Arrays) -> Floats:
    """Return (rows,) by how much the upper bounds of a program are lower in another one."""
    finite = np.isfinite(arrays.row_upper)
    return np.where(finite, arrays.row_upper, 0.0) - np.where(finite, tighter.row_upper, 0.0)
