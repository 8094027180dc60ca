"""One search: the best plan, the best bound and the clock, for one goal.

The program is solved in rounds: HiGHS decides servers, racks and replicas with continuous traffic and the
failures that are known to matter; traffic is made whole around that design; each failure not yet in the
program is tried on the result, and those that it does not survive join the program. What gap is left,
CP-SAT works on from the plan found, where the program is not too large for it.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from planner.optimize.lazy import Part, is_traffic, part_with, survived
from planner.optimize.problem import VARIABLE_KINDS
from planner.optimize.program import Arrays, Floats
from planner.optimize.solution import (
    Keeper,
    Listener,
    Progress,
    Settings,
    Solution,
    Standing,
    relative_gap,
    values_by_kind,
)
from planner.optimize.solvers import cp_sat, highs
from planner.optimize.solvers.outcome import Outcome

SMALL_COLUMNS = 400
"""Programs with failures of up to this many columns go to CP-SAT at once: with few units of traffic it
matters that rerouted ones are whole too, which designs leave open."""

LARGE_COLUMNS = 20_000
"""CP-SAT finds nothing in larger programs in useful time; they are left to HiGHS."""

DETERMINISTIC_UNITS_PER_S = 1.0
"""CP-SAT's deterministic time passes at about this rate per second of one worker."""

FIRST_PLAN_GAP = 0.03
"""The first design need not be nearer to the optimum than this: a good plan within seconds."""

DESIGN_SHARE = 0.6
"""Share of the time left that one design round may take."""

WHOLE_TRAFFIC_S = 30.0
"""Longest time to make the traffic of a design whole."""


class Search:
    """One search over the whole program `arrays`; `run()` returns its solution, `best` the plan.

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
        self.active: list[int] = []
        self.adopted: Floats | None = None
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

    def run(self) -> Solution:
        """Search until the gap or the time is met."""
        if self._relax() == "infeasible":
            return self._infeasible()
        gaps: tuple[float, ...] = (FIRST_PLAN_GAP, self.settings.relative_gap / 2)
        if self.arrays.sections and len(self.arrays.cost) <= SMALL_COLUMNS:
            gaps = ()
        for gap in gaps if self.best is None else gaps[1:]:
            status = "again"
            while status == "again" and not self._done():
                status = self._design_round(max(gap, self.settings.relative_gap / 2))
            if status == "infeasible":
                return self._infeasible()
        if not self._done() and len(self.arrays.cost) <= LARGE_COLUMNS:
            outcome = self._whole_program()
            if outcome.status == "infeasible" and self.best is None:
                return self._infeasible()
        return self._solution()

    def adopt(self, values: Floats) -> None:
        """Start from a plan of a similar program.

        Where it breaks rows of this one it is made whole: servers and replicas may grow. Failures that it
        does not survive join the program at once.
        """
        values = np.clip(values, self.arrays.column_lower, self.arrays.column_upper)
        base = part_with(self.arrays, [])
        whole = values if base.arrays.violation(values[base.columns]) <= 0 else self._whole_traffic(values)
        if whole is None:
            return
        filled, lost = survived(self.arrays, whole, range(len(self.arrays.sections)))
        self.active += lost
        if not lost:
            self._offer(filled, "start")
            self.adopted = filled

    def _relax(self) -> str:
        """Solve linear relaxations, adding failures that their solution does not survive."""
        everything = range(len(self.arrays.sections))
        while True:
            part = part_with(self.arrays, self.active)
            outcome = highs.solve_linear(part.arrays, self._remaining())
            if outcome.status != "optimal":
                self._record("linear relaxation", self._elapsed(), outcome.status)
                return outcome.status
            self._raise_bound(outcome.objective)
            values = part.lift(outcome.values, np.zeros(len(self.arrays.cost)))
            others = [number for number in everything if number not in self.active]
            _, lost = survived(self.arrays, values, others, whole=False)
            if not lost:
                self._record("linear relaxation", self._elapsed(), "optimal")
                return "optimal"
            self.active += lost

    def _design_round(self, gap: float) -> str:
        """Solve for a design and make it a plan; "again" if it did not survive failures, now added."""
        part = part_with(self.arrays, self.active)
        outcome = self._design(part, gap)
        if outcome.status == "infeasible":
            return "infeasible"
        if outcome.values is None:
            return "stopped"
        design = part.lift(outcome.values, np.zeros(len(self.arrays.cost)))
        whole = self._whole_traffic(design)
        if whole is None:
            return "stopped"
        filled, lost = survived(self.arrays, whole, range(len(self.arrays.sections)))
        if lost:
            news = [number for number in lost if number not in self.active]
            self.active += news
            return "again" if news else "stopped"
        self._offer(filled, "design")
        return "found"

    def _design(self, part: Part, gap: float) -> Outcome:
        """Integer servers, racks and replicas; continuous traffic."""
        settings = self.settings
        limit = self._remaining() * DESIGN_SHARE
        outcome = highs.solve_integer(
            part.arrays,
            integer=~is_traffic(part.arrays),
            time_limit_s=settings.time_limit_s if settings.reproducible else limit,
            relative_gap=gap,
            seed=settings.seed,
            hint=None if self.best is None else self.best[part.columns],
        )
        if outcome.status != "infeasible":
            self._raise_bound(outcome.bound)
        self._record(f"design with {len(self.active)} failures", outcome.seconds, outcome.status)
        return outcome

    def _whole_traffic(self, design: Floats) -> Floats | None:
        """Make the traffic of normal operation integer; servers and replicas may grow, nothing shrinks.

        More servers and replicas never make a failure harder to survive.
        """
        arrays = self.arrays
        lower, upper = arrays.column_lower.copy(), arrays.column_upper.copy()
        for kind in ("servers", "mixes", "replicas", "open"):
            block = arrays.block(kind)
            lower[block] = np.rint(design[block])
        # Columns that only help rows along cost nothing: without a little cost they end anywhere, and a
        # group without servers would count as used in the failures tried next.
        cost = arrays.cost + 1.0
        for kind in VARIABLE_KINDS:
            cost[arrays.block(kind)] -= 1.0
        base = part_with(replace(arrays, cost=cost, column_lower=lower, column_upper=upper), [])
        outcome = highs.solve_integer(
            base.arrays,
            integer=np.ones(len(base.arrays.cost), dtype=bool),
            time_limit_s=min(max(self._remaining() * 0.5, 1.0), WHOLE_TRAFFIC_S),
            relative_gap=self.settings.relative_gap / 10,
            seed=self.settings.seed,
        )
        if outcome.values is None or base.arrays.violation(np.rint(outcome.values)) > 0:
            outcome = self._cp_sat(base.arrays, None, min(self._remaining() * 0.5, WHOLE_TRAFFIC_S))
        self._record("whole traffic", outcome.seconds, outcome.status)
        if outcome.values is None:
            return None
        return base.lift(np.rint(outcome.values), design)

    def _whole_program(self) -> Outcome:
        """CP-SAT on everything, from the best plan known."""
        outcome = self._cp_sat(
            self.arrays, self.best, self._remaining(), self._keep_incumbent, self._raise_bound
        )
        if outcome.status != "infeasible":
            self._raise_bound(outcome.bound)
            self._exact_bound = max(self._exact_bound, outcome.bound)
        self._record("whole program", outcome.seconds, outcome.status)
        if outcome.values is not None:
            self._offer(outcome.values, "whole program")
        return outcome

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
        if self.listener and objective < min(self.objective, self._told):
            self.listener(Progress("search", self._elapsed(), objective, max(bound, self.bound)))

    def _keep_incumbent(self, objective: float, bound: float, values: Callable[[], Floats]) -> None:
        """Pass on a plan of the whole program while the solver goes on."""
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

    def _infeasible(self) -> Solution:
        return Solution("infeasible", 0, 0, {}, tuple(self.stages))

    def _solution(self) -> Solution:
        # Objective coefficients are integers: a bound can be rounded up, less what doubles lose.
        slack = 1e-9 * abs(self.bound) + 1e-3 if math.isfinite(self.bound) else 0.0
        bound = math.ceil(self.bound - slack) if math.isfinite(self.bound) else 0
        if math.isfinite(self._exact_bound):
            bound = max(bound, round(self._exact_bound))
        if self.best is None:
            return Solution("unknown", 0, bound, {}, tuple(self.stages))
        objective = round(self.objective)
        bound = min(bound, objective)
        proven = relative_gap(objective, bound) <= self.settings.relative_gap
        status = "optimal" if proven else "feasible"
        values = values_by_kind(self.arrays, self.best)
        return Solution(status, objective, bound, values, tuple(self.stages))
