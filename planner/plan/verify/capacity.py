"""Capacity: no pool carries more than its replicas serve within the SLO, less the headroom."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from planner.plan.cold_start import warm_share
from planner.plan.verify.context import Context
from planner.plan.verify.violation import Violation, exceeds, same

FAMILY = "capacity"

LOAD_TOLERANCE = 1e-7
"""Replicas for each unit of traffic: plans count its load in ten-millionths of a replica, rounded. All of a
workload's thousand units may be off by a ten-thousandth of one replica."""


def check(context: Context) -> Iterator[Violation]:
    """Yield pools that carry too much, and loads that are not what the routes cause."""
    carried = carried_rps(context)
    label = context.setting.day.label
    entries = Counter((load.pool, load.workload, load.rtt_ms, load.period) for load in context.plan.pools)
    stated = {(load.pool, load.workload, load.rtt_ms, load.period): load for load in context.plan.pools}
    used: dict[tuple[str, str], float] = defaultdict(float)
    warm: dict[tuple[str, str], float] = defaultdict(float)
    for key, load in stated.items():
        row = f"load/{load.pool}/{load.workload}{label(load.period)}"
        if entries[key] > 1:
            yield Violation(row, FAMILY, f"is stated {entries[key]} times", entries[key], 1, "")
        column = context.columns.get(key[:3])
        rate = 0.0 if column is None else column.rate_rps
        expected = {
            "service_rate_rps": rate,
            "rate_rps": carried.get(key, 0.0),
            "load": carried.get(key, 0.0) / rate if rate > 0 else 0.0,
        }
        spare = _warm_share(load.pool, load.workload, context)
        warm[load.pool, load.period] += expected["load"] * spare
        used[load.pool, load.period] += expected["load"] * (1 + spare)
        for field, value in expected.items():
            found = getattr(load, field)
            if not same(found, value):
                text = f"{field} is {found:.9g}, the routes and service columns make {value:.9g}"
                yield Violation(f"{row}/{field}", FAMILY, text, found, value, "")
    workloads = Counter((pool, period) for pool, _, _, period in stated)
    free = context.setting.scenario.reliability.headroom
    for (pool, period), load_of_pool in used.items():
        count = context.pools[pool].count if pool in context.pools else 0
        limit = (1 - free) * count
        rounded = LOAD_TOLERANCE * context.setting.units_total * workloads[pool, period]
        if exceeds(load_of_pool, limit + rounded):
            text = f"needs {load_of_pool:.6g} replicas of {limit:.6g} ({count} less {free:.0%} headroom)"
            if warm[pool, period]:
                text += f", {warm[pool, period]:.6g} of them free for traffic that rises"
            row = f"capacity/{pool}{label(period)}"
            yield Violation(row, FAMILY, text, load_of_pool, limit, "replicas")


def _warm_share(pool: str, name: str, context: Context) -> float:
    """Return the share of a load that must be free beside it while a further replica starts."""
    workload, facts = context.setting.workload(name), context.pools.get(pool)
    if workload is None or facts is None or not workload.ramp_per_min:
        return 0.0
    setting = context.setting
    called = setting.llm_names.get(facts.shape.llm)
    llm = None if called is None or context.table.measures(pool) else setting.catalog.llm(called)
    cold = setting.scenario.performance.cold_start
    return warm_share(workload, cold, llm, facts.shape.shape(), facts.first.accelerators)


LoadKey = tuple[str, str, float, str]
"""(pool, workload, promised round trip in ms, period)"""


def carried_rps(context: Context) -> dict[LoadKey, float]:
    """Return the rate that the routes send to each pool, by workload, promised round trip and period."""
    units: Counter[LoadKey] = Counter()
    for route in context.plan.routes:
        for pool in route.pools:
            trip = context.promises.rtt_ms(pool, route)
            if trip is not None:
                units[pool, route.workload, trip, route.period] += route.units
    rates: dict[LoadKey, float] = {}
    for key, count in units.items():
        workload = context.setting.workload(key[1])
        if workload is not None and key[3] in context.setting.day.names:
            rates[key] = count * context.setting.unit_rps(workload, key[3])
    return rates
