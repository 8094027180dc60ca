"""The tables of traffic: what is asked for, where it may go, and what it sends to users."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from planner.optimize.problem import Demands, Flows, integers
from planner.plan.assemble.goals import may_stay_unserved
from planner.plan.assemble.offers import MICRO
from planner.plan.assemble.paths import Lane
from planner.plan.assemble.serving import Route
from planner.plan.day import Day, PeriodDemand
from planner.plan.traffic import egress_gb_s, egress_usd_per_h
from planner.scenario import Workload
from planner.topology import Question
from planner.topology.nodes import Graph

SECONDS_PER_HOUR = 3600.0


def demand_list(question: Question, day: Day) -> list[PeriodDemand]:
    """Return the demands by origin and period, in whole units, rounded up."""
    total = question.scenario.solver.units
    return [demand for workload in question.scenario.workloads for demand in day.demands(workload, total)]


def demand_table(question: Question, day: Day, demands: Sequence[PeriodDemand]) -> Demands:
    """Return the demands as the program sees them."""
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
        workload=integers([workload_number(scenario.workloads, demand.workload) for demand in demands]),
        units=integers([demand.units for demand in demands]),
        unserved_cost=integers(costs),
        source=tuple(f"workloads.{demand.workload}.rate_rps" for demand in demands),
        least=integers(least),
        least_source=tuple(f"workloads.{demand.workload}.minimum_served" for demand in demands),
    )


def flow_tables(
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


def unit_egress(question: Question, day: Day, route: Route, period: int) -> tuple[str, int, float]:
    """Return the site and period of a flow and what one unit of it sends to users meanwhile, GB/s."""
    workload = question.scenario.workload(route.workload)
    rate = day.unit_rps(workload, day.names[period], question.scenario.solver.units)
    return route.site, period, egress_gb_s(workload, rate)


def mtok_per_rps(workload: Workload) -> float:
    """Return the million tokens of a request, input and output, times the seconds of an hour."""
    tokens = float(workload.input_tokens.mean) + float(workload.output_tokens.mean)
    return tokens * SECONDS_PER_HOUR / 1e6


def mtok_per_h(workload: Workload, day: Day) -> float:
    """Return the million tokens per hour of a workload, input and output, as planned over the day."""
    if workload.tier == "batch":
        return day.missing_unit_rps(workload, 1) * mtok_per_rps(workload)
    factor = math.fsum(day.factor(workload, period) * period.weight for period in day.periods)
    return workload.rate_rps * factor * mtok_per_rps(workload)


def workload_number(workloads: Sequence[Workload], name: str) -> int:
    """Return the number of the workload of a name."""
    return next(index for index, workload in enumerate(workloads) if workload.name == name)
