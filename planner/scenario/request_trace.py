"""Request traces: read those of others as they are published.

Understood by their columns: Azure LLM inference 2023 and 2024, BurstGPT, Mooncake (JSON lines), and
plain CSV with arrival, input tokens, output tokens and optionally cached tokens or a prefix hash.
"""

from __future__ import annotations

import gzip
import json
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from planner.files import InputFault, InputFaults

if TYPE_CHECKING:
    import pandas as pd  # takes a third of a second to import: only who reads a trace waits for it

FloatArray = npt.NDArray[np.float64]
IntArray = npt.NDArray[np.int64]

MOONCAKE_BLOCK_TOKENS = 512
"""Tokens of one `hash_ids` entry (Mooncake, FAST 2025, trace description)."""

FEWEST_REQUESTS = 2

MOST_TOKENS = 100_000_000
"""Longest prompt or answer that is believed: beyond it a column holds something else."""

_TOKENS = f"a number of 0 or more, up to {MOST_TOKENS:,}"
_MS_PER_S = 1000.0

_FORMATS: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "azure": {"t_s": ("TIMESTAMP",), "in_tokens": ("ContextTokens",), "out_tokens": ("GeneratedTokens",)},
    "burstgpt": {
        "t_s": ("Timestamp",),
        "in_tokens": ("Request tokens",),
        "out_tokens": ("Response tokens",),
    },
    "mooncake": {"t_s": ("timestamp",), "in_tokens": ("input_length",), "out_tokens": ("output_length",)},
    "plain": {
        "t_s": ("t_s", "arrival_s", "arrival", "timestamp"),
        "in_tokens": ("in_tokens", "input_tokens", "prompt_tokens"),
        "out_tokens": ("out_tokens", "output_tokens", "completion_tokens"),
    },
}
"""Columns by format, the names each may have."""


@dataclass(frozen=True)
class RequestTable:
    """Requests of a trace: equal-length arrays ordered by `arrival_s` (seconds from its start)."""

    arrival_s: FloatArray
    prompt: IntArray
    cached: IntArray
    output: IntArray

    def where(self, kept: npt.NDArray[np.bool_]) -> RequestTable:
        """The requests at which `kept` (one entry per request) is true."""
        return RequestTable(self.arrival_s[kept], self.prompt[kept], self.cached[kept], self.output[kept])


@dataclass(frozen=True)
class Trace:
    """A trace as read.

    Attributes:
        requests: the requests in order of arrival.
        format: azure, burstgpt, mooncake or plain.
        start: clock time of the first request (ISO 8601), or "" when the trace has none.
        failed: requests of the file without an answer, left out.
        has_prefixes: whether it says which tokens earlier requests shared.

    """

    requests: RequestTable
    format: str
    start: str = ""
    failed: int = 0
    has_prefixes: bool = False

    def __len__(self) -> int:
        return len(self.requests.arrival_s)

    @property
    def span_s(self) -> float:
        """Seconds from the first request to the last."""
        return float(self.requests.arrival_s[-1] - self.requests.arrival_s[0])

    def between(self, start_s: float, end_s: float) -> Trace:
        """The requests that arrive from `start_s` until before `end_s` after the first."""
        arrival = self.requests.arrival_s
        kept = (arrival >= start_s) & (arrival < end_s)
        return Trace(self.requests.where(kept), self.format, self.start, 0, self.has_prefixes)


def read_trace(path: str | Path) -> Trace:
    """Read a trace file; the format is recognised by its columns.

    Rows may stand in any order. Cached tokens come from the file: Mooncake's `hash_ids` (blocks of 512
    tokens) and `prefix_hash` columns are replayed against a cache that never forgets; without either,
    nothing is cached.

    Raises:
        InputFaults: the file is missing, of no known format, or has wrong numbers.
    """
    name = str(path)
    rows = _rows(Path(path), name)
    for kind, columns in _FORMATS.items():
        found = {
            known: next((n for n in names if n in rows.columns), None) for known, names in columns.items()
        }
        if all(found.values()):
            return _trace(rows.rename(columns={str(n): known for known, n in found.items()}), kind, name)
    seen = "the columns " + ", ".join(map(str, rows.columns)) if len(rows.columns) else "no columns"
    allowed = "; ".join(
        f"{kind}: {', '.join('|'.join(names) for names in columns.values())}"
        for kind, columns in _FORMATS.items()
    )
    raise InputFaults([InputFault(name, 1, "", seen, allowed, "name the columns of your file so")])


def _rows(path: Path, name: str) -> pd.DataFrame:
    import pandas as pd

    try:
        if {".jsonl", ".ndjson"} & set(path.suffixes):
            opened = gzip.open if path.suffix == ".gz" else open
            with opened(path, "rt", encoding="utf-8") as lines:
                return pd.DataFrame([_object(line, i) for i, line in enumerate(lines, 1) if line.strip()])
        return pd.read_csv(path, low_memory=False)
    except (OSError, ValueError) as error:
        found = (
            str(error) if not isinstance(error, OSError) or error.strerror is None else error.strerror.lower()
        )
        expected = "a CSV or JSON-lines file of requests"
        raise InputFaults([InputFault(name, None, "", found, expected)]) from None


def _object(line: str, number: int) -> dict[str, Any]:
    try:
        found = json.loads(line)
    except ValueError as error:
        raise ValueError(f"line {number}: {error}") from None
    if not isinstance(found, dict):
        raise ValueError(f"line {number}: '{line.strip()[:40]}' is not a JSON object")
    return found


def _trace(rows: pd.DataFrame, kind: str, name: str) -> Trace:
    import pandas as pd

    first_line = 1 if kind == "mooncake" and "hash_ids" in rows.columns else 2  # CSV files have a heading
    seconds, start = _arrivals_s(rows["t_s"], kind)
    rows = rows.assign(t_s=seconds)
    faults = []
    for column, most in (("t_s", np.inf), ("in_tokens", MOST_TOKENS), ("out_tokens", MOST_TOKENS)):
        values = pd.to_numeric(rows[column], errors="coerce")
        wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0) & (values <= most)))
        if len(wrong):
            row = int(wrong[0])
            found = (
                f"'{rows[column].iloc[row]}'" if column != "t_s" else f"'{seconds.attrs['text'].iloc[row]}'"
            )
            allowed = "seconds of 0 or more, or a clock time" if column == "t_s" else _TOKENS
            such = f"{found} ({len(wrong)} such row{'s' if len(wrong) > 1 else ''})"
            faults.append(InputFault(name, row + first_line, column, such, allowed))
        rows = rows.assign(**{column: values})
    if faults:
        raise InputFaults(faults)
    answered = rows["out_tokens"] > 0
    failed = int((~answered).sum())
    rows = rows[answered].sort_values("t_s", kind="stable", ignore_index=True)
    if len(rows) < FEWEST_REQUESTS:
        such = f"{len(rows)} answered request{'' if len(rows) == 1 else 's'}"
        raise InputFaults([InputFault(name, None, "", such, f"at least {FEWEST_REQUESTS}")])
    arrival = rows["t_s"].to_numpy(dtype=np.float64)
    prompt = np.maximum(rows["in_tokens"].to_numpy(dtype=np.float64), 1).astype(np.int64)
    output = np.maximum(rows["out_tokens"].to_numpy(dtype=np.float64), 1).astype(np.int64)
    cached = _cached(rows, prompt, name)
    known = np.zeros(len(rows), dtype=np.int64) if cached is None else np.minimum(cached, prompt - 1)
    table = RequestTable(arrival - arrival[0], prompt, known, output)
    return Trace(table, kind, start, failed, cached is not None)


def _arrivals_s(column: pd.Series[Any], kind: str) -> tuple[pd.Series[Any], str]:
    """Arrivals in seconds (NaN where unreadable; the text in `attrs`), and the first clock time."""
    import pandas as pd

    numbers = pd.to_numeric(column, errors="coerce")
    start = ""
    if numbers.isna().all() and len(column):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # pandas warns of mixed forms; they become faults
            times = pd.to_datetime(column, utc=True, format="ISO8601", errors="coerce")
        if not times.isna().all():
            start = str(times.min().isoformat())
        numbers = (times - times.min()).dt.total_seconds()
    elif kind == "mooncake":
        numbers = numbers / _MS_PER_S
    numbers.attrs["text"] = column
    return numbers, start


def _cached(rows: pd.DataFrame, prompt: IntArray, name: str) -> IntArray | None:
    """Prompt tokens that an endless prefix cache would hold, per request; None: the file does not say."""
    import pandas as pd

    if "cached_tokens" in rows.columns:
        tokens = pd.to_numeric(rows["cached_tokens"], errors="coerce").fillna(0).to_numpy(dtype=np.float64)
        return np.asarray(np.clip(tokens, 0.0, prompt), dtype=np.int64)
    found = np.zeros(len(rows), dtype=np.int64)
    if "hash_ids" in rows.columns:
        seen: set[int] = set()
        for i, value in enumerate(rows["hash_ids"]):
            try:
                blocks = json.loads(value) if isinstance(value, str) else list(value)
            except (TypeError, ValueError):
                fault = InputFault(name, None, "hash_ids", f"'{value}'", "a list of block numbers")
                raise InputFaults([fault]) from None
            known = 0
            while known < len(blocks) and blocks[known] in seen:
                known += 1
            found[i] = known * MOONCAKE_BLOCK_TOKENS
            seen.update(blocks)
        return found
    if "prefix_hash" in rows.columns:
        longest: dict[Any, int] = {}
        for i, key in enumerate(rows["prefix_hash"]):
            if not pd.isna(key):
                found[i] = longest.get(key, 0)  # the part that an earlier prompt of the name had
                longest[key] = max(longest.get(key, 0), int(prompt[i]))
        return found
    return None
