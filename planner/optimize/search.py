"""One search: the best plan, the best bound and the clock, for one goal.

After the linear relaxation come the two stages (`two_stage`). What gap is left, the whole program is given to
the solvers in rounds: HiGHS decides servers, racks and replicas with continuous traffic and the failures that
are known to matter; traffic is made whole around that design (`completion`); each failure not yet in the
program is tried on the result, and those that it does not survive join the program. At last CP-SAT works on
from the plan found, where the program is not too large for it. Traffic after a failure may be split in any
parts: where failures are in the program, HiGHS proves with whole traffic in normal operation only; CP-SAT
takes all of it in whole units, and finds plans but no bound.
"""

from __future__ import annotations

import math
from collections.abc import Collection
from dataclasses import replace

import numpy as np

from planner.optimize.lazy import Part, is_traffic, part_with, survived
from planner.optimize.program import Floats
from planner.optimize.rerouting import with_cuts
from planner.optimize.solution import (
    Solution,
    relative_gap,
    values_by_kind,
)
from planner.optimize.solvers import highs
from planner.optimize.solvers.outcome import Outcome
from planner.optimize.two_stage import TwoStage
from planner.optimize.workbench import DETERMINISTIC_UNITS_PER_S

__all__ = ["DETERMINISTIC_UNITS_PER_S", "Search"]

SMALL_COLUMNS = 400
"""Programs with failures of up to this many columns are solved with whole traffic at once: with few units of
it designs leave too much open."""

WHOLE_COLUMNS = 3_000
"""Up to so many columns HiGHS proves programs with failures with whole traffic, once designs are done."""

LARGE_COLUMNS = 20_000
"""CP-SAT finds nothing in larger programs in useful time; they are left to HiGHS."""

FIRST_PLAN_GAP = 0.03
"""The first design need not be nearer to the optimum than this: a good plan within seconds."""

REGROWTHS, REGROWTH_SHARE = 3, 0.1
"""Rounds in which an earlier plan grows until it survives, each for this share of the time."""

CONFIRMED_SHARE = 0.9
"""Part of the gap asked for by which a plan must be cheaper than an earlier one to be looked for."""

WARM_SHARE = 0.9
"""Share of the gap asked for that the first design is solved to where there is an earlier plan."""

DESIGN_SHARE = 0.6
"""Share of the time left that one design round may take."""

FOLDED_COLUMNS = 3_000
"""Smaller programs are relaxed as they are: folding them saves nothing."""

RELAXING_SHARE = 0.1
"""Share of the time limit after which no more losses join the linear relaxation."""


class Search(TwoStage):
    """One search over the whole program `arrays`; `run()` returns its solution, `best` the plan."""

    warm = False
    """Whether an earlier plan was handed over, whatever became of it."""

    def run(self) -> Solution:
        """Search until the gap or the time is met."""
        if self.warm and self._confirmed():
            return self._solution()
        if self._relax() == "infeasible":
            return self._infeasible()
        small = bool(self.arrays.sections) and len(self.arrays.cost) <= SMALL_COLUMNS
        if not small and self.settings.method != "monolith" and self._two_stage() == "infeasible":
            return self._infeasible()
        if self.settings.method == "two-stage" and self.best is not None:
            return self._solution()
        least = self.settings.relative_gap / 2
        rounds = [] if small else [(FIRST_PLAN_GAP, False), (least, False)]
        if self.warm and rounds:  # nobody waits for a first plan, and mostly only the bound is wanted
            rounds[0] = (self.settings.relative_gap * WARM_SHARE, False)
        elif self.best is not None:
            rounds = rounds[1:]
        if self.arrays.sections and len(self.arrays.cost) <= WHOLE_COLUMNS:
            rounds.append((least, True))
        for gap, whole in rounds:
            status = "again"
            while status == "again" and not self._done():
                status = self._design_round(max(gap, least), whole=whole)
            if status == "infeasible":
                return self._infeasible()
        if self._left_for_cp_sat():
            outcome = self._whole_program()
            if outcome.status == "infeasible" and self.best is None and not self.arrays.sections:
                return self._infeasible()
        return self._solution()

    def adopt(self, values: Floats, mattered: Collection[str] = ()) -> None:
        """Start from a plan of a similar program.

        Where it breaks rows of this one it is made whole: servers and replicas may grow. Failures that it
        does not survive join the program at once, as do those that `mattered` (by name) for that program.
        """
        self.warm = True
        self.active = [n for n, section in enumerate(self.arrays.sections) if section.name in mattered]
        if self.arrays.losses is not None:
            self._copy(self.arrays.losses.named(mattered))
        values = np.append(values, np.zeros(len(self.arrays.cost) - len(values)))
        values = np.clip(values, self.arrays.column_lower, self.arrays.column_upper)
        base = part_with(self.arrays, [])
        whole: Floats | None = values
        if base.arrays.violation(values[base.columns]) > 0:
            whole = self._whole_traffic(values, grow=False)
            whole = self._whole_traffic(values) if whole is None else whole
        if whole is None:
            return
        if self._lacks(whole):
            grown = self._grown(whole)
            whole = None if grown is None else self._rounded(grown)
            if whole is None:
                return
        filled, lost = survived(self.arrays, whole, range(len(self.arrays.sections)))
        self.active += [number for number in lost if number not in self.active]
        if not lost:
            self._offer(filled, "start")
            self._adopt_best(values)
            return
        for _ in range(REGROWTHS):
            part = self._part()
            lower = np.minimum(self._at_least(whole)[part.columns], part.arrays.column_upper)
            narrow = replace(part.arrays, column_lower=lower)
            gap = self.settings.relative_gap / 2
            outcome = self._solve(narrow, ~is_traffic(narrow), REGROWTH_SHARE, gap)
            self._record("growth of the earlier plan", outcome.seconds, outcome.status)
            if outcome.values is None:
                return
            if self._complete(part.lift(outcome.values, whole), "start, grown") != "again":
                self._adopt_best(values)
                return

    def _adopt_best(self, start: Floats) -> None:
        """Count the plan as the earlier one, unless it has replicas of other kinds or elsewhere."""
        replicas = self.arrays.block("replicas")
        if self.best is not None and not (self.best[replicas][start[replicas] <= 0] > 0).any():
            self.adopted = self.best

    def _confirmed(self) -> bool:
        """Say whether the earlier plan, or a cheaper one found, is proven to be within the gap asked for.

        Only plans are looked for that are cheaper by nearly that gap: that there are none is proven much
        sooner than a bound without a plan to compare with, and no relaxation or first plan is needed. The
        bound is that of a program with a cutoff, without some failures: a relaxation, given no start.
        """
        if self.best is None or len(self._part().columns) > FOLDED_COLUMNS:
            return False
        whole, status = bool(self.arrays.sections) and len(self.arrays.cost) <= SMALL_COLUMNS, "again"
        while status == "again" and not self._done():
            cutoff = self.objective - CONFIRMED_SHARE * self.settings.relative_gap * abs(self.objective)
            status = self._design_round(WARM_SHARE * self.settings.relative_gap, whole=whole, cutoff=cutoff)
        return self._done()

    def _relax(self) -> str:
        """Solve linear relaxations, adding failures that their solution does not survive."""
        limit = self._elapsed() + RELAXING_SHARE * self.settings.time_limit_s
        while True:
            part = self._part()
            outcome = self._relaxed(part)
            if outcome.status != "optimal":
                self._record("linear relaxation", self._elapsed(), outcome.status)
                return outcome.status
            self._raise_bound(outcome.objective)
            values = part.lift(outcome.values, np.zeros(len(self.arrays.cost)))
            self.linear = values
            self.reduced = part.lift(outcome.reduced_costs, np.zeros(len(self.arrays.cost)))
            others = [number for number in range(len(self.arrays.sections)) if number not in self.active]
            _, lost = survived(self.arrays, values, others, whole=False)
            self.active += lost
            out_of_time = self._elapsed() > limit and not self.settings.reproducible
            if not lost and (out_of_time or not self._copy_losses(values, self._bearable(values))):
                self._record(
                    f"linear relaxation with {len(self.active)} failures", self._elapsed(), "optimal"
                )
                return "optimal"

    def _relaxed(self, part: Part) -> highs.LinearOutcome:
        """Solve a linear relaxation, folded where that pays."""
        if self.arrays.losses is None and (self.active or len(self.arrays.cost) <= FOLDED_COLUMNS):
            return highs.solve_linear(part.arrays, self._remaining())
        folding = self._folding()
        outcome = self._relaxation().solve(self.cuts, self._remaining())
        if outcome.status != "optimal":
            return outcome
        return replace(
            outcome,
            values=folding.unfolded(outcome.values),
            reduced_costs=outcome.reduced_costs[folding.column_class],
        )

    def _design_round(self, gap: float, *, whole: bool = False, cutoff: float | None = None) -> str:
        """Solve for a design and make it a plan; "again" if it did not survive failures, now added.

        whole: the traffic of normal operation is whole at once. cutoff: only cheaper designs are looked for.
        """
        part = self._part()
        outcome = self._design(part, gap, whole=whole, cutoff=cutoff)
        if outcome.status == "infeasible":
            return "infeasible"
        if outcome.values is None:
            return "stopped"
        if cutoff is not None and outcome.objective > cutoff:
            return "stopped"  # met on the way to the proof that there is none
        return self._complete(part.lift(outcome.values, np.zeros(len(self.arrays.cost))), "design")

    def _design(self, part: Part, gap: float, *, whole: bool = False, cutoff: float | None = None) -> Outcome:
        """Integer servers, racks and replicas; continuous traffic, in normal operation unless `whole`."""
        settings = self.settings
        limit = self._remaining() * DESIGN_SHARE
        integer = ~is_traffic(part.arrays)
        if whole:
            integer |= np.isin(part.columns, part_with(self.arrays, []).columns)
        outcome = highs.solve_integer(
            part.arrays,
            integer=integer,
            time_limit_s=settings.time_limit_s if settings.reproducible else limit,
            relative_gap=gap,
            seed=settings.seed,
            # No plan to start from: given one, HiGHS proved 3902 for an optimum of 3863 once. What raises the
            # bound is solved without; a cutoff does no such harm.
            cutoff=cutoff,
            sub_searches=not self.warm or self.best is None,
        )
        if outcome.status != "infeasible":
            self._raise_bound(outcome.bound)
        self._record(f"design with {len(self.active)} failures", outcome.seconds, outcome.status)
        return outcome

    def _whole_program(self) -> Outcome:
        """CP-SAT on everything, from the best plan known."""
        while True:
            # CP-SAT takes whole numbers only: covers, which come first, follow from the other rows anyway.
            arrays = with_cuts(self.arrays, self.cuts[len(self.arrays.covers) :])
            proves = not self.arrays.sections
            outcome = self._cp_sat(
                arrays,
                self.best,
                self._remaining(),
                self._keep_incumbent,
                self._raise_bound if proves else None,
            )
            if outcome.status != "infeasible" and proves:
                self._raise_bound(outcome.bound)
                self._exact_bound = max(self._exact_bound, outcome.bound)
            self._record("whole program", outcome.seconds, outcome.status)
            if outcome.values is None:
                return outcome
            if not self._lacks(outcome.values):
                self._offer(outcome.values, "whole program")
                return outcome
            if self._remaining() <= 0 and not self.settings.reproducible:
                return outcome

    def _left_for_cp_sat(self) -> bool:
        """Say whether CP-SAT should go on: for better plans, or to prove what is asked for to the last unit.

        HiGHS proves in doubles. What these lose is taken off its bound: an optimum ends a unit short.
        """
        if len(self.arrays.cost) > LARGE_COLUMNS:
            return False
        if not self._done():
            return True
        proves = not self.arrays.sections and self.arrays.losses is None
        in_time = self._remaining() > 0 or self.settings.reproducible
        asked = relative_gap(round(self.objective), self._stated_bound()) > self.settings.relative_gap
        return proves and in_time and asked and len(self.arrays.cost) <= WHOLE_COLUMNS

    def _infeasible(self) -> Solution:
        return Solution("infeasible", 0, 0, {}, tuple(self.stages))

    def _stated_bound(self) -> int:
        """Return the bound in whole units: rounded up, as costs are integers, less what doubles lose."""
        slack = 1e-9 * abs(self.bound) + 1e-3 if math.isfinite(self.bound) else 0.0
        bound = math.ceil(self.bound - slack) if math.isfinite(self.bound) else 0
        return max(bound, round(self._exact_bound)) if math.isfinite(self._exact_bound) else bound

    def _solution(self) -> Solution:
        bound = self._stated_bound()
        if self.best is None:
            return Solution("unknown", 0, bound, {}, tuple(self.stages))
        objective = round(self.objective)
        bound = min(bound, objective)
        proven = relative_gap(objective, bound) <= self.settings.relative_gap
        status = "optimal" if proven else "feasible"
        values = values_by_kind(self.arrays, self.best)
        return Solution(status, objective, bound, values, tuple(self.stages))
