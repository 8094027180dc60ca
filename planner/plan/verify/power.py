"""Power: every breaker, in normal operation and after every single loss, straight from the graph.

Nothing is folded here: for each loss of a power node, what stands carries all racks that are said to be
redundant, and every node that stands is compared with its limit. A loss that binds less than another is
tried all the same.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from planner.performance.power import transient_w
from planner.plan.breakers import WATT_TOLERANCE, limit_w, servers_by_rack
from planner.plan.hosts import server_model
from planner.plan.verify.context import Context
from planner.plan.verify.violation import Violation
from planner.topology.nodes import Graph

FAMILY = "power"


@dataclass(frozen=True)
class Load:
    """Racks on the same feeds: the power path of each feed, which of them stand by for the others, and what
    the racks draw together, W.
    """

    paths: tuple[frozenset[str], ...]
    reserve: tuple[bool, ...]
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
    situations = [
        ("", of_rack, lambda about: about["usable_kw"] * about["oversubscription"]),
        ("/shed", _after_shedding(context, of_rack), lambda about: about["usable_kw"]),
        ("/peak", _at_peak(context, of_rack), lambda about: about["peak_kw"]),
    ]
    for ending, watts_of, limit_kw in situations:
        loads = list(rack_loads(graph, watts_of))
        normal = carried(loads, None)
        yield from _over(graph, normal, None, ending, limit_kw)
        on = loads_on(loads)
        overloaded = {
            node for node in normal if any(_over(graph, {node: normal[node]}, None, ending, limit_kw))
        }
        threatened = {node for load in loads if load.redundant for path in load.paths for node in path}
        for lost in sorted(threatened):
            moved = {node for load in on[lost] if load.redundant for path in load.paths for node in path}
            after = {node: normal[node] for node in overloaded if node not in moved}
            after |= carried_by(moved, on, lost)
            yield from _over(graph, after, lost, ending, limit_kw)


def _after_shedding(context: Context, of_rack: Mapping[str, int]) -> dict[str, int]:
    """Return the watts of each rack once every server that may be capped is."""
    scenario, catalog = context.setting.scenario, context.setting.catalog
    left = dict(of_rack)
    for server in context.plan.servers:
        if server.shed_priority is None or server.rack not in left:
            continue
        cap = scenario.reliability.shed_cap_w(server.server, server.shed_priority)
        model = server_model(server, scenario, catalog)
        if cap is not None and model is not None:
            capped = round(min(model.rated_w, model.host_w + model.accelerators * cap))
            left[server.rack] -= max(0, server.provisioned_w - capped)
    return left


def _at_peak(context: Context, of_rack: Mapping[str, int]) -> dict[str, int]:
    """Return the watts of each rack in a short peak of all its accelerators at once."""
    catalog = context.setting.catalog
    highest = dict.fromkeys(of_rack, 0)
    for server in context.plan.servers:
        if server.rack not in highest:
            continue
        model = server_model(server, context.setting.scenario, catalog)
        peak = 0.0 if model is None else transient_w(model, catalog.accelerators[model.accelerator])
        highest[server.rack] += max(server.provisioned_w, math.ceil(peak))
    return highest


def rack_loads(graph: Graph, of_rack: Mapping[str, int]) -> Iterator[Load]:
    """Yield the watts of all racks with the same feeds and redundancy together."""
    together: dict[tuple[tuple[str, ...], bool], int] = defaultdict(int)
    for rack, watts in of_rack.items():
        feeds = sorted(above for above, _, kind in graph.in_edges(rack, keys=True) if kind == "power")
        together[tuple(feeds), graph.nodes[rack]["redundancy"] != "none"] += watts
    for (names, redundant), watts in together.items():
        paths = tuple(path_to_grid(graph, name) for name in names)
        reserve = tuple(any(graph.nodes[node]["standby"] for node in path) for path in paths)
        yield Load(paths, reserve, redundant, watts)


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

    Racks draw equally from the feeds that stand, from those in reserve only when no other does. Racks
    without redundancy go down with a feed, and are left as they were: their load is never moved.
    """
    watts: dict[str, float] = defaultdict(float)
    for load in loads:
        standing = standing_paths(load, lost)
        for path in standing:
            for node in path:
                watts[node] += load.watts / len(standing)
    return dict(watts)


def standing_paths(load: Load, lost: str | None) -> list[frozenset[str]]:
    """Return the paths that some racks draw from when `lost` is gone."""
    every = list(zip(load.paths, load.reserve, strict=True))
    alive = [(path, reserve) for path, reserve in every if lost not in path or not load.redundant]
    return [path for path, reserve in alive if not reserve] or [path for path, _ in alive]


def loads_on(loads: list[Load]) -> dict[str, list[Load]]:
    """Return the loads that may draw from each power node, in their order."""
    found: dict[str, list[Load]] = defaultdict(list)
    for load in loads:
        for node in frozenset().union(*load.paths):
            found[node].append(load)
    return found


def carried_by(nodes: Iterable[str], on: Mapping[str, list[Load]], lost: str) -> dict[str, float]:
    """Return what some nodes carry, W, when `lost` is gone: as `carried`, but for these only."""
    watts: dict[str, float] = {}
    for node in nodes:
        total, used = 0.0, False
        for load in on[node]:
            standing = standing_paths(load, lost)
            for path in standing:
                if node in path:
                    total, used = total + load.watts / len(standing), True
        if used:
            watts[node] = total
    return watts


def _over(
    graph: Graph,
    watts: Mapping[str, float],
    lost: str | None,
    ending: str,
    limit_kw: Callable[[Mapping[str, Any]], float | None],
) -> Iterator[Violation]:
    for node, load in sorted(watts.items()):
        about = graph.nodes[node]
        most = limit_kw(about)
        if most is None or (ending == "/shed" and about["oversubscription"] <= 1):
            continue
        used, limit = math.ceil(load - WATT_TOLERANCE), limit_w(most)
        if node != lost and used > limit:
            row = f"power/{about['level']}/{node}"
            when = "" if lost is None else f" when {lost} is lost"
            text = f"carries {used} W of {limit} W{when}"
            row = row if lost is None else f"{row}/without/{lost}"
            yield Violation(row + ending, FAMILY, text, used, limit, "W")
