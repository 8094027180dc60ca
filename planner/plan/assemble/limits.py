"""The ledgers: what each server, rack and unit of traffic uses of power, heat, money, carbon and stock."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from planner.optimize.problem import Entries, Ledger, Spares, integers
from planner.plan.assemble.draw import Draw
from planner.plan.assemble.mixes import Mix
from planner.plan.assemble.offers import Offer
from planner.plan.assemble.spares import spare_price_usd
from planner.plan.fabric import oversubscribed
from planner.scenario import Scenario
from planner.topology import RackClass
from planner.topology.nodes import Graph

WATTS_PER_KW = 1000
MILLIWATTS_PER_KW = 1_000_000
BYTES_PER_GB = 1e9


@dataclass
class Rows:
    """Collects the rows of one family of limits."""

    family: str
    unit: str
    names: list[str] = field(default_factory=list)
    limits: list[int] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    entries: dict[str, list[tuple[int, int, int]]] = field(default_factory=lambda: defaultdict(list))

    def add(self, name: str, limit: int, source: str) -> int:
        """Add a row and return its number."""
        self.names.append(name)
        self.limits.append(limit)
        self.sources.append(source)
        return len(self.names) - 1

    def use(self, kind: str, row: int, column: int, amount: int) -> None:
        """Say that one variable `column` of a kind uses `amount` of the row's limit."""
        if amount:
            self.entries[kind].append((row, column, amount))

    def ledger(self) -> Ledger:
        """Return the immutable table."""
        tables = {}
        for kind, triples in self.entries.items():
            array = np.array(triples, dtype=np.int64).reshape(-1, 3)
            tables[kind] = Entries(array[:, 0], array[:, 1], array[:, 2])
        return Ledger(
            self.family, tuple(self.names), integers(self.limits), self.unit, tuple(self.sources), tables
        )


def grid_rows(graph: Graph, scenario: Scenario, offers: Sequence[Offer]) -> Ledger:
    """Return the rows of every grid contract, and of the scenario's limit over all owned sites."""
    rows = Rows("grid", "W")
    row_of: dict[str, int] = {}
    for site, about in graph.nodes(data=True):
        if about["kind"] == "site" and about["grid_kw"] is not None:
            limit = int(round(about["grid_kw"] * WATTS_PER_KW, 6))
            row_of[site] = rows.add(f"grid/site/{site}", limit, f"topology: grid_kw of {site}")
    total = None
    if scenario.limits.grid_kw is not None:
        limit = int(round(scenario.limits.grid_kw * WATTS_PER_KW, 6))
        total = rows.add("grid/total", limit, "limits.grid_kw")
    for s, (site, about) in enumerate(_sites(graph)):
        overhead = int(np.ceil(float(about["design_overhead_kw"]) * WATTS_PER_KW - 1e-6))
        if site in row_of:
            rows.use("open", row_of[site], s, overhead)
        if total is not None:
            rows.use("open", total, s, overhead)
    for j, offer in enumerate(offers):
        if offer.origin == "rent":
            continue
        drawn = grid_watts(offer)
        if offer.site in row_of:
            rows.use("servers", row_of[offer.site], j, drawn)
        if total is not None:
            rows.use("servers", total, j, drawn)
    return rows.ledger()


def _sites(graph: Graph) -> list[tuple[str, dict[str, Any]]]:
    """Return the sites in the order of the problem, with their attributes."""
    return [(name, about) for name, about in graph.nodes(data=True) if about["kind"] == "site"]


def water_rows(
    graph: Graph, scenario: Scenario, draw: Draw, site_of: Mapping[str, Sequence[str]]
) -> list[Ledger]:
    """Return the rows of water, of each site and of all together, as far as limits are stated.

    Args:
        graph: the topology.
        scenario: its limits.
        draw: what every variable evaporates.
        site_of: the site of each variable, by kind.
    """
    rows = Rows("water", "ml/h")
    row_of: dict[str, int] = {}
    for site, about in _sites(graph):
        if about["water_l_per_h"] is not None:
            limit = int(round(about["water_l_per_h"] * 1000.0, 3))
            row_of[site] = rows.add(f"water/site/{site}", limit, f"topology: water_l_per_h of {site}")
    total = None
    if scenario.limits.water_l_per_h is not None:
        limit = int(round(scenario.limits.water_l_per_h * 1000.0, 3))
        total = rows.add("water/total", limit, "limits.water_l_per_h")
    for kind, things in draw.of.items():
        for column, (one, site) in enumerate(zip(things, site_of[kind], strict=True)):
            if site in row_of:
                rows.use(kind, row_of[site], column, one.water_ml)
            if total is not None:
                rows.use(kind, total, column, one.water_ml)
    return [rows.ledger()] if rows.names else []


def grid_watts(offer: Offer) -> int:
    """Return what a server takes from the grid at its provisioned power, cooling included."""
    return int(np.ceil(offer.provisioned_w * offer.design_pue - 1e-6))


def heat_rows(graph: Graph, offers: Sequence[Offer]) -> Ledger:
    """Return the rows of every cooling loop: provisioned heat of the racks it serves."""
    rows = Rows("heat", "W")
    row_of: dict[str, int] = {}
    for loop, about in graph.nodes(data=True):
        if about["kind"] == "cooling":
            limit = int(round(about["usable_kw"] * WATTS_PER_KW, 6))
            row_of[loop] = rows.add(f"heat/{about['medium']}/{loop}", limit, f"topology: units of {loop}")
    for j, offer in enumerate(offers):
        if offer.rack_class is None:
            continue
        liquid_loop = offer.rack_class.liquid_loop
        if offer.retrofit:
            liquid_loop = offer.rack_class.attributes["retrofit"]["liquid_loop"]
        if offer.rack_class.air_loop is not None:
            rows.use("servers", row_of[offer.rack_class.air_loop], j, offer.air_w)
        if liquid_loop is not None:
            rows.use("servers", row_of[liquid_loop], j, offer.liquid_w)
    return rows.ledger()


def network_rows(
    graph: Graph,
    periods: Sequence[str],
    flows: Sequence[tuple[str, int, float]],
    fabric: Sequence[tuple[int, Mapping[str, float]]],
) -> Ledger:
    """Return the rows of the bandwidth from sites to users, and of the spines that are oversubscribed.

    Args:
        graph: the topology.
        periods: their names; each has its rows.
        flows: (site, period, GB/s of one unit) of each flow variable.
        fabric: (period, fabric domain -> GB/s of one unit), for each assignment variable.
    """
    rows = Rows("network", "bytes/s")
    row_of: dict[tuple[str, int], int] = {}
    for site, about in graph.nodes(data=True):
        if about["kind"] == "site" and about["wan_gb_s"] is not None:
            limit = int(round(about["wan_gb_s"] * BYTES_PER_GB, 3))
            for t, ending in enumerate(endings(periods)):
                name = f"network/wan/{site}{ending}"
                row_of[site, t] = rows.add(name, limit, f"topology: wan_gb_s of {site}")
    for domain, gb_s in oversubscribed(graph).items():
        limit = int(round(gb_s * BYTES_PER_GB, 3))
        source = f"topology: oversubscription of {domain}"
        for t, ending in enumerate(endings(periods)):
            row_of[domain, t] = rows.add(f"network/fabric/{domain}{ending}", limit, source)
    for f, (site, period, gb_s) in enumerate(flows):
        if (site, period) in row_of:
            rows.use("flow", row_of[site, period], f, int(np.ceil(gb_s * BYTES_PER_GB - 1e-6)))
    for a, (period, sent) in enumerate(fabric):
        for domain, gb_s in sent.items():
            if (domain, period) in row_of:
                rows.use("assign", row_of[domain, period], a, int(np.ceil(gb_s * BYTES_PER_GB - 1e-6)))
    return rows.ledger()


def endings(periods: Sequence[str]) -> list[str]:
    """Return what names of rows of each period end in: nothing where there is only one."""
    return [""] if len(periods) == 1 else [f"/{period}" for period in periods]


@dataclass(frozen=True)
class UnitUse:
    """What replicas, open sites and units of traffic cost (micro-USD/h), the million tokens per hour of an
    unserved unit, and what everything draws: means over the day.

    assign_milliwatts: of a unit while its period lasts. assign_period: number of that period.
    """

    replica_cost: Sequence[int]
    open_cost: Sequence[int]
    assign_cost: Sequence[int]
    assign_milliwatts: Sequence[int]
    assign_period: Sequence[int]
    flow_cost: Sequence[int]
    unserved_tokens_mtok: Sequence[float]
    draw: Draw


def budget_rows(
    scenario: Scenario,
    offers: Sequence[Offer],
    mixes: Sequence[tuple[RackClass, Mix]],
    use: UnitUse,
    mtok_per_h: float,
    periods: Sequence[str],
    spares: Spares | None = None,
) -> list[Ledger]:
    """Return the rows of capex, opex, carbon, power, servers and stock, as far as limits are stated."""
    limits = scenario.limits
    money = Rows("budget", "USD")
    if limits.capex_usd is not None:
        row = money.add("budget/capex", int(limits.capex_usd), "limits.capex_usd")
        for j, offer in enumerate(offers):
            money.use("servers", row, j, int(np.ceil(offer.capex_usd)))
        for m, (rack_class, mix) in enumerate(mixes):
            if mix.retrofit:
                money.use("mixes", row, m, int(np.ceil(rack_class.attributes["retrofit"]["usd"])))
        for z, offer in enumerate(_spare_offers(spares, offers)):
            money.use("spares", row, z, int(np.ceil(spare_price_usd(offer, scenario))))
    running = Rows("budget", "micro-USD/h")
    if limits.opex_usd_per_h is not None:
        row = running.add("budget/opex", round(limits.opex_usd_per_h * 1e6), "limits.opex_usd_per_h")
        for j, offer in enumerate(offers):
            running.use("servers", row, j, running_cost(offer))
        for s, cost in enumerate(use.open_cost):
            running.use("open", row, s, cost)
        for p, cost in enumerate(use.replica_cost):
            running.use("replicas", row, p, cost)
        for a, cost in enumerate(use.assign_cost):
            running.use("assign", row, a, cost)
        for f, cost in enumerate(use.flow_cost):
            running.use("flow", row, f, cost)
    carbon = Rows("carbon", "mg CO2/h")
    stated: list[tuple[str, float, str]] = []
    if limits.carbon_kg_per_h is not None:
        stated.append(("carbon/total", limits.carbon_kg_per_h * 1e6, "limits.carbon_kg_per_h"))
    if limits.carbon_g_per_mtok is not None:
        allowed = limits.carbon_g_per_mtok * 1000.0 * mtok_per_h
        stated.append(("carbon/per_mtok", allowed, "limits.carbon_g_per_mtok"))
    for name, limit, source in stated:
        row = carbon.add(name, int(limit), source)
        for kind, amounts in use.draw.carbon_mg().items():
            for column, amount in enumerate(amounts.tolist()):
                carbon.use(kind, row, column, amount)
        if name == "carbon/per_mtok":
            for i, mtok in enumerate(use.unserved_tokens_mtok):
                extra = int(np.ceil((limits.carbon_g_per_mtok or 0.0) * 1000.0 * mtok))
                carbon.use("unserved", row, i, extra)
    drawn = Rows("budget", "mW")
    if limits.expected_kw is not None:
        allowed_mw = int(round(limits.expected_kw * MILLIWATTS_PER_KW, 3))
        row_of = [
            drawn.add(f"expected/total{ending}", allowed_mw, "limits.expected_kw")
            for ending in endings(periods)
        ]
        standing = use.draw.milliwatts()
        for row in row_of:
            for kind in ("servers", "replicas"):
                for column, amount in enumerate(standing[kind].tolist()):
                    drawn.use(kind, row, column, amount)
        for a, (amount, t) in enumerate(zip(use.assign_milliwatts, use.assign_period, strict=True)):
            drawn.use("assign", row_of[t], a, amount)
    count = Rows("stock", "servers")
    if limits.servers is not None:
        row = count.add("servers/total", limits.servers, "limits.servers")
        for j in range(len(offers)):
            count.use("servers", row, j, 1)
    had = [("stock", server_id, stock) for server_id, stock in scenario.fleet.stock.items()]
    had += [
        ("delivery", server_id, deliverable)
        for server_id in scenario.fleet.delivery
        if (deliverable := scenario.fleet.deliverable(server_id)) is not None
    ]
    for what, server_id, limit in had:
        row = count.add(f"{what}/{server_id}", limit, f"fleet.{what}.{server_id}")
        for j, offer in enumerate(offers):
            if offer.origin == "buy" and offer.host.name == server_id:
                count.use("servers", row, j, 1)
        for z, offer in enumerate(_spare_offers(spares, offers)):
            if offer.host.name == server_id:
                count.use("spares", row, z, 1)
    return [rows.ledger() for rows in (money, running, carbon, drawn, count) if rows.names]


def running_cost(offer: Offer) -> int:
    """Return what a server costs to run, whatever its load: rent, care, electricity, water."""
    return offer.rental + offer.maintenance + offer.idle_electricity + offer.idle_water


def _spare_offers(spares: Spares | None, offers: Sequence[Offer]) -> list[Offer]:
    """Return an offer of the type of each step of spares."""
    if spares is None:
        return []
    first = {int(g): offers[int(j)] for g, j in zip(spares.member_group, spares.member, strict=True)}
    return [first[int(g)] for g in spares.group]


def rows_by_name(ledgers: Sequence[Ledger]) -> Mapping[str, tuple[Ledger, int]]:
    """Return every ledger row by its name."""
    return {name: (ledger, row) for ledger in ledgers for row, name in enumerate(ledger.names)}
