"""Fill workloads from traces of real requests."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from planner.files import Document, InputFault, InputFaults
from planner.scenario.distributions import TokenDistribution

TRACE_COLUMNS = ("t_s", "in_tokens", "out_tokens")
"""Arrival time in seconds from any start, prompt tokens, answer tokens. Others are ignored."""

PEAK_WINDOW_S = 600.0
"""The peak rate is that of the busiest ten minutes, the grain of published rate traces."""

FEWEST_REQUESTS = 2


_UNREADABLE: dict[str, Any] = {"rate_rps": 1.0, "input_tokens": 1, "output_tokens": 1}
"""Stands in for a faulty trace, so that its fields are not called missing as well."""


def fill_from_traces(document: Document) -> tuple[Any, list[InputFault]]:
    """Return a scenario's data with what its traces know, and what is wrong with the traces.

    What a workload states itself is kept. Paths must be absolute already.
    """
    data = document.data
    workloads = data.get("workloads") if isinstance(data, Mapping) else None
    if not isinstance(workloads, list):
        return data, []
    faults: list[InputFault] = []
    filled: list[Any] = []
    for workload in workloads:
        path = workload.get("trace") if isinstance(workload, Mapping) else None
        if isinstance(path, str):
            known: dict[str, Any] = _UNREADABLE
            try:
                # A path that leads nowhere is reported where paths are made absolute.
                known = _known(path) if Path(path).is_file() else _UNREADABLE
            except InputFaults as error:
                faults += error.faults
            workload = {**known, **workload}
        filled.append(workload)
    return {**data, "workloads": filled}, faults


def read_trace(path: str | Path) -> pd.DataFrame:
    """Return a trace sorted by arrival: columns t_s, in_tokens, out_tokens, all floats.

    Raises:
        InputFaults: the file is missing, is not CSV, or lacks a column, numbers or requests.
    """
    name = str(path)
    try:
        rows = pd.read_csv(path)
    except (OSError, ValueError) as error:
        fault = InputFault(name, None, "", str(error), "a CSV of requests")
        raise InputFaults([fault]) from None
    missing = [column for column in TRACE_COLUMNS if column not in rows.columns]
    if missing:
        found = "the columns " + ", ".join(map(str, rows.columns))
        advice = "missing: " + ", ".join(missing)
        raise InputFaults([InputFault(name, 1, "", found, "the columns " + ", ".join(TRACE_COLUMNS), advice)])
    faults = []
    for column in TRACE_COLUMNS:
        values = pd.to_numeric(rows[column], errors="coerce")
        wrong = np.flatnonzero(~(np.isfinite(values) & (values >= 0)))
        if len(wrong):
            heading_and_origin = 2  # line 1 is the heading, rows count from 0
            line = int(wrong[0]) + heading_and_origin
            found = f"'{rows[column].iloc[int(wrong[0])]}' ({len(wrong)} such rows)"
            faults.append(InputFault(name, line, column, found, "a number of 0 or more"))
        rows[column] = values
    if not faults and len(rows) < FEWEST_REQUESTS:
        found = f"{len(rows)} requests"
        faults.append(InputFault(name, None, "", found, f"at least {FEWEST_REQUESTS} requests"))
    if faults:
        raise InputFaults(faults)
    return rows[list(TRACE_COLUMNS)].astype(float).sort_values("t_s", ignore_index=True)


def _known(path: str) -> dict[str, Any]:
    """Return the fields of a workload that a trace determines."""
    rows = read_trace(path)
    arrival_s = rows["t_s"].to_numpy()
    gaps = np.diff(arrival_s)
    spread = float(gaps.std() / gaps.mean()) if gaps.mean() > 0 else 0.0
    known: dict[str, Any] = {"rate_rps": peak_rate_rps(arrival_s)}
    if spread > 0:
        known["burstiness_cv"] = spread
    for field, column in (("input_tokens", "in_tokens"), ("output_tokens", "out_tokens")):
        lengths = TokenDistribution.from_samples(rows[column].to_numpy())
        known[field] = lengths.model_dump(exclude_none=True)
    return known


def peak_rate_rps(arrival_s: np.ndarray[Any, np.dtype[np.float64]]) -> float:
    """Return requests/s in the busiest ten minutes of sorted arrival times (shape [requests]).

    A trace shorter than ten minutes counts over its own span.
    """
    span_s = float(arrival_s[-1] - arrival_s[0])
    window_s = min(PEAK_WINDOW_S, span_s)
    if window_s <= 0:
        return float(len(arrival_s))  # all in one instant: count them as one second's arrivals
    ends = np.searchsorted(arrival_s, arrival_s + window_s, side="right")
    most = int((ends - np.arange(len(arrival_s))).max())
    return most / window_s
