"""The latency of a replica under load: the distribution of TTFT and TPOT at any arrival rate.

`load_model` says what prompts cost and where the replica saturates, `queueing` how full its batch
is, `renewal` how long the line of prompts is and how arrivals follow one another; `request_sample`
puts them together into the latencies of a thousand typical requests.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt

from planner.performance.batch_state import batch_state
from planner.performance.load_model import (
    LoadModel,
    Pace,
    load_model,
    pace,
    points,
    saturation_per_ms,
    service_curvature,
)
from planner.performance.profile import RequestProfile
from planner.performance.queueing import Occupancy
from planner.performance.renewal import CountTable, WaitTable, count_table, wait_table
from planner.performance.request_sample import Gaps, RequestSample
from planner.performance.types import ReplicaModel

FloatArray = npt.NDArray[np.float64]

SATURATION_SHARE = 0.97
"""Highest share of the saturated rate that is offered: at 100 % no queue is stable."""

DEFAULT_LOADS = np.asarray(
    [0.01, 0.06, 0.14, 0.23, 0.32, 0.42, 0.52, 0.62, 0.71, 0.79, 0.86, 0.91, 0.945, SATURATION_SHARE]
)
_CURVATURES = np.asarray([0.0, 0.02, 0.05, 0.1, 0.2, 0.5])
_LINE_LENGTHS = 512
_TYPICAL_LOAD = 0.6
_MOST_REGULAR = 0.2  # coefficient of variation below which gaps are not told apart
_MS_PER_S = 1000.0


@dataclass(frozen=True)
class LatencyCurves:
    """Latency samples of one replica over loads, each sample one request.

    Attributes:
        rates_rps: arrival rate per replica, shape [k], ascending; empty when it does not fit.
        ttft_ms, tpot_ms, e2e_ms: shape [k, m], in no order.
        concurrency, watts: shape [k].
        saturation_rps: rate at which the replica saturates.
        idle_w: draw of all its accelerators when idle.
        memory_bound: whether KV memory, not the engine's limit, caps the batch.

    """

    rates_rps: FloatArray
    ttft_ms: FloatArray
    tpot_ms: FloatArray
    e2e_ms: FloatArray
    concurrency: FloatArray
    watts: FloatArray
    saturation_rps: float
    idle_w: float
    memory_bound: bool
    _known: dict[tuple[str, float | None], FloatArray] = field(
        default_factory=dict, init=False, repr=False, compare=False
    )

    def at_percentile(self, name: Literal["ttft", "tpot", "e2e"], percentile: float | None) -> FloatArray:
        """Latency in ms at each rate, shape [k]; `percentile=None` is the mean."""
        found = self._known.get((name, percentile))
        if found is None:  # many objectives ask for the same percentile
            samples: FloatArray = {"ttft": self.ttft_ms, "tpot": self.tpot_ms, "e2e": self.e2e_ms}[name]
            if percentile is None:
                found = np.asarray(samples.mean(axis=1))
            else:
                found = np.asarray(np.quantile(samples, percentile / 100.0, axis=1))
            self._known[name, percentile] = found
        return found


def latency_curves(
    replica: ReplicaModel,
    profile: RequestProfile,
    pool_size: int = 1,
    *,
    transfer_ms: float = 0.0,
    loads: FloatArray | None = None,
) -> LatencyCurves:
    """Predict TTFT, TPOT and end-to-end latency of a replica over loads.

    Args:
        replica: one engine instance.
        profile: the requests.
        pool_size: replicas behind least-loaded routing.
        transfer_ms: added to TTFT (prefill role).
        loads: shares of the saturated rate to evaluate, ascending, below 1.

    """
    return LoadedPool(replica, profile, pool_size, transfer_ms).curves(
        DEFAULT_LOADS if loads is None else loads
    )


class LoadedPool:
    """Replicas of a pool under a workload, ready to be evaluated at any load (see `latency_curves`)."""

    def __init__(
        self, replica: ReplicaModel, profile: RequestProfile, pool_size: int = 1, transfer_ms: float = 0.0
    ) -> None:
        self._replica, self._profile, self._pool_size = replica, profile, pool_size
        self._overhead_ms = replica.request_overhead_ms + transfer_ms
        self._idle_w = float(replica.idle_w * replica.shape.accelerators)
        self._model = load_model(replica, profile)
        if self._model is None:
            return
        self._saturation = saturation_per_ms(self._model)
        cv = _replica_cv(profile.burstiness_cv, pool_size, self._typical_level())
        near = max(profile.burstiness_cv / float(np.sqrt(pool_size)), _MOST_REGULAR)
        self._gaps = Gaps(
            waits=_waits(_line_shape(self._model, profile), cv),
            counts=_counts(cv),
            near=_counts(near),
            calm=_counts(min(near, 1.0)),
            common=min(profile.burstiness_cv**2 / pool_size / cv**2, 1.0),
        )

    def _typical_level(self) -> float:
        """Requests decoding on one replica at 60 % of the saturated rate, about."""
        model = self._model
        if model is None or not model.decodes:
            return 0.0
        served = model.levels / (model.steps * model.table.step_ms(model.levels))
        return float(np.interp(_TYPICAL_LOAD * self._saturation, np.maximum.accumulate(served), model.levels))

    def curves(self, loads: FloatArray) -> LatencyCurves:
        """Latencies at `loads`, shares of the saturated rate, ascending, below 1."""
        model = self._model
        if model is None:
            nothing, none = np.zeros(0), np.zeros((0, 0))
            return LatencyCurves(nothing, none, none, none, nothing, nothing, 0.0, self._idle_w, True)
        rate = np.asarray(loads, dtype=np.float64) * self._saturation
        speed = pace(model, rate, self._gaps.near)
        state, restoring = batch_state(model, self._profile, rate, speed, self._pool_size)
        sample = RequestSample(
            model, self._profile, rate, speed, state, restoring, self._gaps, self._pool_size
        )
        return LatencyCurves(
            rates_rps=rate * _MS_PER_S,
            ttft_ms=sample.ttft_ms + self._overhead_ms,
            tpot_ms=sample.tpot_ms,
            e2e_ms=sample.e2e_ms + self._overhead_ms,
            concurrency=state.mean_level if model.decodes else rate * 0.0,
            watts=_watts(self._replica, model, rate, speed, state),
            saturation_rps=float(self._saturation * _MS_PER_S),
            idle_w=self._idle_w,
            memory_bound=model.memory_bound,
        )


def _replica_cv(cv: float, pool_size: int, level: float) -> float:
    """Coefficient of variation of the gaps that one replica of a pool sees, to the nearest 0.05.

    Least-loaded routing deals a burst out in turn, which divides the squared coefficient by the
    pool size, but also follows the departures of the replicas. Measured in replays of pools of 2 to
    16, that adds 0.35 to the square when few requests are in service and 0.75 when very many are.
    """
    follows = 0.35 + 0.4 * level / (level + 60.0)
    squared = cv**2 / pool_size + follows * (1.0 - 1.0 / pool_size)
    seen = cv if pool_size == 1 else np.round(np.sqrt(squared) * 20.0) / 20.0
    return float(max(seen, _MOST_REGULAR))


@lru_cache(maxsize=64)
def _waits(service: tuple[float, ...], cv: float) -> WaitTable:
    return wait_table(np.asarray(service), cv)


@lru_cache(maxsize=64)
def _counts(cv: float) -> CountTable:
    return count_table(cv)


def _line_shape(model: LoadModel, profile: RequestProfile) -> tuple[float, ...]:
    """Equally likely service times of prompts, up to a factor.

    The curvature of the cost is rounded, so that the replicas of a workload share their tables.
    """
    curvature = _CURVATURES[np.abs(_CURVATURES - service_curvature(model)).argmin()]
    lengths = points(profile.input_tokens, _LINE_LENGTHS)
    lengths = lengths / lengths.mean()
    return tuple((lengths * (1.0 + curvature * lengths)).tolist())


def _watts(
    replica: ReplicaModel, model: LoadModel, rate: FloatArray, speed: Pace, state: Occupancy
) -> FloatArray:
    """Expected draw (W) of all accelerators of the replica at each rate, shape [k]."""
    if model.decodes:
        level = np.maximum(state.mean_level, 1e-9)
        cost = np.asarray([np.interp(x, model.levels, y) for x, y in zip(level, speed.cost_ms, strict=True)])
        prefill_share = np.minimum(rate * cost, 1.0)
        active = np.maximum(1.0 - state.probability[:, 0], prefill_share)
        batch = np.maximum(level / np.maximum(active, 1e-9), 1.0)
    else:
        active = np.minimum(rate * speed.cost_ms[:, 0], 1.0)
        prefill_share, batch = np.ones(len(rate)), np.zeros(len(rate))
    running = np.asarray(replica.power_w(batch, prefill_share / np.maximum(active, 1e-9)))
    mixed = active * running + (1.0 - active) * replica.idle_w
    return np.asarray(np.maximum(mixed, replica.idle_w) * replica.shape.accelerators)
