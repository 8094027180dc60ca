"""Why a procurement has no plan: what cannot be served, and which promise alone would have to give way.

First the demand that must be left unserved, where and when. Then, for every promise that a person stated
(the budget, a site's grid, the racks of a hall, the stock, what can be rented), the least by which it
alone would have to grow so that everything can be served. Those amounts come from the linear relaxation:
they are at least needed, and may not be quite enough for whole servers.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse

from planner.optimize.program import Arrays, RowInfo
from planner.optimize.solvers import highs
from planner.study.procure.program import Built, build
from planner.study.procure.search import Effort, minimize
from planner.study.procure.setting import Setting

SEARCH_S = 60.0
"""Longest search for the demand that cannot be served."""

SEARCH_GAP = 0.05
"""Gap of that search: where and how much about is enough."""

LEAST_SHARE = 1e-4
"""A promise that gives way by less is not counted."""

WATTS_PER_KW = 1000.0


@dataclass(frozen=True)
class Unserved:
    """Demand that cannot be served: branch/period, workload/origin, share of it."""

    moment: str
    label: str
    demand: str
    share: float


@dataclass(frozen=True)
class WayOut:
    """A promise that alone would do if it grew: what is stated and at least needed in its worst moment."""

    promise: str
    source: str
    moment: str
    stated: float
    needed: float
    unit: str

    @property
    def text(self) -> str:
        """The way out in one line."""
        where = f" ({self.source})" if self.source else ""
        return (
            f"{self.promise}{where}: {self.stated:,.6g} -> at least {self.needed:,.6g} {self.unit}".rstrip()
        )


@dataclass(frozen=True)
class Shortage:
    """What cannot be served, and the ways out."""

    unserved: tuple[Unserved, ...]
    ways_out: tuple[WayOut, ...]

    def summary(self) -> str:
        """Return a few lines for the terminal."""
        lines = ["There is no way to serve all demand. At best this stays unserved:"]
        shown = self.unserved[:MOST_SHOWN]
        lines += [f"  - {u.demand} in {u.label} ({u.moment}): {u.share:.1%}" for u in shown]
        if len(self.unserved) > len(shown):
            lines.append(f"  - and {len(self.unserved) - len(shown)} more")
        if self.ways_out:
            lines.append("One of these alone would do:")
            lines += [f"  - {way.text}" for way in self.ways_out]
        else:
            lines.append("No budget, site, stock or rent alone would do: look at lead times, the periods in")
            lines.append(
                "which can be ordered, and most_per_period; or rent, or state unserved_usd_per_request."
            )
        return "\n".join(lines)

    def record(self) -> dict[str, Any]:
        """Return what infeasible.json holds."""
        return {
            "unserved": [vars(u) for u in self.unserved],
            "relaxations": [{**vars(way), "text": way.text} for way in self.ways_out],
        }


MOST_SHOWN = 8
"""Unserved demands listed on the terminal."""


def shortage(setting: Setting, time_limit_s: float = SEARCH_S) -> Shortage:
    """Return why a setting without a plan has none."""
    allowed = build(replace(setting, outages_allowed=True))
    found = minimize(allowed, Effort(time_limit_s, SEARCH_GAP))
    unserved: list[Unserved] = []
    if found.values is not None:
        for q, moment in enumerate(setting.tree.moments):
            left = found.values[allowed.decisions("unserved", q)]
            for demand, units in zip(setting.places.demands, left, strict=True):
                share = float(units) / demand.units
                if share > LEAST_SHARE:
                    label = setting.study.label(moment.period)
                    unserved.append(Unserved(moment.name, label, demand.name, share))
    return Shortage(tuple(unserved), tuple(_ways_out(_roomy(build(setting)))))


MORE_PLACES = 100.0
"""How many times the places could grow before their number stops being the reason."""


def _roomy(built: Built) -> Arrays:
    """Return the program in which only rows, not the bounds of columns, say how many places there are."""
    upper = built.arrays.column_upper.copy()
    for q in range(len(built.setting.tree.moments)):
        for kind in ("servers", "mixes", "liquid"):
            upper[built.decisions(kind, q)] *= MORE_PLACES
    return replace(built.arrays, column_upper=upper)


def _ways_out(arrays: Arrays) -> list[WayOut]:
    """Return every promise that alone can make the program feasible, the least growth first."""
    groups: dict[str, list[int]] = {}
    for row, info in enumerate(arrays.rows):
        if info.is_promise and info.family != "demand" and np.isfinite(arrays.row_upper[row]):
            groups.setdefault(_promise(info), []).append(row)
    found: list[tuple[float, WayOut]] = []
    for promise, rows in groups.items():
        stated = np.maximum(np.abs(arrays.row_upper[rows]), 1.0)
        outcome = highs.solve_linear(_elastic(arrays, rows, stated))
        if outcome.status != "optimal":
            continue
        slack = outcome.values[len(arrays.cost) :]
        worst = int(np.argmax(slack / stated))
        if slack[worst] / stated[worst] <= LEAST_SHARE:
            continue
        info, limit = arrays.rows[rows[worst]], float(arrays.row_upper[rows[worst]])
        scale, unit = (WATTS_PER_KW, "kW") if info.unit == "W" else (1.0, info.unit)
        needed = (limit + float(slack[worst])) / scale
        needed = needed if unit else math.ceil(needed)  # servers are whole
        way = WayOut(promise, info.source, _moment(info), limit / scale, needed, unit)
        found.append((float(slack[worst] / stated[worst]), way))
    return [way for _, way in sorted(found, key=lambda item: item[0])]


def _promise(info: RowInfo) -> str:
    """Return a row's name without its moment."""
    return info.name.rpartition("@")[0]


def _moment(info: RowInfo) -> str:
    return info.name.rpartition("@")[2]


def _elastic(arrays: Arrays, rows: Sequence[int], stated: np.ndarray) -> Arrays:
    """Return the program that minimizes how far some rows are exceeded, as a share of what they state."""
    count = len(rows)
    slack: Any = scipy.sparse.csr_matrix(
        (-np.ones(count), (np.asarray(rows), np.arange(count))), shape=(len(arrays.rows), count)
    )
    return replace(
        arrays,
        cost=np.concatenate([np.zeros(len(arrays.cost)), SLACK_COST / stated]),
        column_lower=np.concatenate([arrays.column_lower, np.zeros(count)]),
        column_upper=np.concatenate([arrays.column_upper, np.full(count, np.inf)]),
        matrix=scipy.sparse.hstack([arrays.matrix, slack], format="csr"),
    )


SLACK_COST = 1e9
"""Price of exceeding a row by all of it; only keeps the numbers away from the solver's tolerances."""
