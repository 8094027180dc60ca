"""The day in periods: one fleet, a routing of its own in each period.

A period is a set of hours in which demand and tariffs are taken to be the same: a workload has the largest
of its hourly factors in it, electricity costs the mean of its hourly tariffs. A scenario without profiles
has one period, the whole day.

Traffic is counted in units. A unit of interactive work is a rate: 1 / units of the workload's `rate_rps`,
while its period lasts. A unit of batch work is an amount: 1 / units of the requests of a day; served in a
period of h hours it is 24 / h times the mean rate of a unit.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from planner.plan.tariff import usd_per_kwh
from planner.scenario import HOURS_PER_DAY, Economics, Workload

WHOLE_DAY = "day"
"""Name of the only period, and of a demand that may be served in all of them."""

SHARE_TOLERANCE = 1e-6
"""Part of a unit by which a demand may exceed whole units without another unit."""

ANY_HOUR_H = HOURS_PER_DAY - 1
"""Batch work with a deadline from here on may be served in any hour of the day."""


@dataclass(frozen=True)
class Period:
    """Hours of the day (0 UTC first) that are planned as one."""

    name: str
    hours: tuple[int, ...]

    @property
    def weight(self) -> float:
        """Share of the day."""
        return len(self.hours) / HOURS_PER_DAY


@dataclass(frozen=True)
class PeriodDemand:
    """What must be served of a workload from an origin: `arrived` names its period, or the whole day.

    periods: where it may be served, by name.
    """

    workload: str
    origin: str
    arrived: str
    units: int
    periods: tuple[str, ...]


def hourly_factors(workload: Workload) -> Sequence[float]:
    """Return the 24 factors of a workload's rate; 1 where it states none."""
    return workload.profile or [1.0] * HOURS_PER_DAY


def moves_freely(workload: Workload) -> bool:
    """Return whether a workload may be served in any hour of the day."""
    return workload.tier == "batch" and (workload.deadline_h is None or workload.deadline_h >= ANY_HOUR_H)


def waits(workload: Workload) -> bool:
    """Return whether a workload may wait, but not for the whole day: only some hours will do."""
    return workload.tier == "batch" and not moves_freely(workload)


@dataclass(frozen=True)
class Day:
    """The periods of a plan, in order; together they have every hour once."""

    periods: tuple[Period, ...] = (Period(WHOLE_DAY, tuple(range(HOURS_PER_DAY))),)

    def __getitem__(self, name: str) -> Period:
        """Return the period `name`.

        Raises:
            KeyError: there is none.
        """
        for period in self.periods:
            if period.name == name:
                return period
        raise KeyError(name)

    @property
    def names(self) -> tuple[str, ...]:
        """The names of the periods, in order."""
        return tuple(period.name for period in self.periods)

    def label(self, name: str) -> str:
        """Return what names of rows end in: nothing where there is only one period."""
        return "" if len(self.periods) == 1 else f"/{name}"

    def factor(self, workload: Workload, period: Period) -> float:
        """Return the factor that a workload is planned with in a period: the largest of its hours."""
        factors = hourly_factors(workload)
        return max(factors[hour] for hour in period.hours)

    def unit_rps(self, workload: Workload, period: str, units_total: int) -> float:
        """Return the rate of one unit of a workload that is served in a period, requests/s."""
        rate = self.missing_unit_rps(workload, units_total)
        return rate / self[period].weight if workload.tier == "batch" else rate

    def mean_unit_rps(self, workload: Workload, period: str, units_total: int) -> float:
        """Return the rate of one unit served in a period, spread over the day, requests/s."""
        return self.unit_rps(workload, period, units_total) * self[period].weight

    def missing_unit_rps(self, workload: Workload, units_total: int) -> float:
        """Return the rate of one unit that is not served: while its period lasts, or over the day (batch)."""
        if workload.tier != "batch":
            return workload.rate_rps / units_total
        return workload.rate_rps * math.fsum(hourly_factors(workload)) / HOURS_PER_DAY / units_total

    def mean_missing_unit_rps(self, workload: Workload, arrived: str, units_total: int) -> float:
        """Return the rate of one unit that is not served, spread over the day, requests/s."""
        share = 1.0 if workload.tier == "batch" else self[arrived].weight
        return self.missing_unit_rps(workload, units_total) * share

    def usd_per_kwh(self, site: Mapping[str, Any], economics: Economics, period: str) -> float:
        """Return the mean tariff of a site in a period, USD per kWh."""
        return usd_per_kwh(site, economics, self[period].hours)

    def demands(self, workload: Workload, units_total: int) -> Iterator[PeriodDemand]:
        """Yield what must be served of a workload, by origin and by the period it arrives in.

        Batch work that may be served at any hour is one demand for the day. Other batch work is one
        demand for each period it arrives in, spread evenly over its hours.
        """
        if workload.rate_rps <= 0:
            return
        for origin, share in workload.origins.items():
            if share <= 0:
                continue
            if moves_freely(workload) or (len(self.periods) == 1 and workload.tier == "batch"):
                yield PeriodDemand(workload.name, origin, WHOLE_DAY, _whole(share * units_total), self.names)
                continue
            for period in self.periods:
                amount = self.factor(workload, period)
                if workload.tier == "batch":
                    amount *= len(period.hours) / math.fsum(hourly_factors(workload))
                units = _whole(share * units_total * amount)
                if units:
                    windows = self.windows(workload, period)
                    yield PeriodDemand(workload.name, origin, period.name, units, windows)

    def windows(self, workload: Workload, arrived: Period) -> tuple[str, ...]:
        """Return the periods in which work of a workload that arrived in a period may be served."""
        if not waits(workload):
            return (arrived.name,)
        assert workload.deadline_h is not None
        longest = math.floor(workload.deadline_h)
        return tuple(
            period.name
            for period in self.periods
            if period is arrived or in_time(arrived.hours, period.hours, longest)
        )


def _whole(units: float) -> int:
    return math.ceil(units - SHARE_TOLERANCE)


def in_time(arrived: Sequence[int], served: Sequence[int], longest_h: int) -> bool:
    """Return whether work that arrives evenly in some hours can be served evenly in others, in time.

    Work that arrives in an hour may be served in that hour and in the `longest_h` hours after it, around
    midnight too. Hours are paired first come, first served: taken in the order in which work arrives
    from each starting hour, the k-th part that arrives is the k-th to be served.
    """
    parts = math.lcm(len(arrived), len(served))
    coming = [hour for hour in sorted(arrived) for _ in range(parts // len(arrived))]
    serving = [hour for hour in sorted(served) for _ in range(parts // len(served))]
    # On a circle first come, first served is optimal for one of the ways to start.
    return any(
        all(
            (serving[(k + start) % parts] - hour) % HOURS_PER_DAY <= longest_h
            for k, hour in enumerate(coming)
        )
        for start in range(parts)
    )
