"""Solving the program for what the study wants to be small, with some decisions fixed.

Which discounts are taken is decided first, all else continuous: a small program, whose bound holds. With
them fixed, what is ordered, sold, rented and turned to liquid is made whole; with that fixed, what runs where
falls apart into small pieces. Where plan and bound are further apart than the gap asked for, orders are
decided again with every discount free, and in the end the whole program is searched from the plan found.

Where there is an earlier plan that does not do any more, only what it or the relaxation orders, rents and
sells is decided anew, near the amounts of both: a tenth of the whole counts, and the search ends at the first
plan that is near enough to the bound.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace

import numpy as np
from numpy.typing import NDArray

from planner.optimize.program import Arrays, Floats
from planner.optimize.solvers import highs
from planner.optimize.solvers.outcome import Outcome
from planner.study.procure.aims import Aim, Aimed, Risk
from planner.study.procure.builder import MICRO
from planner.study.procure.program import Built

COMMITMENTS = ("order", "tier", "chosen", "retire", "rent", "liquid", "open")
"""Decisions that are whole in the first stage; what runs where follows in the second."""

DISCOUNT_GAP, FIRST_GAP, SECOND_GAP, RUN_GAP = 0.15, 0.3, 0.6, 0.1
"""Shares of the gap asked for that the stages are solved to: which discounts; what to buy with them, or with
every discount free; where it runs."""

MEND_GAP, MEND_ENOUGH, RUN_ENOUGH = 0.2, 0.92, 0.98
"""Shares of the gap asked for: what mending an earlier plan is solved to, and above the bound what is near
enough for what to buy and for where it runs."""

DISCOUNTS = "which discounts"
"""The first stage; a cutoff would leave it without discounts to choose where nothing is cheaper."""

BETTER = "buying and running together, from the best plan"
"""The stage that searches the whole program from a plan; its bound is not used: given a start, HiGHS has
proven more than is true."""

LAST = "buying and running together"
"""The stage that searches the whole program for what is cheaper than the best plan, and proves."""

STAGE_TIME = 0.5
"""Share of the time left that each stage before the last may take."""

NEAR, NEAR_COUNTS, ROUNDED = (0.7, 1.4), 3.0, 1.0
"""A count near an earlier one and the relaxation's: between these shares of the earlier, so much more or
less; and so far beyond either rounding of the relaxation's."""

RUN_WINDOW = 3.0
"""How far counts of servers that run may be from those they were bought for."""

LEAST_S = 1.0
"""Time for making what is not whole as cheap as it can be, at least."""

Tell = Callable[[str, float | None, float | None], None]
"""Told (stage, cost of the best plan so far, bound), USD; None where there is none yet."""

Keep = Callable[["Solved"], None]
"""Given every better solution as soon as it is there."""


def _silent(stage: str, objective: float | None, bound: float | None) -> None:
    """Hear nothing."""


@dataclass(frozen=True)
class Solved:
    """A solution. objective and bound: of the aim, USD; costs: (leaves,) of each future, USD.

    status: `optimal` (within the gap asked for), `feasible`, `infeasible`, `unknown` (nothing found in
    time). values: (columns,) of the program without the columns of the aim; None if there is no solution.
    """

    built: Built
    status: str
    values: Floats | None
    objective: float
    bound: float
    seconds: float

    @property
    def costs(self) -> Floats:
        """(leaves,) discounted cost of every future, USD."""
        assert self.values is not None
        return np.asarray(self.built.leaf_costs() @ self.values)

    @property
    def expected(self) -> float:
        """Expected discounted cost, USD."""
        return float(self.built.probabilities() @ self.costs)

    @property
    def gap(self) -> float:
        """(objective - bound) / |objective|."""
        return relative_gap_of(self.objective, self.bound)


def relative_gap_of(objective: float, bound: float) -> float:
    """Return how far a bound is below an objective, as a share of it."""
    return max(0.0, objective - bound) / max(abs(objective), 1e-9)


@dataclass(frozen=True)
class Effort:
    """How long and how exactly a program is solved, and who hears of it.

    keep: given every better solution. tell: told where the search is.
    """

    time_limit_s: float = 240.0
    relative_gap: float = 0.01
    tell: Tell = _silent
    keep: Keep | None = None


def minimize(
    built: Built,
    effort: Effort,
    aim: Aim = "expected",
    *,
    risk: Risk | None = None,
    fixed: Mapping[int, float] | None = None,
    hint: Floats | None = None,
) -> Solved:
    """Return the solution that is best for an aim.

    Args:
        built: the program.
        effort: time, gap, listeners.
        aim: what is to be small.
        risk: how bad futures count.
        fixed: column -> value it must take.
        hint: (columns,) a solution of this program or of one like it, to start from.
    """
    return _Search(
        built, effort, Aimed(_fixed(built.arrays, fixed or {}), built, aim, risk or Risk()), hint
    ).run()


@dataclass
class _Search:
    built: Built
    effort: Effort
    aimed: Aimed
    hint: Floats | None
    best: Floats | None = None
    objective: float = np.inf
    bound: float = -np.inf
    impossible: bool = False
    began: float = field(default_factory=time.perf_counter)

    def run(self) -> Solved:
        if self.hint is not None:
            self._take(self._whole(self.aimed.widened(self.hint)))
        discounts = self._solve(DISCOUNTS, self._columns("chosen"), DISCOUNT_GAP, bounds=True)
        if discounts.status == "infeasible":
            return self._solved("infeasible")
        if not self._reached() and discounts.values is not None:
            chosen = self._fixed_like(self.aimed.arrays, self._columns("chosen"), discounts.values)
            if self.hint is not None:
                self._mend(self._near(chosen, discounts.values, self.hint))
            if not self._reached():
                self._commit_and_run(FIRST_GAP, chosen)
        if not self._reached():
            status = self._commit_and_run(SECOND_GAP, None)
            if status == "infeasible":
                return self._solved("infeasible")
        if not self._reached() and self.best is not None:
            better = self._solve(BETTER, self._whole_columns, 1.0, start=self.best, enough=1.0)
            if better.values is not None:
                self._take(self._settled(better.values))
        if not self._reached():
            last = self._solve(LAST, self._whole_columns, 1.0, bounds=True)
            if last.status == "infeasible" and self.best is None:
                return self._solved("infeasible")
            if last.values is not None:
                self._take(self._settled(last.values))
        if self.best is None:
            return self._solved("unknown")
        return self._solved("optimal" if self._reached() else "feasible")

    def _near(self, arrays: Arrays, relaxed: Floats, earlier: Floats) -> Arrays:
        """Return a program whose commitments are near an earlier plan and a relaxation (0: near both)."""
        columns = np.flatnonzero(self._columns(*COMMITMENTS))
        before, now = earlier[columns], relaxed[columns]
        least = np.minimum(np.floor(NEAR[0] * before) - NEAR_COUNTS, np.floor(now) - ROUNDED)
        most = np.maximum(np.ceil(NEAR[1] * before) + NEAR_COUNTS, np.ceil(now) + ROUNDED)
        most = np.where((before > 0) | (now > NOTHING), most, 0.0)
        return _bounded(arrays, columns, least, most)

    def _mend(self, arrays: Arrays) -> None:
        """Decide a narrow program, then what runs where, near where it has it; take the plan."""
        stage, commitments = "what to buy near the earlier plan", self._columns(*COMMITMENTS)
        first = self._solve(stage, commitments, MEND_GAP, arrays=arrays, enough=MEND_ENOUGH)
        if first.values is None:
            return
        known = self._fixed_like(self.aimed.arrays, commitments, first.values)
        columns = np.flatnonzero(self._columns("servers"))
        now = first.values[columns]
        window = _bounded(known, columns, np.floor(now) - RUN_WINDOW, np.ceil(now) + RUN_WINDOW)
        for narrow in (window, known):
            second = self._solve(
                "where it runs", self._whole_columns, RUN_GAP, arrays=narrow, enough=RUN_ENOUGH
            )
            if second.values is not None:
                self._take(self._settled(second.values))
            if self._reached():
                return

    def _commit_and_run(self, gap_share: float, arrays: Arrays | None) -> str:
        """Decide what is bought, then where it runs; take the plan if there is one. Return the status.

        arrays: a narrower program, whose bound says nothing about the whole one; None: the whole one.
        """
        commitments = self._columns(*COMMITMENTS)
        first = self._solve("what to buy", commitments, gap_share, bounds=arrays is None, arrays=arrays)
        if first.values is not None:
            known = self._fixed_like(self.aimed.arrays, commitments, first.values)
            second = self._solve("where it runs", self._whole_columns, RUN_GAP, arrays=known)
            if second.values is not None:
                self._take(self._settled(second.values))
        return first.status

    def _settled(self, values: Floats) -> Floats:
        """Return a solution with whole counts exactly whole and all else as cheap as these let it be.

        A search that ends early leaves what follows from its counts (installation, servers of an order
        at a discount) dearer than it need be, and the tables would not add up to what it states.
        """
        decided = self._whole_columns & ~self._columns("tier")
        whole = self._fixed_like(self.aimed.arrays, decided, values)
        best = highs.solve_linear(whole, max(self._left_s(), LEAST_S))
        return self._whole(best.values if best.status == "optimal" else values)

    @property
    def _whole_columns(self) -> NDArray[np.bool_]:
        return self.aimed.padded(self.built.decisions.mask)

    def _columns(self, *kinds: str) -> NDArray[np.bool_]:
        """Return which columns are decisions of some kinds."""
        chosen = np.zeros(len(self.built.arrays.cost), dtype=bool)
        for q in range(len(self.built.setting.tree.moments)):
            for kind in kinds:
                chosen[self.built.decisions(kind, q)] = True
        return self.aimed.padded(chosen)

    def _left_s(self) -> float:
        return self.effort.time_limit_s - (time.perf_counter() - self.began)

    def _reached(self) -> bool:
        """True if the best solution is proven within the gap."""
        gap = relative_gap_of(self.objective, self.bound) if self.best is not None else np.inf
        return gap <= max(self.effort.relative_gap, NUMERICAL_GAP)

    def _within(self, share: float) -> float:
        """Return the objective that is a share of the gap asked for above the bound, USD."""
        gap = max(self.effort.relative_gap, NUMERICAL_GAP) * share
        return self.bound / (1 - gap) if self.bound >= 0 else self.bound * (1 - gap)

    def _solve(
        self,
        stage: str,
        integer: NDArray[np.bool_],
        gap_share: float,
        *,
        bounds: bool = False,
        arrays: Arrays | None = None,
        enough: float | None = None,
        start: Floats | None = None,
    ) -> Outcome:
        """Run HiGHS for a stage.

        Stages whose bound counts are not given the best plan, but look for nothing that costs as much.

        Args:
            stage: its name.
            integer: columns that are whole.
            gap_share: share of the gap asked for that it is solved to.
            bounds: whether its bound holds for the whole program.
            arrays: a narrower program; None: the whole one.
            enough: share of the gap asked for above the bound at which a solution will do.
            start: a plan to start from, where the bound does not count.
        """
        left = self._left_s()
        if left <= 0:
            return Outcome("unknown", None, np.inf, -np.inf, 0.0)
        known = None if self.best is None else self.objective
        self.effort.tell(stage, known, self.bound if np.isfinite(self.bound) else None)
        program = self.aimed.arrays if arrays is None else arrays
        outcome = highs.solve_integer(
            program,
            integer=integer,
            time_limit_s=left if stage == LAST else left * STAGE_TIME,
            relative_gap=max(self.effort.relative_gap, NUMERICAL_GAP) * gap_share,
            hint=start,
            on_line=self._listener(stage, bounds, program),
            enough=None if enough is None or not np.isfinite(self.bound) else self._within(enough) * MICRO,
            cutoff=self.objective * MICRO if bounds and known is not None and stage != DISCOUNTS else None,
            sub_searches=stage != DISCOUNTS,
        )
        if bounds and outcome.status != "infeasible":
            self.bound = max(self.bound, outcome.bound / MICRO)
        return outcome

    def _listener(self, stage: str, bounds: bool, arrays: Arrays) -> Callable[[str], None]:
        """Return what hears HiGHS's log and passes on how far it is."""

        def heard(line: str) -> None:
            logged = highs.logged_bound(line, arrays)
            if logged is None:
                return
            found = logged / MICRO
            known = self.objective if self.best is not None else None
            bound = max(min(found, self.objective), self.bound) if bounds else self.bound
            self.effort.tell(stage, known, bound if np.isfinite(bound) else None)

        return heard

    def _whole(self, values: Floats) -> Floats:
        """Return the values with whole counts exactly whole."""
        mask = self._whole_columns
        return np.where(mask, np.rint(values), values)

    def _take(self, values: Floats) -> None:
        """Take a solution if it holds and is better than the best."""
        violation = _relative_violation(self.aimed.arrays, values)
        objective = float(self.aimed.arrays.cost @ values) / MICRO
        if violation > FEASIBILITY or objective >= self.objective:
            return
        self.best, self.objective = values, objective
        if self.effort.keep is not None:
            self.effort.keep(self._solved("feasible"))

    def _fixed_like(self, arrays: Arrays, which: NDArray[np.bool_], values: Floats) -> Arrays:
        """Return the program with some columns fixed as in a solution."""
        columns = np.flatnonzero(which)
        return _fixed(arrays, dict(zip(columns.tolist(), np.rint(values[columns]), strict=True)))

    def _solved(self, status: str) -> Solved:
        seconds = time.perf_counter() - self.began
        values = None if self.best is None else self.best[: len(self.built.arrays.cost)]
        bound = min(self.bound, self.objective)
        return Solved(self.built, status, values, self.objective, bound, seconds)


NOTHING = 1e-6
"""A count of less is none."""

NUMERICAL_GAP = 1e-6
"""A gap of nothing, in doubles over sums of millions of dollars."""

FEASIBILITY = 1e-5
"""How far a row may be broken as a share of its largest term: rounding of counts that were nearly whole."""


def _relative_violation(arrays: Arrays, values: Floats) -> float:
    """Return the largest violation of a row or bound, each as a share of the size of its terms."""
    activity = arrays.matrix @ values
    size = abs(arrays.matrix) @ np.abs(values)
    for bound in (arrays.row_lower, arrays.row_upper):
        size = np.maximum(size, np.abs(np.where(np.isfinite(bound), bound, 0.0)))
    over = np.maximum(arrays.row_lower - activity, activity - arrays.row_upper) / np.maximum(size, 1.0)
    out = np.maximum(arrays.column_lower - values, values - arrays.column_upper)
    return float(max(over.max(initial=0.0), out.max(initial=0.0)))


def _fixed(arrays: Arrays, fixed: Mapping[int, float]) -> Arrays:
    """Return the program with some columns at given values."""
    if not fixed:
        return arrays
    lower, upper = arrays.column_lower.copy(), arrays.column_upper.copy()
    for column, value in fixed.items():
        lower[column] = upper[column] = value
    return replace(arrays, column_lower=lower, column_upper=upper)


def _bounded(arrays: Arrays, columns: NDArray[np.int64], least: Floats, most: Floats) -> Arrays:
    """Return the program with narrower bounds of some columns, as far as its own allow them."""
    lower, upper = arrays.column_lower.copy(), arrays.column_upper.copy()
    upper[columns] = np.maximum(np.minimum(upper[columns], most), lower[columns])
    lower[columns] = np.minimum(np.maximum(lower[columns], least), upper[columns])
    return replace(arrays, column_lower=lower, column_upper=upper)
