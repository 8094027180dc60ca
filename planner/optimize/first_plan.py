"""A first plan of a large program within seconds: the relaxation with room, rounded (`rounding`).

Of tens of thousands of columns a relaxation uses a few hundred. What rounding their counts up adds to each
limit is known before: where the relaxation, solved again, leaves that much, its counts can be rounded one by
one without a search. Such a plan costs a percent or two more than the optimum; what follows starts from it.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse

from planner.optimize.beside import Beside
from planner.optimize.lazy import Part, part_with
from planner.optimize.neighbourhood import Freed, around
from planner.optimize.problem import Integers
from planner.optimize.program import Arrays, Floats
from planner.optimize.rerouting import with_cuts
from planner.optimize.rounding import Rounding
from planner.optimize.site_packing import of_kind
from planner.optimize.site_plans import counted, laid, spacious

ROUNDED_COLUMNS = 20_000
"""Smaller programs, not counting the routing after losses, have a first plan from the counts in use as soon.
With few servers of a kind at a site rounding fails more often, too."""

ROOMS = ((0.35, 0.002), (0.7, 0.003), (1.2, 0.01))
"""What is tried in turn: the part of what rounding all counts up would add that each limit leaves, and by
what share more is asked for than is needed."""

LEAST_ROOM, MOST_ROOM = 0.5, 0.1
"""Of its largest amount, what a limit leaves at least; of itself, what it leaves at most."""

NEAR_CUT = 0.05
"""Cuts that the relaxation keeps by no more than this share of what they ask for are kept in sight."""

IN_USE = 1e-6
"""Amounts above this are in use."""

BETTER_SHARE, BETTER_GAP = 0.15, 0.2
"""Share of the time limit for bettering the rounded plan, and its gap as a share of the one asked for."""

ROUNDED = ("mixes", "servers", "replicas")
"""Kinds of counts in the order in which they are rounded."""


@dataclass(frozen=True)
class Rounded:
    """A program of the columns in use with whole counts for it.

    arrays: the program with the failures and cuts that matter. free: of it, the columns in use. start: all
    others. values: (columns in use,) whole counts and the traffic that they serve.
    """

    arrays: Arrays
    free: Freed
    start: Floats
    values: Floats

    def design(self, values: Floats) -> Floats:
        """Return (columns of the program,) with values of those in use."""
        return laid(self.free, values, self.start)

    def around(self) -> Arrays:
        """Return the program of the columns in use, with room for whole traffic where the values leave it."""
        own = self.free.arrays
        upper = own.row_upper - whole_room(self.arrays, self.free, self.design(self.values))
        return replace(own, row_upper=np.maximum(upper, own.matrix @ self.values))


class FirstPlan(Beside):
    """Rounds the relaxation of large programs, and betters that by one solver."""

    def _plan_by_rounding(self, opened: Floats) -> bool:
        """Make the relaxation with room a plan, then a better one; says whether there is any.

        Args:
            opened: (sites,) 1 for sites that are open, 0 for others.
        """
        own = min((section.first_column for section in self.arrays.sections), default=len(self.arrays.cost))
        if own <= ROUNDED_COLUMNS or self.best is not None:
            return False
        started = self._elapsed()
        for part, more in ROOMS:
            if self._done():
                break
            base = part_with(self.arrays, self.active)
            found = self._relaxation_rounded(base, opened, part, more)
            if found is None:
                continue
            lifted = base.lift(found.design(found.values), np.zeros(len(self.arrays.cost)))
            whole = None if self._lacks(lifted) else self._rounded(lifted)
            if whole is not None and self._complete(whole, "rounded") == "found":
                self._record("rounded", self._elapsed() - started, "feasible")
                if not self._done():
                    self._better_rounded(base, found)
                return True
        self._record("rounded", self._elapsed() - started, "unknown")
        return False

    def _relaxation_rounded(self, base: Part, opened: Floats, part: float, more: float) -> Rounded | None:
        """Return whole counts and the traffic that they serve; None where that fails.

        Args:
            base: the program with the failures that matter, without cuts.
            opened: (sites,) which are open.
            part: of what rounding all counts up adds, what limits leave.
            more: share by which more is asked for than is needed.
        """
        folding = self._folding()
        small = folding.arrays
        assert self.linear is not None
        arrays = base.arrays
        room = limit_room(arrays, self.linear[base.columns], part)
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
        used = near > IN_USE
        for kind in ("spares", "moves"):
            used |= of_kind(arrays, kind)
        start = np.zeros(len(near))
        block = arrays.block("open")
        start[block], used[block] = np.rint(near[block]), False
        free = around(arrays, start, used)
        rows = touched(arrays, free)
        kinds = [of_kind(arrays, kind)[free.columns] for kind in ROUNDED]
        values = Rounding(free.arrays, arrays.row_lower[rows] > 0, max(self.bound, 1.0)).rounded(
            kinds,
            np.append(room, np.zeros(len(tight)))[rows],
            more,
            lambda values: whole_room(arrays, free, laid(free, values, start)),
        )
        return None if values is None else Rounded(arrays, free, start, values)

    def _better_rounded(self, base: Part, found: Rounded) -> None:
        """Better a plan on the columns in use, from where it stands."""
        arrays = found.arrays
        given = float(arrays.cost @ found.start)
        outcome = self._solve(
            found.around(),
            counted(arrays)[found.free.columns],
            BETTER_SHARE,
            self.settings.relative_gap * BETTER_GAP,
            hint=found.values,
            enough=self._near_enough(given),
        )
        self._record(f"{len(found.values)} columns from there", outcome.seconds, outcome.status)
        if outcome.values is None or outcome.objective + given >= self.objective - 1.0:
            return
        design = found.design(outcome.values)
        self._complete(base.lift(design, np.zeros(len(self.arrays.cost))), "counts from there")

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


def touched(arrays: Arrays, free: Freed) -> Integers:
    """Return the rows of a program that those of its free columns are."""
    return np.flatnonzero(np.diff(arrays.matrix[:, free.columns].tocsr().indptr)).astype(np.int64)


def whole_room(arrays: Arrays, free: Freed, values: Floats) -> Floats:
    """Return (rows of the free part,) what limits are to leave for whole traffic of a solution `values`."""
    used = np.zeros(len(values), dtype=bool)
    used[free.columns] = True
    return taken(arrays, spacious(arrays, used, values))[touched(arrays, free)]


def taken(arrays: Arrays, tighter: Arrays) -> Floats:
    """Return (rows,) by how much the upper bounds of a program are lower in another one."""
    finite = np.isfinite(arrays.row_upper)
    return np.where(finite, arrays.row_upper, 0.0) - np.where(finite, tighter.row_upper, 0.0)
