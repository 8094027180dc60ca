"""What is promised to every workload from every origin, and what the model predicts."""

from __future__ import annotations

from planner.plan.content import Columns, Content, Promises, Setting, pools_of
from planner.plan.service_table import ServiceTable
from planner.plan.types import Latency, RoutePlan, SloRow
from planner.scenario import Workload

DECIMALS = 6


def slo_rows(content: Content, setting: Setting, columns: Columns) -> list[SloRow]:
    """Return one row for each workload, origin, site and path of pools that carries traffic.

    Predictions hold when the pools are as full as they may be: the column's TTFT at the SLO's
    percentile plus the route's round trip, and the column's TPOT; of two pools on a path, the sum of
    TTFTs and the larger TPOT. Where rates are measured nothing is predicted. error_band: the larger of
    the model's relative half-widths for TTFT and TPOT.
    """
    table = ServiceTable(setting, pools_of(content))
    promises = Promises(content)
    rows: dict[tuple[str, str, str, tuple[str, ...]], SloRow] = {}
    for route in content.routes:
        workload = setting.workload(route.workload)
        key = (route.workload, route.origin, route.site, tuple(route.pools))
        if workload is not None and key not in rows:
            rows[key] = _row(route, workload, columns, promises, table)
    return list(rows.values())


def _row(
    route: RoutePlan, workload: Workload, columns: Columns, promises: Promises, table: ServiceTable
) -> SloRow:
    slo = workload.slo
    ttft: list[float] = []
    tpot: list[float] = []
    bands: list[float] = []
    for pool in route.pools:
        trip = promises.rtt_ms(pool, route)
        column = None if trip is None else columns.get((pool, route.workload, trip))
        if column is None or table.measured:
            continue
        ttft.append(column.ttft_ms)
        tpot.append(column.tpot_ms)
        replica = table.replica(pool)
        if replica is not None:
            bands += [float(replica.error_band.ttft), float(replica.error_band.tpot)]
    known = len(ttft) == len(route.pools)
    return SloRow(
        workload=route.workload,
        origin=route.origin,
        site=route.site,
        pools=route.pools,
        percentile=None if slo is None else slo.percentile,
        ttft_ms=Latency(
            asked=None if slo is None else slo.ttft_ms,
            predicted=round(sum(ttft) + route.rtt_ms, DECIMALS) if known else None,
        ),
        tpot_ms=Latency(
            asked=None if slo is None else slo.tpot_ms,
            predicted=round(max(tpot), DECIMALS) if known else None,
        ),
        error_band=max(bands) if bands else None,
        provider=table.setting.scenario.performance.provider,
    )
