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
from planner.plan.filling import Filling, NoRoom
from planner.plan.racking import stand_servers
from planner.plan.types import (
    PoolLoad,
    ReplicaGroup,
    RoutePlan,
    ServerPlan,
    ShapePlan,
    SparePlan,
    Unserved,
)


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
    servers, retrofitted = stand_servers(assembly, solution)
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
    domain_of = {server.name: server.fabric_domain for stood in servers.values() for server in stood}
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
            domain = domain_of[first]
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
