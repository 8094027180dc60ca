"""Small hard programs: one solver raises the bound while the other betters the plan.

A thousand accelerators are a hundred servers: what a whole server or a whole replica costs is more than
the gap asked for, and no relaxation knows it. With the sites of the plan open the whole program is branched
on for the bound; any other choice of sites has a bound of its own, and the smaller of both holds. Beside it,
and then alone, the plan is bettered by parts: the replicas of some workloads may stand anywhere anew, on any
servers, while those of the others stay.
"""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse
from scipy.sparse.csgraph import connected_components

from planner.optimize.in_use import InUse
from planner.optimize.lazy import is_traffic
from planner.optimize.neighbourhood import around, in_parallel
from planner.optimize.problem import Integers
from planner.optimize.program import Arrays, Floats, RowInfo
from planner.optimize.site_plans import counted, roomy_for
from planner.optimize.solvers.outcome import Outcome

BESIDE_COLUMNS = 8_000
"""Programs of up to this many columns are searched this way."""

FREE_GROUPS, FREE_SECONDS, FREE_ROUNDS = (4, 3, 5), 6.0, 100
"""Workloads whose replicas are free in turn, seconds for each, and most rounds."""

PROVING_SHARE, OTHERS_SHARE = 0.65, 0.1
"""Share of the time left for the bound; of all of it for a bound of other sites."""

REPRODUCIBLE_ROUNDS = 6
"""Rounds of a search that no clock ends."""


class Beside(InUse):
    """Proves and improves at the same time."""

    def _prove_beside(self) -> None:
        """Branch on the whole program, for the bound and for plans, then search around the plan."""
        if self.best is None:
            return
        part = self._part()
        arrays, best = part.arrays, self.best[part.columns]
        others = self._other_sites(arrays, best)
        block = arrays.block("open")
        lower, upper = arrays.column_lower.copy(), arrays.column_upper.copy()
        lower[block] = upper[block] = np.rint(best[block])
        fixed = replace(arrays, column_lower=lower, column_upper=upper)
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
        end = self._elapsed() + max(self._remaining(), 0.0)
        runs = [partial(self._improve_by_workload, number, end) for number in range(1, 1 + workers)]
        in_parallel(runs, workers)

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
            self._free_workloads(FREE_GROUPS[(number + turn) % len(FREE_GROUPS)], draw, seconds)

    def _free_workloads(self, count: int, draw: np.random.Generator, seconds: float) -> None:
        """Free the replicas of so many workloads, and take what is better."""
        with self._lock:
            assert self.best is not None
            part = self._part()
            arrays, best = part.arrays, self.best[part.columns]
        group = workload_of_replicas(arrays)
        many = int(group.max(initial=-1)) + 1
        chosen = draw.choice(many, min(count, many), replace=False)
        free = (group < 0) | np.isin(group, chosen)
        free[arrays.block("open")] = False
        one = around(roomy_for(arrays, best), best, free)
        share = max(seconds, 0.1) / self.settings.time_limit_s
        gap = self.settings.relative_gap / 10
        outcome = self._solve(one.arrays, counted(arrays)[one.columns], share, gap, best[one.columns])
        with self._lock:
            self._record(f"around {len(chosen)} workloads", outcome.seconds, outcome.status)
            if outcome.values is None:
                return
            design = best.copy()
            design[one.columns] = outcome.values
            if float(arrays.cost @ design) < self.objective - 1.0:
                zero = np.zeros(len(self.arrays.cost))
                self._complete(part.lift(design, zero), f"around {len(chosen)} workloads")


def workload_of_replicas(arrays: Arrays) -> Integers:
    """Return (columns,) numbers of what each replica serves, -1 for other columns.

    Replicas whose traffic meets in demands or in pools have the same number.
    """
    rows = np.array([row.family in ("demand", "capacity") for row in arrays.rows])
    met = arrays.matrix[rows].tocoo()
    size = int(rows.sum()) + len(arrays.cost)
    graph = scipy.sparse.coo_matrix(
        (np.ones(met.nnz), (met.row, int(rows.sum()) + met.col)), shape=(size, size)
    )
    _, label = connected_components(graph, directed=False)
    group = np.full(len(arrays.cost), -1, dtype=np.int64)
    replicas = arrays.block("replicas")
    group[replicas] = np.unique(label[int(rows.sum()) :][replicas], return_inverse=True)[1].reshape(-1)
    return group
