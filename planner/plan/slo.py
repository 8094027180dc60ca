"""What the plan promises each workload from each origin: predicted latency beside what was asked."""

from __future__ import annotations

from collections import defaultdict

import networkx as nx
import numpy as np

from planner.catalog import Catalog
from planner.performance.replica import replica_model
from planner.performance.service import LatencyCurves, RequestProfile, latency_curves
from planner.performance.types import ReplicaModel
from planner.plan.hosts import host_server
from planner.plan.types import Latency, Plan, ReplicaGroup, SloRow
from planner.scenario import Scenario, Workload


def slo_rows(plan: Plan, graph: nx.MultiDiGraph, catalog: Catalog, scenario: Scenario) -> list[SloRow]:
    """Return one row for each route: asked and predicted at the SLO's percentile, at the planned load.

    A pool's replicas share its load equally; when workloads mix, each sees the total load of its replica.
    The network round trip is part of the TTFT. Measured rates (provider `table`) predict nothing.
    """
    pools = {group.pool: group for group in plan.replicas}
    count: dict[str, int] = defaultdict(int)
    load: dict[str, float] = defaultdict(float)
    service: dict[tuple[str, str, float], float] = {}
    for group in plan.replicas:
        count[group.pool] += group.count
    for used in plan.pools:
        load[used.pool] += used.load
        service[used.pool, used.workload, used.rtt_ms] = used.service_rate_rps
    rows: list[SloRow] = []
    for route in plan.routes:
        workload = scenario.workload(route.workload)
        slo = workload.slo
        ttft: float | None = None
        tpot: float | None = None
        band: float | None = None
        provider = scenario.performance.provider
        if provider != "table":
            group = pools[route.pools[-1]]
            replica, curves = _timed(group, workload, catalog, scenario)
            rates = [
                rate
                for (pool, name, rtt), rate in service.items()
                if pool == group.pool and name == route.workload and rtt >= route.rtt_ms - 1e-9
            ]
            offered = min(rates) * load[group.pool] / count[group.pool]
            percentile = None if slo is None or slo.percentile == "mean" else float(slo.percentile)
            ttft = round(_at(curves, "ttft", percentile, offered) + route.rtt_ms, 3)
            tpot = round(_at(curves, "tpot", percentile, offered), 3)
            band = round(max(replica.error_band.ttft, replica.error_band.tpot), 4)
            provider = replica.provider
        rows.append(
            SloRow(
                workload=route.workload,
                origin=route.origin,
                site=route.site,
                pools=route.pools,
                percentile=None if slo is None else slo.percentile,
                ttft_ms=Latency(asked=None if slo is None else slo.ttft_ms, predicted=ttft),
                tpot_ms=Latency(asked=None if slo is None else slo.tpot_ms, predicted=tpot),
                error_band=band,
                provider=provider,
            )
        )
    return rows


def _timed(
    group: ReplicaGroup, workload: Workload, catalog: Catalog, scenario: Scenario
) -> tuple[ReplicaModel, LatencyCurves]:
    shape = group.shape.shape()
    replica = replica_model(
        catalog.llm(shape.llm),
        catalog.accelerators[shape.accelerator],
        shape,
        server=host_server(group.server, shape.accelerator, catalog, scenario),
        memory_fraction=scenario.performance.memory_fraction,
    )
    profile = RequestProfile(
        workload.input_tokens, workload.output_tokens, workload.prefix_hit_rate, workload.burstiness_cv
    )
    return replica, latency_curves(replica, profile)


def _at(curves: LatencyCurves, name: str, percentile: float | None, rate_rps: float) -> float:
    """Return the latency at an arrival rate, never below what a lower rate gives."""
    values = np.maximum.accumulate(curves.at_percentile(name, percentile))  # type: ignore[arg-type]
    return float(np.interp(rate_rps, curves.rates_rps, values))
