"""Plans from all counts that a relaxation uses, decided at once.

Of the places and shapes of a question a relaxation uses a few in a hundred, and any whole counts on these
(and on those that would cost it nothing) are within a few tenths of a percent of it. With groups of hosts
merged and with covers in place of the routing after losses that program is small enough for one solver up to
some hundred thousand accelerators.
"""

from __future__ import annotations

import numpy as np

from planner.optimize.lazy import Part
from planner.optimize.neighbourhood import Freed
from planner.optimize.program import Arrays, Floats
from planner.optimize.site_packing import of_kind
from planner.optimize.site_plans import FREE_OF_COST, SitePlans, counted, laid
from planner.optimize.solvers.glop import LinearProgram

IN_USE_COLUMNS = 20_000
"""Programs of up to this many columns are tried."""

NEAR_ENOUGH = 0.95
"""Part of the gap asked for at which a plan is near enough: making its traffic whole costs a little."""


class InUse(SitePlans):
    """Decides counts that are in use."""

    def _decide_in_use(self, values: Floats, gap: float, share: float, *, quick: bool = False) -> bool:
        """Make a solution with fractional counts a plan; False if one solver found none in its time.

        With the replicas that it uses on any servers; then with all that would cost it nothing.

        Args:
            values: (columns,) the solution, its sites open or closed.
            gap: share of the program's own optimum by which its plan may miss it.
            share: of the time limit, for each program.
            quick: whether any plan will do.
        """
        part = self._part()
        arrays, wanted = part.arrays, values[part.columns]
        assert self.reduced is not None
        used = wanted > 1e-6
        if self.best is not None:
            used |= self.best[part.columns] > 0
        used |= of_kind(arrays, "servers")
        cheap = self.reduced[part.columns] <= FREE_OF_COST * max(self.bound, 0.0)
        found = False
        for counts in (used, used | cheap):
            for roomy in (True, False):
                free, start = self._free_to_use(arrays, wanted, counts, roomy=roomy)
                if len(free.columns) > IN_USE_COLUMNS:
                    return found
                if self._has_solution(free.arrays) and self._decided(part, free, start, gap, share):
                    found = True
                    break
            if self._done() or quick:
                break
        return found

    def _decided(self, part: Part, free: Freed, start: Floats, gap: float, share: float) -> bool:
        """Solve the program of counts in use; says whether it has a solution, which is made a plan."""
        arrays = part.arrays
        given = float(arrays.cost @ start)
        enough = self._near_enough(given)
        outcome = self._solve(free.arrays, counted(arrays)[free.columns], share, gap, enough=enough)
        self._record(f"{len(free.columns)} columns in use", outcome.seconds, outcome.status)
        if outcome.values is None:
            return False
        design = laid(free, outcome.values, start)
        if float(arrays.cost @ design) < self.objective - 1.0:
            self._complete(part.lift(design, np.zeros(len(self.arrays.cost))), "counts in use")
        return True

    def _near_enough(self, given: float) -> float:
        """Return the cost of a part at which a plan is near enough, where the rest of it costs `given`."""
        return self.bound / (1 - NEAR_ENOUGH * self.settings.relative_gap) - given

    def _has_solution(self, arrays: Arrays) -> bool:
        """Say whether a program has a solution with fractional counts."""
        return LinearProgram(arrays).solve(max(self._remaining(), 1.0)).status == "optimal"
