"""A topology as the rows of a tree, with counts and capacities, equal things folded."""

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

from planner.topology.classes import servers_in
from planner.topology.nodes import Graph


@dataclass(frozen=True)
class TreeRow:
    """One row: `depth` indents it, `count` things are alike, `capacity` and `contents` are words."""

    depth: int
    kind: str
    name: str
    count: int
    capacity: str
    contents: str


def topology_tree(graph: Graph) -> list[TreeRow]:
    """Return the rows of a topology: sites, their power, cooling, fabric and racks.

    Copies of a block are one row with their count (`ams1-row*-A`, 12); capacities are of each.
    """
    rows: list[TreeRow] = []
    by_site: dict[str, list[str]] = defaultdict(list)
    for name, about in graph.nodes(data=True):
        if "site" in about:
            by_site[about["site"]].append(name)
    for site, about in graph.nodes(data=True):
        if about["kind"] == "site":
            rows.append(_site_row(graph, site, by_site[site]))
            rows += _equipment_rows(graph, by_site[site])
    for a, b, edge in graph.edges(data=True):
        both_sites = all(graph.nodes[n]["kind"] == "site" for n in (a, b))
        if edge["relation"] == "link" and both_sites and a < b:
            speed = f"{edge['bandwidth_gb_s']:g} GB/s, {edge['latency_ms']:g} ms"
            price = f"{edge['usd_per_gb']:g} USD/GB"
            rows.append(TreeRow(0, "wan", f"{a} - {b}", 1, speed, price))
    return rows


def _site_row(graph: Graph, site: str, nodes: list[str]) -> TreeRow:
    about = graph.nodes[site]
    kinds = [graph.nodes[n]["kind"] for n in nodes]
    if about["cloud"]:
        return TreeRow(0, "site", site, 1, "boundless, rented", f"region {about['region']}")
    grid = "no grid limit" if about["grid_kw"] is None else f"grid {about['grid_kw']:g} kW"
    pue = f"PUE {about['pue_air']:g} air, {about['pue_liquid']:g} liquid"
    contents = (
        f"region {about['region']}, {kinds.count('rack')} racks, {kinds.count('server')} servers,"
        f" {about['electricity_usd_per_kwh']:g} USD/kWh, {about['carbon_g_per_kwh']:g} g/kWh"
    )
    return TreeRow(0, "site", site, 1, f"{grid}, {pue}", contents)


def _equipment_rows(graph: Graph, nodes: list[str]) -> Iterator[TreeRow]:
    """Yield the rows of what stands at a site: power from the grid down, cooling, fabric, racks."""
    folded: dict[str, list[str]] = defaultdict(list)
    for name in nodes:
        about = graph.nodes[name]
        if "fold" in about:
            folded[about["fold"]].append(name)
    kind_of = {fold: graph.nodes[names[0]]["kind"] for fold, names in folded.items()}
    power = [fold for fold, kind in kind_of.items() if kind == "power"]
    parent = {fold: _parent_fold(graph, folded[fold][0], "power") for fold in power}
    yield from _power_rows(graph, folded, parent, None, 1)
    for fold in (f for f, kind in kind_of.items() if kind == "cooling"):
        about = graph.nodes[folded[fold][0]]
        units = f"{about['units'] - about['spare_units']}+{about['spare_units']} units"
        capacity = f"{about['usable_kw']:g} kW usable"
        contents = f"{about['medium'].replace('_', ' ')}, {units} of {about['unit_kw']:g} kW"
        yield TreeRow(1, "cooling", fold, len(folded[fold]), capacity, contents)
    racks: dict[str | None, list[str]] = defaultdict(list)
    for fold, kind in kind_of.items():
        if kind == "rack":
            racks[_parent_fold(graph, folded[fold][0], "contains")].append(fold)
    for fold in (f for f, kind in kind_of.items() if kind == "fabric_domain"):
        about = graph.nodes[folded[fold][0]]
        switches = f"{about['leaves']} leaves, {about['spines']} spines"
        capacity = f"{about['port_gb_s']:g} GB/s ports, {about['oversubscription']:g}:1"
        yield TreeRow(1, "fabric domain", fold, len(folded[fold]), capacity, switches)
        for rack in racks[fold]:
            yield _rack_row(graph, rack, folded[rack])


def _power_rows(
    graph: Graph,
    folded: dict[str, list[str]],
    parent: dict[str, str | None],
    above: str | None,
    depth: int,
) -> Iterator[TreeRow]:
    for fold, hangs_on in parent.items():
        if hangs_on != above:
            continue
        about = graph.nodes[folded[fold][0]]
        capacity = f"{about['usable_kw']:g} kW usable"
        contents = f"of {about['capacity_kw']:g} kW"
        yield TreeRow(depth, about["level"], fold, len(folded[fold]), capacity, contents)
        yield from _power_rows(graph, folded, parent, fold, depth + 1)


def _rack_row(graph: Graph, fold: str, names: list[str]) -> TreeRow:
    about = graph.nodes[names[0]]
    parts = [f"{about['power_kw']:g} kW", f"air {about['air_kw']:g}"]
    if about["liquid_kw"]:
        parts.append(f"liquid {about['liquid_kw']:g}")
    elif about["retrofit"]:
        parts.append(f"liquid possible for {about['retrofit']['usd']:,.0f} USD")
    held = servers_in(graph, names[0])
    each = ", ".join(f"{n} {server}" for server, n in held.items()) or "free"
    return TreeRow(2, "rack", fold, len(names), ", ".join(parts), f"each: {each}")


def _parent_fold(graph: Graph, name: str, relation: str) -> str | None:
    """Return the folded name of what `name` hangs on by `relation`, None for the top."""
    for above, _, key in graph.in_edges(name, keys=True):
        if key == relation:
            fold = graph.nodes[above].get("fold")
            return None if fold is None else str(fold)
    return None
