"""Traffic: all demand is routed, only where it may go, over the distance it says, to who can serve it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from planner.plan.content import RTT_TOLERANCE_MS, PoolFacts
from planner.plan.types import RoutePlan
from planner.plan.verify.context import Context
from planner.plan.verify.handover import check_handover
from planner.plan.verify.periods import DemandKey, demanded_units, may_serve_in
from planner.plan.verify.quality import may_answer, score_of
from planner.plan.verify.violation import Violation, exceeds, same
from planner.scenario import ANYWHERE, HOURS_PER_DAY, Workload
from planner.topology import rtt_ms

FAMILY = "demand"

PATHS = (("aggregated",), ("prefill", "decode"))
"""Roles of the pools on a path."""


def check(context: Context) -> Iterator[Violation]:
    """Yield what is wrong with the routes of a plan."""
    for route in context.plan.routes:
        workload = context.setting.workload(route.workload)
        row = f"route/{route.workload}/{route.origin}/{route.site}{context.setting.day.label(route.period)}"
        faults = list(_names(route, workload, context))
        yield from (Violation(row, FAMILY, text) for text in faults)
        if workload is not None and not faults:
            rate_rps = context.setting.unit_rps(workload, route.period)
            yield from _amount(row, route.units, route.rate_rps, rate_rps)
            yield from _time(row, route, workload, context)
            yield from _residency(route, workload, context)
            yield from _latency(route, workload, context)
            yield from _pools(route, workload, context)
    yield from _demands(context)
    yield from _unserved(context)


def _names(route: RoutePlan, workload: Workload | None, context: Context) -> Iterator[str]:
    """Yield names of a route that lead nowhere."""
    nodes = context.setting.graph.nodes
    if workload is None:
        yield "routes a workload that the scenario does not have"
    elif route.origin not in workload.origins:
        yield f"comes from {route.origin}, which is no origin of {route.workload}"
    if route.period not in context.setting.day.names:
        yield f"is served in {route.period}, which is no period of the plan"
    if route.site not in nodes or nodes[route.site]["kind"] != "site":
        yield f"goes to {route.site}, which is no site of the topology"
    for pool in route.pools:
        if pool not in context.pools:
            yield f"goes to {pool}, which has no replica on a powered server"
        elif context.pools[pool].site != route.site:
            yield f"goes to {pool}, which stands at {context.pools[pool].site}, not at {route.site}"
    if route.units < 1:
        yield f"carries {route.units} units"
    if route.units_total != context.setting.units_total:
        yield f"counts {route.units_total} units in all, the scenario {context.setting.units_total}"


def _time(row: str, route: RoutePlan, workload: Workload, context: Context) -> Iterator[Violation]:
    """Yield work that is served when it has not come in, or after its deadline."""
    if not may_serve_in(workload, route.arrived, route.period, context):
        text = f"came in {route.arrived}, is served in {route.period}"
        if workload.tier == "batch":
            text += f", after its deadline of {workload.deadline_h or HOURS_PER_DAY:g} h"
        yield Violation(f"deadline/{row.removeprefix('route/')}", FAMILY, text)


def _amount(row: str, units: int, rate_rps: float, unit_rps: float) -> Iterator[Violation]:
    expected = units * unit_rps
    if not same(rate_rps, expected):
        text = f"says {rate_rps:g} requests/s, {units} units are {expected:g}"
        yield Violation(row, FAMILY, text, rate_rps, expected, "requests/s")


def may_serve_at(workload: Workload, site: str, context: Context) -> bool:
    """Return whether data residency allows a workload at a site."""
    region = context.setting.graph.nodes[site]["region"]
    if workload.regions is None or region == ANYWHERE:
        return True
    resolve = context.setting.catalog.regions.resolve
    return region in {r if r == ANYWHERE else resolve(r) for r in workload.regions}


def _residency(route: RoutePlan, workload: Workload, context: Context) -> Iterator[Violation]:
    if not may_serve_at(workload, route.site, context):
        region = context.setting.graph.nodes[route.site]["region"]
        text = f"goes to {route.site} in {region}, allowed are {', '.join(workload.regions or ())}"
        yield Violation(f"residency/{route.workload}/{route.origin}/{route.site}", "residency", text)


def _latency(route: RoutePlan, workload: Workload, context: Context) -> Iterator[Violation]:
    """Yield a round trip that is not the graph's, or that leaves a pool too little time."""
    row = f"latency/{route.workload}/{route.origin}/{route.site}{context.setting.day.label(route.period)}"
    trip = rtt_ms(context.setting.graph, route.origin, route.site, context.setting.catalog)
    if not abs(trip - route.rtt_ms) <= RTT_TOLERANCE_MS:
        text = f"says a round trip of {route.rtt_ms:g} ms, the topology {trip:g} ms"
        yield Violation(row, "latency", text, route.rtt_ms, trip, "ms")
    for pool in route.pools:
        promised = context.promises.rtt_ms(pool, route)
        if promised is None:
            text = f"has no part in the load of {pool} (no pools entry with its workload and round trip)"
            yield Violation(row, "latency", text)
            continue
        column = context.columns.get((pool, route.workload, promised))
        if column is None or column.rate_rps <= 0:
            limit = None if workload.slo is None else workload.slo.ttft_ms
            best = promised + (0.0 if column is None else column.best_ttft_ms)
            text = f"{pool} cannot keep the SLO over a round trip of {promised:g} ms"
            yield Violation(row, "latency", text, best, limit, "ms")


def _pools(route: RoutePlan, workload: Workload, context: Context) -> Iterator[Violation]:
    """Yield why the pools of a route may not serve its workload."""
    row = f"route/{route.workload}/{route.origin}/{route.site}"
    shapes = [context.pools[pool].shape for pool in route.pools]
    roles = tuple(shape.role for shape in shapes)
    if roles not in PATHS:
        yield Violation(row, FAMILY, f"takes pools of roles {', '.join(roles) or '(none)'}")
    elif ("split" if len(roles) > 1 else "aggregated") not in workload.serving:
        allowed = ", ".join(workload.serving)
        yield Violation(row, FAMILY, f"takes pools of roles {', '.join(roles)}; allowed is {allowed} serving")
    elif len(roles) > 1:
        yield from check_handover(route, workload, context)
    for pool, shape in zip(route.pools, shapes, strict=True):
        if shape.llm != route.llm:
            text = f"says {route.llm}, but {pool} runs {shape.llm}"
            yield Violation(row, FAMILY, text)
        least = context.pools[pool].first.shed_priority
        if not important_enough(workload, context.pools[pool]):
            text = f"{pool} may be capped when power is short: it serves no workload above priority {least}"
            yield Violation(f"shedding/{pool}/{route.workload}", FAMILY, text, workload.priority, least, "")
        if not may_answer(workload, shape.llm, shape.weights, context):
            score = score_of(workload, shape.llm, shape.weights, context)
            text = f"{pool} runs {shape.llm} in {shape.weights}, which {route.workload} does not allow"
            if workload.quality is not None and (score is None or score < workload.quality):
                text += f" (quality {'unknown' if score is None else f'{score:g}'} of {workload.quality:g})"
                yield Violation(f"quality/{route.workload}/{pool}", FAMILY, text, score, workload.quality, "")
            else:
                yield Violation(f"precision/{route.workload}/{pool}", FAMILY, text)


def important_enough(workload: Workload, pool: PoolFacts) -> bool:
    """Return whether a pool may serve a workload: what may be capped serves nothing more important."""
    least = pool.first.shed_priority
    return least is None or workload.priority >= least


def _demands(context: Context) -> Iterator[Violation]:
    """Yield demands of which more or less than everything is routed or left unserved."""
    units: Counter[DemandKey] = Counter()
    for route in context.plan.routes:
        units[route.workload, route.origin, route.arrived] += route.units
    for missing in context.plan.unserved:
        units[missing.workload, missing.origin, missing.period] += missing.units
    label = context.setting.day.label
    for (name, origin, arrived), wanted in demanded_units(context).items():
        found = units.pop((name, origin, arrived), 0)
        if found != wanted:
            text = f"{found} units are routed or left unserved of {wanted}"
            row = f"demand/{name}/{origin}{label(arrived)}"
            yield Violation(row, FAMILY, text, found, wanted, "units")
    yield from _minimum(context)
    for name, origin, arrived in units:
        row = f"demand/{name}/{origin}{label(arrived)}"
        yield Violation(row, FAMILY, "is no demand of the scenario")


def _minimum(context: Context) -> Iterator[Violation]:
    """Yield demands of which less is served than must be however short capacity is."""
    gone: Counter[DemandKey] = Counter()
    for missing in context.plan.unserved:
        gone[missing.workload, missing.origin, missing.period] += missing.units
    for key, units in demanded_units(context).items():
        workload = context.setting.scenario.workload(key[0])
        served, least = units - gone[key], (workload.minimum_served or 0.0) * units
        if exceeds(least, served):
            text = f"{served} units are served of {units}, at least {workload.minimum_served:.0%} must be"
            row = f"minimum/{key[0]}/{key[1]}{context.setting.day.label(key[2])}"
            yield Violation(row, FAMILY, text, served, least, "units")


def wants_most_served(context: Context) -> bool:
    """Return whether the scenario asks for as much served as can be, rather than for all of it."""
    return ("maximize", "served") in context.setting.scenario.objective.goals


def _unserved(context: Context) -> Iterator[Violation]:
    for missing in context.plan.unserved:
        row = f"unserved/{missing.workload}/{missing.origin}{context.setting.day.label(missing.period)}"
        workload = context.setting.workload(missing.workload)
        if workload is None:
            continue
        stated = workload.unserved_usd_per_request is not None or workload.minimum_served is not None
        if not stated and not wants_most_served(context):
            text = "leaves traffic unserved, which the scenario does not allow"
            yield Violation(row, FAMILY, text, missing.units, 0, "units")
        if missing.units < 0:
            yield Violation(row, FAMILY, "is less than nothing", missing.units, 0, "units")
        unit_rps = context.setting.missing_unit_rps(workload)
        yield from _amount(row, missing.units, missing.rate_rps, unit_rps)
