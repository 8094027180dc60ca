"""Put the tables of the problem together, and keep what each row stands for."""

from __future__ import annotations

import dataclasses
import math
from collections import defaultdict
from collections.abc import Hashable, Sequence
from dataclasses import dataclass

import numpy as np

from planner.optimize.problem import (
    LOAD_SCALE,
    UNLIMITED,
    Candidates,
    Demands,
    Flows,
    Hostings,
    Pools,
    Problem,
    RackClasses,
    RackMixes,
    Sites,
    integers,
)
from planner.optimize.variables import hosting_upper
from planner.performance.providers.table import RateTable
from planner.plan.assemble.churn import churn_table
from planner.plan.assemble.counts import counts_table
from planner.plan.assemble.draw import Draw, drawn, overhead_drawn
from planner.plan.assemble.failures import demands_routed, failure_table, taken_whole
from planner.plan.assemble.goals import goals_of, may_stay_unserved
from planner.plan.assemble.host_groups import host_group_table, zones_of
from planner.plan.assemble.limits import (
    UnitUse,
    budget_rows,
    grid_rows,
    heat_rows,
    network_rows,
    water_rows,
)
from planner.plan.assemble.mixes import Mix, mixes_key, rack_mixes
from planner.plan.assemble.offers import (
    MICRO,
    Host,
    Offer,
    rack_offers,
    rent_offers,
    standing_micro_usd,
)
from planner.plan.assemble.paths import (
    Lane,
    Pool,
    ServingPath,
    assignment_table,
    awake_of,
    awake_replicas,
    serving_paths,
)
from planner.plan.assemble.periods import day_of
from planner.plan.assemble.power import power_rows
from planner.plan.assemble.quotas import quota_rows
from planner.plan.assemble.serving import (
    Offering,
    Route,
    merged,
    possible_routes,
    table_offering,
    timed_offering,
)
from planner.plan.assemble.spares import spare_table
from planner.plan.day import Day, PeriodDemand
from planner.plan.fabric import oversubscribed
from planner.plan.traffic import egress_gb_s, egress_usd_per_h
from planner.scenario import Workload
from planner.scenario.economics import HOURS_PER_YEAR
from planner.scenario.solving import DEFAULT_UNITS
from planner.shapes import KeptTimings, Promise, Timings
from planner.topology import Question, RackClass, build_graph, rack_classes
from planner.topology.nodes import Graph

SECONDS_PER_HOUR = 3600.0


@dataclass(frozen=True)
class Assembly:
    """The problem, and for each of its rows the thing it stands for (same order as the tables).

    host_groups: (place, host); several groups may share one where losses tell their servers apart.
    """

    question: Question
    graph: Graph
    day: Day
    problem: Problem
    offering: Offering
    offers: Sequence[Offer]
    classes: Sequence[RackClass]
    mixes: Sequence[tuple[RackClass, Mix]]
    host_groups: Sequence[tuple[str, str]]
    pools: Sequence[Pool]
    demands: Sequence[PeriodDemand]
    lanes: Sequence[tuple[Promise, str]]
    flow_routes: Sequence[Route]
    paths: Sequence[ServingPath]


def demand_list(question: Question, day: Day) -> list[PeriodDemand]:
    """Return the demands by origin and period, in whole units, rounded up."""
    total = question.scenario.solver.units
    return [demand for workload in question.scenario.workloads for demand in day.demands(workload, total)]


def assemble(question: Question, timings: Timings | None = None, like: Assembly | None = None) -> Assembly:
    """Return the problem of a question: scenario, topology and catalog, checked.

    `timings` remembers shapes and their rates from question to question; the graph is taken from `like`,
    if that has the same topology. Where nobody states how many units traffic is cut into, they are made small
    enough for the smallest site; the assembly's question states their number.
    """
    timings = timings or KeptTimings()
    same = like is not None and like.question.topology is question.topology
    graph = like.graph if like is not None and same else build_graph(question.topology, question.catalog)
    assembly = _assemble(question, timings, graph)
    timings.keep()
    if question.scenario.solver.demand_units is not None:
        return assembly
    solver = question.scenario.solver.model_copy(update={"demand_units": units_needed(assembly.problem)})
    scenario = question.scenario.model_copy(update={"solver": solver})
    stated = dataclasses.replace(question, scenario=scenario)
    if solver.units == DEFAULT_UNITS:
        return dataclasses.replace(assembly, question=stated)
    return _assemble(stated, timings, graph)


UNITS_PER_SITE = 4
"""A unit of traffic is at most this part of what the smallest site can serve."""

MOST_UNITS = 100_000
"""Units are not made smaller than this: their load would be lost in rounding."""


def units_needed(problem: Problem) -> int:
    """Return how many units traffic is cut into, from a problem with the default number.

    A unit should be at most a quarter of what any site, or the largest pool that could stand there, can
    serve of a workload: otherwise small sites stay empty for no other reason.
    """
    most = np.zeros(len(problem.pools.names), dtype=np.int64)
    np.add.at(most, problem.hostings.pool, hosting_upper(problem))
    a = problem.assignments
    units = most[a.load_pool] * LOAD_SCALE / a.load
    on_path = np.full(len(a.lane), np.inf)
    np.minimum.at(on_path, a.load_row, units)
    in_lane = np.zeros(len(problem.lane_site))
    np.maximum.at(in_lane, a.lane, on_path)
    smallest = float(in_lane[in_lane > 0].min(initial=np.inf))
    wanted = DEFAULT_UNITS * UNITS_PER_SITE / smallest
    finer = next((n for n in FINER_UNITS if n >= wanted), MOST_UNITS)
    return max(DEFAULT_UNITS, finer)


FINER_UNITS = (1000, 2000, 5000, 10_000, 20_000, 50_000, MOST_UNITS)
"""Numbers of units that are tried."""


def _assemble(question: Question, timings: Timings, graph: Graph) -> Assembly:
    scenario, catalog = question.scenario, question.catalog
    classes = rack_classes(graph)
    offers = [
        *rack_offers(graph, classes, scenario, catalog),
        *rent_offers(graph, scenario, catalog),
    ]
    hosts = list({offer.host.label: offer.host for offer in offers}.values())
    routes = possible_routes(question, graph)
    offering = _offering(question, hosts, routes, timings)
    mixes, mix_table = _mix_table(classes, offers, scenario.economics.infrastructure_life_years)
    taken = taken_whole(graph, scenario, offers)
    zones = zones_of(scenario, offering, offers, taken)
    groups, group_of, group_table = host_group_table(graph, offers, zones)
    pools, hostings = _pool_tables(question, offering, offers, groups, graph, timings)
    day = day_of(scenario, graph)
    demands = demand_list(question, day)
    lanes, flow_routes, flows = _flow_tables(question, graph, day, demands, routes)
    lane_period = [day.names.index(period) for _, _, period in lanes]
    paths = serving_paths(question, graph, day, lanes, pools, offers)
    assignments = assignment_table(paths)
    hostings, awake_draw = awake_replicas(question, graph, pools, hostings, offers)
    draw = Draw(
        {
            "servers": [
                drawn(
                    offer.idle_w,
                    offer.pue,
                    float(graph.nodes[offer.site]["carbon_g_per_kwh"]),
                    offer.water_l_per_kwh,
                )
                for offer in offers
            ],
            "replicas": awake_draw,
            "assign": [path.draw for path in paths],
            "open": [overhead_drawn(graph.nodes[site.name]) for site in question.topology.sites],
        }
    )
    site_of = {
        "servers": [offer.site for offer in offers],
        "replicas": [pools[q].site for q in hostings.pool.tolist()],
        "assign": [lanes[path.lane][1] for path in paths],
        "open": [site.name for site in question.topology.sites],
    }
    standing = [standing_micro_usd(graph.nodes[site.name], scenario) for site in question.topology.sites]
    total_units = scenario.solver.units
    use = UnitUse(
        replica_cost=hostings.cost.tolist(),
        open_cost=standing,
        assign_cost=assignments.cost.tolist(),
        assign_milliwatts=[path.milliwatts for path in paths],
        assign_period=[lane_period[lane] for lane in assignments.lane.tolist()],
        flow_cost=flows.cost.tolist(),
        draw=draw,
        unserved_tokens_mtok=[
            _tokens(scenario.workload(demand.workload))
            * day.mean_missing_unit_rps(scenario.workload(demand.workload), demand.arrived, total_units)
            for demand in demands
        ],
    )
    hostings, churn, churn_rows = churn_table(scenario, pools, groups, hostings)
    candidates = _candidate_table(offers, group_of, classes)
    all_mtok = sum(mtok_per_h(workload, day) for workload in scenario.workloads)
    class_table = RackClasses(
        tuple(rack_class.name for rack_class in classes),
        integers([rack_class.count for rack_class in classes]),
        tuple(f"topology: racks {rack_class.name}" for rack_class in classes),
    )
    spares = spare_table(scenario, offers, class_table, mix_table, candidates)
    site_names = [site.name for site in question.topology.sites]
    problem = Problem(
        workloads=tuple(workload.name for workload in scenario.workloads),
        demands=_demand_table(question, day, demands),
        sites=Sites(
            tuple(site_names),
            integers(
                [
                    round(graph.nodes[name]["open_usd_per_h"] * MICRO) + overhead
                    for name, overhead in zip(site_names, standing, strict=True)
                ]
            ),
        ),
        rack_classes=class_table,
        mixes=mix_table,
        host_groups=group_table,
        candidates=candidates,
        pools=Pools(
            tuple(pool.name for pool in pools),
            integers([site_names.index(pool.site) for pool in pools]),
            integers([UNLIMITED] * len(pools)),
            integers([0] * len(pools)),
        ),
        hostings=hostings,
        counts=counts_table(question, pools, hostings),
        lane_workload=integers([_position(scenario.workloads, lane[0].workload) for lane in lanes]),
        lane_site=integers([site_names.index(site) for _, site, _ in lanes]),
        periods=day.names,
        lane_period=integers(lane_period),
        flows=flows,
        assignments=assignments,
        ledgers=(
            *power_rows(graph, classes, offers),
            grid_rows(graph, scenario, offers),
            heat_rows(graph, offers),
            network_rows(
                graph,
                day.names,
                [
                    _unit_egress(question, day, route, lane_period[lane])
                    for route, lane in zip(flow_routes, flows.lane.tolist(), strict=True)
                ],
                [(lane_period[path.lane], path.fabric_gb_s) for path in paths],
            ),
            *budget_rows(scenario, offers, mixes, use, all_mtok, day.names, spares),
            *churn_rows,
            *water_rows(graph, scenario, draw, site_of),
            *quota_rows(
                scenario,
                day,
                offers,
                pools,
                [(promise.workload, t) for (promise, _, _), t in zip(lanes, lane_period, strict=True)],
                paths,
                list(zip(flows.lane.tolist(), flows.cost.tolist(), strict=True)),
            ),
        ),
        failures=failure_table(
            scenario, classes, offers, taken, group_table.names, group_of, demands_routed(day, demands)
        ),
        spares=spares,
        churn=churn,
        goals=goals_of(scenario, day, draw, demands),
        usable_load=math.floor(LOAD_SCALE * (1 - scenario.reliability.headroom) + 1e-6),
    )
    return Assembly(
        question,
        graph,
        day,
        problem,
        offering,
        offers,
        classes,
        mixes,
        groups,
        pools,
        demands,
        [(promise, site) for promise, site, _ in lanes],
        flow_routes,
        paths,
    )


def _unit_egress(question: Question, day: Day, route: Route, period: int) -> tuple[str, int, float]:
    """Return the site and period of a flow and what one unit of it sends to users meanwhile, GB/s."""
    workload = question.scenario.workload(route.workload)
    rate = day.unit_rps(workload, day.names[period], question.scenario.solver.units)
    return route.site, period, egress_gb_s(workload, rate)


def _tokens(workload: Workload) -> float:
    """Return the million tokens of a request, input and output, times the seconds of an hour."""
    tokens = float(workload.input_tokens.mean) + float(workload.output_tokens.mean)
    return tokens * SECONDS_PER_HOUR / 1e6


def mtok_per_h(workload: Workload, day: Day) -> float:
    """Return the million tokens per hour of a workload, input and output, as planned over the day."""
    if workload.tier == "batch":
        return day.missing_unit_rps(workload, 1) * _tokens(workload)
    factor = math.fsum(day.factor(workload, period) * period.weight for period in day.periods)
    return workload.rate_rps * factor * _tokens(workload)


def _offering(
    question: Question, hosts: Sequence[Host], routes: list[Route], timings: Timings | None
) -> Offering:
    performance = question.scenario.performance
    measured = [host for host in hosts if performance.provider_of(host.accelerator) == "table"]
    timed = [host for host in hosts if performance.provider_of(host.accelerator) != "table"]
    found = []
    if timed or not measured:
        found.append(timed_offering(question, timed, routes, timings))
    if measured:
        assert performance.path is not None  # the scenario checks it
        found.append(table_offering(question, RateTable.load(performance.path), measured, routes))
    return merged(found, routes)


def _position(workloads: Sequence[Workload], name: str) -> int:
    return next(index for index, workload in enumerate(workloads) if workload.name == name)


def _demand_table(question: Question, day: Day, demands: Sequence[PeriodDemand]) -> Demands:
    scenario = question.scenario
    total = scenario.solver.units
    costs, least = [], []
    for demand in demands:
        workload = scenario.workload(demand.workload)
        price = workload.unserved_usd_per_request
        if price is None and may_stay_unserved(workload, scenario):
            price = 0.0  # what cannot be served may stay unserved; the goal keeps it as little as possible
        rate = day.mean_missing_unit_rps(workload, demand.arrived, total)
        costs.append(-1 if price is None else round(price * rate * SECONDS_PER_HOUR * MICRO))
        least.append(math.ceil((workload.minimum_served or 0.0) * demand.units - 1e-9))
    return Demands(
        names=tuple(f"{demand.workload}/{demand.origin}{day.label(demand.arrived)}" for demand in demands),
        workload=integers([_position(scenario.workloads, demand.workload) for demand in demands]),
        units=integers([demand.units for demand in demands]),
        unserved_cost=integers(costs),
        source=tuple(f"workloads.{demand.workload}.rate_rps" for demand in demands),
        least=integers(least),
        least_source=tuple(f"workloads.{demand.workload}.minimum_served" for demand in demands),
    )


def _mix_table(
    classes: Sequence[RackClass], offers: Sequence[Offer], life_years: float
) -> tuple[list[tuple[RackClass, Mix]], RackMixes]:
    of_class: dict[str, list[int]] = defaultdict(list)
    for j, offer in enumerate(offers):
        if offer.rack_class is not None:
            of_class[offer.rack_class.name].append(j)
    mixes: list[tuple[RackClass, Mix]] = []
    nonzeros: list[tuple[int, int, int]] = []
    classes_of: list[int] = []
    costs: list[int] = []
    known: dict[Hashable, list[Mix]] = {}
    for k, rack_class in enumerate(classes):
        members = of_class[rack_class.name]
        here = [offers[j] for j in members]
        key = mixes_key(rack_class, here)
        if key not in known:
            known[key] = rack_mixes(rack_class, here)
        for mix in known[key]:
            nonzeros += [
                (len(mixes), j, count) for j, count in zip(members, mix.counts, strict=True) if count
            ]
            classes_of.append(k)
            usd = float(rack_class.attributes["retrofit"]["usd"]) if mix.retrofit else 0.0
            costs.append(round(usd / (life_years * HOURS_PER_YEAR) * MICRO))
            mixes.append((rack_class, mix))
    array = np.array(nonzeros, dtype=np.int64).reshape(-1, 3)
    table = RackMixes(integers(classes_of), integers(costs), array[:, 0], array[:, 1], array[:, 2])
    return mixes, table


def _candidate_table(
    offers: Sequence[Offer], group_of: Sequence[int], classes: Sequence[RackClass]
) -> Candidates:
    class_number = {rack_class.name: k for k, rack_class in enumerate(classes)}
    return Candidates(
        names=tuple(offer.name for offer in offers),
        host_group=integers(group_of),
        rack_class=integers(
            [-1 if offer.rack_class is None else class_number[offer.rack_class.name] for offer in offers]
        ),
        maximum=integers([UNBOUNDED if offer.maximum is None else offer.maximum for offer in offers]),
        cost=integers([offer.cost for offer in offers]),
    )


UNBOUNDED = 1_000_000
"""Servers of one kind that no plan exceeds; keeps coefficients small where nothing else bounds them."""


def _pool_tables(
    question: Question,
    offering: Offering,
    offers: Sequence[Offer],
    groups: Sequence[tuple[str, str]],
    graph: Graph,
    timings: Timings,
) -> tuple[list[Pool], Hostings]:
    """Return every pool that could exist, and the host groups it could stand on.

    A replica of several servers needs them in one fabric domain; rented servers share none. The pools of a
    split are made for each fabric domain, so that both ends of a handover stand in one.
    """
    narrow = oversubscribed(graph)
    site_of = {offer.host_group: offer.site for offer in offers}
    owned = {offer.host_group for offer in offers if offer.origin != "rent"}
    pools: list[Pool] = []
    rows: list[tuple[int, int, int, int]] = []
    for entry in offering.menu.entries:
        number_at: dict[tuple[str, str | None], int] = {}
        awake: int | None = None
        for h, group in enumerate(groups):
            if group[1] != entry.server or (entry.whole_servers and group not in owned):
                continue
            stays = entry.shape.role != "aggregated" or (entry.whole_servers and group[0] in narrow)
            where = (site_of[group], group[0] if stays else None)
            if where not in number_at:
                number_at[where] = len(pools)
                awake = awake_of(entry, question, timings) if awake is None else awake
                pools.append(Pool(entry, *where, awake_w=awake))
            inside = 0 if entry.whole_servers else entry.shape.accelerators
            rows.append((number_at[where], h, inside, entry.whole_servers))
    array = np.array(rows, dtype=np.int64).reshape(-1, 4)
    return pools, Hostings(array[:, 0], array[:, 1], array[:, 2], array[:, 3])


def _flow_tables(
    question: Question, graph: Graph, day: Day, demands: Sequence[PeriodDemand], routes: Sequence[Route]
) -> tuple[list[Lane], list[Route], Flows]:
    """Return the lanes, and a flow for each demand, site and period that may serve it."""
    scenario = question.scenario
    numbers: dict[tuple[str, str], list[int]] = defaultdict(list)
    for i, demand in enumerate(demands):
        numbers[demand.workload, demand.origin].append(i)
    lanes: dict[Lane, int] = {}
    kept: list[Route] = []
    rows: list[tuple[int, int, int]] = []
    for route in routes:
        workload = scenario.workload(route.workload)
        for i in numbers[route.workload, route.origin]:
            for period in demands[i].periods:
                lane = lanes.setdefault((route.promise, route.site, period), len(lanes))
                rate = day.mean_unit_rps(workload, period, scenario.solver.units)
                usd = egress_usd_per_h(workload, rate, graph.nodes[route.site]["egress_usd_per_gb"])
                rows.append((i, lane, round(usd * MICRO)))
                kept.append(route)
    array = np.array(rows, dtype=np.int64).reshape(-1, 3)
    return list(lanes), kept, Flows(array[:, 0], array[:, 1], array[:, 2])
