"""Ratios: the least amount per unit served, by Dinkelbach's method.

min N(x) / D(x), where N is what a goal counts (cost, power) and D what is served (tokens): D(x) = T - U(x)
with everything served T less what is left unserved U(x). For a price r per unit of D the program
min N(x) + r U(x) is an ordinary one. If its optimum is reached by a plan whose own ratio is r, no plan has
a lower ratio; otherwise the ratio of that plan is the next, lower price. The steps converge faster than
linearly (W. Dinkelbach, On nonlinear fractional programming, Management Science 13, 1967).

The goal reports N of the plan found; its bound is valid for plans that serve as much.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse

from planner.optimize.problem import Goal
from planner.optimize.program import Arrays, Floats, RowInfo
from planner.optimize.search import Search
from planner.optimize.solution import Listener, Settings, Solution, relative_gap

MOST_STEPS = 12
"""Prices tried; five are rarely needed."""

SAME = 1e-9
"""Relative: a ratio that falls by less than this has been reached."""

LEAST_SECONDS = 1.0

MOST_SCALE, LARGEST_COEFFICIENT = 1000, 2**40
"""Amounts are multiplied by up to 1000 while no coefficient becomes large: prices lose less in rounding."""


@dataclass(frozen=True)
class Ratio:
    """The plan with the least ratio: its solution (objective and bound of N) and columns (None: no plan)."""

    solution: Solution
    values: Floats | None
    lost: Floats
    unserved: float

    def serving_as_much(self, arrays: Arrays) -> Arrays:
        """Return the program with a row that keeps what is served."""
        row: Any = scipy.sparse.csr_matrix(self.lost.reshape(1, -1))
        return replace(
            arrays,
            matrix=scipy.sparse.vstack([arrays.matrix, row], format="csr"),
            row_lower=np.append(arrays.row_lower, -np.inf),
            row_upper=np.append(arrays.row_upper, self.unserved),
            rows=(*arrays.rows, RowInfo("goal/served", "goal")),
        )


def least_ratio(
    arrays: Arrays, goal: Goal, settings: Settings, listener: Listener | None, start: Floats | None
) -> Ratio:
    """Return the plan with the least amount per unit served.

    Args:
        arrays: the program, its costs the amounts of N.
        goal: `lost` and `served_most` say what is served.
        settings: effort of all steps together.
        listener: told about every step.
        start: a plan to start from; without one, the plan that serves most is looked for first.
    """
    lost = np.zeros_like(arrays.cost)
    lost[arrays.block("unserved")] = 0 if goal.lost is None else goal.lost
    deadline = time.perf_counter() + settings.time_limit_s

    def search(cost: Floats, values: Floats | None) -> tuple[Solution, Floats | None]:
        left = max(deadline - time.perf_counter(), LEAST_SECONDS)
        limited = settings if settings.reproducible else replace(settings, time_limit_s=left)
        found = Search(replace(arrays, cost=cost), limited, listener, values)
        return found.run(), found.best

    best = start
    if best is None:
        found, best = search(lost, None)
        if best is None:
            return Ratio(found, None, lost, 0.0)
    price = _ratio(arrays.cost, lost, goal.served_most, best)
    scale = float(max(1, min(MOST_SCALE, LARGEST_COEFFICIENT // max(1, int(arrays.cost.max())))))
    for _ in range(MOST_STEPS):
        priced = np.rint(scale * price * lost) if math.isfinite(price) else lost * HUGE_PRICE
        found, values = search(scale * arrays.cost + priced, best)
        if values is None:
            return Ratio(found, None, lost, 0.0)
        # A plan that serves nothing is worth as much as the best at the least ratio: keep what is known.
        ratio = _ratio(arrays.cost, lost, goal.served_most, values)
        if not ratio < price * (1 - SAME):
            break
        best, price = values, ratio
        if time.perf_counter() >= deadline:
            break
    amount = round(float(arrays.cost @ best))
    bound = min(amount, math.floor((found.bound - float(priced @ best)) / scale))
    proven = relative_gap(amount, bound) <= settings.relative_gap
    status = "optimal" if proven else "feasible"
    solution = replace(found, status=status, objective=amount, bound=bound)
    return Ratio(solution, best, lost, float(lost @ best))


HUGE_PRICE = 1e6
"""Price where the first plan serves nothing."""


def _ratio(cost: Floats, lost: Floats, served_most: int, values: Floats) -> float:
    served = served_most - float(lost @ values)
    return float(cost @ values) / served if served > 0 else math.inf
