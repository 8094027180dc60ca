"""GuideLLM: JSON and CSV, as written by 0.2 to 0.5 (benchmark/outputs, benchmark/schemas)."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from planner.performance.benchmark_clients.client import MS_PER_S, PERCENTILES, Row, is_cells, number, scaled


class GuideLlmJson:
    """GuideLLM's ``benchmarks.json``: one document, a benchmark per rate or concurrency."""

    name = "guidellm"

    def recognises(self, document: Any) -> bool:
        """Return whether it is a GuideLLM report."""
        benchmarks = document.get("benchmarks") if isinstance(document, Mapping) else None
        return (
            isinstance(benchmarks, list)
            and bool(benchmarks)
            and all(isinstance(item, Mapping) and "metrics" in item for item in benchmarks)
        )

    def rows(self, document: Any) -> list[Row]:
        """Return a row per benchmark with completed requests."""
        rows = [self._row(item, document) for item in document["benchmarks"]]
        return [row for row in rows if row["requests"]]

    def _row(self, item: Mapping[str, Any], report: Mapping[str, Any]) -> Row:
        metrics = item["metrics"]
        config = item.get("config") or item.get("args") or {}
        strategy = config.get("strategy") or {}
        kind = str(strategy.get("type_", ""))
        streams = strategy.get("streams", strategy.get("worker_count"))
        if kind == "synchronous":
            streams = 1
        in_flight = _successful(metrics, "request_concurrency").get("mean")
        totals = metrics.get("request_totals") or item.get("request_totals") or {}
        open_loop = kind in ("constant", "poisson", "async", "asynchronous")
        row: Row = {
            "llm": _guidellm_model(config, report),
            "load": "open" if open_loop else "closed",
            "concurrency": number(in_flight) if open_loop else number(streams) or number(in_flight),
            "request_rate_rps": number(strategy.get("rate")) if open_loop else None,
            "requests": number(totals.get("successful")),
            "failures": number(totals.get("errored")),
            "input_tokens": number(_successful(metrics, "prompt_token_count").get("mean")),
            "output_tokens": number(_successful(metrics, "output_token_count").get("mean")),
            "requests_per_s": number(_successful(metrics, "requests_per_second").get("mean")),
            "output_tokens_per_s": number(_successful(metrics, "output_tokens_per_second").get("mean")),
            "e2e_ms": scaled(_successful(metrics, "request_latency").get("mean"), MS_PER_S),
        }
        for name, metric in (("ttft", "time_to_first_token_ms"), ("tpot", "inter_token_latency_ms")):
            values = _successful(metrics, metric)
            row[f"{name}_ms"] = number(values.get("mean"))
            percentiles = values.get("percentiles") or {}
            for percentile in PERCENTILES:
                row[f"{name}_p{percentile}_ms"] = number(percentiles.get(f"p{percentile}"))
            if row[f"{name}_p50_ms"] is None:
                row[f"{name}_p50_ms"] = number(values.get("median"))
        if row["requests"] is None:
            row["requests"] = number(_successful(metrics, "request_latency").get("count"))
        return row


def _successful(metrics: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    values = (metrics.get(name) or {}).get("successful")
    return values if isinstance(values, Mapping) else {}


def _guidellm_model(config: Mapping[str, Any], report: Mapping[str, Any]) -> str:
    for place in (config.get("backend"), report.get("args"), config.get("worker")):
        if isinstance(place, Mapping):
            for name in ("model", "backend_model"):
                if isinstance(place.get(name), str):
                    return str(place[name])
    return ""


class GuideLlmCsv:
    """GuideLLM's ``benchmarks.csv``: three header rows (group, metric, statistic)."""

    name = "guidellm"
    _RANKS = ("min", "p0.1", "p1", "p5", "p10", "p25", "p75", "p90", "p95", "p99", "max")

    def recognises(self, document: Any) -> bool:
        """Return whether the first row holds GuideLLM's groups."""
        return is_cells(document) and {"Run Info", "Time to First Token"} <= set(document[0])

    def rows(self, document: Any) -> list[Row]:
        """Return a row per line below the headers."""
        keys = list(zip(*(row for row in document[:3]), strict=False))
        lines = [dict(zip(keys, line, strict=False)) for line in document[3:] if any(line)]
        rows = [self._row(line) for line in lines]
        return [row for row in rows if row["requests"]]

    def _row(self, line: Mapping[tuple[str, ...], str]) -> Row:
        def cell(group: str, metric: str, statistic: str = "") -> str:
            return line.get((group, metric, statistic), "")

        kind = cell("Benchmark", "Strategy")
        open_loop = kind in ("constant", "poisson", "async", "asynchronous")
        backend = _json_of(cell("Run Info", "Backend"))
        in_flight = number(cell("Server Throughput", "Successful Concurrency", "Mean"))
        row: Row = {
            "llm": str(backend.get("model", "")),
            "load": "open" if open_loop else "closed",
            # The CSV does not print the number of streams; the mean in flight is within a few percent.
            "concurrency": 1.0 if kind == "synchronous" else in_flight,
            "requests": number(cell("Request Counts", "Successful")),
            "failures": number(cell("Request Counts", "Errored")),
            "input_tokens": number(cell("Token Metrics", "Successful Input Tokens", "Mean")),
            "output_tokens": number(cell("Token Metrics", "Successful Output Tokens", "Mean")),
            "requests_per_s": number(cell("Server Throughput", "Successful Requests/Sec", "Mean")),
            "output_tokens_per_s": number(cell("Token Throughput", "Successful Output Tokens/Sec", "Mean")),
            "e2e_ms": scaled(cell("Request Latency", "Successful Sec", "Mean"), MS_PER_S),
        }
        for name, group in (("ttft", "Time to First Token"), ("tpot", "Inter Token Latency")):
            row[f"{name}_ms"] = number(cell(group, "Successful ms", "Mean"))
            row[f"{name}_p50_ms"] = number(cell(group, "Successful ms", "Median"))
            ranks = cell(group, "Successful ms", "Percentiles").strip("[]").split(",")
            if len(ranks) == len(self._RANKS):
                by_rank = dict(zip(self._RANKS, ranks, strict=True))
                for rank in ("p90", "p95", "p99"):
                    row[f"{name}_{rank}_ms"] = number(by_rank[rank].strip())
        return row


def _json_of(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        return {}
    return found if isinstance(found, Mapping) else {}
