"""Counts expand to a graph in which every rack and server is a node."""

import json
from typing import Any

import networkx as nx
import pytest

from planner.catalog import Catalog
from planner.topology import (
    Topology,
    build_graph,
    load_topology,
    power_cases,
    power_path,
    rack_classes,
    racks_of,
    rtt_ms,
    topology_faults,
    topology_names,
)


def built(site: dict[str, Any], catalog: Catalog, **more: Any) -> nx.MultiDiGraph:
    return build_graph(load_topology({"sites": [site], **more}, catalog), catalog)


def test_every_rack_and_server_is_a_node(site: dict[str, Any], catalog: Catalog) -> None:
    """Three racks of two servers, numbered, contained by their fabric domain."""
    graph = built(site, catalog)
    assert racks_of(graph, "a") == ["a-r-01", "a-r-02", "a-r-03"]
    assert graph.nodes["a-r-02-s2"] == {
        "kind": "server",
        "server": "dgx-h100",
        "site": "a",
        "rack": "a-r-02",
        "existing": True,
    }
    assert graph.has_edge("a-f", "a-r-01", "contains")
    assert graph.has_edge("a-r-01", "a-r-01-s1", "contains")
    assert graph.has_edge("a", "region:" + graph.nodes["a"]["region"], "located")
    assert power_path(graph, "a-r-01") == ["a-A", "a-B", "a-grid"]


def test_usable_capacities_follow_the_rules(site: dict[str, Any], catalog: Catalog) -> None:
    """80 % of a feed, all of a utility line; cooling without the spare unit, on the design day."""
    site["climate"] = "hot"
    nodes = built(site, catalog).nodes
    assert nodes["a-A"]["usable_kw"] == pytest.approx(160)
    assert nodes["a-grid"]["usable_kw"] == 500
    assert nodes["a-crah"]["usable_kw"] == pytest.approx(2 * 100 * 0.90)


def test_two_feeds_each_carry_everything(site: dict[str, Any], catalog: Catalog) -> None:
    """With A lost, B carries the whole rack; the grid carries it once in any case."""
    cases = {case.node: case for case in power_cases(built(site, catalog))}
    assert cases["a-A"].shares == {f"a-r-0{n}": 1.0 for n in (1, 2, 3)}
    assert cases["a-A"].lost == "a-B"
    assert cases["a-grid"].shares["a-r-01"] == 1.0
    assert len(power_cases(built(site, catalog))) == 3


def test_without_redundancy_feeds_share_the_load(site: dict[str, Any], catalog: Catalog) -> None:
    """A rack that may stop asks each feed for half."""
    site["redundancy"] = "none"
    cases = power_cases(built(site, catalog))
    assert {case.node: case.shares["a-r-01"] for case in cases}["a-A"] == 0.5
    assert all(case.lost is None for case in cases)


def test_three_systems_for_the_load_of_two(site: dict[str, Any], catalog: Catalog) -> None:
    """3N/2: a system carries half of its racks and, after a loss, all of those it shared."""
    site["power"].append({"name": "C", "capacity_kw": 200, "parent": "grid"})
    group = {**site["racks"][0], "count": 1}
    site["racks"] = [
        {**group, "name": name, "feeds": feeds}
        for name, feeds in (("ab", ["A", "B"]), ("bc", ["B", "C"]), ("ac", ["A", "C"]))
    ]
    site["redundancy"] = "3N/2"
    graph = built(site, catalog)
    on_a = [case for case in power_cases(graph) if case.node == "a-A"]
    assert {case.lost: dict(case.shares) for case in on_a} == {
        "a-B": {"a-ab": 1.0, "a-ac": 0.5},
        "a-C": {"a-ab": 0.5, "a-ac": 1.0},
    }


def test_blocks_are_copied_with_their_own_names(site: dict[str, Any], catalog: Catalog) -> None:
    """A row built twice has two sets of feeds, which hang on the site's own grid."""
    block = {key: site.pop(key) for key in ("cooling", "fabric_domains", "racks")}
    feeds = [node for node in site["power"] if node["name"] != "grid"]
    site["power"] = site["power"][:1]
    site["blocks"] = [{"name": "row", "count": 2, "power": feeds, **block}]
    graph = built(site, catalog)
    assert power_path(graph, "a-row02-r-01") == ["a-grid", "a-row02-A", "a-row02-B"]
    assert graph.nodes["a-row01-r-03"]["fold"] == "a-row*-r"
    assert [c.name for c in rack_classes(graph)] == ["a-row01-r", "a-row02-r"]


def test_identical_racks_fold_even_across_entries(site: dict[str, Any], catalog: Catalog) -> None:
    """Two entries that say the same are one class; a rack with other servers is another."""
    same = {**site["racks"][0], "name": "s", "count": 1}
    other = {**site["racks"][0], "name": "t", "count": 2, "servers": {}}
    site["racks"] += [same, other]
    classes = rack_classes(built(site, catalog))
    assert [(c.name, c.count, dict(c.existing)) for c in classes] == [
        ("a-r", 4, {"dgx-h100": 2}),
        ("a-t", 2, {}),
    ]
    assert classes[0].feeds == ("a-A", "a-B")
    assert (classes[0].air_loop, classes[0].liquid_loop) == ("a-crah", None)


def test_a_site_may_say_almost_nothing(catalog: Catalog) -> None:
    """Without power, cooling or fabric there are no limits but those of the rack."""
    site = {"name": "x", "region": "eastus", "racks": [{"name": "r", "power_kw": 20}]}
    graph = built(site, catalog)
    assert graph.nodes["x-r"]["fabric_domain"] == "x-fabric"
    assert graph.nodes["x-r"]["air_kw"] == 20
    assert power_cases(graph) == []


def test_links_have_bandwidth_and_latency(site: dict[str, Any], catalog: Catalog) -> None:
    """Racks reach every leaf, leaves every spine, sites each other, in both directions."""
    second = {"name": "b", "region": "northeurope", "racks": []}
    topology = load_topology(
        {"sites": [site, second], "wan": [{"between": ["a", "b"], "bandwidth_gb_s": 12.5}]}, catalog
    )
    graph = build_graph(topology, catalog)
    links = [(u, v, d) for u, v, d in graph.edges(data=True) if d["relation"] == "link"]
    assert {(v, u) for u, v, _ in links} == {(u, v) for u, v, _ in links}
    assert all(d["bandwidth_gb_s"] > 0 and d["latency_ms"] >= 0 for _, _, d in links)
    assert graph.has_edge("a-r-01", "a-f-leaf2", "link")
    assert graph.has_edge("a-f-leaf2", "a-f-spine1", "link")
    wan = graph.edges["a", "b", "link"]
    assert wan["latency_ms"] == pytest.approx(catalog.regions.rtt_ms("westeurope", "northeurope") / 2)


def test_round_trips_come_from_the_site_first(site: dict[str, Any], catalog: Catalog) -> None:
    """What the owner measured wins, under any name of the region; the rest is the catalog's."""
    site["rtt_ms"] = {"uksouth": 3.5}
    topology = load_topology({"sites": [site]}, catalog)
    graph = build_graph(topology, catalog)
    for place in (topology, graph):
        assert rtt_ms(place, "uksouth", "a", catalog) == 3.5
        assert rtt_ms(place, "northeurope", "a", catalog) == catalog.regions.rtt_ms(
            "northeurope", "westeurope"
        )
        assert rtt_ms(place, "any", "a", catalog) == 0


@pytest.mark.parametrize("name", topology_names())
def test_shipped_topologies_load_expand_and_round_trip(name: str, catalog: Catalog) -> None:
    """Every shipped topology is sound, and survives node-link JSON and its own dump."""
    assert topology_faults(name, catalog) == []
    topology = load_topology(name, catalog)
    graph = build_graph(topology, catalog)
    data = json.loads(json.dumps(nx.node_link_data(graph, edges="links")))
    again = nx.node_link_graph(data, edges="links")
    assert nx.utils.graphs_equal(graph, again)
    dumped = topology.model_dump(mode="json")
    assert build_graph(Topology.model_validate(dumped), catalog).nodes == graph.nodes
    assert topology.description


@pytest.mark.parametrize(
    ("name", "least", "most"),
    [
        ("superpod-h100", 1024, 1024),
        ("gb200-nvl72-rows", 1152, 1152),
        ("mi355x-liquid-pod", 256, 256),
        ("continent-12-sites", 9_500, 10_500),
        ("world-100k", 99_000, 103_000),
        ("single-rack-h100", 32, 32),
    ],
)
def test_shipped_topologies_are_as_large_as_they_say(
    name: str, least: int, most: int, catalog: Catalog
) -> None:
    """Accelerators counted on the graph."""
    graph = build_graph(load_topology(name, catalog), catalog)
    held = [d["server"] for _, d in graph.nodes(data=True) if d["kind"] == "server"]
    total = sum(catalog.servers[server].accelerators for server in held)
    assert least <= total <= most
