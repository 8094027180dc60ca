"""Where the memory of an accelerator goes, and how many cached tokens are left room for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.performance.lora import adapter_bytes
from planner.performance.precision import KV_BYTES, WEIGHT_BYTES
from planner.performance.remember import remember
from planner.performance.shape import Shape
from planner.performance.types import MemoryBreakdown
from planner.performance.work import (
    ACTIVATION_BYTES,
    attention_parameters_per_rank,
    cache_elements_per_rank,
    keeps_plain,
)

if TYPE_CHECKING:
    from planner.catalog.llm import LLM

GIB = 1024.0**3
# CUDA context, cuBLAS/cuDNN workspaces and captured graphs of a decode-size ladder: 1.0 GiB for
# a context with libraries, 0.6 GiB for graphs (vLLM prints 0.4-0.9 GiB at start-up).
RUNTIME_BYTES = 1.6 * GIB
# Small devices run with fewer graphs and libraries: no more than this share of their memory.
RUNTIME_LIMIT = 0.05
# What the driver keeps back: an 80 GiB H100 shows 79.22 GiB to a process (vLLM pull request 10511), a
# B200 of 179.06 GiB shows 178.35 (TensorRT-LLM pull request 13357).
DRIVER_BYTES = 0.75 * GIB
DRIVER_LIMIT = 0.015
# NCCL channels, peer-to-peer mappings and the buffers of custom all-reduces, whatever the size of the
# group: memory outside of PyTorch grows from 1.79 to 3.58 GiB between TP 1 and TP 2 (vLLM pull request
# 10511, Llama-3-8B on H100).
COMMUNICATION_BYTES = 1.8 * GIB
# Expert-parallel buffers of DeepEP low-latency mode: hidden x experts x tokens of dispatch and
# combine, about 1 GiB for DeepSeek-V3 at 128 tokens per rank (DeepEP README).
EXCHANGE_BYTES = 1.0 * GIB
# Live tensors per token at the widest point of a layer: residual, normed input, q/k/v and output.
LIVE_HIDDEN_COPIES = 6.0
# Logits of every running sequence, gathered on each rank: fp32 and one sampling copy.
LOGIT_BYTES = 4.0 * 2
# Engines profile their peak with at most this many sampled sequences (vLLM's default max_num_seqs).
SAMPLED_AT_ONCE = 1024


@dataclass(frozen=True)
class EngineLimits:
    """What an engine allows: fraction of memory it may use, tokens and sequences per iteration."""

    memory_fraction: float = 0.90
    max_batched_tokens: int = 8192
    max_sequences: int = 1024
    fraction_of_free: bool = False
    """The fraction is of what weights and buffers leave free (TensorRT-LLM), not of everything."""
    reserved_output: float = 0.5
    """Share of the answer a request holds on average: 0.5 when cache is taken block by block as
    it grows, 1 when an engine reserves the longest answer at admission."""
    fraction_of_static: bool = False
    """The fraction is for weights and cache alone; activations live in the rest (SGLang)."""
    logit_bytes: float = LOGIT_BYTES
    """Bytes the sampler takes per vocabulary entry of each sampled sequence."""
    adapter_ranks: int = 0
    """Slots for LoRA adapters times their largest rank; their memory is reserved beside the weights."""
    routed_bytes: float = 0.0
    """Scratch of expert kernels beside activations, bytes per hidden element of each routed copy."""


def weights_bytes(llm: LLM, shape: Shape) -> float:
    """Return bytes of weights on the fullest accelerator of a replica.

    Attention and dense parts are cut by ``tp``, routed experts by ``tp x dp``, layers by ``pp``;
    embedding and head are cut by ``tp`` and sit on the first and the last stage. Parts that a
    checkpoint keeps in bf16 stay so (see ``work.keeps_plain``).
    """
    return _weights_bytes(llm, shape.tp, shape.pp, shape.dp, shape.weights)


@remember
def _weights_bytes(llm: LLM, tp: int, pp: int, dp: int, weights: str) -> float:
    narrow = WEIGHT_BYTES[weights]
    plain = WEIGHT_BYTES["bf16"]

    def each(part: str) -> float:
        return plain if keeps_plain(llm, weights, part) else narrow

    body = 0.0
    for group in llm.groups:
        feed_forward = group.feed_forward
        layer = attention_parameters_per_rank(group.attention, llm.hidden_size, tp) * each("attention")
        if feed_forward.kind == "dense":
            layer += feed_forward.parameters / tp * each("dense_ffn")
        elif feed_forward.kind == "moe":
            layer += feed_forward.routed_parameters / (tp * dp) * each("routed_experts")
            layer += feed_forward.shared_parameters / tp * each("shared_experts")
            layer += feed_forward.router_parameters * plain
        body += group.count * (layer + group.norm_parameters * plain)
    table = llm.vocab_size * llm.hidden_size / tp * plain
    extra = llm.extra_embedding_parameters / tp * plain
    if pp > 1:
        # Stages hold whole layers; the end stages also hold a vocabulary table.
        layers = sum(group.count for group in llm.groups)
        per_stage = -(-layers // pp)
        return body * per_stage / layers + table + extra
    return body + table * (1 if llm.tied_embeddings else 2) + extra


def kv_bytes_per_token(llm: LLM, shape: Shape) -> float:
    """Return bytes of cache that one token takes on one rank (unbounded layers only).

    Heads are cut by ``tp`` down to one per rank; a latent cache is not cut at all. Stages hold
    their own layers.
    """
    return _kv_bytes_per_token(llm, shape.tp, shape.kv_cache) / shape.pp


@remember
def _kv_bytes_per_token(llm: LLM, tp: int, kv_cache: str) -> float:
    total = 0.0
    for group in llm.groups:
        attention = group.attention
        if attention.kind in ("full", "mla"):
            kept = cache_elements_per_rank(attention, tp) * KV_BYTES[kv_cache]
            total += group.count * (kept + attention.index_bytes)
    return total


def kv_bytes_fixed(llm: LLM, shape: Shape, context_tokens: float = float("inf")) -> float:
    """Return bytes one request holds on one rank in windowed and recurrent layers."""
    return _kv_bytes_fixed(llm, shape.tp, shape.kv_cache, context_tokens) / shape.pp


@remember
def _kv_bytes_fixed(llm: LLM, tp: int, kv_cache: str, context_tokens: float) -> float:
    total = 0.0
    for group in llm.groups:
        attention = group.attention
        if attention.kind == "sliding":
            seen = min(float(attention.window or 0), context_tokens)
            kept = cache_elements_per_rank(attention, tp) * KV_BYTES[kv_cache]
            total += group.count * kept * seen
        elif attention.kind == "linear":
            total += group.count * attention.state_bytes / tp
    return total


def activation_bytes(llm: LLM, shape: Shape, limits: EngineLimits) -> float:
    """Return bytes of live activations for the largest iteration the engine allows.

    The head is cut by ``tp``, but its logits are gathered on every rank for sampling.
    """
    per_token = (LIVE_HIDDEN_COPIES * llm.hidden_size + _widest(llm, shape.tp)) * ACTIVATION_BYTES
    per_token += _most_routed(llm) * llm.hidden_size * limits.routed_bytes
    sampled = min(limits.max_sequences, SAMPLED_AT_ONCE)
    return limits.max_batched_tokens * per_token + sampled * llm.vocab_size * limits.logit_bytes


def _most_routed(llm: LLM) -> int:
    """Return the routed copies of a token in the layer that makes most."""
    return max(
        (g.feed_forward.experts_per_token for g in llm.groups if g.feed_forward.kind == "moe"), default=0
    )


@remember
def _widest(llm: LLM, tp: int) -> float:
    """Return the widest live feed-forward tensor of any layer, elements per token."""
    widest = 0.0
    for group in llm.groups:
        feed_forward = group.feed_forward
        width = 2.0 * feed_forward.intermediate_size / tp
        if feed_forward.kind == "moe":
            # Permuted input, gated products and outputs of every chosen expert are live at once.
            width = feed_forward.experts_per_token * (
                2.0 * feed_forward.intermediate_size / tp + 2.0 * llm.hidden_size
            )
        widest = max(widest, width)
    return widest


def memory_breakdown(llm: LLM, shape: Shape, memory_bytes: float, limits: EngineLimits) -> MemoryBreakdown:
    """Return where the memory of the fullest accelerator goes (bytes).

    What the engine's fraction covers differs. vLLM: everything it takes. SGLang: weights and cache; what
    activations need must fit in the rest, else it comes off the cache. TensorRT-LLM: the cache, of what
    everything else leaves free.
    """
    total = float(memory_bytes)
    visible = total - min(DRIVER_BYTES, DRIVER_LIMIT * total)
    communication = 0.0
    if shape.tp > 1 or shape.dp > 1 or shape.pp > 1:
        communication = min(COMMUNICATION_BYTES, RUNTIME_LIMIT * total)
    if shape.dp > 1 and shape.ep > 1:
        communication += EXCHANGE_BYTES
    per_token = kv_bytes_per_token(llm, shape)
    fixed = kv_bytes_fixed(llm, shape)
    weights = weights_bytes(llm, shape)
    activations = activation_bytes(llm, shape, limits)
    runtime = min(RUNTIME_BYTES, RUNTIME_LIMIT * total)
    if limits.adapter_ranks:
        weights += adapter_bytes(llm, shape, limits.adapter_ranks)
    taken = weights + activations + communication + runtime
    usable = visible * limits.memory_fraction
    if limits.fraction_of_free:
        usable = taken + max(visible - taken, 0.0) * limits.memory_fraction
        usable = min(usable, visible)
    elif limits.fraction_of_static:
        outside = communication + runtime
        static = (visible - outside) * limits.memory_fraction
        usable = min(static + outside + activations, visible)
    memory = MemoryBreakdown(
        total_bytes=total,
        usable_bytes=usable,
        weights_bytes=weights,
        activation_bytes=activations,
        communication_bytes=communication,
        runtime_bytes=runtime,
        kv_bytes_per_token=per_token,
        kv_bytes_fixed=fixed,
        kv_capacity_tokens=0.0,
    )
    capacity = max(memory.kv_budget_bytes, 0.0) / per_token if per_token > 0 else float("inf")
    return MemoryBreakdown(**{**vars(memory), "kv_capacity_tokens": capacity * shape.dp})


def requests_held(memory: MemoryBreakdown, shape: Shape, tokens_per_request: Any) -> Any:
    """Return how many requests of that many cached tokens a replica holds (may be infinite).

    ``tokens_per_request`` may be an array.
    """
    each = memory.kv_bytes_per_token * tokens_per_request + memory.kv_bytes_fixed
    return max(memory.kv_budget_bytes, 0.0) / np.maximum(each, 1e-9) * shape.dp
