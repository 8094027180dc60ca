"""Packing site by site: from a solution with fractional counts to whole servers, racks and replicas.

Given what each site serves, sites share little: a budget, a stock, what must be left after a loss. Each
of those is dealt out as the fractional solution uses it, and every site becomes a small program of its own,
solved beside the others. What a site cannot serve whole is left over as missing, and settled afterwards.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse

from planner.optimize.problem import Integers
from planner.optimize.program import Arrays, Floats, RowInfo
from planner.optimize.solvers.glop import LinearProgram
from planner.optimize.solvers.outcome import Outcome

PACKED = ("servers", "mixes", "replicas", "assign", "moves")
"""Kinds of columns that a site decides for itself; its incoming traffic is given."""

COUNTED = ("servers", "mixes", "replicas", "moves")
"""Those of them that are whole."""

MISSING_PRICE = 30.0
"""Price of a unit that a site leaves unserved, against what a unit costs on average."""

LACK_PRICE, LACK_STEP = 3.0, 1e-3
"""Price of all that a shared row asks for at least, against the whole cost; and the part of it that one
column counts, so that its amounts are like those of others."""

FEW = 64
"""Rows whose amounts are whole numbers up to this are dealt out in whole numbers."""

GOOD_SITE, GOOD_WHOLE = 5e-3, 2e-4
"""A site is good enough when it costs so little more than its relaxation, as a share of that, or of all."""

Solve = Callable[[Arrays, np.ndarray, float, int], Outcome]
"""Solves a program: (program, which columns are whole, relative gap, most nodes)."""


def of_kind(arrays: Arrays, kind: str) -> np.ndarray:
    """Return (columns,) which are of a kind, those of failures included."""
    mask = np.zeros(len(arrays.cost), dtype=bool)
    for name, first, count in arrays.column_kind:
        if name.rsplit("/", 1)[-1] == kind:
            mask[first : first + count] = True
    return mask


@dataclass(frozen=True)
class Effort:
    """How hard a site is worked on: nodes and gap near its relaxation, and among all that it may use."""

    near_nodes: int = 10
    near_gap: float = 2e-3
    used_nodes: int = 25
    used_gap: float = 3e-3
    everything: bool = True


QUICK = Effort(near_nodes=5, near_gap=5e-3, used_nodes=5, used_gap=1e-2, everything=False)
"""For the first plan, within seconds."""


@dataclass(frozen=True)
class Packed:
    """What a site became: `values` of `columns`; missing: units of its traffic that it cannot serve."""

    columns: Integers
    values: Floats
    missing: float


class SitePacking:
    """Deals shared rows out and packs sites, one call each; calls do not touch each other."""

    def __init__(self, arrays: Arrays, values: Floats) -> None:
        """Prepare.

        Args:
            arrays: the base program with its cuts; its columns know their sites.
            values: (columns,) a solution whose counts may be fractional.

        Raises:
            ValueError: the program does not say where its columns stand.
        """
        if arrays.column_site is None:
            raise ValueError("columns without sites cannot be packed by site")
        self._arrays, self._values = arrays, values
        site = arrays.column_site
        mask = np.zeros(len(arrays.cost), dtype=bool)
        whole = np.zeros(len(arrays.cost), dtype=bool)
        for kind in PACKED:
            mask |= of_kind(arrays, kind)
        for kind in COUNTED:
            whole |= of_kind(arrays, kind)
        self._mask, self._whole = mask & (site >= 0), whole
        own = arrays.matrix[:, self._mask].tocsr()
        site_of_entry = site[self._mask][own.indices]
        row = np.repeat(np.arange(own.shape[0]), np.diff(own.indptr))
        many = int(site.max(initial=-1)) + 1
        uses = own.data * values[self._mask][own.indices]
        self._used: scipy.sparse.csr_matrix = scipy.sparse.csr_matrix(
            (uses, (row, site_of_entry)), shape=(own.shape[0], many)
        )
        met: scipy.sparse.csr_matrix = scipy.sparse.csr_matrix(
            (np.ones(len(row)), (row, site_of_entry)), shape=(own.shape[0], many)
        )
        self._shared = np.diff(met.indptr) > 1
        self._constant = arrays.matrix @ np.where(self._mask, 0.0, values)
        flow, assign = of_kind(arrays, "flow"), of_kind(arrays, "assign")
        self._joins = (np.diff(arrays.matrix[:, flow].indptr) > 0) & (
            np.diff(arrays.matrix[:, assign].indptr) > 0
        )
        units = float(values[arrays.block("flow")].sum())
        self._cost = float(arrays.cost @ values)
        self._missing_price = MISSING_PRICE * max(self._cost, 1.0) / max(units, 1.0)
        self._dealt = {int(number): self._deal(int(number)) for number in np.flatnonzero(self._shared)}
        self._by_column = arrays.matrix.tocsc()

    def sites(self) -> list[int]:
        """Return the sites that serve anything, those that use most first."""
        site = self._arrays.column_site
        assert site is not None
        there = self._mask & (self._values > 1e-9)
        weight = np.bincount(site[there], weights=self._arrays.cost[there] * self._values[there] + 1.0)
        return [int(number) for number in np.argsort(-weight, kind="stable") if weight[number] > 0]

    def idle(self) -> Integers:
        """Return the columns that no site of `sites` has: all of them stay at 0 or at their least."""
        site = self._arrays.column_site
        assert site is not None
        return np.flatnonzero(self._mask & ~np.isin(site, self.sites())).astype(np.int64)

    def _deal(self, row: int) -> tuple[Floats, Floats]:
        """Return (sites,) the lower and upper bounds of a shared row, as the solution uses it."""
        arrays = self._arrays
        used = np.asarray(self._used[row].todense(), dtype=np.float64).reshape(-1)
        total = float(used.sum())
        share = np.abs(used) / max(float(np.abs(used).sum()), 1e-12)
        upper = arrays.row_upper[row] - self._constant[row]
        lower = arrays.row_lower[row] - self._constant[row]
        amounts = arrays.matrix.data[arrays.matrix.indptr[row] : arrays.matrix.indptr[row + 1]]
        high = used + max(upper - total, 0.0) * share if np.isfinite(upper) else np.full(len(used), np.inf)
        if np.isfinite(upper) and amounts.max(initial=0) <= FEW and (amounts == np.rint(amounts)).all():
            high = np.diff(np.floor(np.cumsum(high) + 1e-6), prepend=0.0)
        low = used - max(total - lower, 0.0) * share if np.isfinite(lower) else np.full(len(used), -np.inf)
        return np.minimum(low, high), high

    def pack(self, site: int, solve: Solve, effort: Effort) -> Packed | None:
        """Return whole counts for a site, None if no solver found any.

        First with counts next to the relaxation of the site, then on all hosts that the relaxation uses, then
        with everything.
        """
        part, columns, units = self._program(site)
        linear = LinearProgram(part).solve()
        if linear.status != "optimal":
            return None
        whole = np.append(self._whole[columns], np.zeros(len(units), dtype=bool))
        best: Packed | None = None
        lowest = np.inf
        tries = [
            (self._next_to(part, columns, linear.values, whole), effort.near_gap, effort.near_nodes),
            (self._in_use(part, columns, linear.values), effort.used_gap, effort.used_nodes),
            ((part.column_lower, part.column_upper), effort.used_gap, effort.used_nodes),
        ]
        for (lower, upper), gap, nodes in tries if effort.everything else tries[:2]:
            outcome = solve(replace(part, column_lower=lower, column_upper=upper), whole, gap, nodes)
            if outcome.values is None:
                continue
            if outcome.objective < lowest:
                lowest = outcome.objective
                values = outcome.values[: len(columns)].copy()
                counted = whole[: len(columns)]
                values[counted] = np.rint(values[counted])
                best = Packed(columns, values, float(units @ outcome.values[len(columns) :]))
            if lowest - linear.objective <= max(GOOD_SITE * linear.objective, GOOD_WHOLE * self._cost):
                break
        return best

    def _program(self, site: int) -> tuple[Arrays, Integers, Floats]:
        """Return the program of a site, its columns, and what each further column counts of missing units."""
        arrays = self._arrays
        assert arrays.column_site is not None
        columns = np.flatnonzero(self._mask & (arrays.column_site == site)).astype(np.int64)
        own = self._by_column[:, columns].tocsr()
        rows = np.flatnonzero(np.diff(own.indptr))
        lower, upper = (
            arrays.row_lower[rows] - self._constant[rows],
            arrays.row_upper[rows] - self._constant[rows],
        )
        elastic, amounts, prices, units = [], [], [], []
        for place, row in enumerate(rows.tolist()):
            if self._shared[row]:
                low, high = self._dealt[row]
                lower[place], upper[place] = low[site], high[site]
                if np.isfinite(low[site]):
                    elastic.append(place)
                    amounts.append(max(abs(float(low.sum())), 1.0) * LACK_STEP)
                    prices.append(LACK_PRICE * max(self._cost, 1.0) * LACK_STEP)
                    units.append(0.0)
            elif self._joins[row]:
                elastic.append(place)
                amounts.append(float(np.sign(own.data[own.indptr[row]])))
                prices.append(self._missing_price)
                units.append(1.0)
        # What is missing counts as served: it has the sign that serving has in the row.
        slack = scipy.sparse.csr_matrix(
            (np.asarray(amounts), (np.asarray(elastic, dtype=np.int64), np.arange(len(elastic)))),
            shape=(len(rows), len(elastic)),
        )
        program = Arrays(
            cost=np.append(arrays.cost[columns], prices),
            column_lower=np.append(arrays.column_lower[columns], np.zeros(len(elastic))),
            column_upper=np.append(arrays.column_upper[columns], np.full(len(elastic), np.inf)),
            matrix=scipy.sparse.hstack([own[rows], slack], format="csr"),
            row_lower=lower,
            row_upper=upper,
            rows=tuple(RowInfo(str(number), "packing") for number in range(len(rows))),
            column_kind=(),
        )
        return program, columns, np.asarray(units)

    def _next_to(
        self, part: Arrays, columns: Integers, values: Floats, whole: np.ndarray
    ) -> tuple[Floats, Floats]:
        """Return bounds that leave counts next to fractional ones; what is not used stays so."""
        lower, upper = part.column_lower.copy(), part.column_upper.copy()
        more = np.ones(len(values))
        more[: len(columns)][self._of_kind(columns, "replicas")] = 0.0
        lower[whole] = np.maximum(lower[whole], np.floor(0.9 * np.floor(values[whole] + 1e-6)) - 2.0)
        upper[whole] = np.minimum(upper[whole], np.ceil(values[whole] - 1e-6) + more[whole])
        return lower, np.maximum(lower, upper)

    def _in_use(self, part: Arrays, columns: Integers, values: Floats) -> tuple[Floats, Floats]:
        """Return bounds that close servers which the relaxation does not use."""
        upper = part.column_upper.copy()
        unused = np.append(
            self._of_kind(columns, "servers"), np.zeros(len(values) - len(columns), dtype=bool)
        )
        unused &= values <= 1e-7
        upper[unused] = np.maximum(part.column_lower[unused], 0.0)
        return part.column_lower, upper

    def _of_kind(self, columns: Integers, kind: str) -> np.ndarray:
        block = self._arrays.block(kind)
        return np.asarray((columns >= block.start) & (columns < block.stop))
