"""The topology as a NetworkX graph in which every rack and every server is a node.

Nodes carry `kind`; edges carry `relation`: contains (site > fabric_domain > rack > server, and
fabric_domain > switch), power (utility > ups > feed > pdu > rack), cools (cooling > rack), link
(bandwidth and latency, in both directions) and located (site > region). docs/topology.md lists the
attributes.
"""

from typing import Any

from planner.catalog import Catalog
from planner.topology.defaults import (
    CONTINUOUS_SHARE,
    DESIGN_DAY_DERATE,
    FABRIC_LATENCY_MS,
    LEAF_PORT_GB_S,
    RACK_AIR_KW,
    RACK_LIQUID_KW,
    REAR_DOOR_KW,
)
from planner.topology.layout import Scope, full_name, implicit_domain, rack_names, scopes
from planner.topology.nodes import Graph
from planner.topology.overhead import overheads
from planner.topology.resolve import resolve
from planner.topology.types import FabricDomain, RackGroup, Site, Topology

PORTS_PER_LEAF_UPLINK = 2
"""Ports of each leaf that lead out of the domain where the file says nothing."""


def build_graph(topology: Topology, catalog: Catalog) -> Graph:
    """Return the graph of a topology, every count expanded.

    Defaults that depend on the region are taken from the catalog. The topology must be sound
    (`check` finds nothing); names that lead nowhere raise.

    Raises:
        ValueError: two things expand to the same name, or a name is not defined.
        UnknownEntry: a region is not in the catalog.
    """
    topology = resolve(topology, catalog)
    graph: Graph = Graph(name=topology.name)
    for at, site in enumerate(topology.sites):
        _add_site(graph, site)
        for scope in scopes(site, at):
            _add_power(graph, scope)
            _add_cooling(graph, scope)
            for domain in scope.equipment.fabric_domains:
                _add_domain(graph, scope, full_name(scope.prefix, domain.name), domain)
            for group in scope.equipment.racks:
                _add_racks(graph, scope, group)
    _add_switches(graph)
    for link in topology.wan:
        a, b = link.between
        _link(graph, a, b, link.bandwidth_gb_s, link.latency_ms or 0.0, usd_per_gb=link.usd_per_gb)
    return graph


def _node(graph: Graph, name: str, kind: str, **attributes: Any) -> None:
    """Add a node that must be new."""
    if name in graph:
        raise ValueError(f"two things are called '{name}' ({graph.nodes[name]['kind']}, {kind})")
    graph.add_node(name, kind=kind, **attributes)


def _edge(graph: Graph, start: str, end: str, relation: str, **attributes: Any) -> None:
    """Add an edge between nodes that exist."""
    for name in (start, end):
        if name not in graph:
            raise ValueError(f"'{name}' is not defined (needed by {start} > {end}, {relation})")
    graph.add_edge(start, end, key=relation, relation=relation, **attributes)


def _link(graph: Graph, a: str, b: str, gb_s: float, latency_ms: float, **more: Any) -> None:
    """Add a link in both directions, `gb_s` each."""
    for start, end in ((a, b), (b, a)):
        _edge(graph, start, end, "link", bandwidth_gb_s=gb_s, latency_ms=latency_ms, **more)


def region_node(region: str) -> str:
    """Return the node of a region (regions and sites may share a name)."""
    return f"region:{region}"


def _add_site(graph: Graph, site: Site) -> None:
    described = site.model_dump(
        include={
            "region",
            "cloud",
            "grid_kw",
            "climate",
            "pue_air",
            "pue_liquid",
            "electricity_usd_per_kwh",
            "electricity_hourly_factors",
            "carbon_g_per_kwh",
            "open_usd_per_h",
            "egress_usd_per_gb",
            "wan_gb_s",
            "water_l_per_kwh_air",
            "water_l_per_kwh_liquid",
            "water_usd_per_m3",
            "water_l_per_h",
            "rtt_ms",
        }
    )
    if site.pue_table:
        described |= overheads(site)
    else:
        described |= {"design_pue_air": site.pue_air, "design_pue_liquid": site.pue_liquid}
        described |= {"overhead_kw": 0.0, "design_overhead_kw": 0.0}
    _node(graph, site.name, "site", **described)
    region = region_node(site.region)
    if region not in graph:
        _node(graph, region, "region", region=site.region)
    _edge(graph, site.name, region, "located")
    used = any(not part.fabric_domains and part.racks for part in (site, *site.blocks))
    if used and not site.fabric_domains:
        name = implicit_domain(site)
        everything = FabricDomain(name="fabric", port_gb_s=LEAF_PORT_GB_S, latency_ms=FABRIC_LATENCY_MS)
        scope = next(scopes(site, 0))
        _add_domain(graph, scope, name, everything)


def _add_power(graph: Graph, scope: Scope) -> None:
    for node in scope.equipment.power:
        share = node.continuous_share
        if share is None:
            share = CONTINUOUS_SHARE[node.level]
        _node(
            graph,
            full_name(scope.prefix, node.name),
            "power",
            level=node.level,
            capacity_kw=node.capacity_kw * (node.units - node.spare_units),
            usable_kw=node.capacity_kw * (node.units - node.spare_units) * share,
            standby=node.standby,
            oversubscription=node.oversubscription,
            peak_kw=(
                None
                if node.peak_share is None
                else node.capacity_kw * (node.units - node.spare_units) * node.peak_share
            ),
            continuous_share=share,
            diversity=node.diversity,
            group=scope.prefix,
            site=scope.site.name,
            fold=scope.folded(node.name),
        )
    for node in scope.equipment.power:
        if node.parent is not None:
            name = full_name(scope.prefix, node.name)
            _edge(graph, scope.full(node.parent), name, "power")


def _add_cooling(graph: Graph, scope: Scope) -> None:
    for loop in scope.equipment.cooling:
        derate = loop.derate
        if derate is None:
            derate = DESIGN_DAY_DERATE[scope.site.climate]
        _node(
            graph,
            full_name(scope.prefix, loop.name),
            "cooling",
            medium=loop.medium,
            unit_kw=loop.unit_kw,
            units=loop.units,
            spare_units=loop.spare_units,
            derate=derate,
            usable_kw=(loop.units - loop.spare_units) * loop.unit_kw * derate,
            diversity=loop.diversity,
            site=scope.site.name,
            fold=scope.folded(loop.name),
        )


def _add_domain(graph: Graph, scope: Scope, name: str, domain: FabricDomain) -> None:
    uplink = domain.uplink_gb_s
    if uplink is None:
        uplink = PORTS_PER_LEAF_UPLINK * domain.port_gb_s * domain.leaves
    _node(
        graph,
        name,
        "fabric_domain",
        site=scope.site.name,
        leaves=domain.leaves,
        spines=domain.spines,
        port_gb_s=domain.port_gb_s,
        latency_ms=domain.latency_ms,
        oversubscription=domain.oversubscription,
        nic_gb_s=domain.nic_gb_s,
        uplink_gb_s=uplink,
        fold=scope.folded(domain.name),
    )
    _edge(graph, scope.site.name, name, "contains")


def rack_air_kw(group: RackGroup, medium: str | None) -> float:
    """Return the air heat one rack of the group may give off, kW."""
    if group.air_kw is not None:
        return group.air_kw
    limit = REAR_DOOR_KW if medium == "rear_door" else RACK_AIR_KW
    return min(limit, group.power_kw)


def rack_liquid_kw(group: RackGroup) -> float:
    """Return the liquid heat one rack of the group may give off, kW; 0 without a loop."""
    if group.liquid_loop is None:
        return 0.0
    if group.liquid_kw is not None:
        return group.liquid_kw
    return min(RACK_LIQUID_KW, group.power_kw)


def _add_racks(graph: Graph, scope: Scope, group: RackGroup) -> None:
    site = scope.site
    domain = scope.domain if group.fabric_domain is None else scope.full(group.fabric_domain)
    feeds = [scope.full(feed) for feed in group.feeds]
    air = None if group.air_loop is None else scope.full(group.air_loop)
    liquid = None if group.liquid_loop is None else scope.full(group.liquid_loop)
    retrofit = None
    if group.retrofit is not None:
        retrofit = {
            **group.retrofit.model_dump(),
            "liquid_loop": scope.full(group.retrofit.liquid_loop),
            "usd": group.retrofit.usd,
        }
    shared = {
        "site": site.name,
        "fabric_domain": domain,
        "height_u": group.height_u,
        "weight_kg": group.weight_kg,
        "power_kw": group.power_kw,
        "air_kw": rack_air_kw(group, None if air is None else graph.nodes[air]["medium"]),
        "liquid_kw": rack_liquid_kw(group),
        "slots": group.height_u if group.slots is None else group.slots,
        "redundancy": group.redundancy or site.redundancy,
        "template": full_name(scope.prefix, group.name),
        "fold": scope.folded(group.name),
    }
    for name in rack_names(scope, group):
        _node(graph, name, "rack", **shared, retrofit=None if retrofit is None else dict(retrofit))
        _edge(graph, domain, name, "contains")
        for feed in feeds:
            _edge(graph, feed, name, "power")
        for loop in (air, liquid):
            if loop is not None:
                _edge(graph, loop, name, "cools")
        number = 0
        for server, count in group.servers.items():
            for _ in range(count):
                number += 1
                server_name = f"{name}-s{number}"
                _node(
                    graph,
                    server_name,
                    "server",
                    server=server,
                    site=site.name,
                    rack=name,
                    existing=True,
                )
                _edge(graph, name, server_name, "contains")


def _add_switches(graph: Graph) -> None:
    """Add leaf and spine switches of every fabric domain, and the links of its racks to them.

    Every rack reaches every leaf with one port per server slot (rail-optimised); leaves reach every
    spine with what their racks bring, divided by the oversubscription; the top switches share the
    domain's uplink to the site.
    """
    domains = [(n, d) for n, d in graph.nodes(data=True) if d["kind"] == "fabric_domain"]
    for domain, about in domains:
        racks = [n for n in graph.successors(domain) if graph.nodes[n]["kind"] == "rack"]
        levels: dict[str, list[str]] = {}
        for level, count in (("leaf", about["leaves"]), ("spine", about["spines"])):
            levels[level] = [f"{domain}-{level}{number}" for number in range(1, count + 1)]
            for switch in levels[level]:
                _node(graph, switch, "switch", level=level, site=about["site"])
                _edge(graph, domain, switch, "contains")
        hop_ms = about["latency_ms"] / 2
        below_gb_s = 0.0
        for rack in racks:
            gb_s = about["port_gb_s"] * ports_per_leaf(graph, rack)
            below_gb_s += gb_s
            for leaf in levels["leaf"]:
                _link(graph, rack, leaf, gb_s, hop_ms)
        top = levels["spine"] or levels["leaf"]
        if levels["spine"] and below_gb_s > 0:
            gb_s = below_gb_s / about["oversubscription"] / len(top)
            for leaf in levels["leaf"]:
                for spine in top:
                    _link(graph, leaf, spine, gb_s, hop_ms)
        for switch in top:
            _link(graph, switch, about["site"], about["uplink_gb_s"] / len(top), hop_ms)


TYPICAL_SERVER_U = 8
"""Height of an 8-accelerator server; how many ports a rack without stated slots is cabled for."""


def ports_per_leaf(graph: Graph, rack: str) -> int:
    """Return how many ports of each leaf a rack is cabled for: one per server it can hold."""
    about = graph.nodes[rack]
    existing = sum(1 for n in graph.successors(rack) if graph.nodes[n]["kind"] == "server")
    by_height = max(1, about["height_u"] // TYPICAL_SERVER_U)
    return int(max(existing, min(about["slots"], by_height), 1))
