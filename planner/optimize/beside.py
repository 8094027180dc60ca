"""Small hard programs: a bound from whole deployments of each workload, and a search around what they say.

A thousand accelerators are a hundred servers: what a whole server or a whole replica costs is more than
the gap asked for, and no linear relaxation knows it. With the sites of the plan open the program is cut up by
workload (`decomposition`) for the bound; any other choice of sites has a bound of its own, and the smaller
of both holds. Which replicas are worth having, and about how many servers of each kind, is then known: plans
are looked for among those, and bettered by parts: the replicas of some workloads may stand anywhere anew, on
any servers, while those of the others stay.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse

from planner.optimize.decomposition import decomposed, met
from planner.optimize.diving import Diving
from planner.optimize.lazy import Part, is_traffic
from planner.optimize.neighbourhood import around, in_parallel
from planner.optimize.problem import Integers
from planner.optimize.program import Arrays, Floats, RowInfo
from planner.optimize.site_plans import counted, laid, open_traffic, roomy_for
from planner.optimize.solvers.outcome import Outcome

BESIDE_COLUMNS, BRANCHED_COLUMNS = 8_000, 2_000
"""Programs of up to this many columns are searched this way; those of up to the second are branched on as a
whole."""

FREE_WORKLOADS, FREE_SECONDS, FREE_ROUNDS = ((0.7, True), (0.4, False), (0.9, True), (0.5, False)), 5.0, 100
"""Shares of the workloads whose replicas are free in turn, and whether only among deployments found by
prices; seconds for each, and most rounds."""

PROVING_SHARE, OTHERS_SHARE = 0.65, 0.1
"""Share of the time left in which the whole program is branched on; of all of it for a bound of other
sites."""

REPRODUCIBLE_ROUNDS = 6
"""Rounds of a search that no clock ends."""


class Beside(Diving):
    """Proves and improves small programs."""

    def _prove_beside(self) -> None:
        """Raise the bound and look for plans by workload, then search around the plan."""
        if self.best is None:
            return
        part = self._part()
        arrays, best = part.arrays, self.best[part.columns]
        others = self._other_sites(arrays, best)
        block = arrays.block("open")
        lower, upper = arrays.column_lower.copy(), arrays.column_upper.copy()
        lower[block] = upper[block] = np.rint(best[block])
        fixed = replace(arrays, column_lower=lower, column_upper=upper)
        parts = decomposed(fixed) if self._by_workload() else None
        if parts is None:
            self._prove_at_once(part, fixed, others)
        else:
            self._prove_by_workload(part, parts, others)
        workers = 1 if self.settings.reproducible else self.settings.workers
        end = self._elapsed() + max(self._remaining(), 0.0)
        runs = [partial(self._improve_by_workload, number, end) for number in range(1, 1 + workers)]
        in_parallel(runs, workers)

    def _by_workload(self) -> bool:
        """Say whether the program is too hard to be branched on as a whole."""
        columns = len(self.arrays.cost)
        return self.arrays.losses is not None and BRANCHED_COLUMNS < columns <= BESIDE_COLUMNS

    def _prove_at_once(self, part: Part, fixed: Arrays, others: float) -> None:
        """Branch on the whole program, beside a search around the plan."""
        left = max(self._remaining(), 0.1)
        until = self._elapsed() + PROVING_SHARE * left

        def prove() -> Outcome:
            share = PROVING_SHARE * left / self.settings.time_limit_s
            return self._solve(fixed, ~is_traffic(fixed), share, self.settings.relative_gap / 2)

        workers = 1 if self.settings.reproducible else self.settings.workers
        outcome, _ = in_parallel([prove, lambda: self._improve_by_workload(0, until)], workers)
        assert isinstance(outcome, Outcome)
        if outcome.status != "infeasible":
            self._raise_bound(min(outcome.bound, others))
        self._record("whole program", outcome.seconds, outcome.status)
        if outcome.values is not None and outcome.objective < self.objective - 1.0:
            self._complete(part.lift(outcome.values, np.zeros(len(self.arrays.cost))), "whole program")

    def _other_sites(self, arrays: Arrays, best: Floats) -> float:
        """Return a bound of all plans that open other sites than a plan does.

        Sites that cost and use nothing by being open make no difference.
        """
        block = arrays.block("open")
        matters = (arrays.cost[block] != 0) | (np.diff(arrays.matrix.tocsc().indptr)[block] > 0)
        opened = np.where(matters, np.rint(best[block]), 0.0)
        signs = np.zeros((1, len(arrays.cost)))
        signs[0, block] = np.where(matters, np.where(opened > 0, -1.0, 1.0), 0.0)
        row: Any = scipy.sparse.csr_matrix(signs)
        other = replace(
            arrays,
            matrix=scipy.sparse.vstack([arrays.matrix, row], format="csr"),
            row_lower=np.append(arrays.row_lower, 1.0 - opened.sum()),
            row_upper=np.append(arrays.row_upper, np.inf),
            rows=(*arrays.rows, RowInfo("other sites", "sites")),
        )
        integer = np.zeros(len(arrays.cost), dtype=bool)
        integer[block] = True
        outcome = self._solve(other, integer, OTHERS_SHARE, self.settings.relative_gap / 10)
        self._record("other sites", outcome.seconds, outcome.status)
        return float("inf") if outcome.status == "infeasible" else outcome.bound

    def _improve_by_workload(self, number: int, until: float) -> None:
        """Free the replicas of some workloads at a time.

        Args:
            number: of this run; others draw others.
            until: seconds from the start of the search.
        """
        draw = np.random.default_rng([self.settings.seed, number])
        reproducible = self.settings.reproducible
        for turn in range(REPRODUCIBLE_ROUNDS if reproducible else FREE_ROUNDS):
            seconds = min(FREE_SECONDS, until - self._elapsed())
            if not reproducible and (seconds < FREE_SECONDS / 3 or self._done()):
                return
            share, among_worth = FREE_WORKLOADS[(number + turn) % len(FREE_WORKLOADS)]
            self._free_workloads(share, draw, seconds, among_worth=among_worth)

    def _free_workloads(
        self, share: float, draw: np.random.Generator, seconds: float, *, among_worth: bool
    ) -> None:
        """Free the replicas of a share of the workloads, and take what is better."""
        with self._lock:
            assert self.best is not None
            part = self._part()
            arrays, best = part.arrays, self.best[part.columns]
        group = workload_of_replicas(arrays)
        many = int(group.max(initial=-1)) + 1
        chosen = draw.choice(many, max(round(share * many), 1), replace=False)
        free = (group < 0) | np.isin(group, chosen)
        free[arrays.block("open")] = False
        if self._worth is not None and among_worth:
            used = counted(arrays) & (self._worth[part.columns] | (best > 0))
            free = np.where(is_traffic(arrays), open_traffic(arrays, used), free & used)
        one = around(roomy_for(arrays, best), best, free)
        part_of_time = max(seconds, 0.1) / self.settings.time_limit_s
        gap = self.settings.relative_gap / 20
        outcome = self._solve(one.arrays, counted(arrays)[one.columns], part_of_time, gap, best[one.columns])
        with self._lock:
            self._record(f"around {len(chosen)} workloads", outcome.seconds, outcome.status)
        if outcome.values is not None:
            self._take(part, laid(one, outcome.values, best), f"around {len(chosen)} workloads")


def workload_of_replicas(arrays: Arrays) -> Integers:
    """Return (columns,) numbers of what each replica serves, -1 for other columns.

    Replicas whose traffic meets in demands or in pools have the same number.
    """
    rows = np.array([row.family in ("demand", "capacity") for row in arrays.rows])
    _, label = met(arrays.matrix[rows])
    group = np.full(len(arrays.cost), -1, dtype=np.int64)
    replicas = arrays.block("replicas")
    group[replicas] = np.unique(label[replicas], return_inverse=True)[1].reshape(-1)
    return group
