"""What a plan draws and emits, summed over servers, replicas and traffic in whole amounts.

Every amount is rounded for one server, one replica or one unit of traffic before it is multiplied, so that
sums are exact and the same for whoever adds them up.
"""

from __future__ import annotations

from collections.abc import Callable

from planner.plan.content import Columns, Content, Setting, pools_of, route_uses
from planner.plan.costs import dynamic_watts_per_unit, request_joules, server_idle_w, server_pue

MILLIWATTS_PER_WATT = 1000

Counted = Callable[[float, float, str], int]
"""(IT watts of one thing, its PUE, its site) -> whole amount of it."""


def summed(content: Content, setting: Setting, columns: Columns, counted: Counted) -> int:
    """Return the sum of an amount over servers (idle), replicas (awake) and traffic (beyond)."""
    total = 0
    for server in content.servers:
        total += counted(server_idle_w(server, setting), server_pue(server, setting), server.site)
    for pool in pools_of(content).values():
        total += pool.count * counted(pool.awake_w, server_pue(pool.first, setting), pool.site)
    for use in route_uses(content, setting, columns):
        watts = dynamic_watts_per_unit(use, setting)
        total += use.route.units * counted(watts, server_pue(use.pool.first, setting), use.pool.site)
    return total


def overheads_w(content: Content, setting: Setting) -> dict[str, float]:
    """Return what each open site draws at the grid whatever its load, W."""
    nodes = setting.graph.nodes
    return {
        site: float(nodes[site]["overhead_kw"]) * 1000.0
        for site in {server.site for server in content.servers}
    }


def period_milliwatts(content: Content, setting: Setting, columns: Columns) -> dict[str, int]:
    """Return the expected draw of all powered servers in each period, mW of IT."""
    standing = sum(server_idle_w(server, setting) * MILLIWATTS_PER_WATT for server in content.servers)
    standing += sum(pool.count * pool.awake_w * MILLIWATTS_PER_WATT for pool in pools_of(content).values())
    total = dict.fromkeys(setting.day.names, standing)
    for use in route_uses(content, setting, columns):
        watts = request_joules(use, setting) * setting.unit_rps(use.workload, use.route.period)
        total[use.route.period] += use.route.units * round(watts * MILLIWATTS_PER_WATT)
    return total


def expected_milliwatts(content: Content, setting: Setting, columns: Columns) -> int:
    """Return the expected draw of all powered servers, mean over the day, mW of IT."""
    return summed(content, setting, columns, lambda watts, pue, site: round(watts * MILLIWATTS_PER_WATT))


def grid_milliwatts(content: Content, setting: Setting, columns: Columns) -> int:
    """Return the expected draw of all powered servers at the grid, cooling included, mW."""
    standing = sum(round(watts * MILLIWATTS_PER_WATT) for watts in overheads_w(content, setting).values())
    return standing + summed(
        content, setting, columns, lambda watts, pue, site: round(watts * MILLIWATTS_PER_WATT * pue)
    )


def carbon_mg_per_h(content: Content, setting: Setting, columns: Columns) -> int:
    """Return the carbon of all electricity, rented servers included, mg CO2 per hour."""
    nodes = setting.graph.nodes
    standing = sum(
        round(watts * float(nodes[site]["carbon_g_per_kwh"]))
        for site, watts in overheads_w(content, setting).items()
    )
    return standing + summed(
        content,
        setting,
        columns,
        lambda watts, pue, site: carbon_mg(watts, pue, float(nodes[site]["carbon_g_per_kwh"])),
    )


def carbon_mg(watts: float, pue: float, g_per_kwh: float) -> int:
    """Return mg CO2 per hour of `watts` of IT load."""
    return round(watts / 1000.0 * pue * g_per_kwh * 1000.0)
