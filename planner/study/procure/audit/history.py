"""The tables of a procurement along one future, and what the study says of demand and prices there.

Worked out from the study file and the tables alone: nothing of the program is used.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from planner.study.procure.names import EVERY, NOW
from planner.study.procure.study import Future, ProcureStudy

Record = Mapping[str, Any]
Tables = Mapping[str, Sequence[Record]]

MONTHS_PER_YEAR = 12
ROUNDING = 1e-9


def whole_periods(study: ProcureStudy, months: float) -> int:
    """Return months as periods, rounded up."""
    return math.ceil(months / study.months_per_period - ROUNDING)


@dataclass(frozen=True)
class History:
    """One future from the first period to the last. chain: its branches, `now` first."""

    study: ProcureStudy
    tables: Tables
    name: str
    chain: tuple[Future, ...]

    @cached_property
    def branches(self) -> list[str]:
        """The branch that each period (from 1) belongs to."""
        names = []
        for period in range(1, self.study.periods + 1):
            begun = [future.name for future in self.chain if future.from_period <= period]
            names.append(begun[-1] if begun else NOW)
        return names

    @property
    def probability(self) -> float:
        """Probability of this future."""
        return math.prod(future.probability for future in self.chain)

    def here(self, row: Record) -> bool:
        """Return whether a row of a table is about this future."""
        period = int(row["period"])
        return 1 <= period <= self.study.periods and self.branches[period - 1] == row["branch"]

    def rows(self, table: str, period: int | None = None) -> list[Record]:
        """Return the rows of a table in this future, of one period or of all."""
        return [
            row
            for row in self.tables.get(table, ())
            if self.here(row) and (period is None or int(row["period"]) == period)
        ]

    def begun(self, period: int) -> list[Future]:
        """Return the branches that were taken until a period."""
        return [future for future in self.chain if future.from_period <= period]

    def demand(self, workload: str, period: int) -> float:
        """Return the factor of a workload's rate in a period."""
        stated = self.study.growth.get(workload, self.study.growth.get(EVERY, 1.0))
        factor = stated[0] if isinstance(stated, list) else 1.0
        years = self.study.months_per_period / MONTHS_PER_YEAR
        for now in range(2, period + 1):
            own = (f.growth.get(workload, f.growth.get(EVERY)) for f in reversed(self.begun(now)))
            step = next((rate for rate in own if rate is not None), None)
            if step is not None:
                factor *= step**years
            elif isinstance(stated, list):
                factor *= stated[now - 1] / stated[now - 2]
            else:
                factor *= stated**years
        for future in self.begun(period):
            factor *= _of(future.demand, workload)
        return factor

    def price_factor(self, server: str, period: int) -> float:
        """Return the factor of a server's price curve in a period."""
        return math.prod(_of(future.prices, server) for future in self.begun(period))

    def rent_factor(self, period: int) -> float:
        """Return the factor of rents in a period."""
        return math.prod(future.rent for future in self.begun(period))

    def tariff_factor(self, period: int) -> float:
        """Return the factor of electricity tariffs in a period."""
        return math.prod(future.electricity for future in self.begun(period))


def _of(factors: float | Mapping[str, float], name: str) -> float:
    if isinstance(factors, Mapping):
        return float(factors.get(name, factors.get(EVERY, 1.0)))
    return float(factors)


def histories(study: ProcureStudy, tables: Tables) -> Iterator[History]:
    """Yield every future of a study."""
    after: dict[str, list[Future]] = {}
    for future in study.tree:
        after.setdefault(future.after, []).append(future)

    def extend(chain: tuple[Future, ...]) -> Iterator[tuple[Future, ...]]:
        following = after.get(chain[-1].name if chain else NOW, [])
        if not following:
            yield chain
        for future in following:
            yield from extend((*chain, future))

    for chain in extend(()):
        yield History(study, tables, chain[-1].name if chain else NOW, chain)
