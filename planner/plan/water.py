"""Water that cooling evaporates: whole millilitres per server, replica and unit of traffic."""

from __future__ import annotations

from collections import Counter

from planner.plan.content import Columns, Content, Setting, pools_of, route_uses
from planner.plan.costs import dynamic_watts_per_unit, server_idle_w, water_l_per_kwh
from planner.plan.types import ServerPlan

ML_PER_L = 1000


def water_ml_per_h(content: Content, setting: Setting, columns: Columns) -> Counter[str]:
    """Return the millilitres per hour of each site, mean over the day."""

    def of(watts: float, server: ServerPlan) -> int:
        return round(watts / 1000.0 * water_l_per_kwh(server, setting) * ML_PER_L)

    total: Counter[str] = Counter()
    for server in content.servers:
        total[server.site] += of(server_idle_w(server, setting), server)
    for pool in pools_of(content).values():
        total[pool.site] += pool.count * of(pool.awake_w, pool.first)
    for use in route_uses(content, setting, columns):
        total[use.pool.site] += use.route.units * of(dynamic_watts_per_unit(use, setting), use.pool.first)
    return total


def water_limits(
    content: Content, setting: Setting, columns: Columns
) -> list[tuple[str, float, float | None, str]]:
    """Return (row, used, limit, unit) of each site that evaporates water or limits it, and of all."""
    used = water_ml_per_h(content, setting, columns)
    rows: list[tuple[str, float, float | None, str]] = []
    for site, about in setting.graph.nodes(data=True):
        if about["kind"] == "site" and (used[site] or about["water_l_per_h"] is not None):
            rows.append((f"water/site/{site}", used[site] / ML_PER_L, about["water_l_per_h"], "l/h"))
    limit = setting.scenario.limits.water_l_per_h
    if rows or limit is not None:
        rows.append(("water/total", used.total() / ML_PER_L, limit, "l/h"))
    return rows
