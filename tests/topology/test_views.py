"""Tree and picture of a topology."""

import xml.etree.ElementTree as ElementTree

import pytest

from planner.catalog import Catalog
from planner.topology import build_graph, load_topology, topology_picture, topology_tree


def test_the_tree_counts_what_is_alike(catalog: Catalog) -> None:
    """Four scalable units are one row each with a count, under their site."""
    rows = topology_tree(build_graph(load_topology("superpod-h100", catalog), catalog))
    found = {row.name: row for row in rows}
    assert found["pod"].depth == 0
    assert "32 racks, 128 servers" in found["pod"].contents
    assert found["pod-su*-A"].count == 4
    assert found["pod-su*-A"].depth == found["pod-ups-A"].depth + 1
    assert found["pod-su*-r"].count == 32
    assert found["pod-su*-r"].contents == "each: 4 dgx-h100"
    assert "360 kW usable" in found["pod-su*-A"].capacity


@pytest.mark.parametrize("name", ["two-site-h200", "world-100k", "cloud-region"])
def test_the_picture_is_whole_and_small(name: str, catalog: Catalog) -> None:
    """Well-formed SVG without outside references; thousands of racks stay a page."""
    topology = load_topology(name, catalog)
    svg = topology_picture(build_graph(topology, catalog))
    root = ElementTree.fromstring(svg)
    texts = [element.text for element in root.iter("{http://www.w3.org/2000/svg}text")]
    for site in topology.sites:
        assert site.name in texts
    assert svg.count("http") == 1
    assert len(svg) < 200_000
