"""What a plan uses of everything that is limited, row by row.

Watts are whole and provisioned (what breakers and cooling must carry). Rows:

- `power/rack/<rack>`: servers in a rack, against the rack;
- `power/<level>/<node>`: share of the racks that a power node carries in normal operation, and
  `.../without/<lost>` after the loss of another node;
- `grid/site/<site>`, `grid/total`: provisioned watts x PUE of owned servers;
- `heat/rack_air/<rack>`, `heat/rack_liquid/<rack>`, `heat/<medium>/<loop>`: heat by where it goes;
- `network/wan/<site>`: answers sent to users, in each period;
- `budget/capex`, `budget/opex`, `carbon/total`, `carbon/per_mtok`, `servers/total`, `stock/<server>`,
  `delivery/<server>`: bought, against what arrives in time; `expected/total` in each period.
- `quota/<tenant>/accelerators`, `.../rps` in each period, `.../usd_per_h`.

Money and carbon are means over the day. Names of rows of a period end in its name where there are several.

Racks without powered servers have no rows; a limit of None means that nobody stated one.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Mapping

from planner.plan.breakers import WATT_TOLERANCE, limit_w, power_rows, servers_by_rack
from planner.plan.churn import moves
from planner.plan.content import Columns, Content, Setting, route_uses
from planner.plan.costs import (
    MICRO,
    network_micro_usd_per_unit,
    plan_micro_cost,
    retrofit_usd,
    server_capex_usd,
    server_pue,
    spend_micro_usd,
)
from planner.plan.draw import carbon_mg_per_h, period_milliwatts
from planner.plan.fabric import fabric_gb_per_request, oversubscribed
from planner.plan.spares import spare_price_usd
from planner.plan.traffic import SECONDS_PER_HOUR, egress_gb_s
from planner.plan.types import LedgerRow, Ledgers, ServerPlan
from planner.plan.water import water_limits
from planner.topology import loops_of

MG_PER_G = 1000.0
MG_PER_KG = 1_000_000
MILLIWATTS_PER_KW = 1_000_000
TOKENS_PER_MTOK = 1e6


RUNNING = (
    "rent", "maintenance", "electricity_idle", "electricity_dynamic", "water", "network",
)  # fmt: skip
"""Parts of the cost that count as running cost."""


def plan_ledgers(content: Content, setting: Setting, columns: Columns) -> Ledgers:
    """Return every row of a plan's ledgers.

    Raises:
        LookupError: a server, rack or site of the plan does not exist.
    """
    return Ledgers(
        power=power_rows(content, setting),
        grid=grid_rows(content, setting),
        heat=heat_rows(content, setting),
        network=network_rows(content, setting),
        budget=budget_rows(content, setting, columns),
        quota=quota_rows(content, setting, columns),
    )


def server_grid_w(server: ServerPlan, setting: Setting) -> int:
    """Return what an owned server takes from the grid at its provisioned power, whole watts up."""
    if server.origin == "rent":
        return 0
    return math.ceil(server.provisioned_w * server_pue(server, setting, "design_") - WATT_TOLERANCE)


def grid_rows(content: Content, setting: Setting) -> list[LedgerRow]:
    """Return the rows of every owned site and of all of them together, W with cooling."""
    graph = setting.graph
    drawn: Counter[str] = Counter()
    for server in content.servers:
        drawn[server.site] += server_grid_w(server, setting)
    for site in {server.site for server in content.servers}:
        drawn[site] += math.ceil(graph.nodes[site]["design_overhead_kw"] * 1000.0 - WATT_TOLERANCE)
    rows: list[LedgerRow] = []
    for site, about in graph.nodes(data=True):
        if about["kind"] == "site" and not about["cloud"]:
            limit = None if about["grid_kw"] is None else limit_w(about["grid_kw"])
            rows.append(LedgerRow(name=f"grid/site/{site}", used=drawn[site], limit=limit, unit="W"))
    total_kw = setting.scenario.limits.grid_kw
    limit = None if total_kw is None else limit_w(total_kw)
    rows.append(LedgerRow(name="grid/total", used=drawn.total(), limit=limit, unit="W"))
    return rows


def rack_heat_limits_w(rack: str, retrofitted: bool, setting: Setting) -> tuple[int, int]:
    """Return the (air, liquid) heat a rack may give off, W.

    A rack on no cooling loop at all may give off as much air heat as it may draw.
    """
    about = setting.graph.nodes[rack]
    air, liquid = loops_of(setting.graph, rack)
    air_kw = about["power_kw"] if air is None and liquid is None else about["air_kw"]
    liquid_kw = about["liquid_kw"]
    if retrofitted and about["retrofit"] is not None:
        liquid_kw = about["retrofit"]["liquid_kw"]
    return limit_w(air_kw), limit_w(liquid_kw)


def rack_loops(rack: str, retrofitted: bool, setting: Setting) -> tuple[str | None, str | None]:
    """Return the (air, liquid) loops that take the heat of a rack."""
    air, liquid = loops_of(setting.graph, rack)
    retrofit = setting.graph.nodes[rack]["retrofit"]
    if retrofitted and retrofit is not None:
        liquid = str(retrofit["liquid_loop"])
    return air, liquid


def heat_rows(content: Content, setting: Setting) -> list[LedgerRow]:
    """Return the rows of the heat of racks and cooling loops, W."""
    graph = setting.graph
    turned = set(content.retrofitted_racks)
    rows: list[LedgerRow] = []
    on_loop: Counter[str] = Counter()
    for rack, servers in sorted(servers_by_rack(content.servers).items()):
        air_w = sum(server.air_w for server in servers)
        liquid_w = sum(server.liquid_w for server in servers)
        limits = rack_heat_limits_w(rack, rack in turned, setting)
        loops = rack_loops(rack, rack in turned, setting)
        for medium, used, limit, loop in zip(
            ("air", "liquid"), (air_w, liquid_w), limits, loops, strict=True
        ):
            rows.append(LedgerRow(name=f"heat/rack_{medium}/{rack}", used=used, limit=limit, unit="W"))
            if loop is not None:
                on_loop[loop] += used
    for loop, about in graph.nodes(data=True):
        if about["kind"] == "cooling":
            name = f"heat/{about['medium']}/{loop}"
            rows.append(LedgerRow(name=name, used=on_loop[loop], limit=limit_w(about["usable_kw"]), unit="W"))
    return rows


def network_rows(content: Content, setting: Setting) -> list[LedgerRow]:
    """Return the rows of what sites send to users and domains over an oversubscribed spine, GB/s.

    Each period has its rows.
    """
    sent: dict[tuple[str, str], float] = defaultdict(float)
    for route in content.routes:
        workload = setting.workload(route.workload)
        if workload is not None:
            rate = route.units * setting.unit_rps(workload, route.period)
            sent[route.site, route.period] += egress_gb_s(workload, rate)
    rows = [
        LedgerRow(
            name=f"network/wan/{site}{setting.day.label(period)}",
            used=round(sent[site, period], 9),
            limit=about["wan_gb_s"],
            unit="GB/s",
        )
        for site, about in setting.graph.nodes(data=True)
        if about["kind"] == "site"
        for period in setting.day.names
    ]
    narrow = oversubscribed(setting.graph)
    if narrow:
        crossing = _fabric_gb_s(content, setting)
        rows += [
            LedgerRow(
                name=f"network/fabric/{domain}{setting.day.label(period)}",
                used=round(crossing[domain, period], 9),
                limit=limit,
                unit="GB/s",
            )
            for domain, limit in narrow.items()
            for period in setting.day.names
        ]
    return rows


def _fabric_gb_s(content: Content, setting: Setting) -> dict[tuple[str, str], float]:
    """Return what replicas send from server to server, by fabric domain and period, GB/s."""
    sent: dict[tuple[str, str], float] = defaultdict(float)
    if setting.scenario.performance.measured_throughout:
        return sent
    groups = {group.pool: group for group in content.replicas}
    for route in content.routes:
        workload = setting.workload(route.workload)
        for name in route.pools:
            group = groups.get(name)
            known = group is not None and group.shape.llm in setting.llm_names
            if workload is None or group is None or not known or group.fabric_domain is None:
                continue
            llm = setting.catalog.llm(setting.llm_names[group.shape.llm])
            servers = max((len(placement) for placement in group.placements), default=0)
            one = fabric_gb_per_request(llm, workload, group.shape.shape(), servers)
            rate = route.units * setting.unit_rps(workload, route.period)
            sent[group.fabric_domain, route.period] += rate * one
    return sent


def served_mtok_per_h(content: Content, setting: Setting) -> tuple[float, float]:
    """Return the (input, output) million tokens per hour that are served, mean over the day."""
    tokens_in = tokens_out = 0.0
    for route in content.routes:
        workload = setting.workload(route.workload)
        if workload is not None:
            rate = route.units * setting.mean_unit_rps(workload, route.period)
            requests_per_h = rate * SECONDS_PER_HOUR
            tokens_in += requests_per_h * float(workload.input_tokens.mean)
            tokens_out += requests_per_h * float(workload.output_tokens.mean)
    return tokens_in / TOKENS_PER_MTOK, tokens_out / TOKENS_PER_MTOK


def capex_usd(content: Content, setting: Setting) -> int:
    """Return the money paid at once for bought and reserved servers and retrofits, each up to whole USD."""
    servers = sum(math.ceil(server_capex_usd(server, setting)) for server in content.servers)
    servers += sum(
        spare.count * math.ceil(spare_price_usd(spare.server, setting)) for spare in content.spares
    )
    return servers + sum(math.ceil(retrofit_usd(rack, setting)) for rack in content.retrofitted_racks)


def quota_rows(content: Content, setting: Setting, columns: Columns) -> list[LedgerRow]:
    """Return the rows of tenants' quotas: accelerators kept busy, requests served, spend."""
    rows: list[LedgerRow] = []
    uses = list(route_uses(content, setting, columns)) if setting.scenario.tenants else []
    for tenant in setting.scenario.tenants:
        mine = [use for use in uses if use.workload.name in tenant.workloads]
        routes = [route for route in content.routes if route.workload in tenant.workloads]
        for period in setting.day.names:
            label = setting.day.label(period)
            if tenant.accelerators is not None:
                used = math.fsum(use.accelerators(setting) for use in mine if use.route.period == period)
                name = f"quota/{tenant.name}/accelerators{label}"
                limit, unit = tenant.accelerators, "accelerators"
                rows.append(LedgerRow(name=name, used=round(used, 9), limit=limit, unit=unit))
            if tenant.rps is not None:
                used = math.fsum(route.rate_rps for route in routes if route.period == period)
                name = f"quota/{tenant.name}/rps{label}"
                rows.append(LedgerRow(name=name, used=round(used, 9), limit=tenant.rps, unit="requests/s"))
        if tenant.usd_per_h is not None:
            spent = math.fsum(spend_micro_usd(use, setting) for use in mine) + sum(
                route.units * network_micro_usd_per_unit(route, setting) for route in routes
            )
            name = f"quota/{tenant.name}/usd_per_h"
            used = round(spent / MICRO, 9)
            rows.append(LedgerRow(name=name, used=used, limit=tenant.usd_per_h, unit="USD/h"))
    return rows


def budget_rows(content: Content, setting: Setting, columns: Columns) -> list[LedgerRow]:
    """Return the rows of money, carbon, servers and stock."""
    limits = setting.scenario.limits
    parts: Mapping[str, int] = plan_micro_cost(content, setting, columns).parts
    opex = sum(parts[name] for name in RUNNING)
    carbon = carbon_mg_per_h(content, setting, columns)
    mtok_per_h = sum(served_mtok_per_h(content, setting))
    per_mtok = round(carbon / MG_PER_G / mtok_per_h, 6) if mtok_per_h > 0 else 0.0
    bought = Counter(server.server for server in content.servers if server.origin == "buy")
    for spare in content.spares:
        bought[spare.server] += spare.count
    rows = [
        ("budget/capex", capex_usd(content, setting), limits.capex_usd, "USD"),
        ("budget/opex", opex / MICRO, limits.opex_usd_per_h, "USD/h"),
        ("carbon/total", carbon / MG_PER_KG, limits.carbon_kg_per_h, "kg CO2/h"),
        ("carbon/per_mtok", per_mtok, limits.carbon_g_per_mtok, "g CO2/Mtok"),
        *(
            (
                f"expected/total{setting.day.label(period)}",
                drawn / MILLIWATTS_PER_KW,
                limits.expected_kw,
                "kW",
            )
            for period, drawn in period_milliwatts(content, setting, columns).items()
        ),
        *water_limits(content, setting, columns),
        ("servers/total", len(content.servers), limits.servers, "servers"),
        *(
            (f"stock/{server}", bought[server], stock, "servers")
            for server, stock in setting.scenario.fleet.stock.items()
        ),
        *(
            (f"delivery/{server}", bought[server], setting.scenario.fleet.deliverable(server), "servers")
            for server in setting.scenario.fleet.delivery
        ),
        *(
            [("churn/moves", moves(content, setting.scenario), setting.scenario.churn.max_moves, "replicas")]
            if setting.scenario.churn.in_force
            else []
        ),
    ]
    return [LedgerRow(name=name, used=used, limit=limit, unit=unit) for name, used, limit, unit in rows]
