"""Service columns: how many requests per second one replica serves within a latency objective.

`latency` predicts the latencies of a replica over a grid of loads; here the largest rate that keeps
every stated percentile is read from those curves, between the grid points by interpolation, for as
many objectives (round trips taken out of the TTFT budget) as are asked.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, replace
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from planner.performance.latency import SATURATION_SHARE, LatencyCurves, LoadedPool, latency_curves
from planner.performance.profile import RequestProfile
from planner.performance.types import ReplicaModel

__all__ = [
    "LatencyCurves",
    "LatencyObjective",
    "RequestProfile",
    "ServiceColumn",
    "latency_curves",
    "service_columns",
]

FloatArray = npt.NDArray[np.float64]
_COARSE_LOADS = np.asarray([0.01, 0.1, 0.25, 0.42, 0.58, 0.72, 0.84, 0.92, SATURATION_SHARE])
_FINER = 3  # loads added inside the coarse cell of an answer

LimitedBy = Literal["ttft", "tpot", "e2e", "memory", "throughput", "none"]


@dataclass(frozen=True)
class LatencyObjective:
    """Upper limits in ms (None: no limit) at a percentile such as 99 (None: on the mean)."""

    ttft_ms: float | None = None
    tpot_ms: float | None = None
    e2e_ms: float | None = None
    percentile: float | None = 99.0


@dataclass(frozen=True)
class ServiceColumn:
    """What one replica of a pool does for a workload under an objective.

    Attributes:
        rate_rps: largest rate that keeps the objective; 0 when none does.
        concurrency: mean requests decoding at that rate.
        utilization: that rate over the rate at which the replica saturates.
        ttft_ms: at the objective's percentile (mean if it has none), network excluded.
        tpot_ms: likewise.
        joules_per_request: energy above idle of the whole replica per request.
        watts_at_rate: expected draw of the replica's accelerators.
        limited_by: what stops a higher rate.
        best_ttft_ms: at the percentile, at vanishing load.
        best_tpot_ms: likewise.
        sized_on: "p99", or "mean" when the objective asked for means.

    """

    rate_rps: float
    concurrency: float
    utilization: float
    ttft_ms: float
    tpot_ms: float
    joules_per_request: float
    watts_at_rate: float
    limited_by: LimitedBy
    best_ttft_ms: float
    best_tpot_ms: float
    sized_on: str = "p99"


def service_columns(
    replicas: Sequence[ReplicaModel],
    profile: RequestProfile,
    objectives: Sequence[LatencyObjective],
    pool_size: int = 1,
    *,
    transfer_ms: float = 0.0,
) -> list[list[ServiceColumn]]:
    """Service columns of every replica under every objective, `[replica][objective]`.

    Args:
        replicas: one engine instance each; those that do not fit in memory get a rate of 0.
        profile: lengths, prefix hits and burstiness of the requests.
        objectives: latency limits with the network round trip already taken out.
        pool_size: equal replicas that share the arrivals by least-loaded routing.
        transfer_ms: prefill role only: time to hand the cache to a decode replica, in TTFT.

    """
    return [
        TimedReplica(replica, profile, pool_size, transfer_ms=transfer_ms).columns(objectives)
        for replica in replicas
    ]


def column_of(curves: LatencyCurves, objective: LatencyObjective) -> ServiceColumn:
    """Return the service column that latency curves give under an objective."""
    return _column(curves, objective)


class TimedReplica:
    """A replica under a workload, ready for one set of objectives after the other.

    Latencies do not depend on the objective: what was read of them for one is there for the next. Only
    the percentiles asked for are kept, not the requests they were taken of.
    """

    def __init__(
        self,
        replica: ReplicaModel,
        profile: RequestProfile,
        pool_size: int = 1,
        *,
        transfer_ms: float = 0.0,
    ) -> None:
        self._asked = (replica, profile, pool_size, transfer_ms)
        self._read: dict[int, _Readings] = {}

    def columns(self, objectives: Sequence[LatencyObjective]) -> list[ServiceColumn]:
        """Return the service column of each objective (see `service_columns`)."""
        wanted = {(name, o.percentile) for o in objectives for name in ("ttft", "tpot")}
        wanted |= {("e2e", o.percentile) for o in objectives if o.e2e_ms is not None}
        pool: LoadedPool | None = None

        def readings(cell: int) -> _Readings:
            nonlocal pool
            found = self._read.get(cell)
            if found is None or not wanted <= found.latencies_ms.keys():
                pool = LoadedPool(*self._asked) if pool is None else pool
                both = wanted if found is None else wanted | found.latencies_ms.keys()
                found = self._read[cell] = _readings(pool.curves(_loads_in(cell)), both)
            return found

        curves = readings(_COARSE)
        for cell in _cells(curves, objectives):
            curves = _merged(curves, readings(cell))
        return [_column(curves, objective) for objective in objectives]

    @property
    def cells(self) -> int:
        """How many curves were read of latencies so far: it grows with what is to be kept."""
        return sum(len(found.latencies_ms) for found in self._read.values())

    def record(self) -> dict[str, Any]:
        """Return what was read so far as plain data; `take_up` reads it back."""
        return {
            str(cell): {
                "rates_rps": found.rates_rps.tolist(),
                "latencies_ms": [[*key, curve.tolist()] for key, curve in found.latencies_ms.items()],
                "concurrency": found.concurrency.tolist(),
                "watts": found.watts.tolist(),
                "saturation_rps": found.saturation_rps,
                "idle_w": found.idle_w,
                "memory_bound": bool(found.memory_bound),
            }
            for cell, found in self._read.items()
        }

    def take_up(self, record: Mapping[str, Any]) -> None:
        """Take up what `record` returned for the same replica under the same workload."""
        for cell, found in record.items():
            self._read[int(cell)] = _Readings(
                rates_rps=np.asarray(found["rates_rps"]),
                latencies_ms={(name, at): np.asarray(curve) for name, at, curve in found["latencies_ms"]},
                concurrency=np.asarray(found["concurrency"]),
                watts=np.asarray(found["watts"]),
                saturation_rps=found["saturation_rps"],
                idle_w=found["idle_w"],
                memory_bound=found["memory_bound"],
            )


_COARSE = 0
"""Number of the coarse loads among the cells: cell c > 0 lies between the coarse loads c - 1 and c."""


@dataclass(frozen=True)
class _Readings:
    """Latency curves by the percentiles that are asked for; every array is by rate."""

    rates_rps: FloatArray
    latencies_ms: dict[tuple[str, float | None], FloatArray]
    concurrency: FloatArray
    watts: FloatArray
    saturation_rps: float
    idle_w: float
    memory_bound: bool

    def at_percentile(self, name: Literal["ttft", "tpot", "e2e"], percentile: float | None) -> FloatArray:
        return self.latencies_ms[name, percentile]


def _readings(curves: LatencyCurves, wanted: Set[tuple[str, float | None]]) -> _Readings:
    names: tuple[Literal["ttft", "tpot", "e2e"], ...] = ("ttft", "tpot", "e2e")
    nothing = not len(curves.rates_rps)
    return _Readings(
        curves.rates_rps,
        {
            (name, percentile): np.zeros(0) if nothing else curves.at_percentile(name, percentile)
            for name in names
            for kind, percentile in wanted
            if kind == name
        },
        curves.concurrency,
        curves.watts,
        curves.saturation_rps,
        curves.idle_w,
        curves.memory_bound,
    )


def _loads_in(cell: int) -> FloatArray:
    if cell == _COARSE:
        return _COARSE_LOADS
    return np.linspace(_COARSE_LOADS[cell - 1], _COARSE_LOADS[cell], _FINER + 2)[1:-1]


def _cells(curves: _Readings, objectives: Sequence[LatencyObjective]) -> list[int]:
    """Return the coarse cells in which an objective stops being kept: loads are added inside them."""
    if len(curves.rates_rps) == 0:
        return []
    cells = set()
    for objective in objectives:
        rate = _column(curves, objective).rate_rps / curves.saturation_rps
        if 0 < rate < _COARSE_LOADS[-1]:
            cells.add(min(int(np.searchsorted(_COARSE_LOADS, rate)), len(_COARSE_LOADS) - 1))
    return sorted(cells)


def _merged(first: _Readings, second: _Readings) -> _Readings:
    """Curves of the same replica over the loads of both."""
    order = np.argsort(np.concatenate([first.rates_rps, second.rates_rps]))

    def both(one: FloatArray, other: FloatArray) -> FloatArray:
        return np.asarray(np.concatenate([one, other])[order])

    kept = first.latencies_ms.keys() & second.latencies_ms.keys()
    return replace(
        first,
        rates_rps=both(first.rates_rps, second.rates_rps),
        latencies_ms={key: both(first.latencies_ms[key], second.latencies_ms[key]) for key in kept},
        concurrency=both(first.concurrency, second.concurrency),
        watts=both(first.watts, second.watts),
    )


def _column(curves: LatencyCurves | _Readings, objective: LatencyObjective) -> ServiceColumn:
    sized_on = "mean" if objective.percentile is None else f"p{objective.percentile:g}"
    if len(curves.rates_rps) == 0:
        worst = float("inf")
        return ServiceColumn(0, 0, 0, worst, worst, 0, curves.idle_w, "memory", worst, worst, sized_on)
    ttft = np.maximum.accumulate(curves.at_percentile("ttft", objective.percentile))
    tpot = np.maximum.accumulate(curves.at_percentile("tpot", objective.percentile))
    rates = curves.rates_rps
    largest = float(rates[-1])
    limited_by: LimitedBy = "throughput"
    if curves.memory_bound:
        limited_by = "memory"
    limits: list[tuple[LimitedBy, float | None, FloatArray]] = [
        ("ttft", objective.ttft_ms, ttft),
        ("tpot", objective.tpot_ms, tpot),
    ]
    if objective.e2e_ms is not None:
        e2e = np.maximum.accumulate(curves.at_percentile("e2e", objective.percentile))
        limits.append(("e2e", objective.e2e_ms, e2e))
    for name, limit, curve in limits:
        if limit is None:
            continue
        allowed = _crossing(rates, curve, limit)
        if allowed < largest:
            largest, limited_by = allowed, name
    if largest <= 0:
        return ServiceColumn(
            0, 0, 0, float(ttft[0]), float(tpot[0]), 0, curves.idle_w,
            limited_by, float(ttft[0]), float(tpot[0]), sized_on,
        )  # fmt: skip

    def at(curve: FloatArray) -> float:
        return float(np.interp(largest, rates, curve))

    watts = at(curves.watts)
    return ServiceColumn(
        rate_rps=largest,
        concurrency=at(curves.concurrency),
        utilization=largest / curves.saturation_rps,
        ttft_ms=at(ttft),
        tpot_ms=at(tpot),
        joules_per_request=max(watts - curves.idle_w, 0.0) / largest,
        watts_at_rate=watts,
        limited_by=limited_by,
        best_ttft_ms=float(ttft[0]),
        best_tpot_ms=float(tpot[0]),
        sized_on=sized_on,
    )


def _crossing(rates: FloatArray, curve: FloatArray, limit: float) -> float:
    """Largest rate whose latency is at most `limit`, between the grid points log-linearly."""
    if curve[0] > limit:
        return 0.0
    above = np.flatnonzero(curve > limit)
    if len(above) == 0:
        return float("inf")
    k = int(above[0])
    low, high = np.log(np.maximum(curve[k - 1 : k + 1], 1e-9))
    position = (np.log(limit) - low) / max(high - low, 1e-12)
    return float(rates[k - 1] + position * (rates[k] - rates[k - 1]))
