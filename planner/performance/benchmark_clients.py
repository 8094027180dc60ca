"""One reader per benchmark client: from its own words to the columns of ``read_benchmark``.

Formats as written by vLLM 0.10-0.12 (vllm/benchmarks/serve.py), GuideLLM 0.2-0.5
(benchmark/outputs/csv.py, schemas), GenAI-Perf 0.0.11 and AIPerf 0.1-0.12 (schema_version 1.x), and
inference-perf 0.1-0.3 (stage and summary lifecycle metrics).
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

Row = dict[str, Any]
MS_PER_S = 1000.0
_PERCENTILES = (50, 90, 95, 99)
# Metadata that people attach to a result, by the names they use, as labels.
_METADATA: Mapping[str, str] = {
    "tensor_parallel_size": "tp",
    "tp_size": "tp",
    "tp": "tp",
    "pipeline_parallel_size": "pp",
    "pp": "pp",
    "data_parallel_size": "dp",
    "dp": "dp",
    "ep": "ep",
    "accelerator": "accelerator",
    "gpu": "accelerator",
    "engine": "engine",
    "weights": "weights",
    "kv_cache": "kv_cache",
    "workload": "workload",
}


class Client(Protocol):
    """Reads the files of one benchmark client."""

    name: str

    def recognises(self, document: Any) -> bool:
        """Return whether a JSON document (or a CSV's list of rows) was written by this client."""
        ...

    def rows(self, document: Any) -> list[Row]:
        """Return its measurements; empty when no request completed."""
        ...


def number(value: Any) -> float | None:
    """Return a finite number, also from text such as '1,146.31'; None for anything else."""
    if isinstance(value, bool) or value is None:
        return None
    try:
        found = float(str(value).replace(",", ""))
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def _scaled(value: Any, factor: float) -> float | None:
    found = number(value)
    return None if found is None else found * factor


def _per_request(total: Any, requests: Any) -> float | None:
    amount, count = number(total), number(requests)
    return None if amount is None or not count else amount / count


class VllmServe:
    """``vllm bench serve --save-result``, and ``benchmark_serving.py`` before it."""

    name = "vllm"

    def recognises(self, document: Any) -> bool:
        """Return whether it is one of its result documents."""
        return isinstance(document, Mapping) and {"request_throughput", "total_output_tokens"} <= set(
            document
        )

    def rows(self, document: Any) -> list[Row]:
        """Return the one measurement of a document."""
        if not number(document.get("completed")):
            return []
        rate = number(document.get("request_rate"))  # "inf" is no number: all at once
        limit = number(document.get("max_concurrency"))
        row: Row = {
            "llm": document.get("model_id", ""),
            "load": "open" if rate is not None and limit is None else "closed",
            # Without a limit or a rate, all prompts are in flight at once.
            "concurrency": limit
            if limit is not None or rate is not None
            else number(document.get("num_prompts")),
            "request_rate_rps": rate,
            "requests": number(document["completed"]),
            "failures": number(document.get("failed")),
            "input_tokens": _per_request(document.get("total_input_tokens"), document["completed"]),
            "output_tokens": _per_request(document["total_output_tokens"], document["completed"]),
            "requests_per_s": number(document["request_throughput"]),
            "output_tokens_per_s": number(document.get("output_throughput")),
            "e2e_ms": number(document.get("mean_e2el_ms")),
        }
        for name in ("ttft", "tpot"):
            row[f"{name}_ms"] = number(document.get(f"mean_{name}_ms"))
            for percentile in _PERCENTILES:
                row[f"{name}_p{percentile}_ms"] = number(document.get(f"p{percentile}_{name}_ms"))
            if row[f"{name}_p50_ms"] is None:
                row[f"{name}_p50_ms"] = number(document.get(f"median_{name}_ms"))
        if row["e2e_ms"] is None and None not in (row["ttft_ms"], row["tpot_ms"], row["output_tokens"]):
            row["e2e_ms"] = row["ttft_ms"] + row["tpot_ms"] * max(row["output_tokens"] - 1.0, 0.0)
        for written, label in _METADATA.items():
            if document.get(written) not in (None, ""):
                row.setdefault(label, document[written])
        return [row]


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
            "e2e_ms": _scaled(_successful(metrics, "request_latency").get("mean"), MS_PER_S),
        }
        for name, metric in (("ttft", "time_to_first_token_ms"), ("tpot", "inter_token_latency_ms")):
            values = _successful(metrics, metric)
            row[f"{name}_ms"] = number(values.get("mean"))
            percentiles = values.get("percentiles") or {}
            for percentile in _PERCENTILES:
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
        return _is_cells(document) and {"Run Info", "Time to First Token"} <= set(document[0])

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
            "e2e_ms": _scaled(cell("Request Latency", "Successful Sec", "Mean"), MS_PER_S),
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


class GenAiPerfJson:
    """``profile_export_genai_perf.json`` and ``profile_export_aiperf.json``."""

    name = "genai-perf"

    def recognises(self, document: Any) -> bool:
        """Return whether it holds the metrics of either, flat or under ``records``."""
        metrics = _records(document)
        return any(
            isinstance(metrics.get(name), Mapping) and "avg" in metrics[name]
            for name in ("request_latency", "time_to_first_token", "request_throughput")
        )

    def rows(self, document: Any) -> list[Row]:
        """Return the one measurement of a document."""
        config = document.get("input_config") or {}
        metrics = {
            name: {key: _in_ms(key, value, values.get("unit")) for key, value in values.items()}
            for name, values in _records(document).items()
            if isinstance(values, Mapping)
        }
        row = _genai_row(metrics)
        row.update(_genai_load(config))
        row["llm"] = _genai_model(config)
        failed = metrics.get("error_request_count", {}).get("avg")
        row["failures"] = number(failed)
        return [row] if row["requests"] or row["requests_per_s"] else []


class GenAiPerfCsv:
    """``profile_export_genai_perf.csv`` and ``profile_export_aiperf.csv``: two small tables."""

    name = "genai-perf"

    def recognises(self, document: Any) -> bool:
        """Return whether its first table starts with Metric, avg."""
        return _is_cells(document) and [cell.strip() for cell in document[0][:2]] == ["Metric", "avg"]

    def rows(self, document: Any) -> list[Row]:
        """Return the one measurement of a file."""
        metrics: dict[str, dict[str, Any]] = {}
        header: list[str] = []
        for line in document:
            cells = [cell.strip() for cell in line]
            if not any(cells):
                continue
            if cells[0] == "Metric":
                header = ["avg" if name == "Value" else name for name in cells]
                continue
            title, _, unit = cells[0].partition(" (")
            name = title.strip().lower().replace(" ", "_")
            metrics[name] = {
                key: _in_ms(key, value, unit.rstrip(")"))
                for key, value in zip(header[1:], cells[1:], strict=False)
            }
        row = _genai_row(metrics)
        return [row] if row["requests"] or row["requests_per_s"] else []


def _genai_row(metrics: Mapping[str, Mapping[str, Any]]) -> Row:
    def mean(*names: str) -> float | None:
        for name in names:
            found = number(metrics.get(name, {}).get("avg"))
            if found is not None:
                return found
        return None

    row: Row = {
        "llm": "",
        "load": "closed",
        "requests": mean("request_count"),
        "input_tokens": mean("input_sequence_length"),
        "output_tokens": mean("output_sequence_length", "output_token_count"),
        "requests_per_s": mean("request_throughput"),
        "output_tokens_per_s": mean("output_token_throughput"),
        "e2e_ms": mean("request_latency"),
    }
    for name, metric in (("ttft", "time_to_first_token"), ("tpot", "inter_token_latency")):
        values = metrics.get(metric, {})
        row[f"{name}_ms"] = number(values.get("avg"))
        for percentile in _PERCENTILES:
            row[f"{name}_p{percentile}_ms"] = number(values.get(f"p{percentile}"))
    if row["requests_per_s"] and row["e2e_ms"]:
        # Neither CSV prints the concurrency: requests in flight by Little's law.
        row["concurrency"] = row["requests_per_s"] * row["e2e_ms"] / MS_PER_S
    return row


def _genai_load(config: Mapping[str, Any]) -> Row:
    """Return load, concurrency and rate from the client's own settings, as far as they are stated."""
    places = [config.get("loadgen"), config.get("perf_analyzer"), config]
    stimulus = next((p["stimulus"] for p in places if isinstance(p, Mapping) and "stimulus" in p), {})
    places.append(stimulus if isinstance(stimulus, Mapping) else {})
    for place in places:
        if not isinstance(place, Mapping):
            continue
        concurrency = number(place.get("concurrency"))
        if concurrency:
            return {"load": "closed", "concurrency": concurrency}
        rate = number(place.get("request_rate"))
        if rate:
            return {"load": "open", "request_rate_rps": rate}
    return {}


def _genai_model(config: Mapping[str, Any]) -> str:
    names = config.get("model_names", config.get("model"))
    endpoint = config.get("endpoint")
    if not names and isinstance(endpoint, Mapping):
        names = endpoint.get("model_names", endpoint.get("model"))
    if isinstance(names, str):
        return names
    return str(names[0]) if isinstance(names, Sequence) and names else ""


def _records(document: Any) -> Mapping[str, Any]:
    if not isinstance(document, Mapping):
        return {}
    records = document.get("records", document)
    return records if isinstance(records, Mapping) else {}


def _in_ms(key: str, value: Any, unit: Any) -> Any:
    """Return a statistic of a time in milliseconds, everything else as it is."""
    factors = {"ns": 1e-6, "us": 1e-3, "sec": MS_PER_S, "s": MS_PER_S}
    if key == "unit" or unit not in factors:
        return value
    return _scaled(value, factors[unit])


class InferencePerf:
    """inference-perf's ``stage_N_lifecycle_metrics.json`` and ``summary_lifecycle_metrics.json``."""

    name = "inference-perf"

    def recognises(self, document: Any) -> bool:
        """Return whether it is a lifecycle report."""
        return isinstance(document, Mapping) and {"load_summary", "successes"} <= set(document)

    def rows(self, document: Any) -> list[Row]:
        """Return the one measurement of a stage."""
        good, load = document["successes"], document["load_summary"]
        if not number(good.get("count")):
            return []
        latency = good.get("latency") or {}
        throughput = good.get("throughput") or {}
        # Since 0.2 latencies stand in their own section; before, directly under successes.
        for name in (
            "request_latency",
            "time_to_first_token",
            "time_per_output_token",
            "inter_token_latency",
        ):
            latency = {name: good.get(name), **latency}
        limit = number(load.get("concurrency"))
        row: Row = {
            "llm": "",
            "load": "open" if limit is None else "closed",
            "concurrency": limit,
            "request_rate_rps": None if limit is not None else number(load.get("requested_rate")),
            "requests": number(good["count"]),
            "failures": number((document.get("failures") or {}).get("count")),
            "input_tokens": number((good.get("prompt_len") or {}).get("mean")),
            "output_tokens": number((good.get("output_len") or {}).get("mean")),
            "requests_per_s": number(throughput.get("requests_per_sec")),
            "output_tokens_per_s": number(throughput.get("output_tokens_per_sec")),
            "e2e_ms": _scaled((latency.get("request_latency") or {}).get("mean"), MS_PER_S),
        }
        token = latency.get("time_per_output_token") or latency.get("inter_token_latency")
        for name, values in (("ttft", latency.get("time_to_first_token")), ("tpot", token)):
            values = values or {}
            row[f"{name}_ms"] = _scaled(values.get("mean"), MS_PER_S)
            for percentile in _PERCENTILES:
                key = "median" if percentile == 50 else f"p{percentile}"
                row[f"{name}_p{percentile}_ms"] = _scaled(values.get(key), MS_PER_S)
        return [row]


def _is_cells(document: Any) -> bool:
    return isinstance(document, list) and bool(document) and isinstance(document[0], list)


def _json_of(text: str) -> Mapping[str, Any]:
    try:
        found = json.loads(text)
    except json.JSONDecodeError:
        return {}
    return found if isinstance(found, Mapping) else {}


CLIENTS: tuple[Client, ...] = (
    VllmServe(),
    GuideLlmJson(),
    GuideLlmCsv(),
    InferencePerf(),
    GenAiPerfJson(),
    GenAiPerfCsv(),
)
"""Tried in this order; a document belongs to the first that recognises it."""
