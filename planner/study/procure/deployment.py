"""Where servers can stand and what they serve there: the question of one period as compact tables.

Taken from the full question's tables. A server type serves a workload at a site as fast as its best shape
does; racks hold one bought type each, beside what stands in them or instead of it, so that counts per
class of racks can always be placed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from planner.optimize.problem import LOAD_SCALE
from planner.plan.assemble import Assembly
from planner.plan.assemble.mixes import rack_mixes
from planner.plan.assemble.offers import Offer
from planner.topology import RackClass

FAMILIES = ("power", "grid", "heat", "network")
"""Families of limits that hold at every moment; the study has budgets of its own."""

MICRO = 1e6


@dataclass(frozen=True)
class Mix:
    """What one rack of a class holds at most: servers by offer. usd: to turn the rack to liquid."""

    rack_class: int
    counts: Mapping[int, int]
    retrofit: bool
    usd: float


@dataclass(frozen=True)
class Use:
    """A lane (workload at a site) served by a type of server there.

    servers: servers that one unit of the scenario's traffic keeps busy. usd_per_h: electricity of it.
    """

    lane: int
    group: int
    servers: float
    usd_per_h: float


@dataclass(frozen=True)
class Flow:
    """Traffic of a demand sent to a lane. usd_per_h: network, for one unit of the scenario's traffic."""

    demand: int
    lane: int
    usd_per_h: float


@dataclass(frozen=True)
class Demand:
    """Traffic of a workload from an origin, in units at the scenario's rate.

    usd_per_unit_h: price of a unit left unserved for an hour; None if it must be served.
    """

    name: str
    workload: str
    units: int
    usd_per_unit_h: float | None


@dataclass(frozen=True)
class Limit:
    """A row that holds at every moment: what servers and flows use of a limit (whole amounts)."""

    name: str
    family: str
    unit: str
    source: str
    limit: int
    servers: Mapping[int, int]
    flows: Mapping[int, int]


@dataclass(frozen=True)
class Deployment:
    """The compact tables. type_of: number of the type of an offer that can be owned, None for rented ones.

    names: of offers, unique. groups: (site, host); group_of: group of each offer. lane_hours: number of the
    part of the day (`hours`) that a lane is about. standing: (type, site) -> servers that stand.
    """

    offers: Sequence[Offer]
    names: Sequence[str]
    types: Sequence[str]
    type_of: Sequence[int | None]
    sites: Sequence[str]
    groups: Sequence[tuple[str, str]]
    group_of: Sequence[int]
    classes: Sequence[RackClass]
    mixes: Sequence[Mix]
    demands: Sequence[Demand]
    lanes: Sequence[tuple[str, str]]
    lane_hours: Sequence[int]
    hours: Sequence[str]
    flows: Sequence[Flow]
    uses: Sequence[Use]
    limits: Sequence[Limit]
    standing: Mapping[tuple[int, str], int]
    open_usd_per_h: Mapping[str, float]
    usable_share: float

    def offers_of(self, kind: int, site: str | None = None) -> list[int]:
        """Return the offers at which servers of a type can stand, at one site or anywhere."""
        return [
            j
            for j, number in enumerate(self.type_of)
            if number == kind and (site is None or self.offers[j].site == site)
        ]


def deployment(assembly: Assembly, reserve: float, unserved_usd: float | None) -> Deployment:
    """Return the tables of a question.

    Args:
        assembly: the question's full tables.
        reserve: share of capacity kept free besides the scenario's headroom.
        unserved_usd: price of a request that is not served where its workload states none.
    """
    scenario = assembly.question.scenario
    offers = list(assembly.offers)
    types = list(dict.fromkeys(offer.host.name for offer in offers if offer.origin != "rent"))
    groups = list(dict.fromkeys((offer.site, offer.host.label) for offer in offers))
    standing: dict[tuple[int, str], int] = {}
    for offer in offers:
        if offer.origin == "existing" and offer.host.cap_w is None:
            key = (types.index(offer.host.name), offer.site)
            standing[key] = standing.get(key, 0) + (offer.maximum or 0)
    units_total, day = scenario.solver.units, assembly.day
    demands = []
    for name, demand in zip(assembly.problem.demands.names, assembly.demands, strict=True):
        workload = scenario.workload(demand.workload)
        price = workload.unserved_usd_per_request
        price = unserved_usd if price is None else price
        rate = day.mean_missing_unit_rps(workload, demand.arrived, units_total)
        per_hour = None if price is None else price * rate * SECONDS_PER_HOUR
        demands.append(Demand(name, demand.workload, demand.units, per_hour))
    usable_share = (1 - scenario.reliability.headroom) * (1 - reserve)
    return Deployment(
        offers=offers,
        names=_unique_names(offers),
        types=types,
        type_of=[None if offer.origin == "rent" else types.index(offer.host.name) for offer in offers],
        sites=list(dict.fromkeys(offer.site for offer in offers)),
        groups=groups,
        group_of=[groups.index((offer.site, offer.host.label)) for offer in offers],
        classes=list(assembly.classes),
        mixes=_mixes(assembly, offers),
        demands=demands,
        lanes=[(promise.workload, site) for promise, site in assembly.lanes],
        lane_hours=assembly.problem.lane_period.tolist(),
        hours=assembly.problem.periods,
        flows=[
            Flow(int(i), int(lane), int(cost) / MICRO)
            for i, lane, cost in zip(
                assembly.problem.flows.demand,
                assembly.problem.flows.lane,
                assembly.problem.flows.cost,
                strict=True,
            )
        ],
        uses=_uses(assembly, groups, usable_share),
        limits=_limits(assembly),
        standing=standing,
        open_usd_per_h={
            name: int(cost) / MICRO
            for name, cost in zip(assembly.problem.sites.names, assembly.problem.sites.open_cost, strict=True)
            if cost
        },
        usable_share=usable_share,
    )


SECONDS_PER_HOUR = 3600.0


def _mixes(assembly: Assembly, offers: Sequence[Offer]) -> list[Mix]:
    """Return what racks hold: for every bought type as many as fit beside what stands there, or instead."""
    found: dict[tuple[int, bool, tuple[tuple[int, int], ...]], Mix] = {}
    for k, rack_class in enumerate(assembly.classes):
        here = [j for j, o in enumerate(offers) if o.rack_class is not None and o.rack_class is rack_class]
        existing = [j for j in here if offers[j].origin == "existing"]
        bought = [j for j in here if offers[j].origin == "buy"]
        beside = [(rack_class, [*existing, j]) for j in bought] if bought else [(rack_class, existing)]
        cleared = replace(rack_class, existing={})
        instead = [(cleared, [j]) for j in bought] if existing else []
        for room, chosen in (*beside, *instead):
            for mix in rack_mixes(room, [offers[j] for j in chosen]):
                counts = {j: n for j, n in zip(chosen, mix.counts, strict=True) if n}
                usd = float(rack_class.attributes["retrofit"]["usd"]) if mix.retrofit else 0.0
                key = (k, mix.retrofit, tuple(sorted(counts.items())))
                found.setdefault(key, Mix(k, counts, mix.retrofit, usd))
    return list(found.values())


def _uses(assembly: Assembly, groups: Sequence[tuple[str, str]], usable_share: float) -> list[Use]:
    """Return the best way of each type of server to serve each lane: fewest servers for a unit.

    A replica that is awake draws above idle whatever it serves; as many are awake as the load needs.
    """
    best: dict[tuple[int, int], Use] = {}
    hostings = assembly.problem.hostings
    awake = dict(zip(hostings.pool.tolist(), hostings.cost.tolist(), strict=False))
    for path in assembly.paths:
        if len(path.pools) != 1:
            continue
        pool = assembly.pools[path.pools[0]]
        entry = pool.entry
        group = groups.index((pool.site, entry.server))
        host = next(o.host for o in assembly.offers if (o.site, o.host.label) == groups[group])
        load = path.loads[0] / LOAD_SCALE
        if entry.whole_servers:
            servers = load * entry.whole_servers
        else:
            servers = load / (host.accelerators // entry.shape.accelerators)
        usd_per_h = (path.cost + load / usable_share * awake.get(path.pools[0], 0)) / MICRO
        use = Use(path.lane, group, servers, usd_per_h)
        known = best.get((path.lane, group))
        if known is None or use.servers < known.servers:
            best[path.lane, group] = use
    return list(best.values())


def _unique_names(offers: Sequence[Offer]) -> list[str]:
    """Return the names of offers; those that several entries of fleet.rent share get their number."""
    names = [offer.name for offer in offers]
    return [
        f"{offer.name}/{offer.rent_index}" if names.count(offer.name) > 1 else offer.name for offer in offers
    ]


def _limits(assembly: Assembly) -> list[Limit]:
    limits: list[Limit] = []
    for ledger in assembly.problem.ledgers:
        if ledger.family not in FAMILIES:
            continue
        servers: list[dict[int, int]] = [{} for _ in ledger.names]
        flows: list[dict[int, int]] = [{} for _ in ledger.names]
        for kind, into in (("servers", servers), ("flow", flows)):
            entries = ledger.entries.get(kind)
            if entries is None:
                continue
            for row, column, amount in zip(entries.row, entries.column, entries.amount, strict=True):
                into[int(row)][int(column)] = into[int(row)].get(int(column), 0) + int(amount)
        for row, name in enumerate(ledger.names):
            limits.append(
                Limit(
                    name,
                    ledger.family,
                    ledger.unit,
                    ledger.source[row],
                    int(ledger.limit[row]),
                    servers[row],
                    flows[row],
                )
            )
    return limits
