"""Read the result files of benchmark clients, whoever wrote them, into one table.

Understood: ``vllm bench serve`` JSON (also the older ``benchmark_serving.py`` and appended results, one
document per line), GuideLLM JSON and CSV, GenAI-Perf and AIPerf JSON and CSV, inference-perf JSON
(``*_lifecycle_metrics.json``). The client is recognised by what is in the file, not by its name.

The clients disagree on words. Here ``tpot_ms`` is always the time per output token *after* the first:
what vLLM calls TPOT, and GuideLLM, GenAI-Perf and AIPerf call inter-token latency. (GuideLLM's
"time per output token" spreads the first token over all and is not used.)
"""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from planner.files import InputFault, InputFaults
from planner.performance.benchmark_clients import CLIENTS, Row

COLUMNS: Mapping[str, str] = {
    "client": "vllm, guidellm, genai-perf or inference-perf",
    "file": "where the row comes from",
    "llm": "as the client was told; empty when the file does not say",
    "load": "closed (a number of requests in flight) or open (a rate)",
    "concurrency": "requests in flight: the limit when closed, else the mean (rate x latency)",
    "request_rate_rps": "offered rate when open",
    "requests": "completed requests",
    "failures": "requests that failed",
    "input_tokens": "mean",
    "output_tokens": "mean",
    "ttft_ms": "mean",
    "ttft_p50_ms": "",
    "ttft_p90_ms": "",
    "ttft_p95_ms": "",
    "ttft_p99_ms": "",
    "tpot_ms": "mean, first token not counted",
    "tpot_p50_ms": "",
    "tpot_p90_ms": "",
    "tpot_p95_ms": "",
    "tpot_p99_ms": "",
    "e2e_ms": "mean",
    "requests_per_s": "completed",
    "output_tokens_per_s": "of the whole replica",
}
"""Columns that ``read_benchmark`` always returns; what a file does not say is NaN or empty."""

LABELS = ("llm", "accelerator", "engine", "weights", "kv_cache", "tp", "pp", "dp", "ep", "role", "workload")
"""What a client cannot know; taken from the file's metadata where somebody put it there
(``vllm bench serve --metadata tp=8``) or given by the caller."""

DEGREES = ("tp", "pp", "dp", "ep")
_TEXT = ("client", "file", "llm", "load")
_ALLOWED = (
    "a result file of vllm bench serve (JSON), GuideLLM (JSON, CSV), GenAI-Perf or AIPerf (JSON, CSV)"
    " or inference-perf (lifecycle metrics JSON)"
)


def read_benchmark(path: str | Path, **labels: str | int) -> pd.DataFrame:
    """Return the measurements of a result file, or of all result files in a folder.

    Parameters
    ----------
    path
        One file, or a folder that is searched with all its subfolders. In a folder, files that no
        client wrote are passed over, and a CSV beside a JSON of the same name is left out.
    **labels
        Values for columns of ``LABELS``: what the client could not know. They win over the file.

    Returns
    -------
    DataFrame
        One row per measurement; the columns of ``COLUMNS``, then the labels that are known.

    Raises
    ------
    InputFaults
        No such file; not a result file of a known client; no request completed; an unknown label.
    """
    source = Path(path)
    unknown = sorted(set(labels) - set(LABELS))
    if unknown:
        allowed = ", ".join(LABELS)
        raise InputFaults(
            [InputFault(str(source), None, name, "an unknown label", allowed) for name in unknown]
        )
    rows = list(_rows(source))
    for row in rows:
        row.update(labels)
    names = [*COLUMNS, *(name for name in LABELS[1:] if any(name in row for row in rows))]
    table = pd.DataFrame([{name: row.get(name) for name in names} for row in rows], columns=names)
    for name in names:
        if name in DEGREES:
            table[name] = pd.to_numeric(table[name], errors="coerce").fillna(1).astype(int)
        elif name in _TEXT or name in LABELS:
            table[name] = table[name].astype(object).where(table[name].notna(), "")
        else:
            table[name] = pd.to_numeric(table[name], errors="coerce").astype(float)
    open_loop = (table["load"] == "open") & table["concurrency"].isna()
    in_flight = table["requests_per_s"] * table["e2e_ms"] / 1000.0
    table["concurrency"] = np.where(open_loop, in_flight, table["concurrency"])
    return table


def _rows(source: Path) -> Iterator[Row]:
    if not source.is_dir():
        yield from _read(source)
        return
    found = False
    files = sorted(item for item in source.rglob("*") if item.suffix.lower() in (".json", ".jsonl", ".csv"))
    for item in files:
        if item.suffix.lower() == ".csv" and item.with_suffix(".json") in files:
            continue
        try:
            rows = _read(item)
        except InputFaults:
            continue
        found = True
        yield from rows
    if not found:
        fault = InputFault(str(source), None, "", "a folder without any", _ALLOWED)
        raise InputFaults([fault])


def _read(source: Path) -> list[Row]:
    documents = _documents(source)
    rows: list[Row] = []
    for document in documents:
        reader = next((client for client in CLIENTS if client.recognises(document)), None)
        if reader is None:
            raise InputFaults([InputFault(str(source), None, "", _glance(document), _ALLOWED)])
        rows += [{**row, "client": reader.name, "file": str(source)} for row in reader.rows(document)]
    if not rows:
        advice = "was the server up, and did it stream? run the client again"
        raise InputFaults([InputFault(str(source), None, "", "no completed request", "measurements", advice)])
    return rows


def _documents(source: Path) -> list[Any]:
    """Return the JSON documents of a file, or the cells of a CSV as one list of rows."""
    try:
        text = source.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        found = "no such file" if isinstance(error, FileNotFoundError) else str(error)
        raise InputFaults([InputFault(str(source), None, "", found, _ALLOWED)]) from error
    if source.suffix.lower() == ".csv":
        return [list(csv.reader(text.splitlines()))]
    try:
        return [json.loads(text)]
    except json.JSONDecodeError as whole:
        try:  # appended results: one document per line
            lines = [json.loads(line) for line in text.splitlines() if line.strip()]
        except json.JSONDecodeError:
            lines = []
        if not lines:
            found = f"no JSON: {whole.msg}"
            raise InputFaults([InputFault(str(source), whole.lineno, "", found, _ALLOWED)]) from whole
        return lines


def _glance(document: Any) -> str:
    """Say in a few words what a document holds instead."""
    if isinstance(document, Mapping):
        return "JSON with the fields " + (", ".join(list(map(str, document))[:6]) or "(none)")
    if isinstance(document, list) and document and isinstance(document[0], list):
        return "a CSV with the columns " + ", ".join(document[0][:6])
    return f"JSON that is a {type(document).__name__}"
