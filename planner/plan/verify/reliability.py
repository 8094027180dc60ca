"""Reliability: after every single failure asked for, the promised share of demand is still served.

Each failure is tried on the servers as they stand and the replicas as they are placed. What survives
gets the demand routed again, anywhere it may go within its SLO (a small linear program; traffic may be
split freely). Headroom may be used. Failures that leave the same replicas are tried once, and so are
those that leave more than one that was survived.
"""

from __future__ import annotations

import math
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.optimize import linprog
from scipy.sparse import coo_array

from planner.performance.service import ServiceColumn
from planner.plan.hosts import server_label
from planner.plan.ledgers import rack_loops
from planner.plan.types import ServerPlan
from planner.plan.verify.context import Context
from planner.plan.verify.periods import DemandKey, demanded_units, may_serve_in
from planner.plan.verify.power import path_to_grid
from planner.plan.verify.quality import may_answer
from planner.plan.verify.traffic import important_enough, may_serve_at
from planner.plan.verify.violation import Violation
from planner.scenario.promises import LevelOf
from planner.topology import rack_classes, rtt_ms

FAMILY = "reliability"

UNIT_TOLERANCE = 1e-4
"""Part of a unit of traffic that may stay unserved: what a solver of linear programs leaves."""

Survivors = tuple[int, ...]
"""Replicas left of each pool, in the order of the plan's pools."""


@dataclass(frozen=True)
class Failure:
    """One thing that may be lost, the servers that stop with it, and which share of demand must hold."""

    row: str
    what: str
    servers: frozenset[str]
    kind: LevelOf


def check(context: Context) -> Iterator[Violation]:
    """Yield failures after which less than the promised demand can be served."""
    asked = context.setting.scenario.reliability
    if not asked.survive and not asked.upgrade_servers:
        return
    routing = _Routing(context)
    pool_of, on_server = _replicas(context)
    count = Counter(pool_of)
    survived: dict[float, list[Survivors]] = defaultdict(list)
    for failure in failures(context):
        lost = {replica for server in failure.servers for replica in on_server.get(server, ())}
        gone = Counter(pool_of[replica] for replica in lost)
        replicas = tuple(count[pool] - gone[pool] for pool in routing.pools)
        level = asked.level_of(failure.kind)
        known_at = [known for at, found in survived.items() if at >= level for known in found]
        if any(all(a >= b for a, b in zip(replicas, known, strict=True)) for known in known_at):
            continue
        kept, promised = routing.serve(replicas, level)
        if kept < promised - UNIT_TOLERANCE * max(1, len(routing.demands)):
            text = (
                f"after the loss of {failure.what} ({len(failure.servers)} servers) {kept:.6g} of the"
                f" {promised:.6g} promised units can be served"
            )
            yield Violation(failure.row, FAMILY, text, kept, promised, "units")
        else:
            survived[level].append(replicas)


def _replicas(context: Context) -> tuple[list[str], dict[str, list[int]]]:
    """Return the pool of every replica, and the replicas that stand on each server."""
    pool_of: list[str] = []
    on_server: dict[str, list[int]] = {}
    for group in context.plan.replicas:
        for placement in group.placements:
            for server in {text.rpartition(":")[0] for text in placement}:
                on_server.setdefault(server, []).append(len(pool_of))
            pool_of.append(group.pool)
    return pool_of, on_server


def failures(context: Context) -> Iterator[Failure]:
    """Yield every single loss that the scenario wants survived and that stops a server."""
    wanted = set(context.setting.scenario.reliability.survive)
    servers = [server for server in context.plan.servers if context.known(server)]
    if wanted & {"server", "scale_up_domain"}:
        for server in servers:
            yield Failure(_server_row(server), f"server {server.name}", frozenset({server.name}), "server")
    yield from _upgrade_batches(servers, context)
    if "rack" in wanted:
        class_of = {rack: c.name for c in rack_classes(context.setting.graph) for rack in c.members}
        for rack, members in _grouped(servers, lambda server: server.rack):
            yield Failure(f"survive/rack/{class_of[rack]}/{rack}", f"rack {rack}", members, "rack")
    if "feed" in wanted:
        yield from _feed_failures(servers, context)
    if "cooling_loop" in wanted:
        yield from _loop_failures(servers, context)
    if "site" in wanted:
        for site, members in _grouped(servers, lambda server: server.site):
            yield Failure(f"survive/site/{site}", f"site {site}", members, "site")
    if "spot" in wanted:
        offers = context.setting.scenario.fleet.rent
        spot = [s for s in servers if s.rent_index is not None and offers[s.rent_index].terms == "spot"]
        for site, members in _grouped(spot, lambda server: server.site):
            yield Failure(f"survive/spot/{site}", f"all spot units in {site}", members, "spot")


def _upgrade_batches(servers: Sequence[ServerPlan], context: Context) -> Iterator[Failure]:
    """Yield the batches of a rolling upgrade: servers of one type in one place, in the plan's order."""
    size = context.setting.scenario.reliability.upgrade_servers
    if not size:
        return
    groups: dict[str, list[str]] = defaultdict(list)
    for server in servers:
        groups[_group_of(server)].append(server.name)
    for group, names in groups.items():
        for number, first in enumerate(range(0, len(names), size), 1):
            batch = names[first : first + size]
            what = f"batch {number} of an upgrade ({', '.join(batch)})"
            yield Failure(f"survive/upgrade/{group}/{number}", what, frozenset(batch), "upgrade")


def _server_row(server: ServerPlan) -> str:
    return f"survive/server/{_group_of(server)}/{server.name}"


def _group_of(server: ServerPlan) -> str:
    """Return the name of the servers that are alike: fabric domain (or rented place), type and cap."""
    label = server_label(server)
    return f"{server.fabric_domain or server.site}/{label}"


def _grouped(
    servers: Sequence[ServerPlan], place: Callable[[ServerPlan], str | None]
) -> Iterator[tuple[str, frozenset[str]]]:
    """Yield each place with the names of the servers there; servers of no place are left out."""
    members: dict[str, set[str]] = {}
    for server in servers:
        name = place(server)
        if name is not None:
            members.setdefault(name, set()).add(server.name)
    for name, names in members.items():
        yield name, frozenset(names)


def _feed_failures(servers: Sequence[ServerPlan], context: Context) -> Iterator[Failure]:
    """Yield feeds whose loss leaves a rack without power.

    A rack without redundancy stops when any of its feeds does; another one when none is left.
    """
    graph = context.setting.graph
    lost: dict[str, set[str]] = {}
    for server in servers:
        if server.rack is None:
            continue
        feeds = [above for above, _, kind in graph.in_edges(server.rack, keys=True) if kind == "power"]
        paths = [path_to_grid(graph, feed) for feed in feeds]
        if not paths:
            continue
        redundant = graph.nodes[server.rack]["redundancy"] != "none"
        main = [path for path in paths if not any(graph.nodes[node]["standby"] for node in path)]
        deadly = frozenset.intersection(*paths) if redundant else frozenset().union(*(main or paths))
        for node in deadly:
            if graph.nodes[node]["level"] == "feed":
                lost.setdefault(node, set()).add(server.name)
    for node, names in lost.items():
        yield Failure(f"survive/feed/{node}", f"feed {node}", frozenset(names), "feed")


def _loop_failures(servers: Sequence[ServerPlan], context: Context) -> Iterator[Failure]:
    """Yield cooling loops, with the servers that give heat to them."""
    turned = set(context.plan.retrofitted_racks)
    lost: dict[str, set[str]] = {}
    for server in servers:
        if server.rack is None:
            continue
        loops = rack_loops(server.rack, server.rack in turned, context.setting)
        for loop, watts in zip(loops, (server.air_w, server.liquid_w), strict=True):
            if loop is not None and watts:
                lost.setdefault(loop, set()).add(server.name)
    for loop, names in lost.items():
        yield Failure(
            f"survive/cooling_loop/{loop}", f"cooling loop {loop}", frozenset(names), "cooling_loop"
        )


@dataclass(frozen=True)
class Demand:
    """Units of a workload from an origin and a period that are served in normal operation."""

    workload: str
    origin: str
    arrived: str
    units: float


class _Routing:
    """The linear program of routing: units of every demand to every path of pools that may serve it."""

    def __init__(self, context: Context) -> None:
        self.context = context
        self.pools = list(context.pools)
        self.demands = list(self._demands())
        self._number = {pool: number for number, pool in enumerate(self.pools)}
        self.paths = list(self._paths())

    def _demands(self) -> Iterator[Demand]:
        """Yield what is served: what is not left unserved anyway."""
        unserved: Counter[DemandKey] = Counter()
        for missing in self.context.plan.unserved:
            unserved[missing.workload, missing.origin, missing.period] += missing.units
        for key, units in demanded_units(self.context).items():
            served = units - max(unserved[key], 0)
            if served > 0:
                yield Demand(*key, served)

    def _paths(self) -> Iterator[tuple[int, dict[tuple[int, int], float]]]:
        """Yield (demand, {(pool, period): replicas that a unit keeps busy}) for every way to serve it."""
        context, setting = self.context, self.context.setting
        ways: list[tuple[str, ...]] = [
            (pool,) for pool, facts in context.pools.items() if facts.shape.role == "aggregated"
        ]
        transfer = {tuple(r.pools): r.transfer_ms for r in context.plan.routes if len(r.pools) > 1}
        ways += sorted(transfer)
        candidates: list[tuple[int, tuple[str, ...], tuple[float, ...]]] = []
        for number, demand in enumerate(self.demands):
            workload = setting.scenario.workload(demand.workload)
            for way in ways:
                facts = [context.pools[pool] for pool in way if pool in context.pools]
                if len(facts) < len(way) or len({fact.site for fact in facts}) > 1:
                    continue
                site = facts[0].site
                if not all(important_enough(workload, fact) for fact in facts):
                    continue
                if not may_serve_at(workload, site, context) or not all(
                    may_answer(workload, fact.shape.llm, fact.shape.weights, context) for fact in facts
                ):
                    continue
                kind = "aggregated" if len(way) == 1 else "split"
                if kind not in workload.serving:
                    continue
                trip = rtt_ms(setting.graph, demand.origin, site, setting.catalog)
                trips: tuple[float, ...] = (trip,) if len(way) == 1 else (trip + transfer[way], trip)
                candidates.append((number, way, trips))
        columns: Mapping[tuple[str, str, float], ServiceColumn] = context.table.fill(
            (pool, self.demands[number].workload, trip)
            for number, way, trips in candidates
            for pool, trip in zip(way, trips, strict=True)
        )
        for number, way, trips in candidates:
            workload = setting.scenario.workload(self.demands[number].workload)
            found = [columns.get((pool, workload.name, trip)) for pool, trip in zip(way, trips, strict=True)]
            rates = [0.0 if column is None else column.rate_rps for column in found]
            if not all(rate > 0 for rate in rates):
                continue
            for t, period in enumerate(setting.day.names):
                if may_serve_in(workload, self.demands[number].arrived, period, context):
                    unit = setting.unit_rps(workload, period)
                    yield (
                        number,
                        {(self._number[pool], t): unit / r for pool, r in zip(way, rates, strict=True)},
                    )

    def serve(self, replicas: Survivors, level: float) -> tuple[float, float]:
        """Return (units that can be served, units promised) with so many replicas of each pool.

        Promised is the share `level` of what is served of each demand in normal operation.
        """
        kept = [level * demand.units for demand in self.demands]
        promised = math.fsum(kept)
        periods = len(self.context.setting.day.periods)
        if not self.paths or not self.demands:
            return (0.0, promised)
        rows: list[int] = []
        columns: list[int] = []
        values: list[float] = []
        for path, (number, loads) in enumerate(self.paths):
            rows += [number, *(len(self.demands) + pool * periods + t for pool, t in loads)]
            columns += [path] * (1 + len(loads))
            values += [1.0, *loads.values()]
        size = (len(self.demands) + len(self.pools) * periods, len(self.paths))
        # The stubs of linprog know dense matrices only; sparse ones are what its documentation asks for.
        matrix: Any = coo_array((values, (rows, columns)), shape=size).tocsr()
        room = [float(count) for count in replicas for _ in range(periods)]
        limits = np.array([*kept, *room])
        outcome = linprog(-np.ones(len(self.paths)), A_ub=matrix, b_ub=limits, method="highs")
        if outcome.status != 0:
            raise ArithmeticError(f"routing after a failure was not solved: {outcome.message}")
        return (max(0.0, -float(outcome.fun or 0.0)), promised)
