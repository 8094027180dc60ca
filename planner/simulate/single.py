"""Replay of one pool on its own: the yardstick of the queueing formulas."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from planner.performance.service import RequestProfile
from planner.performance.types import ReplicaModel
from planner.simulate.arrivals import renewal_stream
from planner.simulate.loop import Path, Replay, Stream
from planner.simulate.pool import Pool, engine_limits
from planner.simulate.step_clock import StepClock

FloatArray = npt.NDArray[np.float64]

_LONGEST = 0.9999
"""Quantile of the lengths up to which step times are tabulated."""


@dataclass(frozen=True)
class PoolReplay:
    """Latencies of the requests that arrived after the warm-up, ms, in order of completion.

    `tpot_ms` is NaN for answers of one token. `failed` counts requests too large for the cache.
    `utilization` and `watts` are means of one replica.
    """

    ttft_ms: FloatArray
    tpot_ms: FloatArray
    e2e_ms: FloatArray
    failed: int
    preemptions: int
    utilization: float
    watts: float

    def percentile(self, name: str, percentile: float | None) -> float:
        """A percentile (None: the mean) of "ttft", "tpot" or "e2e", ms."""
        values = {"ttft": self.ttft_ms, "tpot": self.tpot_ms, "e2e": self.e2e_ms}[name]
        if percentile is None:
            return float(np.nanmean(values))
        return float(np.nanpercentile(values, percentile))


def step_clock(replica: ReplicaModel, profile: RequestProfile) -> StepClock:
    """Step times of a replica over the batches and contexts a workload brings."""
    prompt, output = profile.input_tokens, profile.output_tokens
    reference = prompt.mean + output.moments()[1] / output.mean / 2.0
    longest = float(prompt.quantile(_LONGEST) + output.quantile(_LONGEST))
    return StepClock(replica, engine_limits(replica).sequences, reference, longest)


def replay_pool(
    replica: ReplicaModel,
    profile: RequestProfile,
    rate_rps: float,
    pool_size: int = 1,
    *,
    requests: int = 20_000,
    warmup: float = 0.15,
    seed: int = 0,
    clock: StepClock | None = None,
) -> PoolReplay:
    """Replay `requests` sampled requests through `pool_size` replicas.

    Args:
        replica: one engine instance.
        profile: the requests.
        rate_rps: arrival rate of the whole pool.
        pool_size: replicas.
        requests: arrivals in all.
        warmup: share of them, from the start, that is not counted.
        seed: of the random numbers; equal seeds give equal results.
        clock: step times prepared by `step_clock`, to save their computation.

    """
    clock = clock or step_clock(replica, profile)
    replay = Replay(1, sample_every_s=1e9)
    pool = Pool("pool", replica, pool_size, clock, replay.on_first, replay.on_done)
    replay.add_pool(pool)
    rng = np.random.default_rng(seed)
    arrivals = renewal_stream(profile, rate_rps, np.inf, rng, most_requests=requests)
    path = Path((pool,), 1.0, overhead_ms=replica.request_overhead_ms)
    replay.run([Stream(0, arrivals, [path], rng)])
    log = replay.latencies[0]
    arrival = np.asarray(log.arrival_ms)
    counted = arrival >= np.quantile(arrival, warmup) if len(arrival) else np.zeros(0, dtype=bool)
    end_ms = float(arrival.max()) if len(arrival) else 1.0
    busy = sum(engine.busy_ms for engine in pool.engines)
    energy = sum(engine.energy_mj for engine in pool.engines)
    idle = max(end_ms * pool_size - busy, 0.0) * clock.idle_w
    return PoolReplay(
        ttft_ms=np.asarray(log.ttft_ms)[counted],
        tpot_ms=np.asarray(log.tpot_ms)[counted],
        e2e_ms=np.asarray(log.e2e_ms)[counted],
        failed=log.failed,
        preemptions=sum(engine.preemptions for engine in pool.engines),
        utilization=min(busy / (end_ms * pool_size), 1.0),
        watts=(energy + idle) / (end_ms * pool_size),
    )
