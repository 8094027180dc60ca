"""Service columns: how many requests per second one replica serves within a latency objective.

For a replica, a request profile and an arrival rate this module predicts the whole distribution of
the time to first token (TTFT) and of the time per output token (TPOT). The pieces are taken from
`queueing`; the percentiles come from a fixed set of quasi-random points, each one request with its
own lengths, the state it meets and its luck, so every percentile, mean or end-to-end objective is
read from the same sample. The same points serve all loads, so the answers rise smoothly with the
load and the largest rate that keeps an objective is found on a grid of loads.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri
from scipy.stats import qmc

from planner.performance.queueing import Occupancy, occupancy, pool_levels, prompt_wait
from planner.performance.step_table import StepTable, step_table
from planner.performance.types import ReplicaModel
from planner.scenario.distributions import TokenDistribution

FloatArray = npt.NDArray[np.float64]
LimitedBy = Literal["ttft", "tpot", "e2e", "memory", "throughput", "none"]

MOST_CONCURRENT = 4096
"""Requests in one batch beyond which the states are not told apart (engines stop far earlier)."""

SATURATION_SHARE = 0.97
"""Share of the saturated rate that is offered when no latency limits it: at 100 % no queue is
stable, and the wait for an admission already equals about 30 services here."""

_LOADS = np.asarray(
    [0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.26, 0.32, 0.38, 0.44, 0.5, 0.56, 0.62, 0.68, 0.73, 0.78,
     0.82, 0.86, 0.89, 0.92, 0.945, 0.96, SATURATION_SHARE]
)  # fmt: skip
_POINTS = 1024
_MS_PER_S = 1000.0


@dataclass(frozen=True)
class RequestProfile:
    """What the requests of one workload are like.

    Attributes:
        input_tokens: prompt lengths.
        output_tokens: answer lengths.
        prefix_hit_rate: share of prompt tokens found in the prefix cache, 0..1.
        burstiness_cv: coefficient of variation of the times between arrivals; 1 is Poisson.

    """

    input_tokens: TokenDistribution
    output_tokens: TokenDistribution
    prefix_hit_rate: float = 0.0
    burstiness_cv: float = 1.0


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
    columns = []
    for replica in replicas:
        curves = latency_curves(replica, profile, pool_size, transfer_ms=transfer_ms)
        columns.append([_column(curves, objective) for objective in objectives])
    return columns


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

    def at_percentile(self, name: Literal["ttft", "tpot", "e2e"], percentile: float | None) -> FloatArray:
        """Latency in ms at each rate, shape [k]; `percentile=None` is the mean."""
        samples: FloatArray = {"ttft": self.ttft_ms, "tpot": self.tpot_ms, "e2e": self.e2e_ms}[name]
        if percentile is None:
            return np.asarray(samples.mean(axis=1))
        return np.asarray(np.quantile(samples, percentile / 100.0, axis=1))


@lru_cache(maxsize=4)
def _luck(dimensions: int) -> FloatArray:
    """Fixed low-discrepancy points in the unit cube, shape [dimensions, points]."""
    points = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(20240601)).random(_POINTS)
    return np.asarray(np.clip(points.T, 1e-6, 1 - 1e-6))


@dataclass(frozen=True)
class _Engine:
    """One replica prepared for one profile."""

    table: StepTable
    budget: float
    limit: int
    memory_bound: bool
    prompt: FloatArray  # uncached tokens of equally likely prompts
    prompt_prefix: FloatArray  # their cached tokens
    steps_per_request: float
    decodes: bool
    prefills: bool


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
    engine = _prepare(replica, profile) if replica.fits else None
    if engine is None or engine.limit < 1:
        nothing, none = np.zeros(0), np.zeros((0, 0))
        idle = replica.idle_w * replica.shape.accelerators
        return LatencyCurves(nothing, none, none, none, nothing, nothing, 0.0, idle, True)
    levels = pool_levels(engine.limit, pool_size)
    saturation = _saturation_per_ms(engine, levels)
    rate = (_LOADS if loads is None else np.asarray(loads)) * saturation
    step_ms, extra_ms = _iteration_ms(engine, rate, levels)
    departures = np.maximum(levels, 1e-9) / (max(engine.steps_per_request, 1e-9) * step_ms)
    state = occupancy(rate, departures, levels, pool_size, profile.burstiness_cv)
    ttft, tpot, e2e = _sample(engine, profile, rate, state, pool_size)
    ttft = ttft + replica.request_overhead_ms + transfer_ms
    e2e = e2e + replica.request_overhead_ms + transfer_ms
    watts = _watts(replica, rate, state, extra_ms, engine)
    return LatencyCurves(
        rates_rps=rate * _MS_PER_S,
        ttft_ms=ttft,
        tpot_ms=tpot,
        e2e_ms=e2e,
        concurrency=state.mean_level if engine.decodes else rate * 0.0,
        watts=watts,
        saturation_rps=float(saturation * _MS_PER_S),
        idle_w=replica.idle_w * replica.shape.accelerators,
        memory_bound=engine.memory_bound,
    )


def _prepare(replica: ReplicaModel, profile: RequestProfile) -> _Engine:
    inputs = profile.input_tokens.points(16)
    cached = np.floor(inputs * profile.prefix_hit_rate)
    new = np.maximum(inputs - cached, 1.0)
    role = replica.shape.role
    steps = max(_mean_above_one(profile.output_tokens), 0.0) if role != "prefill" else 0.0
    output_mean, output_second = profile.output_tokens.moments()
    held = profile.input_tokens.mean + (0.5 * output_second / output_mean if steps else 0.0)
    limit = min(int(replica.max_batch(held)), MOST_CONCURRENT)
    roomy = min(int(replica.max_batch(1.0)), MOST_CONCURRENT)
    longest = float(profile.input_tokens.quantile(0.999) + profile.output_tokens.quantile(0.999))
    table = step_table(replica, max(limit, 1), held, longest)
    return _Engine(
        table=table,
        budget=float(replica.max_batched_tokens),
        limit=limit,
        memory_bound=limit < roomy,
        prompt=new,
        prompt_prefix=cached,
        steps_per_request=steps,
        decodes=role != "prefill" and steps > 0,
        prefills=role != "decode",
    )


def _mean_above_one(tokens: TokenDistribution) -> float:
    """Mean number of tokens after the first."""
    return float(np.maximum(tokens.points(256) - 1.0, 0.0).mean())


def _extra_per_prompt(engine: _Engine, level: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Milliseconds that each typical prompt adds to its iterations, shape [s, l], and iterations."""
    room = np.maximum(engine.budget - level, 1.0)[:, None]
    chunks = np.ceil(engine.prompt[None, :] / room)
    last = engine.prompt[None, :] - (chunks - 1) * room
    prefix = engine.prompt_prefix[None, :]
    alone = engine.table.step_ms(level[:, None])
    mean_prefix = prefix + (chunks - 1) * room / 2
    full = engine.table.step_ms(level[:, None], None, room, mean_prefix) - alone
    final = engine.table.step_ms(level[:, None], None, last, prefix + (chunks - 1) * room) - alone
    return np.asarray((chunks - 1) * full + final), np.asarray(chunks)


def _iteration_ms(engine: _Engine, rate: FloatArray, levels: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Mean iteration time at each level under the prompts of `rate`; shapes [k, s] and [s]."""
    busy = np.maximum(levels, 1.0)
    bare = engine.table.step_ms(busy)
    if not engine.prefills:
        return np.broadcast_to(bare, (len(rate), len(bare))).copy(), np.zeros(len(levels))
    extra, _ = _extra_per_prompt(engine, busy)
    mean_extra = extra.mean(axis=1)
    share = np.minimum(rate[:, None] * mean_extra[None, :], 0.995)
    return bare[None, :] / (1.0 - share), mean_extra


def _saturation_per_ms(engine: _Engine, levels: FloatArray) -> float:
    """Rate (1/ms) at which the replica has no time left."""
    busy = np.maximum(levels[levels > 0], 1.0)
    bare = engine.table.step_ms(busy)
    per_request = engine.steps_per_request * bare / busy
    if engine.prefills:
        extra, _ = _extra_per_prompt(engine, busy)
        if not engine.decodes:
            lone, _ = _extra_per_prompt(engine, np.zeros(1))
            return float(1.0 / lone.mean())
        decode_bound = per_request + extra.mean(axis=1)
        # every prompt token also needs its place in some iteration's budget
        room = np.maximum(engine.budget - busy, 1.0)
        full = engine.table.step_ms(busy, None, room, engine.prompt_prefix.mean())
        prefill_bound = engine.prompt.mean() / room * full
        best = np.maximum(decode_bound, prefill_bound)
        return float(1.0 / best.min())
    return float(1.0 / per_request.min())


def _sample(
    engine: _Engine, profile: RequestProfile, rate: FloatArray, state: Occupancy, pool_size: int
) -> tuple[FloatArray, FloatArray, FloatArray]:
    """TTFT, TPOT and end-to-end latency (ms) of the sample requests, each [k, m]."""
    luck = _luck(6)
    table = engine.table
    if engine.decodes:
        level, admission = state.quantile(luck[0])
    else:
        level, admission = np.zeros((len(rate), _POINTS)), np.zeros((len(rate), _POINTS))
    busy = np.maximum(level, 1.0)
    bare = table.step_ms(busy)
    ttft = admission.copy()
    extra_mean = np.zeros(len(rate))
    extra_second = np.zeros(len(rate))
    if engine.prefills:
        tokens = profile.input_tokens.quantile(luck[1])
        prefix = np.floor(tokens * profile.prefix_hit_rate)
        prompt = np.maximum(tokens - prefix, 1.0)
        mean_level = state.mean_level if engine.decodes else np.zeros(len(rate))
        extra, _ = _extra_per_prompt(engine, np.maximum(mean_level, 1.0) if engine.decodes else mean_level)
        room_mean = np.maximum(engine.budget - mean_level, 1.0)
        full_mean = table.step_ms(mean_level, None, room_mean, float(engine.prompt_prefix.mean()))
        service = engine.prompt[None, :] * (full_mean / room_mean)[:, None]
        extra_mean, extra_second = extra.mean(axis=1), (extra**2).mean(axis=1)
        cv = float(np.sqrt(1 + (profile.burstiness_cv**2 - 1) / pool_size))
        service = np.maximum(service, extra)
        waits, mean_wait = prompt_wait(rate, service.mean(axis=1), (service**2).mean(axis=1), cv)
        late = np.maximum((1.0 - luck[2])[None, :] / np.maximum(waits, 1e-12)[:, None], 1e-12)
        wait = np.maximum(-np.log(late), 0.0) * mean_wait[:, None]
        room = np.maximum(engine.budget - level, 1.0)
        chunks = np.ceil(prompt / room)
        last = prompt - (chunks - 1) * room
        full = table.step_ms(level, None, room, prefix + (chunks - 1) * room / 2)
        final = table.step_ms(level, None, last, prefix + (chunks - 1) * room)
        residual = luck[3] * bare * (level > 0)
        ttft = ttft + residual + wait + (chunks - 1) * full + final
    output = profile.output_tokens.quantile(luck[4])
    steps = np.maximum(np.round(output) - 1.0, 1.0)
    if engine.decodes:
        mean_level = state.mean_level[:, None]
        relaxation = max(engine.steps_per_request, 1.0)
        ratio = steps / relaxation
        memory = 2.0 * (ratio - 1.0 + np.exp(-ratio)) / ratio**2
        lived = np.maximum(mean_level + np.sqrt(memory) * (level - mean_level), 1.0)
        slow = table.step_ms(lived)
        share = np.minimum(rate * extra_mean, 0.995)[:, None]
        mean_step = slow / (1.0 - share)
        duration = steps * mean_step
        added = duration * share
        variance = duration * rate[:, None] * extra_second[:, None]
        spread = np.sqrt(variance)
        noise = added + _skewed(luck[5], added, spread)
        tpot = np.maximum(slow + noise / steps, slow)
        if not engine.prefills:
            tpot = tpot + admission / steps
    else:
        tpot = np.zeros_like(ttft)
    decoded = np.where(output >= 1.5, steps * tpot, 0.0)
    return ttft, tpot, ttft + decoded


def _skewed(u: FloatArray, mean: FloatArray, spread: FloatArray) -> FloatArray:
    """Deviation from the mean of a gamma variable (Wilson and Hilferty), same shape as `mean`."""
    shape = np.maximum((mean / np.maximum(spread, 1e-12)) ** 2, 1e-3)
    cube = 1.0 - 1.0 / (9.0 * shape) + ndtri(u) / (3.0 * np.sqrt(shape))
    return np.asarray(mean * (np.maximum(cube, 0.0) ** 3 - 1.0))


def _watts(
    replica: ReplicaModel, rate: FloatArray, state: Occupancy, extra_ms: FloatArray, engine: _Engine
) -> FloatArray:
    """Expected draw (W) of all accelerators of the replica at each rate, shape [k]."""
    prefill_share = np.zeros(len(rate))
    level = np.zeros(len(rate))
    active = np.ones(len(rate))
    if engine.decodes:
        level = state.mean_level
        active = 1.0 - state.probability[:, 0]
    if engine.prefills:
        mean_extra, _ = _extra_per_prompt(engine, np.maximum(level, 1.0 if engine.decodes else 0.0))
        prefill_share = np.minimum(rate * mean_extra.mean(axis=1), 1.0)
    if not engine.decodes:
        active = prefill_share
        prefill_share = np.ones(len(rate))
    running = np.asarray(replica.power_w(np.maximum(level / np.maximum(active, 1e-9), 1.0), prefill_share))
    mixed = active * running + (1.0 - active) * replica.idle_w
    return np.asarray(np.maximum(mixed, replica.idle_w) * replica.shape.accelerators)


def _column(curves: LatencyCurves, objective: LatencyObjective) -> ServiceColumn:
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
