"""The program cut up by workload (Dantzig and Wolfe): whole deployments of each, joined in fractions.

What a workload needs (its traffic, its replicas, what it keeps after a loss) is a small program of its own;
workloads meet only in servers, racks and limits. The relaxation that joins whole deployments of each workload
knows what rounding replicas up costs, which the linear relaxation of all does not: at a thousand
accelerators that is one percent of the cost. Servers, racks and sites stay fractional in it.

Prices of the shared rows make every workload choose its cheapest deployment; what these cost is a lower bound
of the whole, and each is a new column of the joining program, whose duals are the next prices.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse
from scipy.sparse.csgraph import connected_components

from planner.optimize.lazy import is_traffic
from planner.optimize.problem import Integers
from planner.optimize.program import Arrays, Floats, RowInfo
from planner.optimize.site_packing import of_kind
from planner.optimize.solvers import highs
from planner.optimize.solvers.outcome import Outcome

OWN_FAMILIES = ("demand", "capacity", "reliability")
"""Families of rows that belong to one workload where no shared column stands in them."""

ROOM = 6.0
"""Units that replicas of a workload should serve beyond its demand: one for each place that they are at."""

ROOM_TOLERANCE = 1e-6

Solve = Callable[[Arrays, np.ndarray, float], Outcome]
"""Solves a program: (program, which columns are whole, relative gap)."""

Run = Callable[[Sequence[Callable[[], Outcome]]], list[Outcome]]
"""Runs solver calls, side by side or not; answers in their order."""


@dataclass(frozen=True)
class Block:
    """The columns of one workload, its own program, and what it uses of the shared rows."""

    columns: Integers
    rows: Integers
    program: Arrays
    whole: np.ndarray
    uses: Any
    """CSC matrix (shared rows x columns)."""


@dataclass(frozen=True)
class Deployment:
    """One whole deployment of a workload: its cost, what it uses of the shared rows, its columns."""

    block: int
    cost: float
    uses: Floats
    values: Floats


@dataclass(frozen=True)
class Joined:
    """Deployments joined in fractions: the cost, prices of the shared rows, values of the program (columns,),
    and the share of each deployment.
    """

    cost: float
    prices: Floats
    values: Floats
    shares: Floats


Kept = Mapping[int, int]
"""Block -> the number of the only deployment it may have."""


class Decomposition:
    """Blocks of a program, the deployments known of each, and the best bound with its prices."""

    def __init__(self, arrays: Arrays, blocks: Sequence[tuple[Integers, Integers]]) -> None:
        """Cut the program up.

        Args:
            arrays: the program.
            blocks: (columns, rows) of each workload; no row has entries outside of its columns.
        """
        own_rows = np.zeros(len(arrays.rows), dtype=bool)
        own_columns = np.zeros(len(arrays.cost), dtype=bool)
        for columns, own in blocks:
            own_columns[columns] = True
            own_rows[own] = True
        self.arrays = arrays
        self.roomy = replace(arrays, row_lower=arrays.row_lower + _room(arrays, blocks))
        self.shared = np.flatnonzero(~own_columns)
        rows = np.flatnonzero(~own_rows)
        matrix: Any = arrays.matrix[rows].tocsc()
        self._matrix = matrix[:, self.shared].tocsr()
        self._lower, self._upper = arrays.row_lower[rows], arrays.row_upper[rows]
        self._rows = rows
        self.blocks = [_block(arrays, columns, own, matrix) for columns, own in blocks]
        self.deployments: list[Deployment] = []
        self._used = [np.zeros(len(one.columns), dtype=bool) for one in self.blocks]
        self._known: set[tuple[int, bytes]] = set()
        self.bound = -np.inf
        self.prices = np.zeros(len(rows))

    def prices_of(self, duals: Floats) -> Floats:
        """Return prices of the shared rows from the duals of all rows of the program."""
        return self._signed(duals[self._rows])

    def add(self, block: int, values: Floats) -> bool:
        """Keep a deployment (columns of the block,); False if one with its whole numbers is known."""
        one = self.blocks[block]
        key = (block, np.rint(values[one.whole]).astype(np.int64).tobytes())
        if key in self._known:
            return False
        self._known.add(key)
        self._used[block] |= values > 0
        cost = float(self.arrays.cost[one.columns] @ values)
        self.deployments.append(Deployment(block, cost, np.asarray(one.uses @ values), values))
        return True

    def price(
        self,
        prices: Floats,
        solve: Solve,
        gap: float,
        run: Run,
        only: Sequence[int] | None = None,
        *,
        known: bool = False,
    ) -> int:
        """Let workloads choose at given prices; returns how many of their deployments are new.

        Args:
            prices: (shared rows,) what a unit of each costs.
            solve: solves a program.
            gap: of each choice.
            run: runs them.
            only: blocks that choose, with room for whole traffic; all, without, if left out: then the bound
                may rise.
            known: choose among replicas of known deployments only: that is quicker, and no bound.
        """
        chosen = range(len(self.blocks)) if only is None else only
        roomy = only is not None
        tasks = [self._choice(number, prices, solve, gap, roomy=roomy, known=known) for number in chosen]
        outcomes = run(tasks)
        if only is None and not known:
            bound = self._shared_bound(prices) + sum(outcome.bound for outcome in outcomes)
            if bound > self.bound:
                self.bound, self.prices = bound, prices
        found = [(n, one.values) for n, one in zip(chosen, outcomes, strict=True) if one.values is not None]
        return sum(self.add(number, values) for number, values in found)

    def is_roomy(self, deployment: Deployment) -> bool:
        """Say whether a deployment leaves room for whole traffic."""
        one = self.blocks[deployment.block]
        least = self.roomy.row_lower[one.rows]
        return bool((one.program.matrix @ deployment.values >= least - ROOM_TOLERANCE).all())

    def roomy_but(self, kept: Kept) -> Arrays:
        """Return the program with room for whole traffic, but in workloads that are decided."""
        lower = self.roomy.row_lower.copy()
        for number in kept:
            rows = self.blocks[number].rows
            lower[rows] = self.arrays.row_lower[rows]
        return replace(self.arrays, row_lower=lower)

    def _choice(
        self, number: int, prices: Floats, solve: Solve, gap: float, *, roomy: bool, known: bool = False
    ) -> Callable[[], Outcome]:
        block = self.blocks[number]
        cost = self.arrays.cost[block.columns] - prices @ block.uses
        lower = (self.roomy if roomy else self.arrays).row_lower[block.rows]
        program = replace(block.program, cost=cost, row_lower=lower)
        if known:
            upper = np.where(block.whole & ~self._used[number], program.column_lower, program.column_upper)
            program = replace(program, column_upper=upper)
        return lambda: solve(program, block.whole, gap)

    def _shared_bound(self, prices: Floats) -> float:
        """Return the least that shared columns and limits cost at given prices."""
        arrays = self.arrays
        reduced = arrays.cost[self.shared] - prices @ self._matrix
        best = np.where(reduced >= 0, arrays.column_lower[self.shared], arrays.column_upper[self.shared])
        limits = np.where(prices > 0, self._lower, self._upper)
        columns = (reduced * best)[reduced != 0]
        return float(columns.sum() + (prices * limits)[prices != 0].sum())

    def _signed(self, duals: Floats) -> Floats:
        """Return duals without those of the wrong sign: rounding leaves a little on sides without a limit."""
        wrong = ((duals > 0) & np.isneginf(self._lower)) | ((duals < 0) & np.isposinf(self._upper))
        return np.where(wrong, 0.0, duals)

    def joined(self, kept: Kept | None = None, counts: Floats | None = None) -> Joined | None:
        """Join deployments in fractions; None where they do not fit together. As `joining`."""
        outcome = highs.solve_linear(self.joining(kept, counts))
        if outcome.status != "optimal":
            return None
        prices = self._signed(outcome.duals[: len(self._rows)])
        return Joined(outcome.objective, prices, self.values(outcome.values), self._shares(outcome.values))

    def counted(
        self, whole: np.ndarray, solve: Solve, gap: float, kept: Kept
    ) -> tuple[Outcome, Joined | None]:
        """Join deployments in fractions with the columns `whole` (columns,) in whole numbers."""
        joining = self.joining(kept)
        chosen = np.zeros(len(joining.cost), dtype=bool)
        chosen[: len(self.shared)] = whole[self.shared]
        outcome = solve(joining, chosen, gap)
        if outcome.values is None:
            return outcome, None
        values, shares = self.values(outcome.values), self._shares(outcome.values)
        return outcome, Joined(outcome.objective, self.prices, values, shares)

    def _shares(self, joined: Floats) -> Floats:
        return joined[len(self.shared) :]

    def joining(self, kept: Kept | None = None, counts: Floats | None = None) -> Arrays:
        """Return the joining program: the shared columns, then the share of each deployment.

        Args:
            kept: the only deployment of some blocks.
            counts: (columns,) shared columns to hold at a value; NaN where they are free.
        """
        arrays, known = self.arrays, list(self.deployments)
        lower, upper = arrays.column_lower[self.shared], arrays.column_upper[self.shared]
        if counts is not None:
            held = counts[self.shared]
            lower, upper = (np.where(np.isnan(held), bound, held) for bound in (lower, upper))
        only = kept or {}
        most = np.array([only.get(one.block, n) == n for n, one in enumerate(known)], dtype=np.float64)
        uses = scipy.sparse.csr_matrix(np.array([one.uses for one in known]).T)
        ones: Any = scipy.sparse.csr_matrix(
            (np.ones(len(known)), ([one.block for one in known], np.arange(len(known)))),
            shape=(len(self.blocks), len(known)),
        )
        matrix: Any = scipy.sparse.bmat([[self._matrix, uses], [None, ones]], format="csr")
        count = len(self._rows) + len(self.blocks)
        return Arrays(
            cost=np.append(arrays.cost[self.shared], [one.cost for one in known]),
            column_lower=np.append(lower, np.zeros(len(known))),
            column_upper=np.append(upper, most),
            matrix=matrix,
            row_lower=np.append(self._lower, np.ones(len(self.blocks))),
            row_upper=np.append(self._upper, np.ones(len(self.blocks))),
            rows=tuple(RowInfo(str(number), "joining") for number in range(count)),
            column_kind=(),
        )

    def values(self, joined: Floats) -> Floats:
        """Return (columns,) values of the program from those of the joining program."""
        values = np.zeros(len(self.arrays.cost))
        values[self.shared] = joined[: len(self.shared)]
        shares = self._shares(joined)
        for share, one in zip(shares, self.deployments[: len(shares)], strict=True):
            if share > 0:
                values[self.blocks[one.block].columns] += share * one.values
        return values


def decomposed(arrays: Arrays) -> Decomposition | None:
    """Cut a program up by workload; None where everything is of one workload."""
    own = is_traffic(arrays) | of_kind(arrays, "replicas")
    matrix: Any = arrays.matrix.tocsr()
    family = np.array([row.family in OWN_FAMILIES for row in arrays.rows])
    shared_entries = abs(matrix) @ (~own).astype(np.float64) > 0
    rows = np.flatnonzero(family & ~shared_entries)
    columns = np.flatnonzero(own)
    row_label, column_label = met(matrix[rows][:, columns])
    groups = [number for number in np.unique(row_label) if (column_label == number).any()]
    if len(groups) < 2:
        return None
    blocks = [(columns[column_label == number], rows[row_label == number]) for number in groups]
    return Decomposition(arrays, blocks)


def met(matrix: Any) -> tuple[Integers, Integers]:
    """Return labels of the rows and of the columns of a sparse matrix: equal where entries connect them."""
    graph: Any = scipy.sparse.bmat([[None, matrix], [matrix.T, None]], format="csr")
    _, label = connected_components(graph, directed=False)
    return label[: matrix.shape[0]].astype(np.int64), label[matrix.shape[0] :].astype(np.int64)


def _block(arrays: Arrays, columns: Integers, rows: Integers, shared: Any) -> Block:
    program = Arrays(
        cost=arrays.cost[columns],
        column_lower=arrays.column_lower[columns],
        column_upper=arrays.column_upper[columns],
        matrix=arrays.matrix[rows][:, columns].tocsr(),
        row_lower=arrays.row_lower[rows],
        row_upper=arrays.row_upper[rows],
        rows=tuple(arrays.rows[row] for row in rows.tolist()),
        column_kind=(),
    )
    return Block(columns, rows, program, ~is_traffic(arrays)[columns], shared[:, columns].tocsc())


def _room(arrays: Arrays, blocks: Sequence[tuple[Integers, Integers]]) -> Floats:
    """Return (rows,) by how much more of all demand of a workload its replicas should serve.

    Where they serve it to the last part of a unit, whole units do not fit.
    """
    room = np.zeros(len(arrays.rows))
    for _, rows in blocks:
        demand = np.array([arrays.rows[row].family == "demand" for row in rows.tolist()])
        covers = np.array([arrays.rows[row].family == "reliability" for row in rows.tolist()])
        lower = arrays.row_lower[rows]
        everything = lower[demand].sum()
        room[rows[covers & (lower >= everything - 1e-6)]] = ROOM
    return room
