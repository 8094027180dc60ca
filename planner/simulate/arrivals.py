"""Where the requests of a replay come from: sampled renewal streams, or a trace.

A stream yields requests in order of arrival, made in blocks so that memory stays flat however long
the replay is.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

from planner.performance.service import RequestProfile
from planner.scenario.request_trace import RequestTable

FloatArray = npt.NDArray[np.float64]
Arrival: TypeAlias = tuple[float, int, int, int]
"""Arrival time in ms, prompt tokens, of them cached, answer tokens."""

_BLOCK = 4096
_RUN_IN_GAPS = 200.0
_MS_PER_S = 1000.0
_HOUR_MS = 3_600_000.0


def renewal_stream(
    profile: RequestProfile,
    rate_rps: float,
    duration_s: float,
    rng: np.random.Generator,
    hourly: npt.ArrayLike | None = None,
    most_requests: int | None = None,
) -> Iterator[Arrival]:
    """Requests with gamma-distributed times between arrivals.

    A gamma renewal process is what serving benchmarks call burstiness (vLLM's `--burstiness` is its
    shape, 1/cv^2). With hourly factors the process runs on a clock that the rate drives.

    Args:
        profile: lengths, prefix hit rate and burstiness.
        rate_rps: mean arrival rate; the peak when `hourly` is given. Must be above 0.
        duration_s: arrivals stop after that.
        rng: source of randomness; the same seed gives the same stream.
        hourly: 24 factors on the rate, repeated daily.
        most_requests: arrivals stop after that many.

    """
    shape = 1.0 / profile.burstiness_cv**2
    now = 0.0  # in mean gaps
    left = most_requests if most_requests is not None else np.iinfo(np.int64).max
    to_ms = _clock(rate_rps, hourly)
    # a stationary process does not start at an arrival: run in before the clock starts
    now -= _RUN_IN_GAPS * (0.5 + float(rng.random()))
    while left > 0:
        ticks = now + np.cumsum(rng.gamma(shape, 1.0 / shape, _BLOCK))
        now = float(ticks[-1])
        prompt = profile.input_tokens.sample(rng, _BLOCK)
        output = profile.output_tokens.sample(rng, _BLOCK)
        cached = np.floor(prompt * profile.prefix_hit_rate).astype(np.int64)
        times = to_ms(np.maximum(ticks, 0.0))
        kept = (ticks >= 0) & (times < duration_s * _MS_PER_S)
        kept &= np.cumsum(kept) <= left
        left -= int(kept.sum())
        yield from zip(
            times[kept].tolist(),
            prompt[kept].tolist(),
            cached[kept].tolist(),
            output[kept].tolist(),
            strict=True,
        )
        if times[-1] >= duration_s * _MS_PER_S:
            return


class _Clock:
    """Maps counts of mean gaps to ms under a daily profile of the rate."""

    def __init__(self, rate_rps: float, hourly: npt.ArrayLike | None) -> None:
        factors = np.ones(24) if hourly is None else np.asarray(hourly, dtype=np.float64)
        per_hour = np.maximum(factors * rate_rps * 3600.0, 1e-9)
        self._edges = np.concatenate([[0.0], np.cumsum(per_hour)])

    def __call__(self, ticks: FloatArray) -> FloatArray:
        day = self._edges[-1]
        days = np.floor(ticks / day)
        hours = np.interp(ticks - days * day, self._edges, np.arange(25.0))
        return np.asarray((days * 24.0 + hours) * _HOUR_MS)


def _clock(rate_rps: float, hourly: npt.ArrayLike | None) -> _Clock:
    if rate_rps <= 0:
        raise ValueError(f"a stream needs a rate above 0, found {rate_rps}")
    return _Clock(rate_rps, hourly)


def trace_stream(
    table: RequestTable,
    duration_s: float | None = None,
    speed: float = 1.0,
    share: float = 1.0,
    rng: np.random.Generator | None = None,
) -> Iterator[Arrival]:
    """Requests of a trace in their order.

    Args:
        table: the trace.
        duration_s: stop after that many seconds of the trace's time divided by `speed`.
        speed: how much faster than recorded.
        share: probability that a request is kept (the part of one origin); needs `rng` below 1.
        rng: source of randomness for `share`.

    """
    times = (
        (table.arrival_s - table.arrival_s[0]) * _MS_PER_S / speed
        if len(table.arrival_s)
        else table.arrival_s
    )
    kept = np.ones(len(times), dtype=bool)
    if duration_s is not None:
        kept &= times < duration_s * _MS_PER_S
    if share < 1.0:
        if rng is None:
            raise ValueError("taking a share of a trace needs a random generator")
        kept &= rng.random(len(times)) < share
    prompt = np.maximum(table.prompt[kept], 1)
    output = np.maximum(table.output[kept], 1)
    yield from zip(
        times[kept].tolist(), prompt.tolist(), table.cached[kept].tolist(), output.tolist(), strict=True
    )
