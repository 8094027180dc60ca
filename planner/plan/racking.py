"""Which server stands in which rack: racks take the mixes chosen for their class, servers fill them."""

from __future__ import annotations

from collections import defaultdict

from planner.optimize.solution import Solution
from planner.plan.assemble.assembly import Assembly
from planner.plan.assemble.mixes import Mix
from planner.plan.assemble.offers import Offer
from planner.plan.types import ServerPlan
from planner.topology import RackClass
from planner.topology.nodes import Graph


def stand_servers(assembly: Assembly, solution: Solution) -> tuple[dict[int, list[ServerPlan]], list[str]]:
    """Return the powered servers by number of their host group, and the racks turned to liquid."""
    group_of = assembly.problem.candidates.host_group.tolist()
    left = solution.values["servers"].copy()
    of_class: dict[str, list[int]] = defaultdict(list)
    for j, offer in enumerate(assembly.offers):
        if offer.rack_class is not None:
            of_class[offer.rack_class.name].append(j)
    groups: dict[int, list[ServerPlan]] = defaultdict(list)
    rented: dict[tuple[str, str], int] = defaultdict(int)
    retrofitted: list[str] = []
    chosen: dict[str, list[tuple[Mix, int]]] = defaultdict(list)
    for (of, mix), racks in zip(assembly.mixes, solution.values["mixes"].tolist(), strict=True):
        chosen[of.name].append((mix, racks))
    for rack_class in assembly.classes:
        members = of_class[rack_class.name]
        powered = solution.values["servers"][members].tolist()
        mixes = _mixes_of_racks(assembly, chosen[rack_class.name], powered, rack_class)
        for number, (rack, mix) in enumerate(zip(rack_class.members, mixes, strict=False)):
            placed = 0
            standing = _standing(assembly.graph, rack)
            for position, j in enumerate(members):
                offer = assembly.offers[j]
                later = [other.counts[position] for other in mixes[number + 1 :] if other.counts[position]]
                # Spread a class's servers evenly over the racks still to come, so that a loss of one
                # rack or loop takes as little as it can.
                share = max(-(-int(left[j]) // (len(later) + 1)), int(left[j]) - sum(later))
                count = min(mix.counts[position], int(left[j]), share)
                for _ in range(count):
                    name = standing[offer.host.name].pop(0) if offer.origin == "existing" else None
                    placed += 1
                    groups[group_of[j]].append(_server_in_rack(offer, rack, placed, name))
                left[j] -= count
            if mix.retrofit and placed:
                retrofitted.append(rack)
    for j, offer in enumerate(assembly.offers):
        if offer.rack_class is None:
            first = rented[offer.host_group]  # two offers may rent the same in one place
            groups[group_of[j]].extend(_rented(offer, first + number) for number in range(int(left[j])))
            rented[offer.host_group] += int(left[j])
            left[j] = 0
    if left.any():
        raise AssertionError("servers of the solution exceed the mixes chosen for their racks")
    return groups, retrofitted


def _mixes_of_racks(
    assembly: Assembly, of_class: list[tuple[Mix, int]], servers: list[int], rack_class: RackClass
) -> list[Mix]:
    """Return the mix of every rack of a class that takes one, from (mix, racks) and servers of the class.

    Where a rack may be lost, as few racks as hold the servers keep the mix chosen for them, and the others
    take mixes that spread the servers farther; the program has no reason to choose between them.
    """
    mixes = [mix for mix, racks in of_class for _ in range(racks)]
    if "rack" not in assembly.question.scenario.reliability.survive or not mixes:
        return mixes
    for mix in [mix for mix in mixes if not mix.retrofit]:
        fewer = mixes.copy()
        fewer.remove(mix)
        if all(sum(other.counts[p] for other in fewer) >= count for p, count in enumerate(servers)):
            mixes = fewer
    ordinary = [mix for mix, _ in of_class if not mix.retrofit]
    while ordinary and len(mixes) < rack_class.count:
        crowd = [count / max(sum(mix.counts[p] > 0 for mix in mixes), 1) for p, count in enumerate(servers)]
        mixes.append(
            max(ordinary, key=lambda mix: sum(c for c, room in zip(crowd, mix.counts, strict=True) if room))
        )
    return mixes


def _standing(graph: Graph, rack: str) -> dict[str, list[str]]:
    """Return the names of the servers that stand in a rack, by catalog id."""
    names: dict[str, list[str]] = defaultdict(list)
    for node in graph.successors(rack):
        if graph.nodes[node]["kind"] == "server":
            names[graph.nodes[node]["server"]].append(node)
    return names


def _server_in_rack(offer: Offer, rack: str, number: int, name: str | None) -> ServerPlan:
    return ServerPlan(
        name=name or f"{rack}-new{number}",
        server=offer.host.name,
        accelerator=offer.host.accelerator,
        accelerators=offer.host.accelerators,
        site=offer.site,
        fabric_domain=offer.fabric_domain,
        rack=rack,
        origin=offer.origin,
        power_cap_w=offer.host.cap_w,
        shed_priority=offer.host.shed_priority,
        provisioned_w=offer.provisioned_w,
        expected_w=offer.idle_w,
        air_w=offer.air_w,
        liquid_w=offer.liquid_w,
    )


def _rented(offer: Offer, number: int) -> ServerPlan:
    return ServerPlan(
        name=f"{offer.site}-{offer.host.name}-{number + 1}",
        server=offer.host.name,
        accelerator=offer.host.accelerator,
        accelerators=offer.host.accelerators,
        site=offer.site,
        origin="rent",
        rent_index=offer.rent_index,
        power_cap_w=offer.host.cap_w,
        provisioned_w=offer.provisioned_w,
        expected_w=offer.idle_w,
    )
