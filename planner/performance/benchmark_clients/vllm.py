"""``vllm bench serve``: JSON, as written by vLLM 0.6 to 0.12 (vllm/benchmarks/serve.py)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.performance.benchmark_clients.client import PERCENTILES, Row, number

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
            for percentile in PERCENTILES:
                row[f"{name}_p{percentile}_ms"] = number(document.get(f"p{percentile}_{name}_ms"))
            if row[f"{name}_p50_ms"] is None:
                row[f"{name}_p50_ms"] = number(document.get(f"median_{name}_ms"))
        if row["e2e_ms"] is None and None not in (row["ttft_ms"], row["tpot_ms"], row["output_tokens"]):
            row["e2e_ms"] = row["ttft_ms"] + row["tpot_ms"] * max(row["output_tokens"] - 1.0, 0.0)
        for written, label in _METADATA.items():
            if document.get(written) not in (None, ""):
                row.setdefault(label, document[written])
        return [row]


def _per_request(total: Any, requests: Any) -> float | None:
    amount, count = number(total), number(requests)
    return None if amount is None or not count else amount / count
