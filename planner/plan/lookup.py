"""Where the servers and replicas of a plan stand in the tables of a question, found by their names."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from planner.plan.assemble import Assembly
from planner.plan.content import read_slice
from planner.plan.hosts import server_label
from planner.plan.types import Plan


def offers_of(plan: Plan, assembly: Assembly) -> dict[str, int]:
    """Return the offer of each server of a plan, by its name; those that are not offered are left out."""
    class_of = {rack: rack_class.name for rack_class in assembly.classes for rack in rack_class.members}
    offers = {
        (offer.origin, offer.place, offer.rent_index, offer.host.label): j
        for j, offer in reversed(list(enumerate(assembly.offers)))
    }
    found: dict[str, int] = {}
    for server in plan.servers:
        place = server.site if server.rack is None else class_of.get(server.rack, "")
        j = offers.get((server.origin, place, server.rent_index, server_label(server)))
        if j is not None:
            found[server.name] = j
    return found


def standing_replicas(
    plan: Plan, assembly: Assembly, offer_of: Mapping[str, int]
) -> Iterator[tuple[int, frozenset[str]]]:
    """Yield the hosting of every replica of a plan and the servers it stands on.

    Args:
        plan: the plan.
        assembly: the question; replicas that it does not offer are left out.
        offer_of: see `offers_of`.
    """
    hostings, group_of = assembly.problem.hostings, assembly.problem.candidates.host_group
    number = {
        (assembly.pools[q].name, h): p
        for p, (q, h) in enumerate(zip(hostings.pool.tolist(), hostings.host_group.tolist(), strict=True))
    }
    for group in plan.replicas:
        for placement in group.placements:
            servers = [read_slice(text).server for text in placement]
            j = offer_of.get(servers[0])
            p = None if j is None else number.get((group.pool, int(group_of[j])))
            if p is not None:
                yield p, frozenset(servers)
