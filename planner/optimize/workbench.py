"""What every stage of a search shares: the best plan, the best bound, the clock, and who listens."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import numpy as np

from planner.optimize.folding import Folded, fold
from planner.optimize.lazy import Part, part_with
from planner.optimize.program import Arrays, Cut, Floats
from planner.optimize.relaxation import Relaxation
from planner.optimize.rerouting import SHORTAGE_TOLERANCE, with_cuts
from planner.optimize.solution import (
    Keeper,
    Listener,
    Progress,
    Settings,
    Standing,
    relative_gap,
)
from planner.optimize.solvers import cp_sat, highs
from planner.optimize.solvers.outcome import Outcome, SolverFailure
from planner.optimize.trimming import trimmed

DETERMINISTIC_UNITS_PER_S = 1.0
"""CP-SAT's deterministic time passes at about this rate per second of one worker."""

NODES, REPRODUCIBLE_S = 200, 3600.0
"""Nodes of each solve of a reproducible search, which no clock ends before."""


COPIED_SHORTAGE, LINEAR_SHORTAGE = 0.005, 0.05
"""Share of the traffic, and units, that may be missing after a loss in the linear relaxation; plans are held
to the last unit."""

FREELY_COPIED = 50_000
"""Smaller programs take in every loss that matters, larger ones only those after which much is missing."""

COPIES_AT_ONCE, COPIED_COLUMNS = 4, 1_000_000
"""Losses that join the program at a time, the worst first, and how large it may become by them."""


class Workbench:
    """The state of one search over the whole program `arrays`.

    `keeper` hears of every better plan and bound, and what it kept of this program is where the search
    starts. Reproducible searches start anew: what was kept depends on when it was interrupted.
    """

    def __init__(
        self,
        arrays: Arrays,
        settings: Settings,
        listener: Listener | None,
        start: Floats | None = None,
        keeper: Keeper | None = None,
    ) -> None:
        self.arrays = arrays
        self.settings = settings
        self.listener = listener
        self.started = time.perf_counter()
        self.best: Floats | None = None
        self.objective = math.inf
        self._told = math.inf
        self.bound = -math.inf
        self._exact_bound = -math.inf  # of CP-SAT, which counts in whole numbers
        self.stages: list[Mapping[str, object]] = []
        self._lock = threading.Lock()
        self.active: list[int] = []
        self.cuts: list[Cut] = list(arrays.covers)
        self.adopted: Floats | None = None
        self.linear: Floats | None = None  # the last linear relaxation's solution
        self.reduced: Floats | None = None  # and what more of each column would cost it
        self._copied: list[int] = []  # losses told by cuts that joined with their routing
        self._folded: tuple[tuple[int, ...], Relaxation] | None = None
        self._keeper = None if settings.reproducible else keeper
        self._standing = Standing("", None, math.inf, -math.inf)
        if self._keeper is not None:
            self._standing = replace(self._standing, program=arrays.fingerprint())
        if start is not None:
            self._offer(start, "start")
        known = self._keeper.recall(self._standing.program) if self._keeper is not None else None
        if known is not None:
            self._raise_bound(known.bound)
            if known.values is not None:
                self._offer(known.values, "continued")

    def _part(self) -> Part:
        """Return the program with the failures that are known to matter: as sections, or as cuts."""
        part = part_with(self.arrays, self.active)
        return Part(with_cuts(part.arrays, self.cuts), part.columns)

    def _folding(self) -> Folded:
        """Return the folded program with the failures that are known to matter, without cuts."""
        return self._relaxation().folding

    def _relaxation(self) -> Relaxation:
        """Return the linear relaxation of the folded program, kept from solve to solve."""
        key = (len(self.arrays.cost), *self.active)
        if self._folded is None or self._folded[0] != key:
            self._folded = (key, Relaxation(fold(part_with(self.arrays, self.active).arrays)))
        return self._folded[1]

    def _bearable(self, values: Floats) -> float:
        """Return the units that may be missing after a loss in the linear relaxation."""
        if len(self.arrays.cost) <= FREELY_COPIED:
            return LINEAR_SHORTAGE
        return max(COPIED_SHORTAGE * float(values[self.arrays.block("flow")].sum()), LINEAR_SHORTAGE)

    def _copy_losses(self, values: Floats, bearable: float) -> bool:
        """Let the worst losses told by cuts join the program with their routing, while it stays small.

        Those after which no more than so many units are missing are left out. Says whether any joined.
        """
        losses = self.arrays.losses
        if losses is None:
            return False
        missing = {event: units for event, units in losses.missing(values).items() if units > bearable}
        return self._copy(sorted(missing, key=lambda event: -missing[event])[:COPIES_AT_ONCE])

    def _copy(self, events: Sequence[int]) -> bool:
        """Let losses told by cuts join the program with their routing; says whether any did."""
        losses, copied = self.arrays.losses, False
        if losses is None:
            return False
        for event in events:
            before = len(self.arrays.cost)
            if event in self._copied or before + losses.copied_columns(event) > COPIED_COLUMNS:
                continue
            self.arrays = losses.copied(self.arrays, event)
            self.active.append(len(self.arrays.sections) - 1)
            self._copied.append(event)
            self._widened(before)
            copied = True
        return copied

    def _widened(self, before: int) -> None:
        """Let plans known so far have columns for a failure that joined, beyond the first `before`."""
        more = len(self.arrays.cost) - before
        if self.best is not None:
            self.best = np.append(self.best, np.zeros(more))
        if self.linear is not None:
            self.linear = np.append(self.linear, np.zeros(more))
        if self.reduced is not None:
            self.reduced = np.append(self.reduced, np.zeros(more))

    def _lacks(self, values: Floats, tolerance: float = SHORTAGE_TOLERANCE) -> list[Cut]:
        """Return (and keep) cuts that a solution breaks; none if it survives all losses told by cuts."""
        losses = self.arrays.losses
        found = [] if losses is None else losses.lacking(values, tolerance)
        self.cuts += found
        return found

    def _solve(
        self,
        arrays: Arrays,
        integer: np.ndarray,
        share: float,
        gap: float,
        hint: Floats | None = None,
        nodes: int | None = None,
        enough: float | None = None,
    ) -> Outcome:
        """Run HiGHS for a share of the whole time; in reproducible searches for so many nodes instead."""
        settings = self.settings
        if settings.reproducible:
            seconds, nodes = REPRODUCIBLE_S, min(nodes or NODES, NODES)
        else:
            seconds = min(share * settings.time_limit_s, max(self._remaining(), 0.1))
        try:
            return highs.solve_integer(
                arrays,
                integer=integer,
                time_limit_s=seconds,
                relative_gap=gap,
                seed=settings.seed,
                node_limit=nodes,
                hint=hint,
                enough=enough,
            )
        except SolverFailure:
            return Outcome("unknown", None, math.inf, -math.inf, 0.0)

    def _seconds(self, most: float) -> float:
        """Return the time limit of a step; reproducible searches end by nodes, not by the clock."""
        return REPRODUCIBLE_S if self.settings.reproducible else most

    def _cp_sat(
        self,
        arrays: Arrays,
        hint: Floats | None,
        seconds: float,
        on_incumbent: cp_sat.OnIncumbent | None = None,
        on_bound: Callable[[float], None] | None = None,
    ) -> Outcome:
        settings = self.settings
        return cp_sat.solve(
            arrays,
            time_limit_s=seconds if not settings.reproducible else 100 * settings.time_limit_s,
            relative_gap=settings.relative_gap,
            seed=settings.seed,
            workers=settings.workers,
            hint=hint,
            deterministic_limit=(
                settings.time_limit_s * DETERMINISTIC_UNITS_PER_S if settings.reproducible else None
            ),
            on_incumbent=on_incumbent or self._tell_incumbent,
            on_bound=on_bound,
        )

    def _tell_incumbent(self, objective: float, bound: float, _: Callable[[], Floats]) -> None:
        if self.arrays.losses is None and self.listener and objective < min(self.objective, self._told):
            self.listener(Progress("search", self._elapsed(), objective, max(bound, self.bound)))

    def _keep_incumbent(self, objective: float, bound: float, values: Callable[[], Floats]) -> None:
        """Pass on a plan of the whole program while the solver goes on.

        Where losses are told by cuts it may lack some yet unknown: it is passed on once it is tried.
        """
        if self.arrays.losses is not None:
            return
        self._tell_incumbent(objective, bound, values)
        self._told = min(self._told, objective)
        if self._keeper is not None and objective < self._standing.objective:
            self._keep(values(), objective)

    def _keep(self, values: Floats | None, objective: float) -> None:
        """Let the keeper know of a plan, where it is the best so far, and of the bound."""
        standing = self._standing
        if values is not None and objective < standing.objective:
            standing = replace(standing, values=values, objective=objective)
        self._standing = replace(standing, bound=max(self.bound, standing.bound))
        if self._keeper is not None:
            self._keeper.keep(self._standing)

    def _offer(self, values: Floats, stage: str) -> None:
        """Take `values` as the incumbent if it keeps every row and is better.

        Rows of normal operation are kept to the last unit; routing after failures may be fractional.
        """
        base = part_with(self.arrays, [])
        if base.arrays.violation(values[base.columns]) > 0:
            return
        values = trimmed(self.arrays, values)
        objective = float(self.arrays.cost @ values)
        if objective < self.objective:
            self.best, self.objective = values, objective
            self._keep(values, objective)
            if self.listener:
                self.listener(Progress(stage, self._elapsed(), objective, self.bound))

    def _raise_bound(self, bound: float) -> None:
        if bound > self.bound:
            self.bound = bound
            self._keep(self.best, self.objective)
            if self.listener:
                best = min(self.objective, self._told)
                incumbent = best if math.isfinite(best) else None
                self.listener(Progress("bound", self._elapsed(), incumbent, bound))

    def _record(self, stage: str, seconds: float, status: str) -> None:
        self.stages.append(
            {
                "stage": stage,
                "seconds": round(seconds, 3),
                "status": status,
                "incumbent_usd_per_h": self.objective / 1e6 if math.isfinite(self.objective) else None,
                "bound_usd_per_h": self.bound / 1e6 if math.isfinite(self.bound) else None,
            }
        )

    def _done(self) -> bool:
        if not math.isfinite(self.objective):
            return self._remaining() <= 0 and not self.settings.reproducible
        small_enough = relative_gap(self.objective, self.bound) <= self.settings.relative_gap
        return small_enough or (self._remaining() <= 0 and not self.settings.reproducible)

    def _elapsed(self) -> float:
        return time.perf_counter() - self.started

    def _remaining(self) -> float:
        return self.settings.time_limit_s - self._elapsed()
