"""What a procurement wants to be small: the expectation, the worst cases, or the largest regret.

- expected: sum over futures of probability x cost.
- cvar: (1 - weight) x expected + weight x CVaR, where CVaR = min over t of
  t + sum of probability x max(0, cost - t) / (1 - level) (Rockafellar and Uryasev, 2000).
- robust: the largest cost of any future; regret: the largest of cost - least cost of that future.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any, Literal

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from planner.optimize.program import Arrays, Floats, RowInfo
from planner.study.procure.builder import MICRO
from planner.study.procure.program import Built

Aim = Literal["expected", "cvar", "robust", "regret"]

THOUSAND = 1000.0
"""Rows over the cost of futures count thousands of USD: coefficients near those of other rows."""

TIE_SHARE = 1e-3
"""Weight of the expected cost where the worst case is aimed at: settles what the worst case leaves open."""

LARGEST_USD = 1e13
"""No cost of a future exceeds it."""


@dataclass(frozen=True)
class Risk:
    """How bad futures count. best: (leaves,) least cost of each future by itself, USD, for `regret`."""

    level: float = 0.9
    weight: float = 0.5
    best: Floats | None = None


def conditional_value_at_risk(costs: Floats, probabilities: Floats, level: float) -> float:
    """Return the mean of the worst 1 - level of the probability."""
    left, total = 1 - level, 0.0
    for n in np.argsort(-costs):
        taken = min(left, float(probabilities[n]))
        total += taken * float(costs[n])
        left -= taken
    return total / (1 - level)


@dataclass(frozen=True)
class Aimed:
    """A program with the columns and rows of an aim."""

    plain: Arrays
    built: Built
    aim: Aim
    risk: Risk

    @property
    def _extra(self) -> int:
        """Columns of the aim: a level, and for CVaR what each future is above it."""
        if self.aim == "expected":
            return 0
        return 1 + (len(self.built.probabilities()) if self.aim == "cvar" else 0)

    @cached_property
    def arrays(self) -> Arrays:
        """The whole program; the columns of the aim come last."""
        if self.aim == "expected":
            return self.plain
        plain, leaf_costs = self.plain, self.built.leaf_costs()
        probabilities = self.built.probabilities()
        leaves, extra = len(probabilities), self._extra
        signs = -np.ones((leaves, 1))
        low = np.full(extra, -LARGEST_USD / THOUSAND)
        right = np.zeros(leaves)
        price: Floats = np.array([THOUSAND * MICRO])
        share = TIE_SHARE
        if self.aim == "cvar":
            weight = self.risk.weight
            price = np.concatenate([[weight], weight * probabilities / (1 - self.risk.level)]) * price
            signs = np.hstack([signs, -np.eye(leaves)])
            low[1:] = 0.0
            share = 1 - weight
        elif self.aim == "regret" and self.risk.best is not None:
            right = self.risk.best / THOUSAND
        block: Any = scipy.sparse.csr_matrix(np.hstack([leaf_costs / THOUSAND, signs]))
        room: Any = scipy.sparse.csr_matrix((len(plain.rows), extra))
        wider: Any = scipy.sparse.hstack([plain.matrix, room], format="csr")
        return replace(
            plain,
            cost=np.concatenate([share * plain.cost, price]),
            column_lower=np.concatenate([plain.column_lower, low]),
            column_upper=np.concatenate([plain.column_upper, np.full(extra, LARGEST_USD / THOUSAND)]),
            matrix=scipy.sparse.vstack([wider, block], format="csr"),
            row_lower=np.concatenate([plain.row_lower, np.full(leaves, -np.inf)]),
            row_upper=np.concatenate([plain.row_upper, right]),
            rows=(*plain.rows, *(RowInfo(f"risk/{leaf}", "risk") for leaf in range(leaves))),
        )

    def padded(self, mask: NDArray[np.bool_]) -> NDArray[np.bool_]:
        """Return a choice of columns of the plain program over all columns."""
        return np.append(mask, np.zeros(self._extra, dtype=bool))

    def widened(self, values: Floats) -> Floats:
        """Return a solution of the plain program with the columns of the aim at their best."""
        if self.aim == "expected":
            return values
        costs = self.built.leaf_costs() @ values
        if self.aim == "cvar":
            order = np.argsort(-costs)
            worst = np.cumsum(self.built.probabilities()[order])
            at = min(int(np.searchsorted(worst, 1 - self.risk.level - 1e-12)), len(order) - 1)
            level = float(costs[order[at]])
            extra = np.concatenate([[level], np.maximum(0.0, costs - level)])
        else:
            less = 0.0 if self.aim == "robust" or self.risk.best is None else self.risk.best
            extra = np.array([float(np.max(costs - less))])
        return np.append(values, extra / THOUSAND)
