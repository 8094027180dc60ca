"""Plans from sites packed one by one: what fits nowhere is settled between them, counts may grow."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse

from planner.optimize.completion import Completion
from planner.optimize.lazy import is_traffic
from planner.optimize.neighbourhood import Freed, around, in_parallel
from planner.optimize.program import Arrays, Floats
from planner.optimize.rerouting import SHORTAGE_TOLERANCE
from planner.optimize.site_packing import COUNTED, Effort, Packed, SitePacking, of_kind
from planner.optimize.solvers.glop import LinearProgram
from planner.optimize.solvers.outcome import Outcome

SITE_SHARE, SETTLING_SHARE = 0.08, 0.15
"""Shares of the time limit for one program of a site, and for settling what sites leave."""

FREE_OF_COST = 1e-7
"""Counts of which one would raise the relaxation's cost by no more than this share of it may stand too."""

SURVIVING_ROUNDS = 4
"""How often a design is settled anew with losses that it did not survive."""

SETTLING_NODES, SETTLING_GAP = 200, 1.0
"""Nodes for settling, and its gap as a share of the one asked for."""

REGROWN_COLUMNS, REGROWTH_ROUNDS = 12_000, 12
"""Larger programs are settled by packing sites again, in at most so many rounds."""

GROWN, NEARLY_SERVED = 1e-4, 0.5
"""By how much a count must grow to be packed again; units missing at which the counts may already suffice."""

SETTLING_GROWTH = 2
"""By how much counts in use may grow first, until all traffic is served."""


class SitePlans(Completion):
    """Turns solutions with fractional counts into plans, site by site."""

    def _plan_by_site(self, values: Floats, effort: Effort) -> str:
        """Pack the sites of a solution and make that a plan; returns as `_complete`."""
        base = self._part()
        arrays = base.arrays
        packing = SitePacking(arrays, values[base.columns])
        design = values[base.columns].copy()
        idle = packing.idle()
        design[idle] = np.maximum(arrays.column_lower[idle], 0.0)
        started = self._elapsed()
        packed = in_parallel(
            [self._site_task(packing, site, effort) for site in packing.sites()], self.settings.workers
        )
        for found in packed:
            if found is not None:
                design[found.columns] = found.values
        missing = sum(found.missing for found in packed if found is not None)
        self._record(
            f"{len(packed)} sites packed, {missing:.1f} units missing", self._elapsed() - started, "feasible"
        )
        settled = self._settled(arrays, design)
        if settled is None:
            return "stopped"
        return self._complete(base.lift(settled, values), "packed by site")

    def _site_task(self, packing: SitePacking, site: int, effort: Effort) -> Callable[[], Packed | None]:
        def solve(arrays: Arrays, whole: np.ndarray, gap: float, nodes: int) -> Outcome:
            return self._solve(arrays, whole, SITE_SHARE, gap, nodes=nodes)

        return lambda: packing.pack(site, solve, effort)

    def _grown(self, design: Floats) -> Floats | None:
        """Let the losses that a design does not survive join the program, and settle it anew.

        Only counts in use are decided then, with the traffic that they can carry: what joins is small.
        """
        for _ in range(SURVIVING_ROUNDS):
            if self.arrays.losses is None or not self._copy_losses(design, SHORTAGE_TOLERANCE):
                break
            part = self._part()
            whole = np.append(design, np.zeros(len(self.arrays.cost) - len(design)))
            settled = self._settled(part.arrays, whole[part.columns])
            if settled is None:
                design = whole
                break
            design = part.lift(settled, whole)
        return super()._grown(design)

    def _settled(self, arrays: Arrays, design: Floats) -> Floats | None:
        """Return a design that serves everything: traffic anew, and where need be other counts.

        First the counts stay; then those in use may grow a little; then any numbers may stand where the
        design or the relaxation has some; then anywhere.
        """
        counts = counted(arrays)
        design = np.where(counts, np.rint(design), design)
        near = np.zeros(len(design), dtype=bool)
        if self.linear is not None:
            near = self.linear[self._part().columns] > 1e-6
        for place, (used, roomy) in enumerate(
            (
                (design > 0, True),
                (design > 0, True),
                ((design > 0) | near, True),
                (np.ones(len(design), dtype=bool), False),
            )
        ):
            part, start = self._free_to_use(arrays, design, used, roomy=roomy)
            if 0 in part.arrays.matrix.shape:
                return start
            if place == 0:
                part = _at(part, design, arrays)
                linear = LinearProgram(part.arrays).solve()
                if linear.status == "optimal":
                    return laid(part, linear.values, start)
                continue
            if len(part.columns) > REGROWN_COLUMNS:
                return self._regrown(arrays, design)
            if place == 1:
                part = _within(part, design, arrays, SETTLING_GROWTH)
            outcome = self._solve(
                part.arrays,
                counts[part.columns],
                SETTLING_SHARE,
                self.settings.relative_gap * SETTLING_GAP,
                nodes=SETTLING_NODES,
            )
            self._record(f"settled in step {place}", outcome.seconds, outcome.status)
            if outcome.values is not None:
                return laid(part, outcome.values, start)
        return None

    def _regrown(self, arrays: Arrays, design: Floats) -> Floats | None:
        """Let counts of a design grow until everything is served: in fractions over all sites at once, then
        whole at each site that grew, and again.

        A site that could not serve whole what it was given in fractions grows no more.
        """
        counts = counted(arrays)
        columns = self._part().columns
        site = arrays.column_site
        assert self.linear is not None
        assert self.reduced is not None
        assert site is not None
        also = self.linear[columns] > 1e-6
        also |= self.reduced[columns] <= FREE_OF_COST * max(self.bound, 0.0)
        full: set[int] = set()
        for _ in range(REGROWTH_ROUNDS):
            started = self._elapsed()
            growing = also & ~np.isin(site, list(full))
            for roomy in (True, False):
                part, start = self._free_to_use(arrays, design, (design > 0) | growing, roomy=roomy)
                more = np.where(np.isin(site, list(full))[part.columns], 0.0, np.inf)
                linear = LinearProgram(_within(part, design, arrays, more).arrays).solve()
                if linear.status == "optimal":
                    break
            if linear.status != "optimal":
                self._record("growth in fractions", self._elapsed() - started, linear.status)
                return None
            values = laid(part, linear.values, start)
            grown = counts & ~of_kind(arrays, "mixes") & (values > design + GROWN)
            self._record(f"growth of {grown.sum()} counts", self._elapsed() - started, "optimal")
            if not grown.any():
                break
            sites = np.unique(site[grown])
            flows = np.zeros(len(design), dtype=bool)
            flows[part.columns] = True
            least = np.where(counts & ~of_kind(arrays, "mixes"), design, 0.0)
            within = spacious(arrays, flows, design) if roomy else arrays
            packing = SitePacking(replace(within, column_lower=least), values)
            again = [site for site in packing.sites() if site in sites]
            tasks = [self._site_task(packing, site, Effort()) for site in again]
            packed = in_parallel(tasks, self.settings.workers)
            design = np.where(counts, design, values)
            for number, found in zip(again, packed, strict=True):
                if found is not None:
                    design[found.columns] = found.values
                if found is None or found.missing > SHORTAGE_TOLERANCE:
                    full.add(number)
            missing = sum(found.missing for found in packed if found is not None)
            self._record(
                f"{len(packed)} sites packed again, {missing:.1f} units missing",
                self._elapsed() - started,
                "feasible",
            )
            if missing < NEARLY_SERVED:
                served = self._served(arrays, design, roomy=True)
                if served is not None:
                    return served
            if self._remaining() <= 0 and not self.settings.reproducible:
                break
        return self._served(arrays, design, roomy=False)

    def _served(self, arrays: Arrays, design: Floats, *, roomy: bool) -> Floats | None:
        """Return a design with traffic anew that is all served by its counts; None if they do not suffice."""
        part, start = self._free_to_use(arrays, design, design > 0, roomy=roomy)
        part = _at(part, design, arrays)
        linear = LinearProgram(part.arrays).solve()
        return laid(part, linear.values, start) if linear.status == "optimal" else None

    def _free_to_use(
        self, arrays: Arrays, design: Floats, used: np.ndarray, *, roomy: bool
    ) -> tuple[Freed, Floats]:
        """Return the program of traffic, and of counts where `used`; and the design with those at 0.

        roomy: with room to make the traffic whole.
        """
        counts = counted(arrays)
        used = used & counts
        used[arrays.block("mixes")] = True
        opened = arrays.block("open")
        free = used | open_traffic(arrays, used)
        free[opened] = False
        start = np.zeros(len(design))
        start[opened] = np.rint(design[opened])
        return around(spacious(arrays, free, design) if roomy else arrays, start, free), start


def counted(arrays: Arrays) -> np.ndarray:
    """Return (columns,) which count whole things that sites decide."""
    mask = np.zeros(len(arrays.cost), dtype=bool)
    for kind in COUNTED:
        mask |= of_kind(arrays, kind)
    return mask


def open_traffic(arrays: Arrays, used: np.ndarray) -> np.ndarray:
    """Return (columns,) which traffic may flow: through pools of which some replica may stand (`used`)."""
    replicas = np.where(of_kind(arrays, "replicas"), used, False).astype(np.float64)
    matrix = abs(arrays.matrix)
    carries = (matrix @ of_kind(arrays, "assign").astype(np.float64)) > 0
    by_replicas = (matrix @ of_kind(arrays, "replicas").astype(np.float64)) > 0
    closed = carries & by_replicas & ((matrix @ replicas) == 0)
    traffic = is_traffic(arrays)
    traffic[arrays.block("spares")] = True
    blocked = np.asarray(closed.astype(np.float64) @ matrix).reshape(-1) > 0
    # Rows of closed pools also hold their replicas, which are no traffic.
    return traffic & ~blocked


def spacious(arrays: Arrays, free: np.ndarray | None = None, values: Floats | None = None) -> Arrays:
    """Return the program with room for whole traffic in each limit on the traffic of normal operation.

    Traffic is made whole later: in limits that are used up to the last bit no whole units may fit.

    Args:
        arrays: the program.
        free: (columns,) what may flow; None: everything.
        values: (columns,) a solution; pools that carry less than a unit in it need no room. None: all do.
    """
    traffic = is_traffic(arrays) if free is None else is_traffic(arrays) & free
    for kind, first, count in arrays.column_kind:
        if "/" in kind:
            traffic[first : first + count] = False
    amounts: Any = abs(arrays.matrix @ scipy.sparse.diags_array(traffic.astype(np.float64)))
    unit = np.asarray(amounts.max(axis=1).todense(), dtype=np.float64).reshape(-1)
    if values is not None:
        counts = counted(arrays)
        carried = -(arrays.matrix @ np.where(counts, values, 0.0))
        gives = arrays.matrix @ scipy.sparse.diags_array(counts.astype(np.float64))
        pool = (np.asarray(gives.min(axis=1).todense()).reshape(-1) < 0) & (unit > 0)
        unit = np.where(pool & (carried < unit), 0.0, unit)
    limited = np.isneginf(arrays.row_lower) & np.isfinite(arrays.row_upper)
    return replace(arrays, row_upper=np.where(limited, arrays.row_upper - unit, arrays.row_upper))


def roomy_for(arrays: Arrays, values: Floats) -> Arrays:
    """Return the program with room for whole traffic where a plan leaves it.

    Routing after failures is kept to a ten-thousandth of a unit only: the rows hold what the plan has.
    """
    activity = arrays.matrix @ values
    lower, upper = arrays.row_lower, spacious(arrays).row_upper
    return replace(arrays, row_lower=np.minimum(lower, activity), row_upper=np.maximum(upper, activity))


def _within(part: Freed, design: Floats, arrays: Arrays, grow: float | Floats) -> Freed:
    """Return the part with counts at least those of a design and at most so many more; mixes may be any.

    grow: how many more, of all or (columns of the part,) of each.
    """
    lower, upper = part.arrays.column_lower.copy(), part.arrays.column_upper.copy()
    near = (counted(arrays) & ~of_kind(arrays, "mixes"))[part.columns]
    given = design[part.columns]
    lower[near] = np.maximum(lower[near], given[near])
    upper[near] = np.minimum(upper[near], (given + grow)[near])
    return Freed(replace(part.arrays, column_lower=lower, column_upper=upper), part.columns)


def _at(part: Freed, design: Floats, arrays: Arrays) -> Freed:
    """Return the part with counts as in a design."""
    lower, upper = part.arrays.column_lower.copy(), part.arrays.column_upper.copy()
    fixed = counted(arrays)[part.columns]
    lower[fixed] = upper[fixed] = design[part.columns][fixed]
    return Freed(replace(part.arrays, column_lower=lower, column_upper=upper), part.columns)


def laid(part: Freed, values: Floats, into: Floats) -> Floats:
    """Return `into` with the values of a part laid over it."""
    whole = into.copy()
    whole[part.columns] = values
    return whole
