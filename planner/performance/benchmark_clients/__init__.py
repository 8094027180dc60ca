"""One reader per benchmark client: from its own words to the columns of ``read_benchmark``."""

from planner.performance.benchmark_clients.client import Client, Row
from planner.performance.benchmark_clients.genai_perf import GenAiPerfCsv, GenAiPerfJson
from planner.performance.benchmark_clients.guidellm import GuideLlmCsv, GuideLlmJson
from planner.performance.benchmark_clients.inference_perf import InferencePerf
from planner.performance.benchmark_clients.vllm import VllmServe

__all__ = ["CLIENTS", "Client", "Row"]

CLIENTS: tuple[Client, ...] = (
    VllmServe(),
    GuideLlmJson(),
    GuideLlmCsv(),
    InferencePerf(),
    GenAiPerfJson(),
    GenAiPerfCsv(),
)
"""Tried in this order; a document belongs to the first that recognises it."""
