"""What a request trace says of a workload: rates by hour, lengths, burstiness, prefix hits, classes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from scipy.special import ndtri

from planner.scenario.distributions import TokenDistribution
from planner.scenario.request_trace import RequestTable, Trace

FloatArray = npt.NDArray[np.float64]

WINDOW_S = 60.0
"""Variation slower than this belongs to the rate (that of the busiest window), faster variation to
the burstiness. A minute is longer than most requests live and shorter than scaling reacts."""

WINDOW_REQUESTS = 20
"""Requests that a window holds on average at least (it is lengthened until then)."""

_HOURS_PER_DAY = 24
_S_PER_H = 3600.0
_FEWEST_GAPS = 10  # of a window that counts for the burstiness
_FEWEST_HOURS = 20  # seen of the day before an hourly profile is worth stating
_LEAST_CV = 0.05  # of arrivals like clockwork
_MOST_CACHED = 0.999


@dataclass(frozen=True)
class TraceWorkload:
    """What a workload needs to know of a trace.

    Attributes:
        name: of the workload.
        requests: how many it was made of.
        rate_rps: arrivals in the busiest window (see `busiest_rps`).
        mean_rate_rps: over the whole trace.
        window_s: length of that window.
        profile: 24 hourly factors of `rate_rps`: the mean of the hour over that of the busiest hour
            (hour of the trace, or of the day when its clock is known); None for traces that saw less
            than most of a day.
        input_tokens, output_tokens: lengths.
        prefix_hit_rate: cached share of the prompt tokens.
        burstiness_cv: of the gaps between arrivals inside windows.
        has_prefixes: whether the trace said what is cached.

    """

    name: str
    requests: int
    rate_rps: float
    mean_rate_rps: float
    window_s: float
    profile: tuple[float, ...] | None
    input_tokens: TokenDistribution
    output_tokens: TokenDistribution
    prefix_hit_rate: float
    burstiness_cv: float
    has_prefixes: bool

    def as_workload(self, llms: Sequence[str] = ()) -> dict[str, Any]:
        """The entry to put under `workloads:` of a scenario (add `llms`, `origins` and `slo`)."""
        entry: dict[str, Any] = {
            "name": self.name,
            "llms": list(llms),
            "rate_rps": float(f"{self.rate_rps:.4g}"),
            "burstiness_cv": round(self.burstiness_cv, 3),
            "input_tokens": _rounded(self.input_tokens),
            "output_tokens": _rounded(self.output_tokens),
        }
        if self.has_prefixes:
            entry["prefix_hit_rate"] = round(self.prefix_hit_rate, 4)
        if self.profile is not None:
            entry["profile"] = [round(factor, 4) for factor in self.profile]
        return entry


def _rounded(tokens: TokenDistribution) -> dict[str, Any]:
    """A distribution with quantiles, to a tenth of a token."""
    quantiles = tokens.quantiles or {}
    return {
        "mean": round(tokens.mean, 1),
        "quantiles": {key: round(value, 1) for key, value in quantiles.items()},
    }


def workload_from_trace(
    trace: Trace, name: str = "trace", classes: int = 1, window_s: float | None = None
) -> list[TraceWorkload]:
    """Describe a trace as workloads, one per length class.

    Args:
        trace: the requests.
        name: of the workload; classes are called `name-1` (short prompts) and up.
        classes: how many; each carries an equal share of all prompt and answer tokens, so that few
            long requests and many short ones can be served by different pools.
        window_s: busiest window whose rate is kept, and within which burstiness is measured; None:
            `WINDOW_S`, longer where that would hold fewer than `WINDOW_REQUESTS`.

    Raises:
        ValueError: there are fewer requests than two per class.
    """
    parts = length_classes(trace.requests, classes)
    names = [name] if len(parts) == 1 else [f"{name}-{i + 1}" for i in range(len(parts))]
    return [_described(part, trace, label, window_s) for part, label in zip(parts, names, strict=True)]


def length_classes(table: RequestTable, classes: int) -> list[RequestTable]:
    """Split requests by prompt length into classes of equal token mass, short prompts first.

    Prompts of one length stay together, so fewer classes come back where few lengths occur.

    Raises:
        ValueError: fewer requests than two per class, or fewer than one class.
    """
    if classes < 1 or len(table.arrival_s) < 2 * classes:
        raise ValueError(f"{len(table.arrival_s)} requests do not make {classes} classes of two or more")
    _, inverse = np.unique(table.prompt, return_inverse=True)
    mass = np.bincount(inverse, weights=(table.prompt + table.output).astype(np.float64))
    before = np.cumsum(mass) - mass / 2
    number = np.minimum((before * classes / mass.sum()).astype(np.int64), classes - 1)[inverse]
    for i in range(classes - 1, 0, -1):  # a class of a single request joins the one below
        if np.count_nonzero(number == i) < 2:
            number[number == i] = i - 1
    if np.count_nonzero(number == 0) < 2:
        number[number == 0] = number[number > 0].min()
    return [table.where(number == i) for i in np.unique(number)]


def _described(part: RequestTable, trace: Trace, name: str, window_s: float | None) -> TraceWorkload:
    arrival = part.arrival_s
    span_s = max(trace.span_s, 1e-9)
    mean_rate = len(arrival) / span_s if trace.span_s > 0 else float(len(arrival))
    window = window_s or max(WINDOW_S, WINDOW_REQUESTS / mean_rate)
    rate = mean_rate if trace.span_s <= 0 else busiest_rps(arrival, min(window, span_s))
    return TraceWorkload(
        name=name,
        requests=len(arrival),
        rate_rps=rate,
        mean_rate_rps=mean_rate,
        window_s=min(window, span_s),
        profile=_profile(arrival, trace.start),
        input_tokens=TokenDistribution.from_samples(part.prompt),
        output_tokens=TokenDistribution.from_samples(part.output),
        prefix_hit_rate=float(min(part.cached.sum() / part.prompt.sum(), _MOST_CACHED)),
        burstiness_cv=burstiness_cv(arrival, window),
        has_prefixes=trace.has_prefixes,
    )


def busiest_rps(arrival_s: FloatArray, window_s: float) -> float:
    """Arrivals per second in the busiest window of `window_s` seconds, less what chance adds.

    Of N windows with Poisson counts around n the fullest holds about z sqrt(n) more, z the normal
    quantile of 1 - 1/N; without that steady traffic of few requests would look busy. Never less than
    the mean. `arrival_s` is sorted.
    """
    span_s = float(arrival_s[-1] - arrival_s[0])
    ends = np.searchsorted(arrival_s, arrival_s + window_s, side="left")
    most = float((ends - np.arange(len(arrival_s))).max())
    chance = float(ndtri(1.0 - 1.0 / max(span_s / window_s, 2.0)))
    busiest: float = (most - chance * math.sqrt(most)) / window_s
    return max(busiest, len(arrival_s) / max(span_s, window_s))


def burstiness_cv(arrival_s: FloatArray, window_s: float = WINDOW_S) -> float:
    """Coefficient of variation of the gaps inside windows, so that slow swings do not count.

    Gaps of a window are taken relative to their mean; windows of fewer than ten gaps are left out
    (1, Poisson, when all are).
    """
    window = np.floor((arrival_s - arrival_s[0]) / window_s).astype(np.int64)
    edges = np.flatnonzero(np.diff(window)) + 1
    squares, weights = [], []
    for inside in np.split(arrival_s, edges):
        gaps = np.diff(inside)
        if len(gaps) >= _FEWEST_GAPS and gaps.mean() > 0:
            squares.append(gaps.var() / gaps.mean() ** 2)
            weights.append(len(gaps))
    if not squares:
        return 1.0
    return float(max(np.sqrt(np.average(squares, weights=weights)), _LEAST_CV))


def _profile(arrival_s: FloatArray, start: str) -> tuple[float, ...] | None:
    """Mean rate of each hour of the day over the busiest hour's, or None for a short trace."""
    from pandas import Timestamp  # see request_trace

    first = Timestamp(start).timestamp() if start else 0.0
    hours = np.floor((first + arrival_s) / _S_PER_H).astype(np.int64)
    if hours[-1] - hours[0] + 1 < _FEWEST_HOURS:
        return None
    counts = np.bincount(hours - hours[0])
    of_day = (np.arange(len(counts)) + hours[0]) % _HOURS_PER_DAY
    # the first and last hour were seen in part
    seen_h = np.ones(len(counts))
    seen_h[0] = 1.0 - (first + arrival_s[0]) / _S_PER_H % 1.0
    seen_h[-1] = max((first + arrival_s[-1]) / _S_PER_H % 1.0, 1e-3)
    seen = np.bincount(of_day, weights=seen_h, minlength=_HOURS_PER_DAY)
    total = np.bincount(of_day, weights=counts, minlength=_HOURS_PER_DAY)
    enough = seen >= 0.5
    mean = total[enough].sum() / seen[enough].sum()
    hourly = np.divide(total, seen, out=np.full(_HOURS_PER_DAY, mean), where=enough)
    return tuple((hourly / hourly.max()).tolist())
