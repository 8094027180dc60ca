"""Split serving: both pools in one fabric domain, the same cache, and time enough to hand it over."""

from __future__ import annotations

from collections.abc import Iterator

from planner.plan.content import RTT_TOLERANCE_MS
from planner.plan.fabric import handover_allowance_ms
from planner.plan.hosts import server_model
from planner.plan.types import RoutePlan
from planner.plan.verify.context import Context
from planner.plan.verify.violation import Violation
from planner.scenario import Workload

FAMILY = "network"


def check_handover(route: RoutePlan, workload: Workload, context: Context) -> Iterator[Violation]:
    """Yield why the caches of a split route cannot go from its first pool to its second in time."""
    row = f"handover/{route.workload}/{route.origin}/{route.site}"
    places = {
        group.fabric_domain or group.site for group in context.plan.replicas if group.pool in route.pools
    }
    if len(places) > 1:
        text = f"its pools stand in different fabric domains: {', '.join(sorted(places))}"
        yield Violation(row, FAMILY, text)
    first, second = (context.pools[pool] for pool in route.pools)
    if first.shape.kv_cache != second.shape.kv_cache:
        text = f"hands a {first.shape.kv_cache} cache to replicas that keep {second.shape.kv_cache}"
        yield Violation(row, FAMILY, text)
    if context.table.measured:
        return
    setting = context.setting
    models = [server_model(pool.first, setting.scenario, setting.catalog) for pool in (first, second)]
    name = setting.llm_names.get(first.shape.llm)
    speeds = [model.nic_gb_s for model in models if model is not None]
    if name is None or len(speeds) < 2:
        return
    llm = setting.catalog.llm(name)
    needed = handover_allowance_ms(llm, workload, first.shape.shape(), second.shape.shape(), min(speeds))
    if needed is None or route.transfer_ms < needed - RTT_TOLERANCE_MS:
        wanted = "longer than any allowance" if needed is None else f"{needed:g} ms"
        text = f"leaves {route.transfer_ms:g} ms for handing the cache over, it takes {wanted}"
        yield Violation(row, FAMILY, text, route.transfer_ms, needed, "ms")
