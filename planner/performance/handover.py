"""Prefill and decode on different replicas: the cache that has to move between them."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from planner.performance.coefficients import UNCALIBRATED
from planner.performance.links import DEFAULT_NIC_GB_S, transfer_ms
from planner.performance.precision import KV_BYTES
from planner.performance.types import Array, ArrayInput

if TYPE_CHECKING:
    from planner.catalog.llm import LLM
    from planner.performance.shape import Shape

# Registering memory and starting a transfer of NIXL or Mooncake over RDMA: about 1 ms per request
# (Mooncake, arXiv:2407.00079, section 6; DistServe measures 1-2 ms at 100 Gb/s for short prompts).
HANDOVER_LATENCY_MS = 1.0


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
