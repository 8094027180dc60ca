"""Sums: every figure in the plan is what its content adds up to, to the micro-USD and the watt."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator

from planner.plan.costs import MICRO, MicroCost
from planner.plan.types import LedgerRow, Ledgers, Metrics, SloRow
from planner.plan.verify.context import Context
from planner.plan.verify.limits import FAMILIES
from planner.plan.verify.violation import Violation, same

GAP_TOLERANCE = 1e-6
"""How far the stated gap may be from objective and bound: it is written with few decimals."""


def check_cost(context: Context, cost: MicroCost) -> Iterator[Violation]:
    """Yield parts of the cost that differ, and a bound, gap or status that cannot be."""
    plan = context.plan
    parts = {**cost.parts, "total": cost.total}
    for name, amount in parts.items():
        found = getattr(plan.cost, name)
        if round(found * MICRO) != amount:
            text = f"says {found:.6f} USD/h, the content costs {amount / MICRO:.6f} USD/h"
            yield Violation(f"cost/{name}", "cost", text, found, amount / MICRO, "USD/h")
    yield from _certificate(context)


def _certificate(context: Context) -> Iterator[Violation]:
    """Yield a bound, gap or status that cannot be."""
    plan = context.plan
    if not plan.bound <= plan.objective and not same(plan.bound, plan.objective):
        text = f"the bound {plan.bound:g} is above the objective {plan.objective:g}"
        yield Violation("bound", "certificate", text, plan.bound, plan.objective, "")
    gap = max(0.0, plan.objective - plan.bound) / abs(plan.objective) if plan.objective else 0.0
    if not abs(gap - plan.gap) <= GAP_TOLERANCE:  # also where one is not a number
        text = f"says {plan.gap:g}, objective and bound make {gap:g}"
        yield Violation("gap", "certificate", text, plan.gap, gap, "")
    allowed = context.setting.scenario.solver.relative_gap
    if plan.status == "optimal" and gap > allowed + GAP_TOLERANCE:
        text = f"says optimal, but the gap {gap:g} is above the {allowed:g} asked for"
        yield Violation("status", "certificate", text, gap, allowed, "")


def check_watts(context: Context, expected: dict[str, int]) -> Iterator[Violation]:
    """Yield servers whose expected watts are not those of their share of the traffic."""
    for server in context.plan.servers:
        watts = expected[server.name]
        if server.expected_w != watts:
            text = f"expects {server.expected_w} W, its traffic makes {watts} W"
            row = f"servers/{server.name}/expected_w"
            yield Violation(row, "servers", text, server.expected_w, watts, "W")


def check_ledgers(context: Context, ledgers: Ledgers) -> Iterator[Violation]:
    """Yield rows of the plan's ledgers that differ from those of its content."""
    for family in FAMILIES:
        stated: dict[str, LedgerRow] = {}
        counts: Counter[str] = Counter()
        for row in getattr(context.plan.ledgers, family):
            stated[row.name] = row
            counts[row.name] += 1
        for row in getattr(ledgers, family):
            found = stated.pop(row.name, None)
            if found is None:
                yield Violation(row.name, "ledgers", "is missing from the ledgers", None, row.used, row.unit)
            elif not _equal(found, row):
                text = f"says {_read(found)}, the content makes {_read(row)}"
                yield Violation(row.name, "ledgers", text, found.used, row.used, row.unit)
            elif counts[row.name] > 1:
                yield Violation(row.name, "ledgers", "is there more than once")
        for name in stated:
            yield Violation(name, "ledgers", "is in the ledgers, but no such limit exists")
    yield from _add_up(context)


def _equal(a: LedgerRow, b: LedgerRow) -> bool:
    limits = (a.limit, b.limit)
    agree = limits == (None, None) or (a.limit is not None and b.limit is not None and same(a.limit, b.limit))
    return agree and same(a.used, b.used) and a.unit == b.unit


def _read(row: LedgerRow) -> str:
    limit = "no limit" if row.limit is None else f"of {row.limit:.9g}"
    return f"{row.used:.9g} {limit} {row.unit}"


def _add_up(context: Context) -> Iterator[Violation]:
    """Yield sites where the watts of replicas' servers, racks and the site itself do not add up."""
    nodes = context.setting.graph.nodes
    of_rack = {row.name: row.used for row in context.plan.ledgers.power if row.name.startswith("power/rack/")}
    heat: dict[str, float] = defaultdict(float)
    for row in context.plan.ledgers.heat:
        if row.name.startswith(("heat/rack_air/", "heat/rack_liquid/")):
            heat[row.name.rsplit("/", 1)[1]] += row.used
    servers: Counter[str] = Counter()
    at_site: Counter[str] = Counter()
    for server in context.plan.servers:
        if server.rack is not None:
            servers[server.rack] += server.provisioned_w
            at_site[server.site] += server.provisioned_w
    racks_at: dict[str, float] = defaultdict(float)
    for rack, watts in servers.items():
        used = of_rack.get(f"power/rack/{rack}", 0.0)
        racks_at[nodes[rack]["site"]] += used
        if used != watts:
            text = f"its servers need {watts} W, its ledger says {used:g} W"
            yield Violation(f"power/rack/{rack}", "sums", text, used, watts, "W")
        if heat[rack] != watts:
            text = f"gives off {heat[rack]:g} W of heat, but draws {watts} W"
            yield Violation(f"heat/rack/{rack}", "sums", text, heat[rack], watts, "W")
    for site, watts in at_site.items():
        if racks_at[site] != watts:
            text = f"its racks need {racks_at[site]:g} W, its servers {watts} W"
            yield Violation(f"power/site/{site}", "sums", text, racks_at[site], watts, "W")


def check_metrics(context: Context, metrics: Metrics) -> Iterator[Violation]:
    """Yield metrics that differ from those of the content."""
    for name, value in metrics.model_dump().items():
        found = getattr(context.plan.metrics, name)
        if not same(found, value):
            text = f"says {found:.9g}, the content makes {value:.9g}"
            yield Violation(f"metrics/{name}", "metrics", text, found, value, "")


def check_slo(context: Context, rows: list[SloRow]) -> Iterator[Violation]:
    """Yield promises that are missing, asked for differently, predicted differently, or broken."""
    stated = {_key(row): row for row in context.plan.slo}
    for key, count in Counter(_key(row) for row in context.plan.slo).items():
        if count > 1:
            name = _slo_name(key, context)
            yield Violation(name, "slo", f"is promised {count} times")
    for row in rows:
        name = _slo_name(_key(row), context)
        found = stated.pop(_key(row), None)
        if found is None:
            yield Violation(name, "slo", "is missing")
            continue
        for field in ("ttft_ms", "tpot_ms"):
            said, made = getattr(found, field), getattr(row, field)
            if said.asked != made.asked:
                text = f"asks for {said.asked}, the scenario for {made.asked}"
                yield Violation(f"{name}/{field}", "slo", text, said.asked, made.asked, "ms")
            if not _near(said.predicted, made.predicted):
                text = f"predicts {said.predicted}, the model {made.predicted}"
                yield Violation(f"{name}/{field}", "slo", text, said.predicted, made.predicted, "ms")
            allowed = None if made.asked is None else made.asked * (1 + CURVE_TOLERANCE)
            if allowed is not None and (made.predicted or 0.0) > allowed + PREDICTION_TOLERANCE_MS:
                text = f"{made.predicted:g} ms predicted, {made.asked:g} ms asked"
                yield Violation(f"{name}/{field}", "slo", text, made.predicted, made.asked, "ms")
        said = (found.percentile, found.provider, found.error_band)
        made = (row.percentile, row.provider, row.error_band)
        if said != made:
            text = f"states (percentile, provider, error band) {said}, the model {made}"
            yield Violation(name, "slo", text)
    for key in stated:
        yield Violation(_slo_name(key, context), "slo", "is promised, but nothing is routed so")


CURVE_TOLERANCE = 0.05
"""Relative: the rate of a pool and the latency at its load are read off curves of different loads."""

PREDICTION_TOLERANCE_MS = 0.002
"""Predictions are written with three decimals."""


def _near(a: float | None, b: float | None) -> bool:
    if a is None or b is None:
        return a is b
    return abs(a - b) <= PREDICTION_TOLERANCE_MS


SloKey = tuple[str, str, str, str, tuple[str, ...]]


def _key(row: SloRow) -> SloKey:
    return row.workload, row.origin, row.site, row.period, tuple(row.pools)


def _slo_name(key: SloKey, context: Context) -> str:
    return f"slo/{key[0]}/{key[1]}/{key[2]}{context.setting.day.label(key[3])}"
