"""Prefill and decode on different replicas: the cache that has to move, and what each side promises.

The prefill side answers for the time to first token, which includes the handover; the decode side for the
time per token after it. A limit on the whole answer cannot be split between them beforehand.
"""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from planner.performance.coefficients import UNCALIBRATED
from planner.performance.links import DEFAULT_NIC_GB_S, transfer_ms
from planner.performance.precision import KV_BYTES
from planner.performance.types import Array, ArrayInput

if TYPE_CHECKING:
    from planner.catalog.llm import LLM
    from planner.performance.service import LatencyObjective
    from planner.performance.shape import Role, Shape

# Registering memory and starting a transfer of NIXL or Mooncake over RDMA: about 1 ms per request
# (Mooncake, arXiv:2407.00079, section 6; DistServe measures 1-2 ms at 100 Gb/s for short prompts).
HANDOVER_LATENCY_MS = 1.0


HANDOVER_STEPS_MS = (2.0, 5.0, 10.0, 20.0, 50.0, 100.0, 200.0, 500.0, 1000.0, 2000.0, 5000.0)
"""Allowances for a handover that are taken out of the TTFT budget: times are rounded up to one of these, so
that few different budgets have to be timed."""

BYTES_PER_GB = 1e9


def allowance_ms(handover: float) -> float | None:
    """Return the allowance for a handover time, None where it is longer than any."""
    return next((step for step in HANDOVER_STEPS_MS if handover <= step), None)


def side_objective(objective: LatencyObjective, role: Role) -> LatencyObjective | None:
    """Return what one side of a split answers for; the whole objective for aggregated serving.

    None: a limit on the whole answer (`e2e_ms`) is not promised by two pools.
    """
    if role == "aggregated":
        return objective
    if objective.e2e_ms is not None:
        return None
    if role == "prefill":
        return replace(objective, tpot_ms=None)
    return replace(objective, ttft_ms=None)


def wire_rate_rps(llm: LLM, shape: Shape, prompt_tokens: float, nic_gb_s: float) -> float:
    """Return the requests per second whose caches one replica can send or take.

    Args:
        llm: the model.
        shape: the replica; each of its tensor- and pipeline-parallel ranks has its own link.
        prompt_tokens: mean prompt, tokens.
        nic_gb_s: scale-out bandwidth of one accelerator, one direction, GB/s.
    """
    size = float(cache_bytes(llm, prompt_tokens, shape.kv_cache))
    speed = nic_gb_s * shape.tp * shape.pp * UNCALIBRATED["network_bandwidth"] * BYTES_PER_GB
    return float("inf") if size <= 0 else speed / size


def cache_bytes(llm: LLM, tokens: ArrayInput, kv_cache: str) -> Array:
    """Return bytes of cache that ``tokens`` prompt tokens leave, all layers, shape of ``tokens``."""
    flat = np.asarray(tokens)
    sizes = [llm.kv_bytes(int(count), KV_BYTES[kv_cache]) for count in flat.ravel()]
    return np.array(sizes, dtype=float).reshape(flat.shape)


def handover_ms(
    llm: LLM,
    prefill: Shape,
    decode: Shape,
    tokens: ArrayInput,
    link_gb_s: float = DEFAULT_NIC_GB_S,
    latency_ms: float = HANDOVER_LATENCY_MS,
) -> Array:
    """Return milliseconds to move a prompt's cache from a prefill to a decode replica.

    Every rank of the smaller tensor-parallel group drives its own link of ``link_gb_s`` (GB/s, one
    direction). A latent cache is the same on every rank and moves once, in parts. Added to the
    time to first token only when the engine does not stream layers while it prefills.
    """
    lanes = min(prefill.tp * prefill.pp, decode.tp * decode.pp)
    share = UNCALIBRATED["network_bandwidth"]
    size = cache_bytes(llm, tokens, prefill.kv_cache)
    return transfer_ms(size, np.asarray(link_gb_s * lanes), np.asarray(latency_ms), np.asarray(share))
