"""inference-perf 0.1 to 0.3: lifecycle metrics of a stage, or of all (JSON)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.performance.benchmark_clients.client import MS_PER_S, PERCENTILES, Row, number, scaled


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
            "e2e_ms": scaled((latency.get("request_latency") or {}).get("mean"), MS_PER_S),
        }
        token = latency.get("time_per_output_token") or latency.get("inter_token_latency")
        for name, values in (("ttft", latency.get("time_to_first_token")), ("tpot", token)):
            values = values or {}
            row[f"{name}_ms"] = scaled(values.get("mean"), MS_PER_S)
            for percentile in PERCENTILES:
                key = "median" if percentile == 50 else f"p{percentile}"
                row[f"{name}_p{percentile}_ms"] = scaled(values.get(key), MS_PER_S)
        return [row]
