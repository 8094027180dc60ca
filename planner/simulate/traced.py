"""The recorded requests of a scenario: what its workloads' `trace:` files hold, at the planned rates."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from planner.scenario import Scenario, read_trace
from planner.scenario.request_trace import RequestTable
from planner.scenario.trace_workload import workload_from_trace

MOST_REQUESTS = 200_000
"""Requests of a trace that are replayed: its busiest part."""

_ROUNDING = 1e-3  # of rates as they are written in scenarios


def traced_requests(scenario: Scenario) -> dict[str, RequestTable]:
    """Return the recorded requests of the workloads that name a trace.

    Where a workload states another rate than its trace has, the trace runs faster or slower. Of a long
    trace the busiest part is taken.

    Raises:
        InputFaults: a trace cannot be read (any more).
    """
    found: dict[str, RequestTable] = {}
    for workload in scenario.workloads:
        if workload.trace is None or workload.rate_rps <= 0:
            continue
        trace = read_trace(workload.trace)
        own = workload_from_trace(trace)[0].rate_rps
        table = busiest_part(trace.requests, MOST_REQUESTS)
        speed = workload.rate_rps / own
        if abs(speed - 1.0) < _ROUNDING:
            speed = 1.0
        found[workload.name] = RequestTable(table.arrival_s / speed, table.prompt, table.cached, table.output)
    return found


def named_traces(texts: Sequence[str]) -> RequestTable | dict[str, RequestTable] | None:
    """Read the traces of a command line: one file, or `WORKLOAD=FILE` for each; None where there are none.

    Raises:
        InputFaults: a file cannot be read.
        ValueError: several files do not say whose they are, or one workload has two.
    """
    found: dict[str, RequestTable] = {}
    for text in texts:
        name, equals, path = text.partition("=")
        if not equals or Path(text).exists():
            if len(texts) > 1:
                raise ValueError(f"several traces: say whose '{text}' is, WORKLOAD={text}")
            return read_trace(text).requests
        if name in found:
            raise ValueError(f"the workload '{name}' has two traces")
        found[name] = read_trace(path).requests
    return found or None


def busiest_part(table: RequestTable, requests: int) -> RequestTable:
    """Return the `requests` consecutive requests that came in the shortest time; all when there are fewer."""
    if len(table.arrival_s) <= requests:
        return table
    spans = table.arrival_s[requests - 1 :] - table.arrival_s[: len(table.arrival_s) - requests + 1]
    first = int(np.argmin(spans))
    kept = np.zeros(len(table.arrival_s), dtype=bool)
    kept[first : first + requests] = True
    part = table.where(kept)
    return RequestTable(part.arrival_s - part.arrival_s[0], part.prompt, part.cached, part.output)
