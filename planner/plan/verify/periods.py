"""Periods: every hour of the day is planned, at no less than its demand, and nothing is served too late.

The plan says which hours it takes together; nothing here depends on how they were chosen. Demands are made
from the hourly factors of the scenario: interactive work needs the largest of its hours in each period,
batch work that may wait for a day needs the day's sum, other batch work is counted in the period it comes
in, evenly over its hours.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Sequence

from planner.plan.verify.context import Context
from planner.plan.verify.violation import Violation, same
from planner.scenario import HOURS_PER_DAY, Workload

FAMILY = "periods"

WHOLE_DAY = "day"

SHARE_TOLERANCE = 1e-6
"""Part of a unit by which a demand may exceed whole units without another unit."""

DemandKey = tuple[str, str, str]
"""(workload, origin, period it comes in, or the whole day)"""


def check(context: Context) -> Iterator[Violation]:
    """Yield hours that are not planned once, and periods planned with less than an hour's demand."""
    periods = context.plan.periods
    for name, count in Counter(period.name for period in periods).items():
        if count > 1 or (name == WHOLE_DAY) != (len(periods) == 1):
            yield Violation(f"periods/{name}", FAMILY, "is no name for one of several periods")
    planned = Counter(hour for period in periods for hour in period.hours)
    for hour in sorted({*planned, *range(HOURS_PER_DAY)}):
        if planned[hour] != 1 or not 0 <= hour < HOURS_PER_DAY:
            text = f"is planned {planned[hour]} times"
            yield Violation(f"periods/hour-{hour:02d}", FAMILY, text, planned[hour], 1, "")
    for period in periods:
        for name, factor in period.factors.items():
            row = f"periods/{period.name}/{name}"
            workload = context.setting.workload(name)
            if workload is None or workload.tier == "batch":
                yield Violation(row, FAMILY, "is no interactive workload of the scenario")
                continue
            needed = largest(workload, period.hours)
            if not same(factor, needed):
                text = f"is planned with {factor:g} of its rate, the largest of its hours is {needed:g}"
                yield Violation(row, FAMILY, text, factor, needed, "")


def largest(workload: Workload, hours: Sequence[int]) -> float:
    """Return the largest factor of a workload's rate in some hours."""
    if workload.profile is None:
        return 1.0
    return max((workload.profile[hour] for hour in hours if 0 <= hour < HOURS_PER_DAY), default=0.0)


def longest_wait_h(workload: Workload) -> int:
    """Return the whole hours that work may be served after the one it came in; 23 reach every hour."""
    if workload.tier != "batch":
        return 0
    deadline = HOURS_PER_DAY if workload.deadline_h is None else workload.deadline_h
    return min(math.floor(deadline), HOURS_PER_DAY - 1)


def any_time(workload: Workload, context: Context) -> bool:
    """Return whether a workload's day is one demand."""
    if workload.tier != "batch":
        return False
    return longest_wait_h(workload) >= HOURS_PER_DAY - 1 or len(context.plan.periods) == 1


def demanded_units(context: Context) -> dict[DemandKey, int]:
    """Return what must be served, in units, by workload, origin and period."""
    found: dict[DemandKey, int] = {}
    total = context.setting.units_total
    for workload in context.setting.scenario.workloads:
        for origin, share in workload.origins.items():
            if workload.rate_rps <= 0 or share <= 0:
                continue
            if any_time(workload, context):
                found[workload.name, origin, WHOLE_DAY] = math.ceil(share * total - SHARE_TOLERANCE)
                continue
            for period in context.plan.periods:
                amount = largest(workload, period.hours)
                if workload.tier == "batch":
                    factors = workload.profile or [1.0] * HOURS_PER_DAY
                    amount *= len(period.hours) / math.fsum(factors)
                units = math.ceil(share * total * amount - SHARE_TOLERANCE)
                if units > 0:
                    found[workload.name, origin, period.name] = units
    return found


def may_serve_in(workload: Workload, arrived: str, served: str, context: Context) -> bool:
    """Return whether work that came in one period may be served in another."""
    if any_time(workload, context):
        return arrived == WHOLE_DAY
    if arrived == served:
        return True
    hours = {period.name: period.hours for period in context.plan.periods}
    if workload.tier != "batch" or arrived not in hours or served not in hours:
        return False
    return all_in_time(hours[arrived], hours[served], longest_wait_h(workload))


def all_in_time(arrived: Sequence[int], served: Sequence[int], longest_h: int) -> bool:
    """Return whether work that comes evenly in some hours can be served evenly in others, in time.

    Each hour of arrival has `len(served)` parts, each hour of service takes `len(arrived)`: a matching of
    all parts, found by augmenting paths.
    """
    coming = [hour for hour in arrived for _ in served]
    slots = [hour for hour in served for _ in arrived]
    holder = [-1] * len(slots)

    def place(part: int, tried: set[int]) -> bool:
        for slot, hour in enumerate(slots):
            if slot in tried or (hour - coming[part]) % HOURS_PER_DAY > longest_h:
                continue
            tried.add(slot)
            if holder[slot] < 0 or place(holder[slot], tried):
                holder[slot] = part
                return True
        return False

    return all(place(part, set()) for part in range(len(coming)))
