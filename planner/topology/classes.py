"""Racks that are alike in every respect, folded into classes."""

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from planner.topology.nodes import Graph
from planner.topology.power import feeds_of

_OWN_NAME = ("template", "fold")
"""Rack attributes that only name it."""


@dataclass(frozen=True)
class RackClass:
    """Racks identical in every attribute, in what feeds and cools them, and in what they hold.

    `attributes` are the node attributes they share; `existing` counts the servers in EACH rack.
    """

    name: str
    members: tuple[str, ...]
    site: str
    fabric_domain: str
    feeds: tuple[str, ...]
    air_loop: str | None
    liquid_loop: str | None
    existing: Mapping[str, int]
    attributes: Mapping[str, Any]

    @property
    def count(self) -> int:
        """How many racks the class has."""
        return len(self.members)


def loops_of(graph: Graph, rack: str) -> tuple[str | None, str | None]:
    """Return the air (or rear-door) loop and the liquid loop of a rack."""
    air: str | None = None
    liquid: str | None = None
    for loop, _, key in graph.in_edges(rack, keys=True):
        if key == "cools":
            if graph.nodes[loop]["medium"] == "liquid":
                liquid = loop
            else:
                air = loop
    return air, liquid


def servers_in(graph: Graph, rack: str) -> dict[str, int]:
    """Return how many servers of each id stand in a rack."""
    nodes = graph.nodes
    return dict(Counter(nodes[n]["server"] for n in graph.successors(rack) if nodes[n]["kind"] == "server"))


def racks_of(graph: Graph, site: str) -> list[str]:
    """Return the racks of a site, in the order of the file."""
    return [n for n, d in graph.nodes(data=True) if d["kind"] == "rack" and d["site"] == site]


def rack_classes(graph: Graph) -> list[RackClass]:
    """Return the classes of identical racks, in the order in which their first rack appears.

    A class is named after the counted entry of its first rack, with `~2`, `~3` where an entry was
    split.
    """
    members: dict[Any, list[str]] = defaultdict(list)
    for rack, about in graph.nodes(data=True):
        if about["kind"] != "rack":
            continue
        servers = tuple(sorted(servers_in(graph, rack).items()))
        own = tuple((k, _frozen(v)) for k, v in about.items() if k not in _OWN_NAME)
        members[own, feeds_of(graph, rack), loops_of(graph, rack), servers].append(rack)
    classes: list[RackClass] = []
    used: Counter[str] = Counter()
    for (_, feeds, (air, liquid), servers), racks in members.items():
        about = graph.nodes[racks[0]]
        template = about["template"]
        used[template] += 1
        classes.append(
            RackClass(
                name=template if used[template] == 1 else f"{template}~{used[template]}",
                members=tuple(racks),
                site=about["site"],
                fabric_domain=about["fabric_domain"],
                feeds=feeds,
                air_loop=air,
                liquid_loop=liquid,
                existing=dict(servers),
                attributes=dict(about),
            )
        )
    return classes


def _frozen(value: Any) -> Any:
    """Return a hashable stand-in of an attribute."""
    return tuple(sorted(value.items())) if isinstance(value, dict) else value
