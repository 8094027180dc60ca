"""The two stages: what to open and what stands where in fractions, then whole counts.

1. The linear relaxation (folded, with covers for losses) is near the optimum: that of a large program is
   rounded (`first_plan`), all counts that it uses are decided at once (`in_use`), or where they are too many
   its sites are packed one by one, and what they leave is settled between them (`site_plans`).
2. With whole sites in the folded program comes a bound that pays for them, and which sites to open.
3. The same around that, nearer.
4. Small programs are branched on, or cut up by workload (`decomposition`, `diving`), for the bound and for
   plans, and searched around the plan (`beside`).
5. Then some sites are freed at a time while the others stay.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from planner.optimize.beside import BESIDE_COLUMNS
from planner.optimize.first_plan import FirstPlan
from planner.optimize.folding import fold
from planner.optimize.lazy import is_traffic, part_with
from planner.optimize.neighbourhood import Freed, around, in_parallel, near
from planner.optimize.problem import Integers
from planner.optimize.program import Floats
from planner.optimize.rerouting import with_cuts
from planner.optimize.site_packing import QUICK, Effort
from planner.optimize.site_plans import open_traffic, roomy_for
from planner.optimize.solvers.outcome import Outcome

FIRST_SHARE, IN_USE_SHARE, BESIDE_SHARE = 0.06, 0.3, 0.05
"""Shares of the time limit for the counts in use: for the first plan, for a plan near enough, and where
another way follows."""

OPENING_SHARE, NEAR_SHARE, FREE_SHARE, IMPROVING_SHARE = 0.2, 0.1, 0.05, 0.7
"""Shares of the time limit: for the sites to open, for counts near a relaxation, for one neighbourhood, and
for all of it before the whole program is given to a solver."""

CLOSER_GAP = 0.25
"""Part of the gap asked for that the counts of decided sites may use up."""

OPENING_GAP = 0.2
"""Part of the gap asked for that the choice of sites may use up."""

CLOSED_BELOW = 0.2
"""A site that the relaxation opens less than this is closed in the first plan."""

FREE_SITES, FREE_NODES = (1, 2, 3, 2), 500
"""Sites that neighbourhoods free in turn, and nodes for each."""

NEIGHBOURHOODS = 200
"""Most rounds of neighbourhoods."""


class TwoStage(FirstPlan):
    """Finds and improves plans by parts of the program."""

    def _two_stage(self) -> str:
        """Make the relaxation a plan, decide which sites open, make that a plan, then improve it by parts."""
        if self._done() or self.linear is None:
            return "done"
        beside = self.arrays.losses is not None and len(self.arrays.cost) <= BESIDE_COLUMNS
        opened = np.where(self._sites_open(self.linear) > CLOSED_BELOW, 1.0, 0.0)
        rounded = self._plan_by_rounding(opened)
        if self._done():
            return "done"
        near = self._with_open(self.linear, opened)
        gap = self.settings.relative_gap
        at_once = near is not None and self._decide_in_use(near, gap, FIRST_SHARE, quick=True)
        if near is not None and not at_once and not rounded:
            self._plan_by_site(near, QUICK)
        decided: Floats | None = self.linear
        if not self._done() and self._sites_undecided():
            whole_sites = self._opened()
            if whole_sites.status == "infeasible":
                return "infeasible"
            decided = near
            if whole_sites.values is not None:
                decided = self._with_open(self.linear, np.rint(self._sites_open(whole_sites.values)))
        if decided is not None and not self._done():
            self.linear = decided
            if not at_once:  # what one solver found nothing in takes it long again
                self._plan_by_site(decided, Effort())
            share = BESIDE_SHARE if beside else IN_USE_SHARE
            again = not self._done() and not (self._by_workload() and at_once)
            if again and not self._decide_in_use(decided, gap * CLOSER_GAP, share) and at_once:
                self._plan_by_site(decided, Effort())
        if self.best is None and not self._done():
            self._near(self.linear, 8, 8)
        if beside and not self._done():
            self._prove_beside()
        self._improve()
        return "done"

    def _sites_open(self, values: Floats) -> Floats:
        return values[self.arrays.block("open")]

    def _sites_undecided(self) -> bool:
        """Say whether the linear relaxation opens some site in part."""
        assert self.linear is not None
        part = self._sites_open(self.linear)
        return bool((np.abs(part - np.rint(part)) > 1e-6).any())

    def _with_open(self, values: Floats, opened: Floats) -> Floats | None:
        """Return the relaxation with sites open (1) or closed (0); values themselves if they are so.

        Sites that must open for lack of room elsewhere are opened.
        """
        if np.abs(self._sites_open(values) - opened).max(initial=0.0) <= 1e-6:
            return values
        folding = self._folding()
        for chosen in (opened, np.ones(len(opened))):
            outcome = self._relaxation().solve(
                self.cuts, max(self._remaining(), 1.0), self._with_sites(chosen)
            )
            if outcome.status == "optimal":
                reduced = outcome.reduced_costs[folding.column_class]
                part, zero = self._part(), np.zeros(len(self.arrays.cost))
                self.reduced = part.lift(reduced, zero)
                return part.lift(folding.unfolded(outcome.values), zero)
        return None

    def _opened(self) -> Outcome:
        """Solve with whole sites only: a bound that pays for them.

        Without the routing after failures: it takes long to solve and opens few sites more.
        """
        folding = fold(part_with(self.arrays, []).arrays)
        integer = np.zeros(len(folding.arrays.cost), dtype=bool)
        integer[folding.arrays.block("open")] = True
        arrays = with_cuts(folding.arrays, [folding.cut(cut) for cut in self.cuts])
        outcome = self._solve(arrays, integer, OPENING_SHARE, self.settings.relative_gap * OPENING_GAP)
        if outcome.status != "infeasible":
            self._raise_bound(outcome.bound)
        self._record("sites to open", outcome.seconds, outcome.status)
        if outcome.values is None:
            return outcome
        return replace(outcome, values=folding.unfolded(outcome.values))

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
        base = self.arrays.block("servers").start, self.arrays.block("replicas").stop
        served = np.unique(sites[base[0] : base[1]][self.best[base[0] : base[1]] > 0])
        draw = np.random.default_rng(self.settings.seed)
        idle = 0
        for number in range(NEIGHBOURHOODS):
            share_left = self._remaining() - (1 - IMPROVING_SHARE) * self.settings.time_limit_s
            out_of_time = share_left <= 0 and not self.settings.reproducible
            size = FREE_SITES[number % len(FREE_SITES)]
            if self._done() or out_of_time or idle > 2 * len(served) + 4:
                return
            order = draw.permutation(served)
            groups = [order[:size], order[size : 2 * size]][: max(self.settings.workers, 1)]
            before = self.objective
            self._free([group for group in groups if len(group)])
            idle = 0 if self.objective < before - 1.0 else idle + 1

    def _free(self, groups: list[Integers]) -> None:
        """Solve around some groups of sites, and take what betters the plan."""
        assert self.best is not None
        part = self._part()
        arrays, best = part.arrays, self.best[part.columns]
        assert arrays.column_site is not None
        whole = ~is_traffic(arrays)
        roomy = roomy_for(arrays, best)
        assert self.linear is not None
        used = (best > 0) | (self.linear[part.columns] > 1e-6)
        used[arrays.block("mixes")] = True
        used = np.where(is_traffic(arrays), open_traffic(arrays, used), used)
        freed = [
            around(roomy, best, used & (np.isin(arrays.column_site, group) | (arrays.column_site < 0)))
            for group in groups
        ]

        def task(part: Freed) -> Callable[[], Outcome]:
            gap = max(self.settings.relative_gap / 10, 1e-4)
            return lambda: self._solve(
                part.arrays, whole[part.columns], FREE_SHARE, gap, best[part.columns], FREE_NODES
            )

        outcomes = in_parallel([task(one) for one in freed], self.settings.workers)
        now = best.copy()
        for group, one, outcome in zip(groups, freed, outcomes, strict=True):
            spent = 0.0
            if outcome.values is not None:
                spent = float(arrays.cost[one.columns] @ (outcome.values - best[one.columns]))
            named = f"around {len(group)} sites"
            self._record(named, outcome.seconds, outcome.status)
            if outcome.values is None or spent >= -1.0:
                continue
            design = now.copy()
            design[one.columns] = outcome.values
            # Both neighbourhoods may have used the same slack: what does not fit together is left.
            if now is not best and arrays.violation(design) > 1e-3:
                continue
            self._complete(part.lift(design, np.zeros(len(self.arrays.cost))), named)
            now = design
