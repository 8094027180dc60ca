"""Request traces of others: read them, and make workloads of them.

Understood by their columns: Azure LLM inference 2023 and 2024, BurstGPT, Mooncake (JSON lines), and
plain CSV with `t_s`, `in_tokens`, `out_tokens` and optionally `cached_tokens` or `prefix_hash`.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from planner.files import InputFault, InputFaults
from planner.scenario.distributions import TokenDistribution
from planner.simulate.arrivals import RequestTable

FloatArray = npt.NDArray[np.float64]

MOONCAKE_BLOCK_TOKENS = 512
"""Tokens of one `hash_ids` entry (Mooncake, FAST 2025, trace description)."""

WINDOW_S = 60.0
"""Variation slower than this belongs to the rate (that of the busiest window), faster variation to
the burstiness. A minute is longer than most requests live and shorter than scaling reacts."""

_HOURS_PER_DAY = 24
_S_PER_H = 3600.0
_MS_PER_S = 1000.0
_FEWEST_GAPS = 10  # of a window that counts for the burstiness
_FEWEST_HOURS = 20  # seen of the day before an hourly profile is worth stating

_AZURE = {"TIMESTAMP": "t_s", "ContextTokens": "in_tokens", "GeneratedTokens": "out_tokens"}
_BURSTGPT = {"Timestamp": "t_s", "Request tokens": "in_tokens", "Response tokens": "out_tokens"}
_MOONCAKE = {"timestamp": "t_s", "input_length": "in_tokens", "output_length": "out_tokens"}
_PLAIN = {"t_s": "t_s", "in_tokens": "in_tokens", "out_tokens": "out_tokens"}
_FORMATS: Mapping[str, Mapping[str, str]] = {
    "azure": _AZURE,
    "burstgpt": _BURSTGPT,
    "mooncake": _MOONCAKE,
    "plain": _PLAIN,
}


@dataclass(frozen=True)
class Trace:
    """A trace as read.

    Attributes:
        requests: the requests in order of arrival.
        format: azure, burstgpt, mooncake or plain.
        start: clock time of the first request (ISO 8601), or "" when the trace has none.
        failed: requests of the file without an answer, left out.

    """

    requests: RequestTable
    format: str
    start: str = ""
    failed: int = 0

    def __len__(self) -> int:
        return len(self.requests.arrival_s)

    def between(self, start_s: float, end_s: float) -> Trace:
        """The requests that arrive from `start_s` until before `end_s` after the first."""
        table = self.requests
        kept = (table.arrival_s >= start_s) & (table.arrival_s < end_s)
        part = RequestTable(table.arrival_s[kept], table.prompt[kept], table.cached[kept], table.output[kept])
        return Trace(part, self.format, self.start, 0)


def read_trace(path: str | Path) -> Trace:
    """Read a trace file; the format is recognised by its columns.

    Cached tokens come from the file: Mooncake's `hash_ids` (blocks of 512 tokens) and `prefix_hash`
    columns are replayed against a cache that never forgets; without either, nothing is cached.

    Raises:
        InputFaults: the file is missing, of no known format, or has wrong numbers.
    """
    name = str(path)
    rows = _rows(Path(path), name)
    for kind, columns in _FORMATS.items():
        if set(columns) <= set(rows.columns):
            renamed = rows.rename(columns=dict(columns))
            return _trace(renamed, kind, name)
    found = "the columns " + ", ".join(map(str, rows.columns))
    allowed = "; ".join(f"{kind}: {', '.join(columns)}" for kind, columns in _FORMATS.items())
    raise InputFaults([InputFault(name, 1, "", found, allowed)])


def _rows(path: Path, name: str) -> pd.DataFrame:
    try:
        if ".jsonl" in path.suffixes or ".ndjson" in path.suffixes:
            opened = gzip.open if path.suffix == ".gz" else open
            with opened(path, "rt", encoding="utf-8") as lines:
                return pd.DataFrame([json.loads(line) for line in lines if line.strip()])
        return pd.read_csv(path)
    except (OSError, ValueError) as error:
        expected = "a CSV or JSON-lines file of requests"
        raise InputFaults([InputFault(name, None, "", str(error), expected)]) from None


def _trace(rows: pd.DataFrame, kind: str, name: str) -> Trace:
    start = ""
    if kind == "azure":
        times = pd.to_datetime(rows["t_s"], utc=True, format="ISO8601", errors="coerce")
        start = "" if times.isna().all() else str(times.min().isoformat())
        rows = rows.assign(t_s=(times - times.min()).dt.total_seconds())
    faults = []
    for column in ("t_s", "in_tokens", "out_tokens"):
        values = pd.to_numeric(rows[column], errors="coerce")
        wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
        if len(wrong):
            first = int(wrong[0])
            line = first + (1 if kind == "mooncake" else 2)  # CSV files have a heading
            found = f"'{rows[column].iloc[first]}' ({len(wrong)} such rows)"
            faults.append(InputFault(name, line, column, found, "a number of 0 or more"))
        rows = rows.assign(**{column: values})
    if faults:
        raise InputFaults(faults)
    answered = rows["out_tokens"] > 0
    failed = int((~answered).sum())
    rows = rows[answered].sort_values("t_s", kind="stable", ignore_index=True)
    if len(rows) < 2:
        raise InputFaults([InputFault(name, None, "", f"{len(rows)} answered requests", "at least 2")])
    seconds = rows["t_s"].to_numpy(dtype=np.float64) / (_MS_PER_S if kind == "mooncake" else 1.0)
    prompt = np.maximum(rows["in_tokens"].to_numpy(dtype=np.float64), 1).astype(np.int64)
    output = rows["out_tokens"].to_numpy(dtype=np.float64).astype(np.int64)
    cached = np.minimum(_cached(rows, prompt), prompt - 1)
    table = RequestTable(seconds - seconds[0], prompt, cached, output)
    return Trace(table, kind, start, failed)


def _cached(rows: pd.DataFrame, prompt: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Prompt tokens that an endless prefix cache would hold, per request."""
    if "cached_tokens" in rows.columns:
        known_tokens = rows["cached_tokens"].fillna(0).to_numpy(dtype=np.float64)
        return np.asarray(np.maximum(known_tokens, 0.0), dtype=np.int64)
    found = np.zeros(len(rows), dtype=np.int64)
    if "hash_ids" in rows.columns:
        seen: set[int] = set()
        for i, value in enumerate(rows["hash_ids"]):
            blocks = json.loads(value) if isinstance(value, str) else list(value)
            known = 0
            while known < len(blocks) and blocks[known] in seen:
                known += 1
            found[i] = known * MOONCAKE_BLOCK_TOKENS
            seen.update(blocks)
    elif "prefix_hash" in rows.columns:
        longest: dict[Any, int] = {}
        for i, key in enumerate(rows["prefix_hash"]):
            if not pd.isna(key):
                found[i] = longest.get(key, 0)  # the part that an earlier prompt of the name had
                longest[key] = max(longest.get(key, 0), int(prompt[i]))
    return found


@dataclass(frozen=True)
class TraceWorkload:
    """What a workload needs to know of a trace.

    Attributes:
        name: of the workload.
        requests: how many it was made of.
        rate_rps: arrivals in the busiest window.
        mean_rate_rps: over the whole trace.
        profile: 24 hourly factors of `rate_rps` (hour of the trace, or of the day when its clock is
            known); None for traces that saw less than most of a day.
        input_tokens, output_tokens: lengths.
        prefix_hit_rate: cached share of the prompt tokens.
        burstiness_cv: of the gaps between arrivals inside windows.

    """

    name: str
    requests: int
    rate_rps: float
    mean_rate_rps: float
    profile: tuple[float, ...] | None
    input_tokens: TokenDistribution
    output_tokens: TokenDistribution
    prefix_hit_rate: float
    burstiness_cv: float

    def as_workload(self, llms: Sequence[str] = ()) -> dict[str, Any]:
        """The entry to put under `workloads:` of a scenario (add `llms`, `origins` and `slo`)."""
        entry: dict[str, Any] = {
            "name": self.name,
            "llms": list(llms),
            "rate_rps": round(self.rate_rps, 4),
            "input_tokens": _rounded(self.input_tokens),
            "output_tokens": _rounded(self.output_tokens),
            "prefix_hit_rate": round(self.prefix_hit_rate, 4),
            "burstiness_cv": round(self.burstiness_cv, 3),
        }
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
    trace: Trace, name: str = "trace", classes: int = 1, window_s: float = WINDOW_S
) -> list[TraceWorkload]:
    """Describe a trace as workloads, one per length class.

    Args:
        trace: the requests.
        name: of the workload; classes are called `name-1` (short prompts) and up.
        classes: how many; each carries an equal share of all prompt and answer tokens, so that few
            long requests and many short ones can be served by different pools.
        window_s: busiest window whose rate is kept, and within which burstiness is measured.

    Raises:
        ValueError: there are fewer requests than two per class.
    """
    parts = length_classes(trace, classes)
    names = [name] if len(parts) == 1 else [f"{name}-{i + 1}" for i in range(len(parts))]
    span_s = float(trace.requests.arrival_s[-1] - trace.requests.arrival_s[0])
    return [
        _described(part, trace, label, span_s, window_s) for part, label in zip(parts, names, strict=True)
    ]


def length_classes(trace: Trace, classes: int) -> list[RequestTable]:
    """Split a trace by prompt length into classes of equal token mass, short prompts first.

    Raises:
        ValueError: fewer requests than two per class, or fewer than one class.
    """
    table = trace.requests
    if classes < 1 or len(table.arrival_s) < 2 * classes:
        raise ValueError(f"{len(table.arrival_s)} requests do not make {classes} classes of two or more")
    order = np.argsort(table.prompt, kind="stable")
    mass = np.cumsum((table.prompt + table.output)[order])
    number = np.empty(len(order), dtype=np.int64)
    number[order] = np.minimum((mass - 1) * classes // mass[-1], classes - 1)
    parts = []
    for i in range(classes):
        kept = number == i
        if kept.sum() >= 2:
            columns = (table.arrival_s, table.prompt, table.cached, table.output)
            parts.append(RequestTable(*(column[kept] for column in columns)))
    return parts


def _described(part: RequestTable, trace: Trace, name: str, span_s: float, window_s: float) -> TraceWorkload:
    arrival = part.arrival_s
    mean_rate = len(arrival) / max(span_s, 1e-9)
    rate = _busiest_rps(arrival, min(window_s, max(span_s, 1e-9)))
    return TraceWorkload(
        name=name,
        requests=len(arrival),
        rate_rps=rate,
        mean_rate_rps=mean_rate,
        profile=_profile(arrival, trace.start, rate),
        input_tokens=TokenDistribution.from_samples(part.prompt),
        output_tokens=TokenDistribution.from_samples(part.output),
        prefix_hit_rate=float(min(part.cached.sum() / part.prompt.sum(), 0.999)),
        burstiness_cv=burstiness_cv(arrival, window_s),
    )


def _busiest_rps(arrival_s: FloatArray, window_s: float) -> float:
    """Arrivals per second in the busiest window of `window_s` seconds."""
    ends = np.searchsorted(arrival_s, arrival_s + window_s, side="left")
    return float((ends - np.arange(len(arrival_s))).max() / window_s)


def burstiness_cv(arrival_s: FloatArray, window_s: float = WINDOW_S) -> float:
    """Coefficient of variation of the gaps inside windows, so that slow swings do not count.

    Gaps of a window are taken relative to their mean; windows of fewer than ten gaps are left out
    (1, Poisson, when all are).
    """
    window = np.floor((arrival_s - arrival_s[0]) / window_s).astype(np.int64)
    squares, weights = [], []
    for gaps in (np.diff(arrival_s[window == w]) for w in np.unique(window)):
        if len(gaps) >= _FEWEST_GAPS and gaps.mean() > 0:
            squares.append(gaps.var() / gaps.mean() ** 2)
            weights.append(len(gaps))
    if not squares:
        return 1.0
    return float(max(np.sqrt(np.average(squares, weights=weights)), 0.05))


def _profile(arrival_s: FloatArray, start: str, rate_rps: float) -> tuple[float, ...] | None:
    """Mean rate of each hour of the day over `rate_rps`, or None for a short trace."""
    first = pd.Timestamp(start).timestamp() if start else 0.0
    hours = np.floor((first + arrival_s) / _S_PER_H).astype(np.int64)
    if hours[-1] - hours[0] + 1 < _FEWEST_HOURS:
        return None
    counts = np.bincount(hours - hours[0])
    of_day = (np.arange(len(counts)) + hours[0]) % _HOURS_PER_DAY
    seen = np.bincount(of_day, minlength=_HOURS_PER_DAY)
    total = np.bincount(of_day, weights=counts, minlength=_HOURS_PER_DAY)
    hourly = np.divide(total, seen, out=np.full(_HOURS_PER_DAY, counts.mean()), where=seen > 0)
    return tuple((hourly / _S_PER_H / rate_rps).tolist())
