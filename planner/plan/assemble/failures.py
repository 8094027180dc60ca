"""What may fail, and what is lost with it."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from planner.optimize.problem import SHARE_SCALE, Failures, integers
from planner.plan.assemble.offers import Offer
from planner.plan.day import Day, PeriodDemand
from planner.scenario import Scenario
from planner.scenario.promises import LevelOf
from planner.topology import RackClass, supply_shares
from planner.topology.nodes import Graph


@dataclass(frozen=True)
class Taken:
    """A loss that takes all servers of some offers: what is lost, and their numbers."""

    kind: LevelOf
    place: str
    offers: tuple[int, ...]


def taken_whole(graph: Graph, scenario: Scenario, offers: Sequence[Offer]) -> list[Taken]:
    """Return the losses asked for that take every server of some offers: feeds, loops, sites, spot units.

    Losses that take no server (a feed whose racks hang on another one too) are left out: the power rows
    already hold after them.
    """
    wanted = set(scenario.reliability.survive)
    dark = _without_power(graph, offers) if "feed" in wanted else {}
    hot = _members((loop, j) for j, offer in enumerate(offers) for loop in loops_needed(offer))
    there = _members((offer.site, j) for j, offer in enumerate(offers))
    found = []
    for node, about in graph.nodes(data=True):
        if about["kind"] == "power" and about["level"] == "feed" and node in dark:
            found.append(Taken("feed", node, tuple(dark[node])))
    for node, about in graph.nodes(data=True):
        if about["kind"] == "cooling" and node in hot:
            found.append(Taken("cooling_loop", node, tuple(hot[node])))
    for node, about in graph.nodes(data=True):
        if about["kind"] == "site" and node in there:
            found.append(Taken("site", node, tuple(there[node])))
    found += [Taken("spot", place, tuple(lost)) for place, lost in _spot_places(scenario, offers).items()]
    return [one for one in found if one.kind in wanted]


def _members(pairs: Iterable[tuple[str, int]]) -> dict[str, list[int]]:
    """Return the offers of each place."""
    found: dict[str, list[int]] = {}
    for place, j in pairs:
        found.setdefault(place, []).append(j)
    return found


def failure_table(
    scenario: Scenario,
    classes: Sequence[RackClass],
    offers: Sequence[Offer],
    taken: Sequence[Taken],
    host_groups: Sequence[str],
    group_of: Sequence[int],
    routed: Sequence[bool],
) -> Failures | None:
    """Return the losses that the scenario wants survived, None if there are none.

    Args:
        scenario: `reliability` says what to survive.
        classes: rack classes.
        offers: all candidates.
        taken: losses that take all servers of some offers, see `taken_whole`.
        host_groups: name of each host group, in the problem's order.
        group_of: number of the host group of each candidate.
        routed: which demands have a routing of their own after a loss, see `demands_routed`.
    """
    reliability = scenario.reliability
    wanted = set(reliability.survive)
    names: list[str] = []
    lost_one: list[int] = []
    lost_rack: list[int] = []
    lost_count: list[int] = []
    levels: list[float] = []
    pairs: list[tuple[int, int]] = []

    def add(
        kind: LevelOf, place: str, candidates: Sequence[int], group: int = -1, rack: int = -1, count: int = 1
    ) -> None:
        pairs.extend((len(names), j) for j in candidates)
        names.append(f"survive/{kind}/{place}")
        lost_one.append(group)
        lost_rack.append(rack)
        lost_count.append(count)
        levels.append(reliability.level_of(kind))

    if wanted & {"server", "scale_up_domain"}:
        for h, name in enumerate(host_groups):
            add("server", name, [], group=h)
    if reliability.upgrade_servers:
        alike = _groups_by(offers, group_of, lambda offer: "/".join(offer.host_group))
        whole = {h for members in alike.values() if len(members) == 1 for h in members}
        for h, name in enumerate(host_groups):
            # Batches go through all servers of a type in one place: of those told apart one at least is lost.
            add("upgrade", name, [], group=h, count=reliability.upgrade_servers if h in whole else 1)
    apart: set[str] = set()
    if "rack" in wanted:
        inside = _groups_by(offers, group_of, lambda offer: offer.place)
        places = Counter(h for members in inside.values() for h in members)
        apart = {place for place, members in inside.items() if all(places[h] == 1 for h in members)}
        with_servers = {offer.rack_class.name for offer in offers if offer.rack_class is not None}
        for k, rack_class in enumerate(classes):
            if rack_class.name not in with_servers:
                continue
            add("rack", rack_class.name, [], rack=k)
            if rack_class.name in apart and rack_class.count > 1:
                for h in sorted(inside[rack_class.name]):
                    add("rack", f"{rack_class.name}/most/{host_groups[h]}", [], group=h, rack=k)
    for one in taken:
        add(one.kind, one.place, one.offers)
    if not names:
        return None
    known = [
        KNOWN if (group >= 0) != (rack >= 0) and (rack < 0 or classes[rack].name in apart) else 0
        for group, rack in zip(lost_one, lost_rack, strict=True)
    ]
    share = np.round(np.asarray(levels) * SHARE_SCALE).astype(np.int64)
    array = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    return Failures(
        names=tuple(names),
        kept_share=np.outer(share, np.asarray(routed, dtype=np.int64)),
        lost_candidate_row=array[:, 0],
        lost_candidate=array[:, 1],
        lost_one_of=integers(lost_one),
        lost_rack_of=integers(lost_rack),
        lost_count=integers(lost_count),
        known=integers(known),
    )


KNOWN = 4
"""Of up to so many servers of a group (racks of a class, batches) it is told what the worst one holds. Of
more of them each holds so little that counting the places left is nearly exact."""


def _groups_by(
    offers: Sequence[Offer], group_of: Sequence[int], key: Callable[[Offer], str]
) -> dict[str, set[int]]:
    """Return the host groups of the offers that share a key."""
    found: dict[str, set[int]] = defaultdict(set)
    for offer, h in zip(offers, group_of, strict=True):
        found[key(offer)].add(h)
    return found


def _spot_places(scenario: Scenario, offers: Sequence[Offer]) -> dict[str, list[int]]:
    """Return the candidates rented as spot units, by place."""
    places: dict[str, list[int]] = {}
    for j, offer in enumerate(offers):
        if offer.rent_index is not None and scenario.fleet.rent[offer.rent_index].terms == "spot":
            places.setdefault(offer.site, []).append(j)
    return places


def demands_routed(day: Day, demands: Sequence[PeriodDemand]) -> list[bool]:
    """Return which demands need a routing of their own after a loss.

    Nothing has to be routed for a period in which no demand is larger than in some other one: what
    serves the busier period serves it too. Batch work that may move between periods uses what they
    leave: then every period counts.
    """
    if len(day.periods) == 1 or any(len(demand.periods) > 1 for demand in demands):
        return [True] * len(demands)
    units: dict[str, dict[tuple[str, str], int]] = {name: {} for name in day.names}
    for demand in demands:
        units[demand.arrived if demand.arrived in units else day.names[0]][demand.workload, demand.origin] = (
            demand.units
        )
    kept: list[str] = []
    for name in sorted(units, key=lambda name: -sum(units[name].values())):
        if not any(
            all(units[other].get(key, 0) >= count for key, count in units[name].items()) for other in kept
        ):
            kept.append(name)
    return [demand.arrived in kept for demand in demands]


def _without_power(graph: Graph, offers: Sequence[Offer]) -> dict[str, list[int]]:
    """Return, for each power node, the offers whose racks hang on it and cannot run without it."""
    lost: dict[str, list[int]] = {}
    needed: dict[tuple[tuple[str, ...], bool], list[str]] = {}
    for j, offer in enumerate(offers):
        if offer.rack_class is None or not offer.rack_class.feeds:
            continue
        feeds = tuple(offer.rack_class.feeds)
        redundant = offer.rack_class.attributes["redundancy"] != "none"
        if (feeds, redundant) not in needed:
            needed[feeds, redundant] = [
                node
                for node in supply_shares(graph, feeds)
                if not (redundant and supply_shares(graph, feeds, node))
            ]
        for node in needed[feeds, redundant]:
            lost.setdefault(node, []).append(j)
    return lost


def loops_needed(offer: Offer) -> set[str]:
    """Return the cooling loops without which a server must stop."""
    if offer.rack_class is None:
        return set()
    needed: set[str] = set()
    if offer.air_w and offer.rack_class.air_loop is not None:
        needed.add(offer.rack_class.air_loop)
    liquid = offer.rack_class.liquid_loop
    if offer.retrofit:
        liquid = str(offer.rack_class.attributes["retrofit"]["liquid_loop"])
    if offer.liquid_w and liquid is not None:
        needed.add(liquid)
    return needed
