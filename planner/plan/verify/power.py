"""Power: every breaker, in normal operation and after every single loss, straight from the graph.

Nothing is folded here: for each loss of a power node, what stands carries all racks that are said to be
redundant, and every node that stands is compared with its limit. A loss that binds less than another is
tried all the same.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from planner.plan.ledgers import WATT_TOLERANCE, limit_w, servers_by_rack
from planner.plan.verify.context import Context
from planner.plan.verify.violation import Violation
from planner.topology.nodes import Graph

FAMILY = "power"


@dataclass(frozen=True)
class Load:
    """Racks on the same feeds: the power path of each feed, and what the racks draw together, W."""

    paths: tuple[frozenset[str], ...]
    redundant: bool
    watts: int


def check(context: Context) -> Iterator[Violation]:
    """Yield racks and power nodes that carry more than they may."""
    graph = context.setting.graph
    of_rack = {
        rack: sum(server.provisioned_w for server in servers)
        for rack, servers in servers_by_rack(context.plan.servers).items()
        if rack in graph and graph.nodes[rack]["kind"] == "rack"
    }
    for rack, watts in of_rack.items():
        limit = limit_w(graph.nodes[rack]["power_kw"])
        if watts > limit:
            text = f"servers need {watts} W, the rack may take {limit} W"
            yield Violation(f"power/rack/{rack}", FAMILY, text, watts, limit, "W")
    loads = list(rack_loads(graph, of_rack))
    yield from _over(graph, carried(loads, None), None)
    threatened = {node for load in loads if load.redundant for path in load.paths for node in path}
    for lost in sorted(threatened):
        yield from _over(graph, carried(loads, lost), lost)


def rack_loads(graph: Graph, of_rack: Mapping[str, int]) -> Iterator[Load]:
    """Yield the watts of all racks with the same feeds and redundancy together."""
    together: dict[tuple[tuple[str, ...], bool], int] = defaultdict(int)
    for rack, watts in of_rack.items():
        feeds = sorted(above for above, _, kind in graph.in_edges(rack, keys=True) if kind == "power")
        together[tuple(feeds), graph.nodes[rack]["redundancy"] != "none"] += watts
    for (names, redundant), watts in together.items():
        yield Load(tuple(path_to_grid(graph, name) for name in names), redundant, watts)


def path_to_grid(graph: Graph, node: str) -> frozenset[str]:
    """Return a power node and everything above it."""
    found: set[str] = set()
    waiting = [node]
    while waiting:
        name = waiting.pop()
        if name not in found:
            found.add(name)
            waiting += [above for above, _, kind in graph.in_edges(name, keys=True) if kind == "power"]
    return frozenset(found)


def carried(loads: list[Load], lost: str | None) -> dict[str, float]:
    """Return what every power node carries, W, when `lost` is gone.

    Racks draw equally from the feeds that stand. Racks without redundancy go down with a feed, and are
    left as they were: their load is never moved.
    """
    watts: dict[str, float] = defaultdict(float)
    for load in loads:
        standing = [path for path in load.paths if lost not in path]
        if not load.redundant:
            standing = list(load.paths)
        for path in standing:
            for node in path:
                watts[node] += load.watts / len(standing)
    return dict(watts)


def _over(graph: Graph, watts: Mapping[str, float], lost: str | None) -> Iterator[Violation]:
    for node, load in sorted(watts.items()):
        used, limit = math.ceil(load - WATT_TOLERANCE), limit_w(graph.nodes[node]["usable_kw"])
        if node != lost and used > limit:
            row = f"power/{graph.nodes[node]['level']}/{node}"
            when = "" if lost is None else f" when {lost} is lost"
            text = f"carries {used} W of {limit} W{when}"
            yield Violation(row if lost is None else f"{row}/without/{lost}", FAMILY, text, used, limit, "W")
