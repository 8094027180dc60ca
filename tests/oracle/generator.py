"""Random tiny problems with several families of limits on, small enough to try everything."""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field

import numpy as np

from planner.optimize.problem import (
    LOAD_SCALE,
    SHARE_SCALE,
    UNLIMITED,
    Assignments,
    Candidates,
    Demands,
    Entries,
    Failures,
    Flows,
    HostGroups,
    Hostings,
    Ledger,
    Pools,
    Problem,
    RackClasses,
    RackMixes,
    Sites,
    integers,
)

SIZES = {4: (1, 2, 4), 6: (2, 4), 8: (2, 4, 4, 8)}
"""Replica sizes tried inside a server of so many accelerators; they divide each other."""


@dataclass
class _Parts:
    """Tables while they grow."""

    sites: int
    classes: list[tuple[int, int]] = field(default_factory=list)  # (site, racks)
    groups: list[tuple[int, int]] = field(default_factory=list)  # (site, accelerators)
    candidates: list[tuple[int, int, int, int]] = field(default_factory=list)  # group, class, most, cost
    watts: list[int] = field(default_factory=list)
    bought: list[bool] = field(default_factory=list)
    mixes: list[tuple[int, int]] = field(default_factory=list)  # class, cost
    in_mix: list[tuple[int, int, int]] = field(default_factory=list)  # mix, candidate, servers
    pools: list[tuple[int, int, int]] = field(default_factory=list)  # site, most, least
    hostings: list[tuple[int, int, int, int]] = field(default_factory=list)


def random_problem(seed: int, *, losses: bool = False) -> Problem:
    """Return the tiny problem of a seed; with `losses`, one that has failures to survive.

    One or two sites with a rack class each, servers that stand, can be bought or rented, replicas in
    and across servers, one or two workloads, and a random choice of limits. Some have no answer.
    """
    rng = np.random.default_rng([seed, int(losses)])
    parts = _Parts(sites=int(rng.integers(1, 3)))
    for site in range(parts.sites):
        _add_site(rng, parts, site)
    if rng.random() < 0.4:
        _add_rent(rng, parts)
    _add_pools(rng, parts)
    units, load = (3, LOAD_SCALE // 2) if losses else (5, LOAD_SCALE)
    problem = _with_traffic(rng, parts, most_units=units, most_load=load)
    problem = _with_limits(rng, parts, problem)
    return _with_losses(rng, parts, problem) if losses else problem


def _chance(rng: np.random.Generator, share: float) -> bool:
    return bool(rng.random() < share)


def _add_site(rng: np.random.Generator, parts: _Parts, site: int) -> None:
    """Add a rack class of one or two racks, with one or two kinds of servers."""
    racks = int(rng.integers(1, 4))
    parts.classes.append((site, racks))
    members = []
    for _ in range(int(rng.integers(1, 3))):
        accelerators = int(rng.choice([4, 8, 8, 6]))
        parts.groups.append((site, accelerators))
        group = len(parts.groups) - 1
        watts = 500 * accelerators + int(rng.integers(0, 400))
        stands = _chance(rng, 0.3)
        most = racks if stands else int(rng.choice([2, UNLIMITED]))
        cost = int(rng.integers(0, 50)) if stands else int(rng.integers(50, 200)) * accelerators
        members.append(len(parts.candidates))
        parts.candidates.append((group, len(parts.classes) - 1, most, cost))
        parts.watts.append(watts)
        parts.bought.append(not stands)
    for counts in _maximal_counts(rng, len(members)):
        cost = int(rng.integers(1, 60)) if _chance(rng, 0.25) else 0
        parts.mixes.append((len(parts.classes) - 1, cost))
        for candidate, count in zip(members, counts, strict=True):
            if count:
                parts.in_mix.append((len(parts.mixes) - 1, candidate, count))


def _maximal_counts(rng: np.random.Generator, kinds: int) -> list[tuple[int, ...]]:
    """Return the maximal counts under one limit that weighs the kinds, at most 2 servers of each."""
    weights = rng.integers(1, 4, size=kinds)
    room = int(rng.integers(max(weights), 7))
    options = [
        counts
        for counts in itertools.product(range(3), repeat=kinds)
        if np.dot(weights, counts) <= room and any(counts)
    ]
    return [
        counts
        for counts in options
        if not any(
            all(o >= c for o, c in zip(other, counts, strict=True)) for other in options if other != counts
        )
    ]


def _add_rent(rng: np.random.Generator, parts: _Parts) -> None:
    """Add one or two servers by the hour at the last site."""
    parts.groups.append((parts.sites - 1, int(rng.choice([4, 8]))))
    cost = int(rng.integers(100, 400)) * parts.groups[-1][1]
    parts.candidates.append((len(parts.groups) - 1, -1, int(rng.integers(1, 3)), cost))
    parts.watts.append(0)
    parts.bought.append(False)


def _add_pools(rng: np.random.Generator, parts: _Parts) -> None:
    """Add one or two pools to each site, on some of its host groups."""
    for site in range(parts.sites):
        groups = [h for h, (at, _) in enumerate(parts.groups) if at == site]
        for _ in range(int(rng.integers(1, 3))):
            most = int(rng.integers(1, 4)) if _chance(rng, 0.15) else UNLIMITED
            least = 1 if most > 1 and _chance(rng, 0.1) else 0
            parts.pools.append((site, most, least))
            hosts = [h for h in groups if _chance(rng, 0.7)] or groups[:1]
            for h in hosts:
                accelerators = parts.groups[h][1]
                across = 2 if _chance(rng, 0.15) else 0
                size = 0 if across else int(rng.choice(SIZES[accelerators]))
                parts.hostings.append((len(parts.pools) - 1, h, size, across))


def _with_traffic(rng: np.random.Generator, parts: _Parts, *, most_units: int, most_load: int) -> Problem:
    """Add demands, lanes and paths, and put the tables together."""
    workloads = int(rng.integers(1, 3))
    demands: list[tuple[int, int, int]] = []
    for workload in range(workloads):
        for _ in range(int(rng.integers(1, 3)) if workloads == 1 else 1):
            price = int(rng.integers(20, 1500)) if _chance(rng, 0.35) else -1
            demands.append((workload, int(rng.integers(2, most_units + 1)), price))
    lanes = [(w, s) for w in range(workloads) for s in range(parts.sites) if _chance(rng, 0.9)]
    lanes = lanes or [(0, 0)]
    flows = [
        (i, lane, int(rng.integers(0, 8)))
        for i, (workload, _, _) in enumerate(demands)
        for lane, (served, _) in enumerate(lanes)
        if served == workload
    ]
    assigns: list[tuple[int, int]] = []
    loads: list[tuple[int, int, int]] = []
    for lane, (_, site) in enumerate(lanes):
        pools = [q for q, (at, _, _) in enumerate(parts.pools) if at == site]
        for q in pools:
            if _chance(rng, 0.8):
                loads.append((len(assigns), q, int(rng.integers(most_load // 5, most_load + 1))))
                assigns.append((lane, int(rng.integers(0, 10))))
        if len(pools) > 1 and _chance(rng, 0.2):  # prefill on one pool, decode on the other
            for q in pools[:2]:
                loads.append((len(assigns), q, int(rng.integers(most_load // 10, most_load // 2))))
            assigns.append((lane, int(rng.integers(0, 10))))
    open_cost = [int(rng.integers(20, 400)) if _chance(rng, 0.25) else 0 for _ in range(parts.sites)]
    return Problem(
        workloads=tuple(f"w{w}" for w in range(workloads)),
        demands=Demands(
            _names("demand", demands),
            _column(demands, 0),
            _column(demands, 1),
            _column(demands, 2),
            _names("workloads.rate", demands),
        ),
        sites=Sites(tuple(f"site{s}" for s in range(parts.sites)), integers(open_cost)),
        rack_classes=RackClasses(
            _names("racks", parts.classes), _column(parts.classes, 1), _names("topology", parts.classes)
        ),
        mixes=RackMixes(
            _column(parts.mixes, 0),
            _column(parts.mixes, 1),
            _column(parts.in_mix, 0),
            _column(parts.in_mix, 1),
            _column(parts.in_mix, 2),
        ),
        host_groups=HostGroups(
            _names("group", parts.groups), _column(parts.groups, 0), _column(parts.groups, 1)
        ),
        candidates=Candidates(
            _names("candidate", parts.candidates), *(_column(parts.candidates, n) for n in range(4))
        ),
        pools=Pools(_names("pool", parts.pools), *(_column(parts.pools, n) for n in range(3))),
        hostings=Hostings(*(_column(parts.hostings, n) for n in range(4))),
        lane_workload=_column(lanes, 0),
        lane_site=_column(lanes, 1),
        flows=Flows(*(_column(flows, n) for n in range(3))),
        assignments=Assignments(
            _column(assigns, 0), _column(assigns, 1), *(_column(loads, n) for n in range(3))
        ),
        usable_load=LOAD_SCALE if _chance(rng, 0.7) else int(LOAD_SCALE * 0.8),
    )


def _names(word: str, rows: list[tuple[int, ...]]) -> tuple[str, ...]:
    return tuple(f"{word}{number}" for number in range(len(rows)))


def _column(rows: list[tuple[int, ...]], number: int) -> np.ndarray:
    return integers([row[number] for row in rows])


def _with_limits(rng: np.random.Generator, parts: _Parts, problem: Problem) -> Problem:
    """Add a random choice of rows of power, heat, money, carbon and stock."""
    servers = range(len(parts.candidates))
    placed = [j for j in servers if parts.candidates[j][1] >= 0]
    flows, assigns = range(len(problem.flows.demand)), range(len(problem.assignments.lane))
    ledgers: list[Ledger] = []

    def add(family: str, name: str, **uses: dict[int, int]) -> None:
        """Add a row with room for one to three servers, and for some of the traffic."""
        amounts = list(uses.get("servers", {}).values()) or [0]
        limit = int(rng.choice(amounts) * rng.uniform(1.0, 4.0))
        traffic = sum(uses.get("assign", {}).values()) + sum(uses.get("flow", {}).values())
        limit += int(traffic * rng.uniform(0.3, 2.0))
        entries = {
            kind: Entries(integers([0] * len(use)), integers(list(use)), integers(list(use.values())))
            for kind, use in uses.items()
            if use
        }
        ledgers.append(Ledger(family, (name,), integers([limit]), "units", (f"limits.{name}",), entries))

    for site in range(parts.sites):
        here = [j for j in placed if parts.classes[parts.candidates[j][1]][0] == site]
        if here and _chance(rng, 0.5):
            add("power", f"power/feed/{site}", servers={j: parts.watts[j] for j in here})
        if here and _chance(rng, 0.4):
            heat = {j: int(parts.watts[j] * rng.uniform(0.2, 1)) for j in here}
            add("heat", f"heat/air/{site}", servers=heat)
    if _chance(rng, 0.3):
        prices = {j: 30 * parts.groups[parts.candidates[j][0]][1] for j in servers if parts.bought[j]}
        retrofits = {m: 40 for m, (_, cost) in enumerate(parts.mixes) if cost}
        add("budget", "budget/capex", servers=prices, mixes=retrofits)
    if _chance(rng, 0.3):
        add(
            "budget",
            "budget/opex",
            servers={j: int(rng.integers(1, 40)) for j in servers},
            flow={f: int(problem.flows.cost[f]) for f in flows},
            assign={a: int(problem.assignments.cost[a]) for a in assigns},
        )
    if _chance(rng, 0.25):
        add(
            "carbon",
            "carbon/total",
            servers={j: parts.watts[j] // 10 for j in servers},
            assign={a: int(rng.integers(1, 90)) for a in assigns},
            unserved={i: int(rng.integers(0, 20)) for i in range(len(problem.demands.names))},
        )
    if _chance(rng, 0.3):
        add("stock", "servers/total", servers=dict.fromkeys(servers, 1))
    return Problem(**{**vars(problem), "ledgers": tuple(ledgers)})


def _with_losses(rng: np.random.Generator, parts: _Parts, problem: Problem) -> Problem:
    """Ask that some losses be survived: single servers, all that hangs on something, single racks."""
    events: list[tuple[str, list[int], int, int]] = []
    for h in range(len(parts.groups)):
        if _chance(rng, 0.5):
            events.append((f"survive/server/{h}", [], h, -1))
    if _chance(rng, 0.6):
        gone = [j for j in range(len(parts.candidates)) if _chance(rng, 0.4)]
        if gone:
            events.append(("survive/feed/A", gone, -1, -1))
    if not events:
        events.append(("survive/server/0", [], 0, -1))
    units = problem.demands.units
    kept = np.array(
        [[round(rng.choice([0.5, 0.75, 1.0]) * SHARE_SCALE)] * len(units) for _ in events], dtype=np.int64
    )
    pairs = [(e, j) for e, (_, gone, _, _) in enumerate(events) for j in gone]
    taken = [
        (event, p, int(rng.integers(1, 3)))
        for event in range(len(events))
        for p in range(len(parts.hostings))
        if _chance(rng, 0.1)
    ]
    failures = Failures(
        names=tuple(name for name, *_ in events),
        kept_share=kept,
        lost_candidate_row=_column(pairs, 0),
        lost_candidate=_column(pairs, 1),
        lost_one_of=integers([group for _, _, group, _ in events]),
        lost_rack_of=integers([rack for _, _, _, rack in events]),
        lost_count=integers([1] * len(events)),
        lost_replica_row=_column(taken, 0),
        lost_hosting=_column(taken, 1),
        lost_replicas=_column(taken, 2),
    )
    return Problem(**{**vars(problem), "failures": failures})
