"""Servers that are interchangeable as hosts: one type and cap in one place, and lost by the same things."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

import numpy as np

from planner.optimize.problem import HostGroups, integers
from planner.plan.assemble.failures import Taken
from planner.plan.assemble.offers import Offer
from planner.plan.assemble.serving import Offering
from planner.scenario import Scenario
from planner.topology.nodes import Graph


def zones_of(
    scenario: Scenario, offering: Offering, offers: Sequence[Offer], taken: Sequence[Taken]
) -> list[str]:
    """Return the zone of each offer, see `_loss_zones`.

    None where a replica may span servers, which it may in several zones, and where a plan is in force:
    it does not say which zones its replicas are counted in.
    """
    across = {entry.server for entry in offering.menu.entries if entry.whole_servers}
    if scenario.churn.in_force:
        return [""] * len(offers)
    zones = _loss_zones(scenario, offers, taken)
    return [
        "" if offer.host.label in across and offer.origin != "rent" else zone
        for offer, zone in zip(offers, zones, strict=True)
    ]


def host_group_table(
    graph: Graph, offers: Sequence[Offer], zones: Sequence[str]
) -> tuple[list[tuple[str, str]], list[int], HostGroups]:
    """Return (place, host) of each host group, the group of each offer, and the table."""
    numbers: dict[tuple[tuple[str, str], str], int] = {}
    group_of = [
        numbers.setdefault((offer.host_group, zone), len(numbers))
        for offer, zone in zip(offers, zones, strict=True)
    ]
    first = [offers[j] for j in np.unique(group_of, return_index=True)[1].tolist()]
    sites = [name for name, about in graph.nodes(data=True) if about["kind"] == "site"]
    site_number = {name: s for s, name in enumerate(sites)}
    groups = [group for group, _ in numbers]
    return (
        groups,
        group_of,
        HostGroups(
            tuple("/".join((*group, *([zone] if zone else ()))) for group, zone in numbers),
            integers([site_number[offer.site] for offer in first]),
            integers([offer.host.accelerators for offer in first]),
        ),
    )


def _loss_zones(scenario: Scenario, offers: Sequence[Offer], taken: Sequence[Taken]) -> list[str]:
    """Return the zone of each offer: what its servers stop with, beyond what all of its host stop with.

    Servers of one type in one place are told apart where a feed, a loop or a rack takes some of them only:
    then it is known which replicas each of these losses takes. Empty where nothing tells them apart.
    """
    size = Counter(offer.host_group for offer in offers)
    zones: list[list[str]] = [[] for _ in offers]
    for one in taken:
        lost = Counter(offers[j].host_group for j in one.offers)
        for j in one.offers:
            group = offers[j].host_group
            if lost[group] < size[group]:
                zones[j].append(one.place)
    if "rack" in scenario.reliability.survive:
        places: dict[tuple[str, str], set[str]] = defaultdict(set)
        for offer in offers:
            places[offer.host_group].add(offer.place)
        for j, offer in enumerate(offers):
            if len(places[offer.host_group]) > 1:
                zones[j].append(offer.place)
    return ["+".join(names) for names in zones]
