"""What the plan promises each workload from each origin: predicted latency beside what was asked."""

from __future__ import annotations

from collections import defaultdict
from typing import Literal

import numpy as np

from planner.performance.service import LatencyCurves
from planner.plan.content import Columns, Content, Promises, Setting, pools_of
from planner.plan.service_table import ServiceTable
from planner.plan.types import Latency, RoutePlan, SloRow
from planner.scenario import Workload

MS_DECIMALS = 3
BAND_DECIMALS = 4

SMALLEST_MS = 1e-9
"""Stands for no time at all where logarithms are taken."""


def slo_rows(content: Content, setting: Setting, columns: Columns) -> list[SloRow]:
    """Return one row for each workload, origin, site, path of pools and period that carries traffic.

    Predictions are at the SLO's percentile and at the planned load. A pool's replicas share its load
    equally; where workloads mix, each sees the total load of its replica. The network round trip is part
    of the TTFT. Of two pools on a path the first one makes the TTFT, with the handover of the cache, and the
    second one the TPOT. Measured rates
    (provider `table`) predict nothing. error_band: the larger of the model's relative half-widths.
    """
    rows = _Rows(content, setting, columns)
    found: dict[tuple[str, str, str, tuple[str, ...], str], SloRow] = {}
    for route in content.routes:
        workload = setting.workload(route.workload)
        key = (route.workload, route.origin, route.site, tuple(route.pools), route.period)
        if workload is not None and key not in found:
            found[key] = rows.row(route, workload)
    return list(found.values())


class _Rows:
    """What the rows of one plan share: its pools, their loads and timed replicas."""

    def __init__(self, content: Content, setting: Setting, columns: Columns) -> None:
        self.pools = pools_of(content)
        self.table = ServiceTable(setting, self.pools)
        self.promises = Promises(content)
        self.columns = columns
        self.load: dict[tuple[str, str], float] = defaultdict(float)
        for used in content.pools:
            self.load[used.pool, used.period] += used.load

    def row(self, route: RoutePlan, workload: Workload) -> SloRow:
        slo = workload.slo
        percentile = None if slo is None or slo.percentile == "mean" else float(slo.percentile)
        ttft: list[float] = []
        tpot: list[float] = []
        bands: list[float] = []
        performance = self.table.setting.scenario.performance
        provider: str = performance.provider
        for name in route.pools:
            if name in self.pools:
                provider = performance.provider_of(self.pools[name].shape.accelerator)
            curves = self.table.curves(name, workload) if name in self.pools else None
            offered = self._offered_rps(name, route)
            replica = self.table.replica(name) if curves is not None else None
            if curves is None or replica is None or offered is None:
                continue
            ttft.append(_at(curves, "ttft", percentile, offered))
            tpot.append(_at(curves, "tpot", percentile, offered))
            provider = replica.provider
            bands += [float(replica.error_band.ttft), float(replica.error_band.tpot)]
        known = bool(ttft) and len(ttft) == len(route.pools)
        return SloRow(
            workload=route.workload,
            origin=route.origin,
            site=route.site,
            pools=route.pools,
            percentile=None if slo is None else slo.percentile,
            ttft_ms=Latency(
                asked=None if slo is None else slo.ttft_ms,
                predicted=round(ttft[0] + route.rtt_ms + route.transfer_ms, MS_DECIMALS) if known else None,
            ),
            tpot_ms=Latency(
                asked=None if slo is None else slo.tpot_ms,
                predicted=round(tpot[-1], MS_DECIMALS) if known else None,
            ),
            error_band=round(max(bands), BAND_DECIMALS) if bands else None,
            provider=provider,
            period=route.period,
        )

    def _offered_rps(self, pool: str, route: RoutePlan) -> float | None:
        """Return the rate that loads a replica as much as all its traffic does.

        In the units of the formulas: where replays found that a replica takes 1.1 times the rate that the
        formulas say, it is at 1.1 times the rate that their latencies are reached.
        """
        trip = self.promises.rtt_ms(pool, route)
        column = None if trip is None else self.columns.get((pool, route.workload, trip))
        if column is None or pool not in self.pools:
            return None
        refinement = self.table.refinement(pool, route.workload)
        if refinement <= 0:
            return None
        return column.rate_rps / refinement * self.load[pool, route.period] / self.pools[pool].count


def _at(
    curves: LatencyCurves, name: Literal["ttft", "tpot"], percentile: float | None, rate_rps: float
) -> float:
    """Return the latency at an arrival rate, never below what a lower rate gives.

    Between the rates that were computed it grows exponentially, as the service columns take it: what a
    column allows is predicted to keep the promise.
    """
    if not len(curves.rates_rps):
        return float("inf")
    values = np.maximum.accumulate(curves.at_percentile(name, percentile))
    logarithms = np.log(np.maximum(values, SMALLEST_MS))
    return float(np.exp(np.interp(rate_rps, curves.rates_rps, logarithms)))
