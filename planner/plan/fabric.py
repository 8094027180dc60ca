"""The fabric between servers: what replicas send over it, how long a handover takes, where it is narrow."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from planner.catalog.llm import LLM
from planner.performance.handover import allowance_ms, cache_bytes, handover_ms
from planner.performance.links import fabric_bytes_per_token
from planner.performance.shape import Shape
from planner.scenario import Workload
from planner.topology.nodes import Graph

BYTES_PER_GB = 1e9


def handover_allowance_ms(
    llm: LLM, workload: Workload, prefill: Shape, decode: Shape, nic_gb_s: float
) -> float | None:
    """Return what a workload's TTFT budget has to leave for handing a cache over, ms.

    It is the time of the prompt at the percentile of the SLO, rounded up to a step.

    Args:
        llm: the model.
        workload: gives the prompt: its length at the SLO's percentile, or the mean.
        prefill: where the cache is made.
        decode: where it is used.
        nic_gb_s: the slower of the two networks, of one accelerator, one direction, GB/s.

    Returns:
        None where it takes longer than any allowance.
    """
    tokens = workload.input_tokens
    stated = None if workload.slo is None else workload.slo.percentile
    length = float(tokens.mean) if stated in (None, "mean") else float(tokens.quantile(float(stated) / 100))
    return allowance_ms(float(handover_ms(llm, prefill, decode, np.asarray(length), link_gb_s=nic_gb_s)))


def fabric_gb_per_request(llm: LLM, workload: Workload, shape: Shape, whole_servers: int) -> float:
    """Return what a mean request sends between servers of a fabric domain, GB.

    The prefill side of a split sends the cache of the prompt; a replica of several servers sends the
    activations of every token that it computes.

    Args:
        llm: the model.
        workload: gives mean lengths and the prefix hit rate.
        shape: the replica.
        whole_servers: servers it takes whole; 0 or 1 keeps its own traffic inside.
    """
    prompt, answer = float(workload.input_tokens.mean), float(workload.output_tokens.mean)
    sent = float(cache_bytes(llm, prompt, shape.kv_cache)) if shape.role == "prefill" else 0.0
    if whole_servers > 1:
        computed = 0.0 if shape.role == "decode" else prompt * (1 - workload.prefix_hit_rate)
        computed += 0.0 if shape.role == "prefill" else answer
        sent += computed * fabric_bytes_per_token(llm, shape, whole_servers)
    return sent / BYTES_PER_GB


def oversubscribed(graph: Graph) -> Mapping[str, float]:
    """Return the fabric domains whose spine carries less than their servers could send: domain -> GB/s.

    The bandwidth is that of all links from leaves to spines, one direction. It is taken as if everything
    crossed the spine, so a plan that keeps it never depends on which leaf a server hangs on.
    """
    found: dict[str, float] = {}
    for domain, about in graph.nodes(data=True):
        if about["kind"] != "fabric_domain" or about["oversubscription"] <= 1:
            continue
        spines = {n for n in graph.successors(domain) if graph.nodes[n].get("level") == "spine"}
        if spines:
            found[domain] = sum(
                edge["bandwidth_gb_s"]
                for start, _, edge in graph.in_edges(spines, data=True)
                if edge["relation"] == "link" and graph.nodes[start].get("level") == "leaf"
            )
    return found
