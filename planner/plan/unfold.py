"""From counts to things: which server stands in which rack, and which accelerators a replica takes.

Counts of the program are exact, so unfolding never fails for what they promise: racks take the mixes
chosen for their class, servers fill the mixes, and replicas fill servers from the largest size down. Sizes
divide each other, so each next replica starts where the last one ended.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass

import numpy as np

from planner.optimize.solution import Solution
from planner.plan.assemble.assembly import Assembly
from planner.plan.assemble.mixes import Mix
from planner.plan.assemble.offers import Offer
from planner.plan.filling import Filling, NoRoom
from planner.plan.types import (
    PoolLoad,
    ReplicaGroup,
    RoutePlan,
    ServerPlan,
    ShapePlan,
    SparePlan,
    Unserved,
)
from planner.topology import RackClass
from planner.topology.nodes import Graph


@dataclass(frozen=True)
class Unfolded:
    """The physical part of a plan."""

    servers: list[ServerPlan]
    retrofitted_racks: list[str]
    replicas: list[ReplicaGroup]
    routes: list[RoutePlan]
    unserved: list[Unserved]
    spares: list[SparePlan]
    pools: list[PoolLoad]


Standing = Mapping[str, Mapping[int, int]]
"""Server -> hosting -> replicas of it that stand on the server."""


def unfold(assembly: Assembly, solution: Solution, standing: Standing | None = None) -> Unfolded:
    """Return the servers, replicas and routes of a solution.

    standing: which replicas stand on which server, where that is decided; otherwise they are spread.
    """
    servers, retrofitted = _place_servers(assembly, solution)
    replicas = _place_replicas(assembly, solution, servers, standing)
    routes, unserved, loads = _traffic(assembly, solution)
    return Unfolded(
        [server for members in servers.values() for server in members],
        retrofitted,
        replicas,
        routes,
        unserved,
        _spares(assembly, solution),
        loads,
    )


def _spares(assembly: Assembly, solution: Solution) -> list[SparePlan]:
    """Return the spare servers of each site and type that has any."""
    table = assembly.problem.spares
    if table is None:
        return []
    counts = np.zeros(len(table.names), dtype=np.int64)
    np.add.at(counts, table.group, solution.values["spares"])
    first = {int(g): assembly.offers[int(j)] for g, j in zip(table.member_group, table.member, strict=True)}
    return [
        SparePlan(site=first[g].site, server=first[g].host.name, count=int(count))
        for g, count in enumerate(counts.tolist())
        if count
    ]


def _place_servers(assembly: Assembly, solution: Solution) -> tuple[dict[int, list[ServerPlan]], list[str]]:
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
    for rack_class in assembly.classes:
        members = of_class[rack_class.name]
        mixes = _mixes_of_racks(assembly, solution, rack_class)
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


def _mixes_of_racks(assembly: Assembly, solution: Solution, rack_class: RackClass) -> list[Mix]:
    """Return the mix of every rack of a class that takes one.

    Where a rack may be lost, as few racks as hold the servers keep the mix chosen for them, and the others
    take mixes that spread the servers farther; the program has no reason to choose between them.
    """
    of_class = [
        (mix, int(racks))
        for (of, mix), racks in zip(assembly.mixes, solution.values["mixes"].tolist(), strict=True)
        if of.name == rack_class.name
    ]
    mixes = [mix for mix, racks in of_class for _ in range(racks)]
    if "rack" not in assembly.question.scenario.reliability.survive or not mixes:
        return mixes
    servers = [
        int(count)
        for offer, count in zip(assembly.offers, solution.values["servers"].tolist(), strict=True)
        if offer.rack_class is not None and offer.rack_class.name == rack_class.name
    ]
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


def _place_replicas(
    assembly: Assembly,
    solution: Solution,
    servers: Mapping[int, Sequence[ServerPlan]],
    standing: Standing | None,
) -> list[ReplicaGroup]:
    """Fill the servers of every host group, whole servers first, then from the largest size down."""
    hostings = assembly.problem.hostings
    counts = solution.values["replicas"]
    of_group: dict[int, list[int]] = defaultdict(list)
    for p in np.flatnonzero(counts > 0).tolist():
        of_group[int(hostings.host_group[p])].append(p)
    placed: dict[tuple[int, tuple[str, str]], ReplicaGroup] = {}
    running = _running(assembly)
    for h, members in of_group.items():
        group = assembly.host_groups[h]
        hosts = list(servers.get(h, ()))
        stays = {
            p: running.get((assembly.pools[int(hostings.pool[p])].name, *group), [])[: int(counts[p])]
            for p in members
        }
        if standing is not None:
            slices = _decided(assembly, hosts, standing)
        else:
            try:
                slices = _filled(assembly, hosts, members, counts, stays)
            except NoRoom:  # what stays where it is leaves no room for others: place all of them anew
                slices = _filled(assembly, hosts, members, counts, {})
        for p, placements in slices.items():
            key = (int(hostings.pool[p]), group)
            if key in placed:  # of another zone
                placements = [*placed[key].placements, *placements]
            pool = assembly.pools[key[0]]
            first = placements[0][0].split(":")[0]
            domain = next(s.fabric_domain for members in servers.values() for s in members if s.name == first)
            placed[key] = ReplicaGroup(
                pool=pool.name,
                shape=ShapePlan(**asdict(pool.entry.shape)),
                site=pool.site,
                fabric_domain=domain,
                server=group[1],
                count=len(placements),
                placements=placements,
                awake_w=pool.awake_w,
            )
    return list(placed.values())


def _decided(assembly: Assembly, servers: list[ServerPlan], standing: Standing) -> dict[int, list[list[str]]]:
    """Return the places of replicas inside servers, where it is decided which server they stand on."""
    size = assembly.problem.hostings.accelerators
    slices: dict[int, list[list[str]]] = defaultdict(list)
    for server in servers:
        free = Filling([server])
        for p, count in sorted(standing.get(server.name, {}).items(), key=lambda pair: -int(size[pair[0]])):
            slices[p] += [[free.inside(int(size[p]))] for _ in range(count)]
    return slices


def _filled(
    assembly: Assembly,
    servers: list[ServerPlan],
    members: Sequence[int],
    counts: np.ndarray,
    stays: Mapping[int, Sequence[Sequence[str]]],
) -> dict[int, list[list[str]]]:
    """Return the places of the replicas of each hosting on equal servers.

    Args:
        assembly: the question.
        servers: powered servers of the host group.
        members: hostings on it.
        counts: replicas of every hosting.
        stays: places of replicas that run already and should stay.

    Raises:
        NoRoom: they do not fit.
    """
    hostings = assembly.problem.hostings
    free = Filling(servers)
    kept = free.keep(stays)
    order = sorted(members, key=lambda p: (-int(hostings.whole_servers[p]), -int(hostings.accelerators[p])))
    slices: dict[int, list[list[str]]] = {}
    for run in _by_size(order, hostings.accelerators.tolist()):
        for p in run:
            slices[p] = list(kept.get(p, ()))
        rest = {p: int(counts[p]) - len(slices[p]) for p in run}
        for p in _interleaved(run, rest):
            whole = int(hostings.whole_servers[p])
            slices[p].append(free.whole(whole) if whole else [free.inside(int(hostings.accelerators[p]))])
    return slices


def _by_size(members: Sequence[int], sizes: Sequence[int]) -> list[list[int]]:
    """Split hostings (sorted by size) into runs of equal size."""
    runs: list[list[int]] = []
    for p in members:
        if runs and sizes[runs[-1][0]] == sizes[p]:
            runs[-1].append(p)
        else:
            runs.append([p])
    return runs


def _interleaved(members: Sequence[int], counts: Mapping[int, int]) -> list[int]:
    """Return each hosting as often as it has replicas, mixed evenly.

    Neighbours then belong to different pools, and the loss of a server takes a little of each.
    """
    keyed = [
        ((number + 0.5) / int(counts[p]), order, p)
        for order, p in enumerate(members)
        for number in range(int(counts[p]))
    ]
    return [p for _, _, p in sorted(keyed)]


def _running(assembly: Assembly) -> dict[tuple[str, str, str], list[list[str]]]:
    """Return where the replicas of the plan in force stand, by pool, place and server."""
    found: dict[tuple[str, str, str], list[list[str]]] = defaultdict(list)
    for one in assembly.question.scenario.churn.in_force:
        found[one.pool, one.place, one.server] += one.placements
    return found


def _traffic(
    assembly: Assembly, solution: Solution
) -> tuple[list[RoutePlan], list[Unserved], list[PoolLoad]]:
    """Return routes by (demand, path), unserved demand, and the load of each pool by workload.

    Traffic that shares a lane is interchangeable, so flows are matched to paths in order.
    """
    scenario = assembly.question.scenario
    total = scenario.solver.units
    day, names = assembly.day, assembly.day.names
    remaining: dict[int, list[list[int]]] = defaultdict(list)
    loads: dict[tuple[str, str, float, str], PoolLoad] = {}
    problem = assembly.problem
    period_of = [names[t] for t in problem.lane_period.tolist()]
    for a in np.flatnonzero(solution.values["assign"] > 0).tolist():
        units = int(solution.values["assign"][a])
        lane = int(problem.assignments.lane[a])
        remaining[lane].append([a, units])
        promise, _ = assembly.lanes[lane]
        period = period_of[lane]
        rate = units * day.unit_rps(scenario.workload(promise.workload), period, total)
        for q, sized_for in zip(assembly.paths[a].pools, assembly.paths[a].promises, strict=True):
            pool = assembly.pools[q]
            service = pool.entry.columns[sized_for].rate_rps
            key = (pool.name, promise.workload, sized_for.rtt_ms, period)
            before = loads[key].rate_rps if key in loads else 0.0  # by another path, to another decode pool
            loads[key] = PoolLoad(
                pool=pool.name,
                workload=promise.workload,
                rtt_ms=sized_for.rtt_ms,
                service_rate_rps=service,
                rate_rps=before + rate,
                load=(before + rate) / service,
                period=period,
            )
    routes: list[RoutePlan] = []
    for f in np.flatnonzero(solution.values["flow"] > 0).tolist():
        route = assembly.flow_routes[f]
        wanted = int(solution.values["flow"][f])
        period = period_of[int(problem.flows.lane[f])]
        rate = day.unit_rps(scenario.workload(route.workload), period, total)
        queue = remaining[int(problem.flows.lane[f])]
        while wanted:
            a, available = queue[0]
            taken = min(wanted, available)
            queue[0][1] -= taken
            if not queue[0][1]:
                queue.pop(0)
            wanted -= taken
            path = [assembly.pools[q] for q in assembly.paths[a].pools]
            routes.append(
                RoutePlan(
                    workload=route.workload,
                    origin=route.origin,
                    site=route.site,
                    pools=[pool.name for pool in path],
                    llm=path[-1].entry.shape.llm,
                    units=taken,
                    units_total=total,
                    rate_rps=taken * rate,
                    rtt_ms=route.rtt_ms,
                    transfer_ms=assembly.paths[a].transfer_ms,
                    period=period,
                    arrived=assembly.demands[int(problem.flows.demand[f])].arrived,
                )
            )
    unserved = [
        Unserved(
            workload=demand.workload,
            origin=demand.origin,
            units=int(units),
            rate_rps=int(units) * day.missing_unit_rps(scenario.workload(demand.workload), total),
            period=demand.arrived,
        )
        for demand, units in zip(assembly.demands, solution.values["unserved"].tolist(), strict=True)
        if units > 0
    ]
    return routes, unserved, list(loads.values())
