"""Token-length distributions: how long prompts and answers are, from the few numbers people know.

A distribution is written in one of five ways, from little knowledge to much:

- a bare number, `512`: every request has this length (as fixed-length benchmarks do);
- `{mean: 512}`: lognormal with the spread `DEFAULT_LOG_SD`;
- two or three of `mean`, `p50`, `p99`: a lognormal, bent above the median until all three hold;
- `{quantiles: {p10: 90, p50: 300, p99: 4100}}`: log-linear between the given points;
- `{histogram: {edges: [0, 128, 512], counts: [30, 70]}}`: uniform inside each bin.

Inside, each becomes one increasing table: the logarithm of the length over the standard normal
score z of the probability. A straight line in that plane is a lognormal, which is why the lengths
of real traffic, near-lognormal in the body, interpolate well there.
"""

from __future__ import annotations

import re
from functools import cached_property
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
from pydantic import BaseModel, ConfigDict, Field, model_validator
from scipy.optimize import brentq
from scipy.special import ndtr, ndtri

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

DEFAULT_LOG_SD = 0.7
"""Log standard deviation when only a mean is known. ln(p99/p50)/2.326 is 0.60 (input) and 0.66
(output) in the Azure conversation trace of 2023, and 0.70 (input) in its code trace."""

_Z_99 = float(ndtri(0.99))
_Z_LIMIT = 4.5  # tables end at the quantiles 3.4e-6 and 1 - 3.4e-6: one request in 300,000
_Z_GRID = np.linspace(-_Z_LIMIT, _Z_LIMIT, 361)
_MIDPOINTS = 8192  # equal-probability cells of the moment integrals; error below 1e-3 for sd <= 1.5
_STEP = 1e-9  # width in probability of the jump over an empty histogram bin
_BEND_LIMITS = (0.05, 20.0)  # exponents of the bend above the median
_LOWER_LIMITS = (1e-6, 8.0)  # log standard deviations below the median
_MEAN_TOLERANCE = 1.25  # a stated mean may differ from that of the stated quantiles by this factor
_QUANTILE_KEY = re.compile(r"^[pP]?(\d+(?:\.\d+)?)$")


class Histogram(BaseModel):
    """Counts (or shares) of requests by length, `edges` in tokens, one longer than `counts`."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    edges: tuple[float, ...]
    counts: tuple[float, ...]

    @model_validator(mode="after")
    def _check(self) -> Histogram:
        if len(self.counts) < 1 or len(self.edges) != len(self.counts) + 1:
            raise ValueError(
                f"a histogram needs one edge more than counts; found {len(self.edges)} edges "
                f"and {len(self.counts)} counts"
            )
        if self.edges[0] < 0 or any(np.diff(self.edges) <= 0):
            raise ValueError("histogram edges must be token counts >= 0, each above the last")
        if any(count < 0 for count in self.counts) or sum(self.counts) <= 0:
            raise ValueError("histogram counts must be >= 0 and not all zero")
        return self


class TokenDistribution(BaseModel):
    """Length in tokens of the prompts or of the answers of one workload.

    Attributes:
        mean: mean length, tokens. Derived (and filled in) when other fields determine it.
        p50: median, tokens.
        p99: 99th percentile, tokens.
        quantiles: percentile ("p90", or 90, or 0.9) to tokens.
        histogram: measured counts by length.

    Raises (as a pydantic `ValidationError`):
        ValueError: numbers that no distribution has, such as p50 > p99.

    """

    model_config = ConfigDict(extra="forbid", frozen=True, ignored_types=(cached_property,))

    mean: float = Field(default=0.0, ge=0, allow_inf_nan=False)
    p50: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    p99: float | None = Field(default=None, gt=0, allow_inf_nan=False)
    quantiles: dict[str, float] | None = None
    histogram: Histogram | None = None

    @classmethod
    def fixed(cls, tokens: float) -> TokenDistribution:
        """Every request has `tokens` tokens."""
        return cls(mean=tokens, p50=tokens, p99=tokens)

    @classmethod
    def from_samples(cls, tokens: npt.ArrayLike) -> TokenDistribution:
        """Distribution of observed lengths (`tokens`, one per request; zero counts as one).

        Keeps 18 quantiles and the mean, so the result stays short enough to read in a scenario.
        """
        observed = np.maximum(np.asarray(tokens, dtype=np.float64).ravel(), 1.0)
        if observed.size == 0:
            raise ValueError("no requests to take a length distribution from")
        percents = (0, 1, 5, 10, 20, 30, 40, 50, 60, 70, 80, 90, 95, 97.5, 99, 99.5, 99.9, 100)
        values = np.quantile(observed, np.asarray(percents) / 100)
        quantiles = {_key(percent): float(v) for percent, v in zip(percents, values, strict=True)}
        implied = cls(quantiles=quantiles).mean
        within = 1 / _MEAN_TOLERANCE < observed.mean() / implied < _MEAN_TOLERANCE
        if not within:
            return cls(quantiles=quantiles)
        return cls(quantiles=quantiles, mean=float(observed.mean()))

    @model_validator(mode="before")
    @classmethod
    def _accept_number(cls, data: Any) -> Any:
        if isinstance(data, (int, float)) and not isinstance(data, bool):
            return {"mean": data, "p50": data, "p99": data}
        if isinstance(data, dict) and isinstance(data.get("quantiles"), dict):
            named = {_canonical(key): value for key, value in data["quantiles"].items()}
            return {**data, "quantiles": named}
        return data

    @model_validator(mode="after")
    def _check(self) -> TokenDistribution:
        if "mean" in self.model_fields_set and self.mean == 0:
            raise ValueError("mean must be above 0 tokens; leave it out to derive it")
        described = [n for n in ("quantiles", "histogram") if getattr(self, n) is not None]
        if len(described) == 2:
            raise ValueError("give quantiles or a histogram, not both")
        if described and (self.p50 is not None or self.p99 is not None):
            raise ValueError(f"p50 and p99 are part of the {described[0]}; give one or the other")
        if self.quantiles is not None:
            _check_quantiles(self.quantiles)
        if self.p50 is not None and self.p99 is not None and self.p50 > self.p99:
            raise ValueError(f"p50 ({self.p50:g}) is above p99 ({self.p99:g}); p50 <= p99 always")
        if not described and not self.mean and (self.p50 is None or self.p99 is None):
            raise ValueError(
                "a token distribution needs a mean, or both p50 and p99, or quantiles, or a "
                "histogram; for one fixed length write the number alone"
            )
        object.__setattr__(self, "mean", self._resolved_mean())
        return self

    def _resolved_mean(self) -> float:
        """Build the table (raising when nothing fits) and return the mean to keep, tokens."""
        implied = float(_integrate(self._table[0], self._table[1])[0])
        if not self.mean:
            return implied
        ratio = self.mean / implied
        if not 1 / _MEAN_TOLERANCE <= ratio <= _MEAN_TOLERANCE:
            raise ValueError(
                f"the mean {self.mean:g} does not belong to these quantiles or counts, whose mean "
                f"is about {implied:.4g}; correct one of them or leave the mean out"
            )
        return self.mean

    @cached_property
    def _table(self) -> tuple[FloatArray, FloatArray]:
        """Increasing normal scores z and ln(tokens) there, before the mean is matched."""
        if self.histogram is not None:
            return _histogram_table(self.histogram)
        if self.quantiles is not None:
            return _quantile_table(self.quantiles)
        return _Z_GRID, _lognormal_table(self.mean or None, self.p50, self.p99)

    @cached_property
    def _log_scale(self) -> float:
        """Added to ln(tokens) so that the mean of the table is exactly `mean`."""
        return float(np.log(self.mean / _integrate(*self._table)[0]))

    @cached_property
    def _moments(self) -> tuple[float, float]:
        scale = np.exp(self._log_scale)
        _, second = _integrate(*self._table)
        return self.mean, float(second * scale**2)

    def quantile(self, p: npt.ArrayLike) -> FloatArray:
        """Length in tokens below which the share `p` (0..1, any shape) of requests lies."""
        probability = np.asarray(p, dtype=np.float64)
        if np.any((probability < 0) | (probability > 1)):
            raise ValueError("quantile expects probabilities from 0 to 1")
        z = np.clip(ndtri(probability), -_Z_LIMIT, _Z_LIMIT)
        return np.asarray(np.exp(np.interp(z, *self._table) + self._log_scale))

    def sample(self, rng: np.random.Generator, n: int) -> IntArray:
        """`n` random lengths, whole tokens, at least 1."""
        drawn = self.quantile(rng.random(n))
        whole = np.floor(drawn + rng.random(n))  # rounding up or down at random keeps the mean
        return np.maximum(whole, 1).astype(np.int64)

    def moments(self) -> tuple[float, float]:
        """Mean (tokens) and second moment (tokens squared)."""
        return self._moments

    def points(self, n: int) -> FloatArray:
        """`n` equally likely lengths (tokens, ascending) that stand for the distribution.

        The middle of each of `n` slices of equal probability, scaled to keep the mean.
        """
        values = self.quantile((np.arange(n) + 0.5) / n)
        return np.asarray(values * (self.mean / values.mean()))


def _canonical(key: object) -> str:
    """The name "p90" of a quantile written as p90, 90 or 0.9."""
    match = _QUANTILE_KEY.match(str(key).strip())
    if match is None:
        raise ValueError(f"quantile {key!r} is not a percentile; write p50, p99, p99.9 ...")
    if str(key).strip()[0] in "pP":
        percent = float(match.group(1))
    else:
        value = float(match.group(1))
        if value == 1:
            raise ValueError("quantile 1 may mean p1 or p100; write p1 or p100")
        percent = value * 100 if value < 1 else value
    if percent > 100:
        raise ValueError(f"quantile {key!r} is above p100")
    return _key(percent)


def _key(percent: float) -> str:
    return f"p{percent:.10g}"


def _check_quantiles(quantiles: dict[str, float]) -> None:
    if len(quantiles) < 2:
        raise ValueError("quantiles needs at least two points, such as p50 and p99")
    ordered = sorted(quantiles.items(), key=lambda item: float(item[0][1:]))
    if ordered[0][1] <= 0:
        raise ValueError(f"quantile {ordered[0][0]} must be above 0 tokens")
    for (low, low_tokens), (high, high_tokens) in pairwise(ordered):
        if low_tokens > high_tokens:
            raise ValueError(f"{low} ({low_tokens:g}) is above {high} ({high_tokens:g}); quantiles must rise")


def _integrate(z: FloatArray, log_tokens: FloatArray) -> tuple[float, float]:
    """First and second moment of the tabulated quantile function, tokens and tokens squared."""
    middle = ndtri((np.arange(_MIDPOINTS) + 0.5) / _MIDPOINTS)
    tokens = np.exp(np.interp(middle, z, log_tokens))
    return float(tokens.mean()), float((tokens**2).mean())


def _histogram_table(histogram: Histogram) -> tuple[FloatArray, FloatArray]:
    """Table of a histogram: uniform in each bin, so the quantile is linear in probability."""
    counts = np.asarray(histogram.counts)
    cumulative = np.concatenate([[0.0], np.cumsum(counts)]) / counts.sum()
    borders = np.concatenate([counts > 0, [False]]) | np.concatenate([[False], counts > 0])
    levels, edges = cumulative[borders], np.asarray(histogram.edges)[borders]
    after_gap = np.concatenate([[False], np.diff(levels) == 0])  # empty bins: a step upwards
    levels = levels + _STEP * after_gap
    probability = np.unique(np.concatenate([ndtr(_Z_GRID), levels]))
    tokens = np.interp(probability, levels, edges)
    return (
        np.clip(ndtri(probability), -_Z_LIMIT - 1, _Z_LIMIT + 1),
        np.log(np.maximum(tokens, 0.5)),
    )


def _quantile_table(quantiles: dict[str, float]) -> tuple[FloatArray, FloatArray]:
    """Log-linear between the points; outside them the outer slope goes on (p0, p100 end it)."""
    ordered = sorted((float(key[1:]) / 100, tokens) for key, tokens in quantiles.items())
    scores = np.clip(ndtri(np.asarray([p for p, _ in ordered])), -_Z_LIMIT, _Z_LIMIT)
    logs: FloatArray = np.log(np.asarray([tokens for _, tokens in ordered]))
    distinct = np.concatenate([[True], np.diff(scores) > 0])
    z: FloatArray = np.asarray(scores[distinct])
    log_tokens: FloatArray = logs[distinct]
    if len(z) < 2:
        raise ValueError("quantiles needs two points that differ, such as p50 and p99")
    if z[0] > -_Z_LIMIT:
        slope = (log_tokens[1] - log_tokens[0]) / (z[1] - z[0])
        log_tokens = np.concatenate([[log_tokens[0] - slope * (z[0] + _Z_LIMIT)], log_tokens])
        z = np.concatenate([[-_Z_LIMIT], z])
    if z[-1] < _Z_LIMIT:
        slope = (log_tokens[-1] - log_tokens[-2]) / (z[-1] - z[-2])
        log_tokens = np.concatenate([log_tokens, [log_tokens[-1] + slope * (_Z_LIMIT - z[-1])]])
        z = np.concatenate([z, [_Z_LIMIT]])
    return z, log_tokens


def _lognormal_table(mean: float | None, p50: float | None, p99: float | None) -> FloatArray:
    """ln(tokens) over `_Z_GRID` from two or three of the mean, median and 99th percentile.

    With two numbers the lognormal through them; with three, see `_bent_table`.
    """
    if p50 is not None and p99 is not None:
        if mean is None:
            return np.asarray(np.log(p50) + _Z_GRID * np.log(p99 / p50) / _Z_99)
        return _bent_table(mean, p50, p99)
    assert mean is not None
    if p99 is not None:
        # ln p99 = ln mean - s^2/2 + z99 s; the smaller root is the unimodal, usual one
        discriminant = _Z_99**2 - 2 * np.log(p99 / mean)
        if p99 < mean or discriminant < 0:
            raise ValueError(
                f"p99 ({p99:g}) must lie between the mean ({mean:g}) and 15 times the mean; "
                "give p50 too, or quantiles"
            )
        spread = _Z_99 - float(np.sqrt(discriminant))
    elif p50 is not None:
        if mean < p50:
            raise ValueError(
                f"mean ({mean:g}) below p50 ({p50:g}) is not a lognormal; give p99 too, or quantiles"
            )
        spread = float(np.sqrt(2 * np.log(mean / p50)))
    else:
        spread = DEFAULT_LOG_SD
    return np.asarray(np.log(mean) - spread**2 / 2 + spread * _Z_GRID)


def _bent_table(mean: float, p50: float, p99: float) -> FloatArray:
    """A lognormal bent until mean, p50 and p99 all hold.

    Rule: below the median and beyond p99 the log-slope is that of the lognormal through p50 and
    p99, s = ln(p99/p50)/2.326. Between them ln q(z) = ln p50 + ln(p99/p50) (z/2.326)^b, and the
    bend b (1 = straight) is solved for the mean. When no bend reaches it, the slope below the
    median gives way; when neither does, no such distribution exists.
    """
    rise = np.log(p99 / p50)
    slope = rise / _Z_99

    def table(bend: float, lower_slope: float) -> FloatArray:
        upper = np.where(
            _Z_GRID <= _Z_99,
            rise * (np.clip(_Z_GRID, 0, _Z_99) / _Z_99) ** bend,
            rise + slope * (_Z_GRID - _Z_99),
        )
        below = lower_slope * _Z_GRID
        return np.asarray(np.log(p50) + np.where(_Z_GRID < 0, below, upper))

    def miss(bend: float, lower_slope: float) -> float:
        return _integrate(_Z_GRID, table(bend, lower_slope))[0] - mean

    if rise == 0 and abs(mean / p50 - 1) < 1e-9:
        return table(1.0, 0.0)
    few_bends, many_bends = _BEND_LIMITS
    if miss(many_bends, slope) <= 0 <= miss(few_bends, slope):
        bend = brentq(lambda b: miss(b, slope), few_bends, many_bends, xtol=1e-6)
        return table(bend, slope)
    bend = few_bends if miss(few_bends, slope) < 0 else many_bends
    narrow, wide = _LOWER_LIMITS
    if miss(bend, narrow) < 0 or miss(bend, wide) > 0:
        lowest = miss(many_bends, wide) + mean
        highest = miss(few_bends, narrow) + mean
        raise ValueError(
            f"no distribution has p50 {p50:g}, p99 {p99:g} and mean {mean:g}: the mean must lie "
            f"between {lowest:.4g} and {highest:.4g}"
        )
    return table(bend, brentq(lambda s: miss(bend, s), narrow, wide, xtol=1e-9))
