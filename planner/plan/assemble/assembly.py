"""Put the tables of the problem together, and keep what each row stands for."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from dataclasses import dataclass

from planner.optimize.problem import (
    LOAD_SCALE,
    UNLIMITED,
    Pools,
    Problem,
    RackClasses,
    Sites,
    integers,
)
from planner.performance.providers.table import RateTable
from planner.plan.assemble.churn import churn_table
from planner.plan.assemble.counts import counts_table
from planner.plan.assemble.demand_tables import (
    demand_list,
    demand_table,
    flow_tables,
    mtok_per_h,
    mtok_per_rps,
    unit_egress,
    workload_number,
)
from planner.plan.assemble.draw import Draw, drawn, overhead_drawn
from planner.plan.assemble.failures import demands_routed, failure_table, taken_whole
from planner.plan.assemble.goals import goals_of
from planner.plan.assemble.host_groups import host_group_table, zones_of
from planner.plan.assemble.limits import (
    UnitUse,
    budget_rows,
    grid_rows,
    heat_rows,
    network_rows,
    water_rows,
)
from planner.plan.assemble.mixes import Mix
from planner.plan.assemble.offers import (
    MICRO,
    Host,
    Offer,
    rack_offers,
    rent_offers,
    standing_micro_usd,
)
from planner.plan.assemble.paths import (
    Pool,
    ServingPath,
    assignment_table,
    awake_replicas,
    serving_paths,
)
from planner.plan.assemble.periods import day_of
from planner.plan.assemble.pool_tables import pool_tables
from planner.plan.assemble.power import power_rows
from planner.plan.assemble.quotas import quota_rows
from planner.plan.assemble.rack_tables import candidate_table, mix_table
from planner.plan.assemble.serving import (
    Offering,
    Route,
    merged,
    possible_routes,
    table_offering,
    timed_offering,
)
from planner.plan.assemble.spares import spare_table
from planner.plan.assemble.units import units_needed
from planner.plan.day import Day, PeriodDemand
from planner.scenario.solving import DEFAULT_UNITS
from planner.shapes import KeptTimings, Promise, Timings
from planner.topology import Question, RackClass, build_graph, rack_classes
from planner.topology.nodes import Graph


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
    mixes, rack_mixes = mix_table(classes, offers, scenario.economics.infrastructure_life_years)
    taken = taken_whole(graph, scenario, offers)
    zones = zones_of(scenario, offering, offers, taken)
    groups, group_of, group_table = host_group_table(graph, offers, zones)
    pools, hostings = pool_tables(question, offering, offers, groups, graph, timings)
    day = day_of(scenario, graph)
    demands = demand_list(question, day)
    lanes, flow_routes, flows = flow_tables(question, graph, day, demands, routes)
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
            mtok_per_rps(scenario.workload(demand.workload))
            * day.mean_missing_unit_rps(scenario.workload(demand.workload), demand.arrived, total_units)
            for demand in demands
        ],
    )
    hostings, churn, churn_rows = churn_table(scenario, pools, groups, hostings)
    candidates = candidate_table(offers, group_of, classes)
    all_mtok = sum(mtok_per_h(workload, day) for workload in scenario.workloads)
    class_table = RackClasses(
        tuple(rack_class.name for rack_class in classes),
        integers([rack_class.count for rack_class in classes]),
        tuple(f"topology: racks {rack_class.name}" for rack_class in classes),
    )
    spares = spare_table(scenario, offers, class_table, rack_mixes, candidates)
    site_names = [site.name for site in question.topology.sites]
    problem = Problem(
        workloads=tuple(workload.name for workload in scenario.workloads),
        demands=demand_table(question, day, demands),
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
        mixes=rack_mixes,
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
        lane_workload=integers([workload_number(scenario.workloads, lane[0].workload) for lane in lanes]),
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
                    unit_egress(question, day, route, lane_period[lane])
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
