"""GenAI-Perf 0.0.11 and AIPerf 0.1 to 0.12 (schema_version 1.x): JSON and CSV."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from planner.performance.benchmark_clients.client import MS_PER_S, PERCENTILES, Row, is_cells, number, scaled


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
        return is_cells(document) and [cell.strip() for cell in document[0][:2]] == ["Metric", "avg"]

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
        for percentile in PERCENTILES:
            row[f"{name}_p{percentile}_ms"] = number(values.get(f"p{percentile}"))
    if row["requests_per_s"] and row["e2e_ms"]:
        # Neither CSV prints the concurrency: requests in flight by Little's law.
        row["concurrency"] = row["requests_per_s"] * row["e2e_ms"] / MS_PER_S
    return row


def _genai_load(config: Mapping[str, Any]) -> Row:
    """Return load, concurrency and rate from the client's own settings, as far as they are stated."""
    places = [config.get("loadgen"), config.get("perf_analyzer"), config]
    stimulus: Any = next((p["stimulus"] for p in places if isinstance(p, Mapping) and "stimulus" in p), {})
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
    return scaled(value, factors[unit])
