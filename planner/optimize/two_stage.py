"""The two stages: what to open and to power, then counts near it; then site by site.

The linear relaxation with whole sites (and servers) is near the optimum, few of its counts are fractional:
those within a step of it decide a first plan. Then some sites are freed at a time while the others stay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from planner.optimize.completion import Completion
from planner.optimize.lazy import is_traffic
from planner.optimize.neighbourhood import Freed, around, in_parallel, near
from planner.optimize.problem import Integers
from planner.optimize.program import Floats
from planner.optimize.rerouting import with_cuts
from planner.optimize.solvers import highs
from planner.optimize.solvers.outcome import Outcome

CUT_ROUNDS = 100
"""Most rounds of cuts in the linear relaxation."""

LINEAR_SHORTAGE = 0.05
"""Units that may be missing after a loss in the linear relaxation; plans are held to the last unit."""

OPENING_SHARE, POWERING_SHARE, NEAR_SHARE, FREE_SHARE, IMPROVING_SHARE = 0.15, 0.15, 0.1, 0.05, 0.7
"""Shares of the time limit: for the sites to open, the servers to power, counts near them, for one
neighbourhood, and for all of it before the whole program is given to a solver."""

FREE_SITES = 3
"""Sites that a neighbourhood frees."""

NEIGHBOURHOODS = 200
"""Most rounds of neighbourhoods."""


class TwoStage(Completion):
    """Finds and improves plans by parts of the program."""

    def _two_stage(self) -> str:
        """Decide which sites open, round the counts near the relaxation, then improve site by site."""
        # Counts near a relaxation with copies of the routing after failures hardly ever survive them: the
        # time is better spent on the whole program.
        if self._done() or self.active:
            return "done"
        opened = self._opened()
        if opened.status == "infeasible":
            return "infeasible"
        if opened.values is None:
            return "stopped"
        powered = self._powered()
        for source, servers, replicas in ((powered, 1, 0), (powered, 2, 2), (opened, 8, 8)):
            if self._done():
                break
            if source.values is not None:
                self._near(source.values, servers, replicas)
        if not self.arrays.sections:
            self._improve()
        return "done"

    def _opened(self) -> Outcome:
        """Solve with whole sites only: a bound that pays for them, and counts to round."""
        part = self._part()
        integer = np.zeros(len(part.arrays.cost), dtype=bool)
        integer[part.arrays.block("open")] = True
        outcome = self._solve(part.arrays, integer, OPENING_SHARE, self.settings.relative_gap / 2)
        if outcome.status != "infeasible":
            self._raise_bound(outcome.bound)
        self._record("sites to open", outcome.seconds, outcome.status)
        for _ in range(CUT_ROUNDS):
            if outcome.values is None or self._remaining() <= 0:
                break
            values = part.lift(outcome.values, np.zeros(len(self.arrays.cost)))
            if not self._lacks(values, LINEAR_SHORTAGE):
                break
            # The sites stay as decided; what counts survive is a linear program.
            part = self._part()
            lower, upper = part.arrays.column_lower.copy(), part.arrays.column_upper.copy()
            block = part.arrays.block("open")
            lower[block] = upper[block] = np.rint(outcome.values[block])
            linear = highs.solve_linear(replace(part.arrays, column_lower=lower, column_upper=upper))
            if linear.status != "optimal":
                break
            outcome = replace(outcome, values=linear.values)
        return outcome

    def _powered(self) -> Outcome:
        """Solve with whole sites, racks and servers, replicas being continuous."""
        part = self._part()
        integer = np.zeros(len(part.arrays.cost), dtype=bool)
        for kind in ("open", "servers", "mixes"):
            integer[part.arrays.block(kind)] = True
        outcome = self._solve(part.arrays, integer, POWERING_SHARE, self.settings.relative_gap)
        if outcome.status != "infeasible":
            self._raise_bound(outcome.bound)
        self._record("servers to power", outcome.seconds, outcome.status)
        return outcome

    def _near(self, values: Floats, servers: int, replicas: int) -> str:
        """Look for a plan whose counts are near fractional ones."""
        part = self._part()
        if len(values) != len(part.arrays.cost):
            return "stopped"  # failures joined the program meanwhile
        program = near(part.arrays, values, servers, replicas)
        if (program.column_lower > program.column_upper).any():
            return "stopped"
        hint = None
        if self.best is not None:
            known = self.best[part.columns]
            hint = known if program.violation(known) <= 0 else None
        gap = max(self.settings.relative_gap / 5, 1e-4)
        outcome = self._solve(program, ~is_traffic(program), NEAR_SHARE, gap, hint)
        self._record(f"servers within {servers}, replicas {replicas}", outcome.seconds, outcome.status)
        if outcome.values is None:
            return "stopped"
        return self._complete(part.lift(outcome.values, np.zeros(len(self.arrays.cost))), "counts rounded")

    def _improve(self) -> None:
        """Free some sites of the plan at a time, several neighbourhoods side by side."""
        sites = self.arrays.column_site
        if sites is None or self.best is None or sites.max(initial=-1) < 1:
            return
        many = int(sites.max()) + 1
        draw = np.random.default_rng(self.settings.seed)
        size = min(FREE_SITES, max(many - 1, 1))
        idle = 0
        for _ in range(NEIGHBOURHOODS):
            share_left = self._remaining() - (1 - IMPROVING_SHARE) * self.settings.time_limit_s
            out_of_time = share_left <= 0 and not self.settings.reproducible
            if self._done() or out_of_time or idle > 2 * many // size:
                return
            order = draw.permutation(many)
            groups = [order[:size], order[size : 2 * size]][: max(self.settings.workers, 1)]
            before = self.objective
            self._free([group for group in groups if len(group)])
            idle = 0 if self.objective < before else idle + 1

    def _free(self, groups: list[Integers]) -> None:
        """Solve around some groups of sites, and take what betters the plan."""
        assert self.best is not None
        assert self.arrays.column_site is not None
        arrays = with_cuts(self.arrays, self.cuts)
        best, sites = self.best, self.arrays.column_site
        freed = [around(arrays, best, np.isin(sites, group) | (sites < 0)) for group in groups]
        whole = ~is_traffic(self.arrays)

        def task(part: Freed) -> Callable[[], Outcome]:
            gap = max(self.settings.relative_gap / 10, 1e-4)
            return lambda: self._solve(part.arrays, whole[part.columns], FREE_SHARE, gap, best[part.columns])

        outcomes = in_parallel([task(part) for part in freed], self.settings.workers)
        for part, outcome in zip(freed, outcomes, strict=True):
            self._record("around some sites", outcome.seconds, outcome.status)
            if outcome.values is None:
                continue
            spent = float(self.arrays.cost[part.columns] @ (outcome.values - best[part.columns]))
            if spent >= -1.0 or self.best is None:
                continue
            design = self.best.copy()
            design[part.columns] = outcome.values
            # Both neighbourhoods may have used the same slack: what does not fit together is left.
            if self.best is not best and with_cuts(self.arrays, self.cuts).violation(design) > 1e-3:
                continue
            self._complete(design, "around some sites")
