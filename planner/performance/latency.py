"""The latency of a replica under load: the distribution of TTFT and TPOT at any arrival rate.

The pieces come from `queueing` (how full the batch is) and `renewal` (how long the line of prompts
is, how many arrivals follow one another). They are put together over a fixed set of quasi-random
points, each one request with its own lengths, the state it meets and its luck:

    TTFT = admission + line + rest of the iteration in progress + own iterations + engine overhead
    TPOT = decode iteration at the batch it lives in + prompts of others met on the way

so every percentile, mean or end-to-end time is read from one sample. The same points serve all
loads, so latencies rise smoothly with the load.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri
from scipy.stats import qmc

from planner.performance.queueing import Occupancy, occupancy, pool_levels
from planner.performance.renewal import CountTable, WaitTable, count_table, wait_table
from planner.performance.step_table import StepTable, step_table
from planner.performance.types import ReplicaModel
from planner.scenario.distributions import TokenDistribution

FloatArray = npt.NDArray[np.float64]

MOST_CONCURRENT = 4096
"""Requests in one batch beyond which the states are not told apart (engines stop far earlier)."""

SATURATION_SHARE = 0.97
"""Highest share of the saturated rate that is offered: at 100 % no queue is stable."""

DEFAULT_LOADS = np.asarray(
    [0.01, 0.03, 0.06, 0.1, 0.15, 0.2, 0.26, 0.32, 0.38, 0.44, 0.5, 0.56, 0.62, 0.68, 0.73, 0.78,
     0.82, 0.86, 0.89, 0.92, 0.945, 0.96, SATURATION_SHARE]
)  # fmt: skip
_POINTS = 1024
_LENGTHS = 16  # typical prompts over which costs are averaged
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


@dataclass(frozen=True)
class _Engine:
    """One replica prepared for one profile."""

    table: StepTable
    budget: float
    limit: int
    memory_bound: bool
    prompt: FloatArray  # uncached tokens of equally likely prompts
    prefix: FloatArray  # their cached tokens
    steps_per_request: float
    decodes: bool
    prefills: bool
    memory_spread: float  # squared coefficient of variation of the cache one request holds


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
    idle_w = replica.idle_w * replica.shape.accelerators
    engine = _prepare(replica, profile) if replica.fits else None
    if engine is None or engine.limit < 1:
        nothing, none = np.zeros(0), np.zeros((0, 0))
        return LatencyCurves(nothing, none, none, none, nothing, nothing, 0.0, idle_w, True)
    levels = pool_levels(engine.limit, pool_size)
    saturation = _saturation_per_ms(engine, levels)
    rate = (DEFAULT_LOADS if loads is None else np.asarray(loads)) * saturation
    iteration, extra = _iteration_ms(engine, rate, levels)
    departures = np.maximum(levels, 1e-9) / (max(engine.steps_per_request, 1e-9) * iteration)
    state = occupancy(
        rate, departures, levels, pool_size, _peakedness(engine, profile, rate, levels, departures, extra)
    )
    sample = _Sample(engine, profile, rate, state, pool_size, extra)
    overhead = replica.request_overhead_ms + transfer_ms
    return LatencyCurves(
        rates_rps=rate * _MS_PER_S,
        ttft_ms=sample.ttft_ms + overhead,
        tpot_ms=sample.tpot_ms,
        e2e_ms=sample.e2e_ms + overhead,
        concurrency=state.mean_level if engine.decodes else rate * 0.0,
        watts=_watts(replica, rate, state, engine),
        saturation_rps=float(saturation * _MS_PER_S),
        idle_w=idle_w,
        memory_bound=engine.memory_bound,
    )


def _prepare(replica: ReplicaModel, profile: RequestProfile) -> _Engine:
    inputs = profile.input_tokens.points(_LENGTHS)
    cached = np.floor(inputs * profile.prefix_hit_rate)
    role = replica.shape.role
    after_first = np.maximum(profile.output_tokens.points(256) - 1.0, 0.0)
    steps = float(after_first.mean()) if role != "prefill" else 0.0
    output_mean, output_second = profile.output_tokens.moments()
    held = profile.input_tokens.mean + (0.5 * output_second / output_mean if steps else 0.0)
    limit = min(int(replica.max_batch(held)), MOST_CONCURRENT)
    roomy = min(int(replica.max_batch(1.0)), MOST_CONCURRENT)
    longest = float(profile.input_tokens.quantile(0.999) + profile.output_tokens.quantile(0.999))
    input_second = profile.input_tokens.moments()[1]
    spread = input_second - profile.input_tokens.mean**2 + output_second / 4.0
    return _Engine(
        table=step_table(replica, max(limit, 1), held, longest),
        budget=float(replica.max_batched_tokens),
        limit=limit,
        memory_bound=limit < roomy,
        prompt=np.maximum(inputs - cached, 1.0),
        prefix=cached,
        steps_per_request=steps,
        decodes=role != "prefill" and steps > 0,
        prefills=role != "decode",
        memory_spread=spread / held**2,
    )


def _extra_ms(engine: _Engine, level: FloatArray, together: FloatArray | float = 1.0) -> FloatArray:
    """Milliseconds that typical prompts add to the iterations they ride in, per prompt.

    Args:
        engine: the replica.
        level: decoding sequences, shape [..., 1].
        together: prompts that share an iteration, broadcast with `level`.

    Returns:
        shape [..., lengths].

    """
    room = np.maximum(engine.budget - level, 1.0)
    tokens = engine.prompt * together
    chunks = np.ceil(tokens / room)
    last = tokens - (chunks - 1) * room
    alone = engine.table.step_ms(level)
    final = engine.table.step_ms(level, None, last, engine.prefix + (chunks - 1) * room) - alone
    if np.all(chunks == 1):
        return np.asarray(final / together)
    full = engine.table.step_ms(level, None, room, engine.prefix + (chunks - 1) * room / 2) - alone
    return np.asarray(((chunks - 1) * full + final) / together)


def _iteration_ms(engine: _Engine, rate: FloatArray, levels: FloatArray) -> tuple[FloatArray, _Extra]:
    """Mean iteration time at each level under the prompts of `rate`, shape [k, s]."""
    nodes = np.unique(np.concatenate([[1.0], np.geomspace(1.0, max(levels[-1], 1.0), 12)]))
    bare = engine.table.step_ms(nodes)
    if not engine.prefills:
        both = np.broadcast_to(engine.table.step_ms(np.maximum(levels, 1.0)), (len(rate), len(levels)))
        return both, _Extra(nodes, np.zeros((len(rate), len(nodes))))
    cost = np.broadcast_to(_extra_ms(engine, nodes[:, None]).mean(axis=1), (len(rate), len(nodes)))
    for _ in range(3):
        share = np.minimum(rate[:, None] * cost, 0.98)
        met = rate[:, None] * bare / (1.0 - share)  # prompts that arrive within one iteration
        together = met / -np.expm1(-met)
        cost = _extra_ms(engine, nodes[None, :, None], together[:, :, None]).mean(axis=2)
    share = np.minimum(rate[:, None] * cost, 0.995)
    slow = bare / (1.0 - share)
    busy = np.maximum(levels, 1.0)
    return np.stack([np.interp(busy, nodes, row) for row in slow]), _Extra(nodes, cost)


@dataclass(frozen=True)
class _Extra:
    """Cost of one prompt (ms) by load and level, shape [k, nodes]."""

    nodes: FloatArray
    cost_ms: FloatArray

    def at(self, level: FloatArray) -> FloatArray:
        """Cost at `level`, shape [k, m]."""
        return np.stack([np.interp(x, self.nodes, y) for x, y in zip(level, self.cost_ms, strict=True)])


def _peakedness(
    engine: _Engine,
    profile: RequestProfile,
    rate: FloatArray,
    levels: FloatArray,
    departures: FloatArray,
    extra: _Extra,
) -> FloatArray:
    """How much wider than Poisson the requests in service are spread, shape [k].

    Without prefill it is the peakedness of an infinite-server queue, 1 + (cv^2-1)(1-Gini) with the
    Gini coefficient of the answer lengths. Prefill adds: while a prompt runs, departures stop, so an
    arrival adds 1 + y requests, where y is the time its prompt takes over the time between
    departures meanwhile.
    """
    output = profile.output_tokens.points(64)
    gini = float(np.abs(output[:, None] - output[None, :]).mean() / (2 * output.mean()))
    plain = 1.0 + (profile.burstiness_cv**2 - 1.0) * (1.0 - gini)
    if not (engine.prefills and engine.decodes):
        return np.full(len(rate), plain)
    typical = np.empty(len(rate))
    for k in range(len(rate)):
        full = departures[k]
        typical[k] = levels[min(int(np.searchsorted(full, rate[k])), len(levels) - 1)]
    cost = extra.at(np.maximum(typical, 1.0)[:, None])[:, 0]
    share = np.minimum(rate * cost, 0.9)
    lost = share / (1.0 - share)
    length = float(engine.prompt.var() / engine.prompt.mean() ** 2)
    return np.asarray((1.0 + (1.0 + lost) ** 2 * (2.0 * plain - 1.0) + lost**2 * length) / 2.0)


def _saturation_per_ms(engine: _Engine, levels: FloatArray) -> float:
    """Rate (1/ms) at which the replica has no time left."""
    busy = np.unique(np.maximum(levels[levels > 0], 1.0))
    if len(busy) > 24:
        busy = busy[np.linspace(0, len(busy) - 1, 24).astype(int)]
    bare = engine.table.step_ms(busy)
    per_request = engine.steps_per_request * bare / busy
    if not engine.prefills:
        return float(1.0 / per_request.min())
    if not engine.decodes:
        busy, per_request = np.zeros(1), np.zeros(1)
    room = np.maximum(engine.budget - busy, 1.0)
    if engine.decodes:
        # as many prompts enter each iteration as requests leave it
        entering = busy / engine.steps_per_request
    else:
        entering = np.maximum(room / engine.prompt.mean(), 1.0)
    together = entering / -np.expm1(-entering)
    together = np.minimum(together, np.maximum(room / engine.prompt.mean(), 1.0))
    extra = _extra_ms(engine, busy[:, None], together[:, None]).mean(axis=1)
    full = engine.table.step_ms(busy, None, room, float(engine.prefix.mean()))
    prefill_bound = engine.prompt.mean() / room * full
    return float(1.0 / np.maximum(per_request + extra, prefill_bound).min())


@lru_cache(maxsize=4)
def _luck(dimensions: int) -> FloatArray:
    """Fixed low-discrepancy points in the unit cube, shape [dimensions, points]."""
    points = qmc.Sobol(dimensions, scramble=True, rng=np.random.default_rng(20240601)).random(_POINTS)
    return np.asarray(np.clip(points.T, 1e-6, 1 - 1e-6))


@lru_cache(maxsize=64)
def _line_tables(prompt: tuple[float, ...], cv: float) -> tuple[WaitTable, CountTable]:
    return wait_table(np.asarray(prompt), cv), count_table(cv)


class _Sample:
    """Latencies of the sample requests at each rate; all arrays [k, m]."""

    def __init__(
        self,
        engine: _Engine,
        profile: RequestProfile,
        rate: FloatArray,
        state: Occupancy,
        pool_size: int,
        extra: _Extra,
    ) -> None:
        luck = _luck(8)
        table = engine.table
        self._rate = rate[:, None]
        cv = _replica_cv(profile.burstiness_cv, pool_size)
        waits, counts = _line_tables(tuple(profile.input_tokens.points(64)), float(cv))
        calm = _line_tables(tuple(profile.input_tokens.points(64)), float(min(cv, 1.0)))[1]
        if engine.decodes:
            level, admission = state.quantile(luck[0])
        else:
            level = np.zeros((len(rate), _POINTS))
            admission = np.zeros_like(level)
        bare = table.step_ms(np.maximum(level, 1.0)) * (level > 0)
        ttft = admission.copy()
        behind = np.zeros_like(ttft)
        if engine.prefills:
            tokens = profile.input_tokens.quantile(luck[1])
            prefix = np.floor(tokens * profile.prefix_hit_rate)
            prompt = np.maximum(tokens - prefix, 1.0)
            cost = extra.at(np.maximum(level, 1.0))
            room = np.maximum(engine.budget - level, 1.0)
            per_prompt = cost + bare * engine.prompt.mean() / room
            line = waits.quantile(self._rate * per_prompt, luck[2]) / self._rate
            share = np.minimum(self._rate * cost, 0.98)
            cycle = bare / (1.0 - share)
            residual = luck[3] * cycle
            gate = residual + np.maximum(line / 2, line - room * per_prompt / engine.prompt.mean())
            after = counts.quantile(self._rate * gate, luck[4])
            before = calm.quantile(self._rate * (1 - luck[3]) * cycle, luck[7])
            chunks = np.ceil(prompt / room)
            last = prompt - (chunks - 1) * room
            full = table.step_ms(level, None, room, prefix + (chunks - 1) * room / 2)
            typical = engine.prompt.mean()
            ahead = np.minimum(before * typical, np.maximum(room - last, 0.0))
            crowd = np.minimum(after * typical, np.maximum(room - last - ahead, 0.0))
            final = table.step_ms(level, None, last + ahead + crowd, prefix + (chunks - 1) * room)
            behind = crowd / typical
            ttft = ttft + residual + line + (chunks - 1) * full + final
        self.ttft_ms = ttft
        output = np.maximum(np.round(profile.output_tokens.quantile(luck[5])), 1.0)
        steps = np.maximum(output - 1.0, 1.0)
        if not engine.decodes:
            self.tpot_ms = np.zeros_like(ttft)
            self.e2e_ms = ttft
            return
        relaxation = max(engine.steps_per_request, 1.0)
        ratio = steps / relaxation
        memory = 2.0 * (ratio - 1.0 + np.exp(-ratio)) / ratio**2
        fade = -np.expm1(-ratio) / ratio
        mean_level = state.mean_level[:, None]
        others = mean_level + np.sqrt(memory) * (level - mean_level) + state.shift[:, None] * fade
        lived = np.clip(others + 1.0, 1.0, state.level[-1])
        slow = table.step_ms(lived)
        if engine.prefills:
            cost = extra.at(lived)
            spread = float((engine.prompt**2).mean() / engine.prompt.mean() ** 2 - 1.0)
            share = np.minimum(self._rate * cost, 0.98)
            met = np.zeros_like(slow)
            duration = steps * slow / (1.0 - share)
            rest = (steps - 1.0) / steps  # prompts that arrive in the last iteration are not met
            for _ in range(3):
                met = counts.quantile(self._rate * (gate + final + duration * rest), luck[4]) - behind
                met = np.maximum(met, 0.0)
                met = np.minimum(met, duration / np.maximum(cost, 1e-9) * 0.98)
                duration = steps * slow + met * cost
            added = met * cost * _gamma_factor(luck[6], met / max(spread, 1e-6))
            self.tpot_ms = slow + added / steps
        else:
            self.tpot_ms = slow + admission / steps
        self.e2e_ms = ttft + np.where(output >= 2, steps * self.tpot_ms, 0.0)


def _replica_cv(cv: float, pool_size: int) -> float:
    """Coefficient of variation of the gaps that one replica of a pool sees.

    Least-loaded routing deals a burst out in turn, which divides the squared coefficient by the
    pool size, but also follows the departures of the replicas, which are near-random; measured in
    replays, that adds about one half.
    """
    return float(np.sqrt(cv**2 / pool_size + 0.5 * (1.0 - 1.0 / pool_size)))


def _gamma_factor(u: FloatArray, shape: FloatArray) -> FloatArray:
    """Quantile of a gamma variable of mean 1 (Wilson and Hilferty), for shapes of about 0.3 up."""
    safe = np.maximum(shape, 0.3)
    cube = 1.0 - 1.0 / (9.0 * safe) + ndtri(u) / (3.0 * np.sqrt(safe))
    return np.asarray(np.maximum(cube, 0.0) ** 3)


def _watts(replica: ReplicaModel, rate: FloatArray, state: Occupancy, engine: _Engine) -> FloatArray:
    """Expected draw (W) of all accelerators of the replica at each rate, shape [k]."""
    prefill_share = np.zeros(len(rate))
    level = np.zeros(len(rate))
    active = np.ones(len(rate))
    if engine.decodes:
        level = state.mean_level
        active = 1.0 - state.probability[:, 0]
    if engine.prefills:
        mean_extra = _extra_ms(engine, np.maximum(level, 1.0 if engine.decodes else 0.0)[:, None])
        prefill_share = np.minimum(rate * mean_extra.mean(axis=1), 1.0)
    if not engine.decodes:
        active = prefill_share
        prefill_share = np.ones(len(rate))
    running = np.asarray(replica.power_w(np.maximum(level / np.maximum(active, 1e-9), 1.0), prefill_share))
    mixed = active * running + (1.0 - active) * replica.idle_w
    return np.asarray(np.maximum(mixed, replica.idle_w) * replica.shape.accelerators)
