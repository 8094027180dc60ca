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

SURVIVING_ROUNDS = 4
"""How often a design is settled anew with losses that it did not survive."""

SETTLING_NODES, SETTLING_GAP = 200, 1.0
"""Nodes for settling, and its gap as a share of the one asked for."""

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
        roomy = spacious(arrays)
        near = np.zeros(len(design), dtype=bool)
        if self.linear is not None:
            near = self.linear[self._part().columns] > 1e-6
        for place, (program, used) in enumerate(
            (
                (roomy, design > 0),
                (roomy, design > 0),
                (roomy, (design > 0) | near),
                (arrays, np.ones(len(design), dtype=bool)),
            )
        ):
            part, start = self._free_to_use(program, design, used)
            if 0 in part.arrays.matrix.shape:
                return start
            if place == 0:
                part = _within(part, design, arrays, 0)
                linear = LinearProgram(part.arrays).solve()
                if linear.status == "optimal":
                    return laid(part, linear.values, start)
                continue
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

    def _free_to_use(self, arrays: Arrays, design: Floats, used: np.ndarray) -> tuple[Freed, Floats]:
        """Return the program of traffic, and of counts where `used`; and the design with those at 0."""
        counts = counted(arrays)
        used = used & counts
        used[arrays.block("mixes")] = True
        opened = arrays.block("open")
        free = used | open_traffic(arrays, used)
        free[opened] = False
        start = np.zeros(len(design))
        start[opened] = np.rint(design[opened])
        return around(arrays, start, free), start


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


def spacious(arrays: Arrays) -> Arrays:
    """Return the program with room for a unit in each limit on the traffic of normal operation.

    Traffic is made whole later: in limits that are used up to the last bit no whole units may fit.
    """
    traffic = is_traffic(arrays)
    for kind, first, count in arrays.column_kind:
        if "/" in kind:
            traffic[first : first + count] = False
    amounts: Any = abs(arrays.matrix @ scipy.sparse.diags_array(traffic.astype(np.float64)))
    unit = np.asarray(amounts.max(axis=1).todense(), dtype=np.float64).reshape(-1)
    limited = np.isneginf(arrays.row_lower) & np.isfinite(arrays.row_upper)
    return replace(arrays, row_upper=np.where(limited, arrays.row_upper - unit, arrays.row_upper))


def roomy_for(arrays: Arrays, values: Floats) -> Arrays:
    """Return the program with room for whole traffic where a plan leaves it.

    Routing after failures is kept to a ten-thousandth of a unit only: the rows hold what the plan has.
    """
    activity = arrays.matrix @ values
    lower, upper = arrays.row_lower, spacious(arrays).row_upper
    return replace(arrays, row_lower=np.minimum(lower, activity), row_upper=np.maximum(upper, activity))


def _within(part: Freed, design: Floats, arrays: Arrays, grow: float) -> Freed:
    """Return the part with counts at least those of a design and at most so many more; mixes may be any."""
    lower, upper = part.arrays.column_lower.copy(), part.arrays.column_upper.copy()
    near = (counted(arrays) & ~of_kind(arrays, "mixes"))[part.columns]
    given = design[part.columns]
    lower[near] = np.maximum(lower[near], given[near])
    upper[near] = np.minimum(upper[near], given[near] + grow)
    return Freed(replace(part.arrays, column_lower=lower, column_upper=upper), part.columns)


def laid(part: Freed, values: Floats, into: Floats) -> Floats:
    """Return `into` with the values of a part laid over it."""
    whole = into.copy()
    whole[part.columns] = values
    return whole
