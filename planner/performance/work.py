"""Count what one accelerator of a replica does in one iteration, from the architecture.

Everything here is exact counting (parameters, bytes, FLOPs, messages); no efficiency enters.
``Work`` holds totals over all layers of the busiest rank; the time model divides by ``pp``.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from planner.performance.experts import (
    CURVE_NODES,
    DEFAULT_EXPERT_SKEW,
    active_share_curve,
    rank_imbalance,
)
from planner.performance.precision import KV_BYTES, WEIGHT_BYTES
from planner.performance.remember import remember
from planner.performance.shape import Shape
from planner.performance.types import Array

if TYPE_CHECKING:
    from planner.catalog.llm import LLM, Attention, FeedForward

# Attention slots: one for unbounded attention, the others for distinct windows.
SLOTS = 4
UNBOUNDED = 1e15
ACTIVATION_BYTES = 2.0
# Device kernels per layer in a captured decode step, counted in profiler traces of vLLM: two
# norms, qkv, rope, cache write, attention, output, up, activation, down.
DENSE_KERNELS = 10.0
QUANTIZED_KERNELS = 4.0
LATENT_KERNELS = 6.0
EXPERT_KERNELS = 7.0
LINEAR_ATTENTION_KERNELS = 6.0
# Reads and writes of the residual stream per layer: two fused residual-norms (read x and the
# residual, write both) = 8, plus operands of the four projections = 4.
RESIDUAL_PASSES = 12.0
# A chunked linear-attention or state-space kernel makes about this many FLOPs per state element
# and token (decay, outer product, read-out, chunk correction).
STATE_FLOPS = 8.0


@dataclass(frozen=True)
class Work:
    """Per-iteration work of the busiest rank; scalars, or stacked arrays of one shape.

    ``slot_*`` fields have one more axis of length SLOTS, ``active_curve`` one of CURVE_NODES.
    """

    narrow_parameters: Array
    """Weights of dense products in the requested precision (elements)."""
    plain_parameters: Array
    """Weights of dense products kept in bf16 (elements)."""
    head_parameters: Array
    """Weights of the LM head, used once per sequence that samples."""
    weight_bytes: Array
    """Bytes per narrow weight."""
    kernels: Array
    """Device kernels of one iteration."""
    token_bytes: Array
    """Activation traffic per token."""
    slot_decode_flops: Array
    """FLOPs per (new token, cached token) pair while decoding, summed over layers of the slot."""
    slot_prefill_flops: Array
    slot_cache_bytes: Array
    """Cache bytes read per cached token while decoding."""
    slot_window: Array
    """Cached tokens a query sees at most."""
    latent: Array
    """Share of attention work that is multi-head latent (0..1)."""
    state_bytes: Array
    """Recurrent state of one sequence, read and written each iteration."""
    state_flops: Array
    """FLOPs per token of recurrent layers."""
    expert_parameters: Array
    """Routed expert weights held by this rank (elements, all layers)."""
    expert_weight_bytes: Array
    expert_flops_per_token: Array
    """Routed-expert FLOPs on this rank per token entering the group, imbalance included."""
    expert_pad_flops: Array
    """FLOPs of one padding token in every expert held by this rank."""
    active_curve: Array
    """Share of experts touched by 2**node tokens."""
    expert_token_factor: Array
    """Tokens entering the expert group per token of this rank (attention data parallel)."""
    reduces: Array
    """All-reduces per iteration."""
    exchanges: Array
    """Expert dispatch + combine pairs per iteration."""
    exchange_bytes: Array
    """Bytes one rank sends per token and pair."""
    hidden_bytes: Array
    """One token of the residual stream."""
    tp: Array
    pp: Array
    dp: Array
    exchange_ranks: Array


def stack(works: Sequence[Work]) -> Work:
    """Stack scalar works along a new first axis."""
    return Work(**{f.name: np.stack([np.asarray(getattr(w, f.name)) for w in works]) for f in fields(Work)})


def take(work: Work, index: Array) -> Work:
    """Select rows of a stacked work."""
    return Work(**{f.name: getattr(work, f.name)[index] for f in fields(Work)})


def keeps_plain(llm: LLM, weights: str, part: str) -> bool:
    """Whether a part stays in bf16 when the LLM is served in ``weights``.

    The native checkpoint says so itself. Otherwise: embedding, head, router and norms always
    stay; NVFP4 checkpoints of latent-attention LLMs keep attention in bf16
    (nvidia/DeepSeek-V3.1-NVFP4, hf_quant_config.json, exclude_modules).
    """
    if weights == "bf16" or part in ("embedding", "lm_head", "router", "norms"):
        return True
    if weights == llm.native_weights:
        return part in llm.unquantized
    latent = any(group.attention.kind == "mla" for group in llm.groups)
    return weights == "fp4" and part == "attention" and latent


def count_work(llm: LLM, shape: Shape, expert_skew: float = DEFAULT_EXPERT_SKEW) -> Work:
    """Count the work of one iteration of ``shape``; see docs/performance-model.md, Counting."""
    cuts = (shape.tp, shape.pp, shape.dp, shape.ep, shape.weights, shape.kv_cache)
    return _count_work(llm, *cuts, expert_skew)


@remember
def _count_work(
    llm: LLM,
    tp: int,
    pp: int,
    dp: int,
    ep: int,
    weights: str,
    kv_cache: str,
    expert_skew: float,
) -> Work:
    group_ranks = tp * dp
    hidden = llm.hidden_size
    kv_bytes = KV_BYTES[kv_cache]
    narrow = plain = kernels = traffic = 0.0
    state_bytes = state_flops = 0.0
    expert_parameters = expert_flops = expert_pad = 0.0
    reduces = exchanges = exchange_bytes = 0.0
    latent_flops = attention_flops = 0.0
    expert_bytes = WEIGHT_BYTES[weights]
    curve = np.ones(CURVE_NODES)
    slots = _Slots()
    attention_plain = keeps_plain(llm, weights, "attention")
    dense_plain = keeps_plain(llm, weights, "dense_ffn")
    shared_plain = keeps_plain(llm, weights, "shared_experts")
    quantized = weights in ("fp8", "fp4", "int8")
    for group in llm.groups:
        attention, feed_forward, layers = group.attention, group.feed_forward, group.count
        parameters = layers * attention_parameters_per_rank(attention, hidden, tp)
        if attention_plain:
            plain += parameters
        else:
            narrow += parameters
        slots.add(attention, layers, tp, kv_bytes)
        mixes = attention.query_heads > 0 or attention.state_bytes > 0
        whole = 1.0 if mixes and feed_forward.kind != "none" else 0.5
        kernels += layers * (
            whole * DENSE_KERNELS
            + (QUANTIZED_KERNELS if quantized else 0.0)
            + (LATENT_KERNELS if attention.kind == "mla" else 0.0)
            + (LINEAR_ATTENTION_KERNELS if attention.state_bytes else 0.0)
        )
        if attention.kind == "linear":
            state = layers * attention.state_bytes / tp
            state_bytes += state
            state_flops += STATE_FLOPS * state / ACTIVATION_BYTES
        else:
            pair_flops = 2.0 * attention.query_heads * (attention.head_dim + _value_dim(attention))
            attention_flops += layers * pair_flops
            latent_flops += layers * pair_flops if attention.kind == "mla" else 0.0
        heads = attention.query_heads * (attention.head_dim + _value_dim(attention)) / tp
        traffic += layers * ACTIVATION_BYTES * (RESIDUAL_PASSES * hidden + 2.0 * heads)
        reduces += layers * (mixes + (feed_forward.kind != "none")) * (tp > 1)
        if feed_forward.kind == "dense":
            size = layers * feed_forward.parameters / tp
            if dense_plain:
                plain += size
            else:
                narrow += size
            traffic += (
                layers * ACTIVATION_BYTES * (feed_forward.matrices + 1) * feed_forward.intermediate_size / tp
            )
        elif feed_forward.kind == "moe":
            kernels += layers * EXPERT_KERNELS
            one = feed_forward.routed_parameters / feed_forward.experts
            routed = one * feed_forward.experts / group_ranks
            shared = feed_forward.shared_parameters / tp
            if shared_plain:
                plain += layers * shared
            else:
                narrow += layers * shared
            plain += layers * feed_forward.router_parameters  # replicated on every rank
            imbalance = rank_imbalance(feed_forward.experts, ep, expert_skew)
            expert_parameters += layers * routed
            expert_flops += layers * 2.0 * one * feed_forward.experts_per_token / group_ranks * imbalance
            expert_pad += layers * 2.0 * routed
            curve = active_share_curve(feed_forward.experts, feed_forward.experts_per_token, expert_skew)
            width = feed_forward.intermediate_size * ep / group_ranks
            per_expert = ACTIVATION_BYTES * ((feed_forward.matrices + 1) * width + 3.0 * hidden)
            traffic += layers * per_expert * feed_forward.experts_per_token * dp / ep
            if dp > 1:
                exchanges += layers
                sent = feed_forward.latent_size or hidden
                exchange_bytes = exchange_bytes_per_token(feed_forward, sent, group_ranks, ep, weights)
                reduces -= layers * (tp > 1)  # the combine replaces the second all-reduce
    if keeps_plain(llm, weights, "routed_experts"):
        expert_bytes = 2.0
    flops_share = latent_flops / attention_flops if attention_flops else 0.0
    return Work(
        narrow_parameters=np.asarray(narrow),
        plain_parameters=np.asarray(plain),
        head_parameters=np.asarray(hidden * llm.vocab_size / tp),
        weight_bytes=np.asarray(WEIGHT_BYTES[weights]),
        kernels=np.asarray(kernels),
        token_bytes=np.asarray(traffic),
        slot_decode_flops=slots.decode_flops,
        slot_prefill_flops=slots.prefill_flops,
        slot_cache_bytes=slots.cache_bytes,
        slot_window=slots.window,
        latent=np.asarray(flops_share),
        state_bytes=np.asarray(state_bytes),
        state_flops=np.asarray(state_flops),
        expert_parameters=np.asarray(expert_parameters),
        expert_weight_bytes=np.asarray(expert_bytes),
        expert_flops_per_token=np.asarray(expert_flops),
        expert_pad_flops=np.asarray(expert_pad),
        active_curve=curve,
        expert_token_factor=np.asarray(dp),
        reduces=np.asarray(reduces),
        exchanges=np.asarray(exchanges),
        exchange_bytes=np.asarray(exchange_bytes),
        hidden_bytes=np.asarray(hidden * ACTIVATION_BYTES),
        tp=np.asarray(tp),
        pp=np.asarray(pp),
        dp=np.asarray(dp),
        exchange_ranks=np.asarray(group_ranks if exchanges else 1),
    )


def attention_parameters_per_rank(attention: Attention, hidden: int, tp: int) -> float:
    """Return the mixer's weights on one tensor-parallel rank.

    Key/value heads cannot be cut below one per rank; the latent down-projections are replicated
    (DeepSeek-V3 report, section 2.1.1; vLLM and SGLang do so).
    """
    total = float(attention.parameters)
    if attention.kind == "mla":
        ranks = (attention.q_lora_rank or 0) + (attention.kv_lora_rank or 0)
        replicated = min(float(hidden * (ranks + (attention.qk_rope_head_dim or 0))), total)
        return replicated + (total - replicated) / tp
    if attention.kind == "linear":
        return total / tp
    kv = float(hidden * attention.kv_heads * (attention.head_dim + _value_dim(attention)))
    kv = min(kv, total)
    return (total - kv) / tp + kv / min(tp, max(attention.kv_heads, 1))


def cache_elements_per_rank(attention: Attention, tp: int) -> float:
    """Return the cache elements of one token and layer on one tensor-parallel rank.

    Heads are cut down to one per rank; a latent (or otherwise shared) entry is not cut.
    """
    if attention.kind == "mla" or attention.kv_heads == 0:
        return float(attention.kv_elements)
    return attention.kv_elements / min(tp, attention.kv_heads)


def exchange_bytes_per_token(
    feed_forward: FeedForward, hidden: int, ranks: int, ep: int, weights: str
) -> float:
    """Return bytes one rank sends per token for dispatch plus combine.

    Dispatch is fp8 when the weights are, combine bf16 (DeepEP). The cheaper of sending to the
    chosen experts' ranks and of all-gather + reduce-scatter.
    """
    dispatch = 1.0 if weights in ("fp8", "fp4") else 2.0
    per_copy = hidden * (dispatch + 2.0)
    if ep == 1:
        return (ranks - 1) * per_copy
    chosen = ranks * (1.0 - (1.0 - 1.0 / ranks) ** feed_forward.experts_per_token)
    return min(chosen * (ranks - 1) / ranks, ranks - 1) * per_copy


def _value_dim(attention: Attention) -> int:
    return attention.value_head_dim or attention.head_dim


class _Slots:
    """Attention layers gathered by the window they see."""

    def __init__(self) -> None:
        self.decode_flops = np.zeros(SLOTS)
        self.prefill_flops = np.zeros(SLOTS)
        self.cache_bytes = np.zeros(SLOTS)
        self.window = np.full(SLOTS, UNBOUNDED)
        self._windows: list[float] = [UNBOUNDED]

    def add(self, attention: Attention, layers: int, tp: int, kv_bytes: float) -> None:
        heads = attention.query_heads / tp
        if attention.kind == "linear":
            return
        if attention.kind == "mla":
            rank = float(attention.kv_lora_rank or 0)
            rope = float(attention.qk_rope_head_dim or 0)
            head = (attention.qk_nope_head_dim or attention.head_dim) + rope
            window = float(attention.sparse_top_k or UNBOUNDED)
            slot = self._slot(window)
            self.decode_flops[slot] += layers * 2.0 * heads * (2.0 * rank + rope)
            self.prefill_flops[slot] += layers * 2.0 * heads * (head + _value_dim(attention))
            self.cache_bytes[slot] += layers * attention.kv_elements * kv_bytes
            # The indexer scores every cached token to pick the few that are read.
            score = 2.0 * attention.index_heads * attention.index_head_dim
            self.decode_flops[0] += layers * score / tp
            self.prefill_flops[0] += layers * score / tp
            self.cache_bytes[0] += layers * attention.index_bytes
            return
        slot = self._slot(float(attention.window or UNBOUNDED))
        width = attention.head_dim + _value_dim(attention)
        self.decode_flops[slot] += layers * 2.0 * heads * width
        self.prefill_flops[slot] += layers * 2.0 * heads * width
        self.cache_bytes[slot] += layers * cache_elements_per_rank(attention, tp) * kv_bytes

    def _slot(self, window: float) -> int:
        if window not in self._windows:
            if len(self._windows) == SLOTS:
                # More distinct windows than slots: the nearest wider one stands in.
                wider = [w for w in self._windows if w >= window]
                return self._windows.index(min(wider))
            self._windows.append(window)
            self.window[len(self._windows) - 1] = window
        return self._windows.index(window)
