"""Measured latency against load: the largest rate that keeps a promise, between the points measured.

A benchmark sweep measures one shape at a few concurrencies (or rates). Between two neighbours latency and
throughput are interpolated on logarithms; beyond the last point nothing is claimed.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from planner.performance.service import LatencyObjective
from planner.performance.types import Array, ArrayInput

PERCENTILES = (50.0, 90.0, 95.0, 99.0)
SHAPE_COLUMNS: Mapping[str, str | int] = {
    "llm": "",
    "accelerator": "",
    "tp": 1,
    "pp": 1,
    "dp": 1,
    "ep": 1,
    "role": "aggregated",
}
"""What identifies a shape in a rate table, and what an empty cell means."""
SAME_LENGTH = 0.1
"""Relative spread of mean input and output tokens inside one sweep."""


@dataclass(frozen=True)
class MeasuredCurve:
    """One shape under growing load; arrays of one length, rising ``concurrency``.

    ``ttft_ms``, ``tpot_ms`` and ``e2e_ms`` are at one percentile (or the mean); NaN where not measured.
    """

    concurrency: Array
    requests_per_s: Array
    ttft_ms: Array
    tpot_ms: Array
    e2e_ms: Array

    def at(self, concurrency: ArrayInput) -> MeasuredCurve:
        """Return the curve at other concurrencies; NaN outside the range measured."""
        asked = np.asarray(concurrency, dtype=float)
        return replace(
            self,
            concurrency=asked,
            requests_per_s=self._between(self.requests_per_s, asked),
            ttft_ms=self._between(self.ttft_ms, asked),
            tpot_ms=self._between(self.tpot_ms, asked),
            e2e_ms=self._between(self.e2e_ms, asked),
        )

    def _between(self, values: Array, asked: Array) -> Array:
        with np.errstate(divide="ignore", invalid="ignore"):
            found = np.exp(np.interp(np.log(asked), np.log(self.concurrency), np.log(values)))
        inside = (asked >= self.concurrency[0]) & (asked <= self.concurrency[-1])
        return np.where(inside, found, np.nan)

    def largest_concurrency(self, objective: LatencyObjective) -> float:
        """Return the largest concurrency up to which every measured point keeps the objective.

        0 when the first point already breaks it, or when a promised latency was not measured.
        """
        largest = float(self.concurrency[-1])
        for limit, values in (
            (objective.ttft_ms, self.ttft_ms),
            (objective.tpot_ms, self.tpot_ms),
            (objective.e2e_ms, self.e2e_ms),
        ):
            if limit is not None:
                largest = min(largest, self._crossing(values, limit))
        return largest

    def _crossing(self, values: Array, limit: float) -> float:
        broken = np.flatnonzero(~(values <= limit))  # NaN breaks it too
        if not len(broken):
            return float(self.concurrency[-1])
        first = int(broken[0])
        if first == 0:
            return 0.0
        before = first - 1
        if np.isnan(values[first]):
            return float(self.concurrency[before])
        low, high = np.log(self.concurrency[[before, first]])
        share = (np.log(limit) - np.log(values[before])) / (np.log(values[first]) - np.log(values[before]))
        return float(np.exp(low + share * (high - low)))

    def largest_rate_rps(self, objective: LatencyObjective) -> float:
        """Return the most requests per second completed without breaking the objective (0: none).

        Throughput can fall again past saturation, so the best point on the way counts.
        """
        largest = self.largest_concurrency(objective)
        if largest <= 0:
            return 0.0
        reached = self.requests_per_s[self.concurrency <= largest]
        return max(float(np.max(reached)), float(self.at(largest).requests_per_s))


def measured_curve(rows: pd.DataFrame, percentile: float | None = None) -> MeasuredCurve:
    """Return the curve of one sweep.

    Parameters
    ----------
    rows
        Measurements of one shape and one length of requests, columns of ``read_benchmark``. Points
        of equal concurrency are averaged.
    percentile
        50, 90, 95 or 99; others take the next one up. ``None``: means.

    Raises
    ------
    ValueError
        No usable point; requests of different lengths; a percentile above 99.
    """
    for name in ("input_tokens", "output_tokens"):
        spread = rows[name].dropna()
        if len(spread) and spread.max() > (1.0 + SAME_LENGTH) * spread.min():
            raise ValueError(
                f"one sweep mixes requests of {spread.min():.0f} to {spread.max():.0f} {name}: "
                "label the files by workload, or read them apart"
            )
    table = pd.DataFrame({"concurrency": rows["concurrency"], "requests_per_s": rows["requests_per_s"]})
    suffix = _suffix(percentile)
    for name in ("ttft", "tpot"):
        table[name] = rows[f"{name}{suffix}_ms"]
    # No client prints percentiles of the whole answer: both parts at theirs is an upper bound.
    steps = (rows["output_tokens"] - 1.0).clip(lower=0.0)
    table["e2e"] = rows["e2e_ms"] if percentile is None else table["ttft"] + steps * table["tpot"]
    usable = table[(table["concurrency"] > 0) & (table["requests_per_s"] > 0)]
    if usable.empty:
        raise ValueError("no measurement states a concurrency and a throughput")
    points = usable.groupby("concurrency").mean().reset_index().sort_values("concurrency")
    columns = (points[name].to_numpy(dtype=float) for name in points.columns)
    return MeasuredCurve(*columns)


def _suffix(percentile: float | None) -> str:
    if percentile is None:
        return ""
    higher = [known for known in PERCENTILES if known >= percentile]
    if not higher:
        raise ValueError(f"benchmark files print percentiles up to 99, found {percentile:g}")
    return f"_p{higher[0]:g}"


def measured_rates(benchmarks: pd.DataFrame, objectives: Mapping[str, LatencyObjective]) -> pd.DataFrame:
    """Return a table of measured rates, as ``performance: {provider: table}`` reads it.

    Parameters
    ----------
    benchmarks
        Rows of ``read_benchmark``, of any number of shapes; needs ``llm`` and ``accelerator``. Rows
        with a ``workload`` count for that one only, rows without for every workload.
    objectives
        What each workload promises.

    Returns
    -------
    DataFrame
        Columns llm, accelerator, tp, pp, dp, ep, role, workload, max_rps; a row per shape and
        workload measured, 0 where the promise does not hold at any point.

    Raises
    ------
    ValueError
        No llm or accelerator in some row; or as ``measured_curve``.
    """
    table = benchmarks.copy()
    for name, default in SHAPE_COLUMNS.items():
        if name not in table:
            table[name] = default
        if default == "":
            if (table[name].fillna("") == "").any():
                raise ValueError(f"some measurements do not say their {name}: give it to read_benchmark")
        else:
            table[name] = table[name].replace("", default).fillna(default)
    own = table["workload"].fillna("") if "workload" in table else pd.Series("", index=table.index)
    rates = []
    for shape, rows in table.groupby(list(SHAPE_COLUMNS), sort=False):
        for workload, objective in objectives.items():
            chosen = rows[own[rows.index].isin(["", workload])]
            if (own[rows.index] == workload).any():
                chosen = rows[own[rows.index] == workload]
            if chosen.empty:
                continue
            rate = measured_curve(chosen, objective.percentile).largest_rate_rps(objective)
            rates.append((*shape, workload, round(rate, 6)))
    return pd.DataFrame(rates, columns=[*SHAPE_COLUMNS, "workload", "max_rps"])
