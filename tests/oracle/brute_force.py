"""The optimum of a tiny problem by trying everything.

Written from the meaning of the tables (see the docstrings of `Problem`), with no code in common with
the program that it judges: racks are filled one by one, replicas are placed on real servers one by one
instead of counting places, and traffic is split in every possible way.

1. Every way to fill every rack, and every number of rented servers: a design.
2. For each design, every set of replicas that its servers can hold.
3. Every way to route or leave unserved each demand, with what it costs, loads and uses.
4. The cheapest combination that keeps capacities, limits and the promises after each loss.
"""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
from scipy.optimize import linprog

Vector = tuple[int, ...]

MOST_ROUTINGS = 400_000
"""More ways to split the traffic than this are too many to try."""

SHARE_SCALE = 1_000_000
"""All of a demand, where a share of it is kept after a loss."""

MOST_VECTORS = 200_000
"""More sets of replicas on the same servers than this are too many to try."""


class TooLarge(Exception):
    """The problem has too many possibilities to try them all."""


@dataclass(frozen=True)
class Optimum:
    """The cheapest answer: its integer cost, and one design that has it."""

    cost: int
    servers: Vector
    mixes: Vector


@dataclass(frozen=True)
class Design:
    """Racks filled and servers rented.

    racks: for each rack that takes a mix: (rack class, mix, servers of each candidate in it).
    """

    servers: Vector
    mixes: Vector
    racks: tuple[tuple[int, int, Vector], ...]


@dataclass(frozen=True)
class Routings:
    """All ways to route the traffic, one row each, cheapest first.

    cost: (n,). load: (n, pools), in the period in which it is largest. flow, assign, unserved: (n, variables
    of the kind).
    """

    cost: np.ndarray
    load: np.ndarray
    flow: np.ndarray
    assign: np.ndarray
    unserved: np.ndarray


def brute_force(
    problem: Any, load_scale: int, *, split_freely: bool = False, as_placed: bool = False
) -> Optimum | None:
    """Return the cheapest answer of `problem`, None if there is none.

    Args:
        problem: the tables.
        load_scale: load of one fully used replica, which is what it may carry after a loss.
        split_freely: whether traffic may be split in any parts after a loss, rather than in whole units.
        as_placed: whether each loss takes the replicas on what is lost, in the best placement, rather than
            leaving as many as still find places.

    Raises:
        TooLarge: there are too many possibilities.
    """
    routings = all_routings(problem, problem.demands.units, may_refuse=True)
    losses = (PlacedLosses if as_placed else Losses)(problem, load_scale, split_freely)
    best: Optimum | None = None
    designs = ((design_cost(problem, design), design) for design in all_designs(problem))
    for fixed, design in sorted(designs, key=lambda pair: pair[0]):
        if fixed >= UNREACHABLE:
            break
        if not len(routings.cost) or (best is not None and fixed + routings.cost[0] >= best.cost):
            break
        room = limits_left(problem, design, routings)
        allowed = (room >= 0).all(axis=1)
        if best is not None:
            allowed &= fixed + routings.cost < best.cost
        vectors = packable(problem, design.servers)
        totals = pool_totals(problem, vectors)
        allowed &= (routings.load <= problem.usable_load * totals.max(axis=0)).all(axis=1)
        for number in _different(problem, vectors, totals):
            started = moved(problem, vectors[number])
            extra = fixed + replica_cost(problem, vectors[number], started)
            chosen = np.flatnonzero(allowed)
            if not len(chosen):
                break
            if best is not None:
                chosen = chosen[extra + routings.cost[chosen] < best.cost]
            if not within(totals[number], problem.pools.minimum, problem.pools.maximum):
                continue
            if not within(counted(problem, vectors[number]), problem.counts.least, problem.counts.most):
                continue
            fits = (routings.load[chosen] <= problem.usable_load * totals[number]).all(axis=1)
            fits &= (room[chosen] >= replica_use(problem, vectors[number], started)).all(axis=1)
            if not fits.any():
                continue
            for refused, first in _cheapest_by_refusal(routings, chosen[fits]).items():
                if losses.survived(design, vectors[number], refused):
                    best = Optimum(extra + int(routings.cost[first]), design.servers, design.mixes)
                    allowed &= fixed + routings.cost < best.cost
                    break
    return best


def _cheapest_by_refusal(routings: Routings, chosen: np.ndarray) -> dict[Vector, int]:
    """Return the cheapest of the chosen routings for each set of units left unserved, cheapest first."""
    found: dict[Vector, int] = {}
    for number in chosen.tolist():
        found.setdefault(tuple(routings.unserved[number].tolist()), number)
    return found


def counted(problem: Any, replicas: np.ndarray) -> np.ndarray:
    """Return what the replicas make of every stated number of replicas or slots."""
    numbers = np.zeros(len(problem.counts.names), dtype=np.int64)
    entries = problem.counts.entries
    for row, column, amount in zip(entries.row, entries.column, entries.amount, strict=True):
        numbers[int(row)] += int(amount) * int(replicas[int(column)])
    return numbers


def within(values: np.ndarray, low: np.ndarray, high: np.ndarray) -> bool:
    """Return whether all values lie between their bounds."""
    return bool((values >= low).all() and (values <= high).all())


def all_designs(problem: Any) -> Iterator[Design]:
    """Yield every way to fill the racks and to rent.

    Racks of a class are alike, so their order does not matter. Where no loss of a rack has to be
    survived it does not matter either which rack of a class holds what.
    """
    candidates = problem.candidates
    count = len(candidates.names)
    racks_matter = problem.failures is not None and (problem.failures.lost_rack_of >= 0).any()
    per_class = [
        list(_fillings(problem, k, racks_matter=bool(racks_matter)))
        for k in range(len(problem.rack_classes.names))
    ]
    rented = [j for j in range(count) if candidates.rack_class[j] < 0]
    rentals = [range(int(candidates.maximum[j]) + 1) for j in rented]
    for chosen in itertools.product(*per_class):
        racks = tuple(rack for filling in chosen for rack in filling)
        servers = [0] * count
        mixes = [0] * len(problem.mixes.rack_class)
        for _, mix, content in racks:
            mixes[mix] += 1
            for j, number in enumerate(content):
                servers[j] += number
        if any(servers[j] > candidates.maximum[j] for j in range(count)):
            continue
        for numbers in itertools.product(*rentals):
            for j, number in zip(rented, numbers, strict=True):
                servers[j] = number
            yield Design(tuple(servers), tuple(mixes), racks)


def _fillings(
    problem: Any, rack_class: int, *, racks_matter: bool
) -> Iterator[tuple[tuple[int, int, Vector], ...]]:
    """Yield every way to fill the racks of one class."""
    options: list[tuple[int, int, Vector]] = []
    for mix in np.flatnonzero(problem.mixes.rack_class == rack_class).tolist():
        room = [0] * len(problem.candidates.names)
        for n in np.flatnonzero(problem.mixes.row == mix).tolist():
            room[int(problem.mixes.candidate[n])] += int(problem.mixes.servers[n])
        for content in itertools.product(*(range(r + 1) for r in room)):
            if any(content):
                options.append((rack_class, mix, content))
    seen: set[object] = set()
    for used in range(int(problem.rack_classes.count[rack_class]) + 1):
        for racks in itertools.combinations_with_replacement(options, used):
            if not racks_matter:
                held = tuple(map(sum, zip(*(content for _, _, content in racks), strict=True)))
                key = (held, tuple(sorted(mix for _, mix, _ in racks)))
                if key in seen:
                    continue
                seen.add(key)
            yield racks


def design_cost(problem: Any, design: Design) -> int:
    """Return the cost of servers, mixes and open sites, micro-USD/h."""
    cost = int(np.dot(problem.candidates.cost, design.servers)) if design.servers else 0
    cost += int(np.dot(problem.mixes.cost, design.mixes)) if design.mixes else 0
    spares = spares_of(problem, design)
    if spares is None:
        return UNREACHABLE
    cost += sum(int(problem.spares.cost[z]) for z in spares)
    return cost + sum(int(problem.sites.open_cost[s]) for s in open_sites(problem, design))


UNREACHABLE = 10**15
"""Cost of a design for which there are not enough spares."""


def spares_of(problem: Any, design: Design) -> list[int] | None:
    """Return the steps of spares that a design needs, first ones first; None if all are too few."""
    table = problem.spares
    needed: list[int] = []
    for group in range(0 if table is None else len(table.names)):
        members = table.member[table.member_group == group].tolist()
        powered = sum(design.servers[j] for j in members)
        covered = int(table.base[group])
        for z in np.flatnonzero(table.group == group).tolist():
            if powered <= covered:
                break
            needed.append(z)
            covered += int(table.step[z])
        if powered > covered:
            return None
    return needed


def moved(problem: Any, replicas: np.ndarray) -> list[int]:
    """Return how many replicas of each standing hosting start beyond those that run."""
    if problem.churn is None:
        return []
    pairs = zip(problem.churn.hosting.tolist(), problem.churn.standing.tolist(), strict=True)
    return [max(0, int(replicas[p]) - runs) for p, runs in pairs]


def replica_cost(problem: Any, replicas: np.ndarray, started: list[int]) -> int:
    """Return the cost of replicas, and of those that start."""
    cost = int(np.dot(problem.hostings.cost, replicas)) if len(problem.hostings.cost) else 0
    return cost + sum(int(problem.churn.cost[c]) * number for c, number in enumerate(started))


def open_sites(problem: Any, design: Design) -> set[int]:
    """Return the sites where any server stands."""
    return {
        int(problem.host_groups.site[problem.candidates.host_group[j]])
        for j, number in enumerate(design.servers)
        if number
    }


def packable(problem: Any, servers: Vector) -> np.ndarray:
    """Return every vector of replicas that the servers can hold, (vectors, hostings)."""
    hostings = problem.hostings
    standing = [0] * len(problem.host_groups.names)
    for j, number in enumerate(servers):
        standing[int(problem.candidates.host_group[j])] += number
    vectors = np.zeros((1, len(hostings.pool)), dtype=np.int64)
    for h, number in enumerate(standing):
        members = np.flatnonzero(hostings.host_group == h)
        sizes = tuple(hostings.accelerators[members].tolist())
        whole = tuple(hostings.whole_servers[members].tolist())
        held = np.array(_held(int(problem.host_groups.accelerators[h]), sizes, whole, number))
        known = len(vectors)
        vectors = np.repeat(vectors, len(held), axis=0)
        vectors[:, members] = np.tile(held, (known, 1)).reshape(len(vectors), len(members))
        if len(vectors) > MOST_VECTORS:
            raise TooLarge(f"more than {MOST_VECTORS} sets of replicas")
    return vectors


@cache
def _held(accelerators: int, sizes: Vector, whole: Vector, servers: int) -> list[Vector]:
    """Return the replicas that equal servers can hold: server by server, each filled in every way.

    A replica inside a server takes `sizes` of its accelerators; one of several takes `whole` empty ones.
    """
    if servers == 0:
        return [(0,) * len(sizes)]
    held = set()
    rooms = [accelerators // size if size else 0 for size in sizes]
    for inside in itertools.product(*(range(room + 1) for room in rooms)):
        if sum(size * count for size, count in zip(sizes, inside, strict=True)) <= accelerators:
            for others in _held(accelerators, sizes, whole, servers - 1):
                held.add(tuple(a + b for a, b in zip(inside, others, strict=True)))
    for p, needed in enumerate(whole):
        if needed and needed <= servers:
            for others in _held(accelerators, sizes, whole, servers - needed):
                held.add(tuple(count + (q == p) for q, count in enumerate(others)))
    return sorted(held)


def pool_totals(problem: Any, vectors: np.ndarray) -> np.ndarray:
    """Return the replicas of each pool for vectors of replicas, (vectors, pools)."""
    belongs = problem.hostings.pool[:, None] == np.arange(len(problem.pools.names))[None, :]
    return np.asarray(vectors @ belongs.astype(np.int64))


def all_routings(problem: Any, units: np.ndarray, *, may_refuse: bool) -> Routings:
    """Return every way to serve `units` of each demand, cheapest first.

    Args:
        problem: the tables.
        units: units of each demand to serve.
        may_refuse: normal operation: units may be left unserved where that has a price, and room for
            traffic that rises is kept.

    Raises:
        TooLarge: there are more than `MOST_ROUTINGS`.
    """
    demands, flows, assignments = problem.demands, problem.flows, problem.assignments
    flow_count, assign_count = len(flows.demand), len(assignments.lane)
    splits: list[list[tuple[Vector, int]]] = []
    for i in range(len(demands.names)):
        ways = np.flatnonzero(flows.demand == i)
        options = []
        for parts in compositions(int(units[i]), len(ways) + 1):
            refused = parts[-1]
            if refused and not (may_refuse and demands.unserved_cost[i] >= 0):
                continue
            if may_refuse and units[i] - refused < demands.least[i] and demands.unserved_cost[i] >= 0:
                continue
            options.append((parts[:-1], refused))
        splits.append(options)
    rows: list[tuple[list[int], list[int], list[int]]] = []
    for choice in itertools.product(*splits):
        flow = [0] * flow_count
        for i, (parts, _) in enumerate(choice):
            for f, part in zip(np.flatnonzero(flows.demand == i).tolist(), parts, strict=True):
                flow[f] = part
        in_lane = [0] * len(problem.lane_site)
        for f, part in enumerate(flow):
            in_lane[int(flows.lane[f])] += part
        lanes = [
            list(compositions(arrived, int((assignments.lane == lane).sum())))
            for lane, arrived in enumerate(in_lane)
        ]
        for shares in itertools.product(*lanes):
            assign = [0] * assign_count
            for lane, parts in enumerate(shares):
                for a, part in zip(np.flatnonzero(assignments.lane == lane).tolist(), parts, strict=True):
                    assign[a] = part
            rows.append((flow, assign, [refused for _, refused in choice]))
            if len(rows) > MOST_ROUTINGS:
                raise TooLarge(f"more than {MOST_ROUTINGS} routings")
    shape = (len(rows), -1)
    flow_table = np.array([row[0] for row in rows], dtype=np.int64).reshape(len(rows), flow_count)
    assign_table = np.array([row[1] for row in rows], dtype=np.int64).reshape(len(rows), assign_count)
    refused_table = np.array([row[2] for row in rows], dtype=np.int64).reshape(shape if rows else (0, 0))
    # Replicas are the same all day: only the period in which a pool carries most counts.
    load_of = np.zeros((len(problem.periods), assign_count, len(problem.pools.names)), dtype=np.int64)
    loads = assignments.load + assignments.warm if may_refuse else assignments.load
    for row, pool, load in zip(assignments.load_row, assignments.load_pool, loads, strict=True):
        period = int(problem.lane_period[int(assignments.lane[int(row)])])
        load_of[period, int(row), int(pool)] += int(load)
    cost = flow_table @ flows.cost + assign_table @ assignments.cost
    if rows:
        cost = cost + refused_table @ np.maximum(demands.unserved_cost, 0)
    order = np.argsort(cost, kind="stable")
    return Routings(
        cost=cost[order],
        load=np.max([assign_table @ of_period for of_period in load_of], axis=0)[order],
        flow=flow_table[order],
        assign=assign_table[order],
        unserved=refused_table[order],
    )


def compositions(total: int, parts: int) -> Iterator[Vector]:
    """Yield every way to write `total` as a sum of `parts` whole numbers of 0 or more, in order."""
    if parts == 0:
        if total == 0:
            yield ()
        return
    if parts == 1:
        yield (total,)
        return
    for first in range(total + 1):
        for rest in compositions(total - first, parts - 1):
            yield (first, *rest)


def limits_left(problem: Any, design: Design, routings: Routings) -> np.ndarray:
    """Return what each routing leaves of every limit, (routings, rows), before replicas use any."""
    opened = open_sites(problem, design)
    whole_plan = {
        "servers": np.array(design.servers, dtype=np.int64),
        "mixes": np.array(design.mixes, dtype=np.int64),
        "open": np.array([int(s in opened) for s in range(len(problem.sites.names))], dtype=np.int64),
    }
    if problem.spares is not None:
        had = set(spares_of(problem, design) or ())
        whole_plan["spares"] = np.array([int(z in had) for z in range(len(problem.spares.step))])
    per_routing = {"flow": routings.flow, "assign": routings.assign, "unserved": routings.unserved}
    parts = [np.zeros((len(routings.cost), 0), dtype=np.int64)]
    for ledger in problem.ledgers:
        left = np.tile(ledger.limit, (len(routings.cost), 1))
        for kind, entries in ledger.entries.items():
            for row, column, amount in zip(entries.row, entries.column, entries.amount, strict=True):
                if kind in whole_plan:
                    left[:, int(row)] -= int(amount) * whole_plan[kind][int(column)]
                elif kind in per_routing:
                    left[:, int(row)] -= int(amount) * per_routing[kind][:, int(column)]
        parts.append(left)
    return np.concatenate(parts, axis=1)


def replica_use(problem: Any, replicas: np.ndarray, started: list[int]) -> np.ndarray:
    """Return what replicas, and those that start, use of every limit, (rows,), as `limits_left` has it."""
    parts = [np.zeros(0, dtype=np.int64)]
    for ledger in problem.ledgers:
        used = np.zeros(len(ledger.names), dtype=np.int64)
        entries = ledger.entries.get("replicas")
        if entries is not None:
            for row, column, amount in zip(entries.row, entries.column, entries.amount, strict=True):
                used[int(row)] += int(amount) * replicas[int(column)]
        entries = ledger.entries.get("moves")
        if entries is not None:
            for row, column, amount in zip(entries.row, entries.column, entries.amount, strict=True):
                used[int(row)] += int(amount) * started[int(column)]
        parts.append(used)
    return np.concatenate(parts)


def _different(problem: Any, vectors: np.ndarray, totals: np.ndarray) -> list[int]:
    """Return the numbers of the vectors that differ in something that counts.

    Where no loss has to be survived and no limit counts replicas, only their number per pool counts.
    """
    by_hosting = any("replicas" in ledger.entries for ledger in problem.ledgers)
    by_hosting |= len(problem.hostings.cost) > 0 or problem.churn is not None
    if by_hosting or problem.counts.names or problem.failures is not None:
        return list(range(len(vectors)))
    return np.unique(totals, axis=0, return_index=True)[1].tolist()


class Losses:
    """What has to be survived, and whether a plan does."""

    def __init__(self, problem: Any, load_scale: int, split_freely: bool = False) -> None:
        self.problem = problem
        self.split_freely = split_freely
        self.load_scale = load_scale
        self.failures = problem.failures
        self.events = 0 if self.failures is None else len(self.failures.names)
        self._routings: dict[Vector, np.ndarray] = {}
        self._survivors: dict[Vector, np.ndarray] = {}
        self._served: dict[tuple[int, Vector, Vector, Vector], bool] = {}

    def _loads(self, event: int, refused: Vector) -> np.ndarray:
        """Return the load of every way to serve just what is kept: a share of what is served at all."""
        served = self.problem.demands.units - np.array(refused, dtype=np.int64)
        kept = -(-served * self.failures.kept_share[event] // SHARE_SCALE)
        key = tuple(kept.tolist())
        if key not in self._routings:
            self._routings[key] = all_routings(self.problem, kept, may_refuse=False).load
        return self._routings[key]

    def survived(self, design: Design, replicas: np.ndarray, refused: Vector) -> bool:
        """Return whether the kept demand is served after every failure, whatever it takes."""
        return all(
            self._serves(event, left, replicas, refused)
            for event in range(self.events)
            for left in self.servers_left(design, event)
        )

    def servers_left(self, design: Design, event: int) -> set[Vector]:
        """Return what may be left of the servers: one vector for each thing the failure may take."""
        failures, candidates = self.failures, self.problem.candidates
        gone = failures.lost_candidate[failures.lost_candidate_row == event].tolist()
        base = [0 if j in gone else number for j, number in enumerate(design.servers)]
        group, rack_class = int(failures.lost_one_of[event]), int(failures.lost_rack_of[event])
        count = int(failures.lost_count[event])
        left: set[Vector] = set()
        if group >= 0:
            members = [j for j in range(len(base)) if candidates.host_group[j] == group]
            lost = min(count, sum(base[j] for j in members))
            for taken in itertools.product(*(range(base[j] + 1) for j in members)):
                if sum(taken) == lost:
                    after = list(base)
                    for j, number in zip(members, taken, strict=True):
                        after[j] -= number
                    left.add(tuple(after))
        elif rack_class >= 0:
            racks = [content for k, _, content in design.racks if k == rack_class]
            for lost_racks in itertools.combinations(racks, min(count, len(racks))):
                after = list(base)
                for content in lost_racks:
                    after = [max(0, a - c) for a, c in zip(after, content, strict=True)]
                left.add(tuple(after))
        else:
            left.add(tuple(base))
        return left

    def _serves(self, event: int, servers: Vector, replicas: np.ndarray, refused: Vector) -> bool:
        """Return whether replicas that are left can serve one of the routings, headroom used."""
        most = replicas.copy()
        named = self.failures.lost_replica_row == event
        for p, number in zip(
            self.failures.lost_hosting[named], self.failures.lost_replicas[named], strict=True
        ):
            most[p] -= min(number, replicas[p])
        key = (event, servers, tuple(most.tolist()), refused)
        if key not in self._served:
            if servers not in self._survivors:
                self._survivors[servers] = packable(self.problem, servers)
            survivors = self._survivors[servers]
            survivors = survivors[(survivors <= most).all(axis=1)]
            totals = np.unique(pool_totals(self.problem, survivors), axis=0)
            load = self._loads(event, refused)
            self._served[key] = any(
                (load <= self.load_scale * total).all(axis=1).any()
                or (self.split_freely and self._splits(event, refused, total))
                for total in totals[np.argsort(-totals.sum(axis=1))]
            )
        return self._served[key]

    def _splits(self, event: int, refused: Vector, total: np.ndarray) -> bool:
        """Return whether what is kept can be served by so many replicas of each pool, split in any parts."""
        problem = self.problem
        flows, a = problem.flows, problem.assignments
        served = problem.demands.units - np.array(refused, dtype=np.int64)
        kept = served * self.failures.kept_share[event] / SHARE_SCALE
        count, periods, pools = len(flows.demand), len(problem.periods), len(total)
        columns = count + len(a.lane)
        demand = np.zeros((len(kept), columns))
        demand[flows.demand, np.arange(count)] = 1.0
        lane = np.zeros((len(problem.lane_site), columns))
        lane[flows.lane, np.arange(count)] = 1.0
        lane[a.lane, count + np.arange(len(a.lane))] -= 1.0
        load = np.zeros((pools * periods, columns))
        row = a.load_pool * periods + problem.lane_period[a.lane[a.load_row]]
        np.add.at(load, (row, count + a.load_row), a.load / self.load_scale)
        answer = linprog(
            np.zeros(columns),
            A_ub=load,
            b_ub=np.repeat(total, periods) + 1e-9,
            A_eq=np.concatenate([demand, lane]),
            b_eq=np.concatenate([kept, np.zeros(len(lane))]),
        )
        return bool(answer.status == 0)


MOST_PLACEMENTS = 20_000
"""More ways to place replicas than this are too many to try."""

Placement = tuple[tuple[int, frozenset[int]], ...]
"""Replicas: (hosting, servers it stands on)."""


class PlacedLosses(Losses):
    """Losses that take the replicas on the very servers that are lost; whole host groups, or one of several.

    The servers of a host group stand in its racks in order; a batch of several is lost in that order. A
    failure takes single servers (or batches), single racks, or all servers of some host groups.
    """

    def survived(self, design: Design, replicas: np.ndarray, refused: Vector) -> bool:
        """Return whether some placement of the replicas survives every failure."""
        servers = self._servers(design)
        for placement in self._placements(servers, replicas):
            if all(
                self._served_by(event, placement, lost, refused)
                for event in range(self.events)
                for lost in self._lost(event, servers)
            ):
                return True
        return False

    def _servers(self, design: Design) -> list[tuple[int, int, int]]:
        """Return (host group, rack, candidate) of every server, racks in order, rented ones last."""
        group = self.problem.candidates.host_group
        found = [
            (int(group[j]), rack, j)
            for rack, (_, _, content) in enumerate(design.racks)
            for j, number in enumerate(content)
            for _ in range(number)
        ]
        rented = np.flatnonzero(self.problem.candidates.rack_class < 0).tolist()
        return found + [(int(group[j]), -1, j) for j in rented for _ in range(design.servers[j])]

    def _lost(self, event: int, servers: list[tuple[int, int, int]]) -> list[frozenset[int]]:
        """Return the sets of servers of which each may be what the failure takes."""
        failures, candidates = self.failures, self.problem.candidates
        group, rack_class = int(failures.lost_one_of[event]), int(failures.lost_rack_of[event])
        if group >= 0:
            members = [s for s, (h, _, _) in enumerate(servers) if h == group]
            size = int(failures.lost_count[event])
            return [frozenset(members[first : first + size]) for first in range(0, len(members), size)]
        if rack_class >= 0:
            inside = [
                (s, rack) for s, (_, rack, j) in enumerate(servers) if candidates.rack_class[j] == rack_class
            ]
            return [frozenset(s for s, r in inside if r == rack) for rack in {r for _, r in inside}]
        gone = set(failures.lost_candidate[failures.lost_candidate_row == event].tolist())
        return [frozenset(s for s, (_, _, j) in enumerate(servers) if j in gone)]

    def _placements(self, servers: list[tuple[int, int, int]], replicas: np.ndarray) -> Iterator[Placement]:
        """Yield every way to place the replicas."""
        hostings, accelerators = self.problem.hostings, self.problem.host_groups.accelerators
        wanted = [p for p in range(len(replicas)) for _ in range(int(replicas[p]))]
        free = [int(accelerators[h]) for h, _, _ in servers]
        chosen: list[tuple[int, frozenset[int]]] = []
        tried = 0

        def extend(number: int, least: tuple[int, ...]) -> Iterator[Placement]:
            nonlocal tried
            tried += 1
            if tried > MOST_PLACEMENTS:
                raise TooLarge(f"more than {MOST_PLACEMENTS} ways to place replicas")
            if number == len(wanted):
                yield tuple(chosen)
                return
            p = wanted[number]
            whole = int(hostings.whole_servers[p])
            here = [s for s, (h, _, _) in enumerate(servers) if h == int(hostings.host_group[p])]
            for places in itertools.combinations(here, max(whole, 1)):
                if places < least:  # equal replicas in any order are one placement
                    continue
                group = int(hostings.host_group[p])
                needed = int(accelerators[group]) if whole else int(hostings.accelerators[p])
                if any(free[s] < needed for s in places):
                    continue
                for s in places:
                    free[s] -= needed
                chosen.append((p, frozenset(places)))
                same = number + 1 < len(wanted) and wanted[number + 1] == p
                yield from extend(number + 1, places if same else ())
                chosen.pop()
                for s in places:
                    free[s] += needed

        yield from extend(0, ())

    def _served_by(self, event: int, placement: Placement, lost: frozenset[int], refused: Vector) -> bool:
        """Return whether the replicas on other servers carry what is promised after a failure."""
        left = np.zeros(len(self.problem.hostings.pool), dtype=np.int64)
        for p, places in placement:
            left[p] += not places & lost
        total = pool_totals(self.problem, left[None, :])[0]
        key = (event, tuple(total.tolist()), (), refused)
        if key not in self._served:
            load = self._loads(event, refused)
            self._served[key] = bool((load <= self.load_scale * total).all(axis=1).any()) or (
                self.split_freely and self._splits(event, refused, total)
            )
        return self._served[key]
