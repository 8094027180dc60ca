"""The calibrated numbers of the analytic model: what they mean, and where they come from."""

from __future__ import annotations

from dataclasses import dataclass, fields

import numpy as np

from planner.performance.types import Array


@dataclass(frozen=True)
class Coefficients:
    """Efficiencies and overheads of one accelerator under one engine.

    Shares are of the datasheet's dense peak or bandwidth; each field is an array of one shape.
    """

    compute: Array
    """Share of peak bf16 FLOP/s reached by large matrix products."""
    narrow_compute: Array
    """Factor on ``compute`` for each halving of the operand width (fp8: once, fp4: twice)."""
    half_tokens: Array
    """Tokens at which a matrix product reaches half of that rate."""
    memory: Array
    """Share of memory bandwidth reached when weights stream."""
    attention_compute: Array
    """Share of peak bf16 FLOP/s reached by prefill attention."""
    cache_memory: Array
    """Share of memory bandwidth reached when decode attention reads the cache."""
    latent_attention: Array
    """Factor on both attention efficiencies for multi-head latent attention."""
    expert_compute: Array
    """Share of peak FLOP/s reached by grouped expert products."""
    expert_memory: Array
    """Share of memory bandwidth reached when expert weights stream."""
    expert_pad_tokens: Array
    """Tokens of padding per active expert (tile height of the grouped product)."""
    traffic: Array
    """Factor on the counted activation traffic (norms, residuals, casts, GEMM operands)."""
    weight_only_compute: Array
    """Factor on ``compute`` when weights are expanded inside the kernel (int4, fp8 on A100)."""
    weight_only_experts: Array
    """The same factor on ``expert_compute``."""
    kernel_gap_us: Array
    """Time lost per kernel of a decode step inside a captured graph."""
    eager_launch_us: Array
    """Host time to launch one kernel outside a graph; a prefill is never shorter."""
    host_step_ms: Array
    """Host time per iteration that the device waits for (schedule, sample, copy)."""
    host_sequence_us: Array
    """The same, for each sequence of the batch."""
    prefill_step_ms: Array
    """Added to an iteration that contains prefill work (attention metadata, no graph)."""
    request_ms: Array
    """Per request, once: HTTP, tokenise, queue hand-over, detokenise."""
    request_token_us: Array
    """Per prompt token of a request, once: tokenise, copy, hash."""
    reduce_latency_us: Array
    """All-reduce start-up on the scale-up link, two accelerators."""
    reduce_hop_us: Array
    """Added for each doubling of the group."""
    reduce_bandwidth: Array
    """Share of the scale-up link reached by a large all-reduce."""
    host_link_latency_us: Array
    """Added to an all-reduce through PCIe for each pair of accelerators after the first."""
    host_link_bandwidth: Array
    """Factor on ``reduce_bandwidth`` when the PCIe link carries the all-reduce of a pair."""
    host_link_contention: Array
    """Exponent: that factor falls as (group / 2) ** -contention (shared root complex)."""
    network_latency_us: Array
    """Start-up of a collective or a transfer over the scale-out network."""
    network_bandwidth: Array
    """Share of the scale-out link reached by a large transfer."""
    exchange_latency_us: Array
    """Start-up of one expert dispatch or combine inside the scale-up domain."""
    exchange_bandwidth: Array
    """Share of the scale-up link reached by expert dispatch and combine."""
    overlap: Array
    """Sharpness of max(compute, memory): 1 adds them, large takes the maximum."""
    admission_steps: Array
    """Iterations a new request waits before its prefill is scheduled (polling of the queue)."""
    wave: Array
    """Share of a closed loop's requests that arrive together (burst at the start, lock-step)."""


NAMES: tuple[str, ...] = tuple(field.name for field in fields(Coefficients))

# Upper limits of physical shares: nothing runs faster than its datasheet.
CEILINGS = {
    "compute": 0.95,
    "attention_compute": 0.90,
    "expert_compute": 0.90,
    "memory": 0.97,
    "cache_memory": 0.97,
    "expert_memory": 0.97,
    "reduce_bandwidth": 1.0,
    "host_link_bandwidth": 1.0,
    "network_bandwidth": 1.0,
    "exchange_bandwidth": 1.0,
    "weight_only_compute": 1.0,
    "weight_only_experts": 1.2,
    "narrow_compute": 1.1,
}
FLOORS = {"overlap": 1.0}


def from_logs(logs: Array) -> Coefficients:
    """Build coefficients from natural logarithms, shape (len(NAMES), ...), clipped to sanity."""
    values = {}
    for row, name in zip(logs, NAMES, strict=True):
        value = np.exp(np.asarray(row, dtype=float))
        if name in CEILINGS:
            value = np.minimum(value, CEILINGS[name])
        if name in FLOORS:
            value = np.maximum(value, FLOORS[name])
        values[name] = value
    return Coefficients(**values)


# Plausible values before any measurement: shares from common roofline practice, latencies from
# the collective and launch measurements quoted in docs/performance-model.md.
UNCALIBRATED: dict[str, float] = {
    "compute": 0.70,
    "narrow_compute": 0.85,
    "half_tokens": 20.0,
    "memory": 0.80,
    "attention_compute": 0.45,
    "cache_memory": 0.70,
    "latent_attention": 0.8,
    "expert_compute": 0.50,
    "expert_memory": 0.60,
    "expert_pad_tokens": 30.0,
    "traffic": 1.0,
    "weight_only_compute": 0.7,
    "weight_only_experts": 0.85,
    "kernel_gap_us": 1.5,
    "eager_launch_us": 20.0,
    "host_step_ms": 0.5,
    "host_sequence_us": 8.0,
    "prefill_step_ms": 3.0,
    "request_ms": 12.0,
    "request_token_us": 1.0,
    "reduce_latency_us": 4.0,
    "reduce_hop_us": 1.5,
    "reduce_bandwidth": 0.7,
    "host_link_latency_us": 6.0,
    "host_link_bandwidth": 0.9,
    "host_link_contention": 0.8,
    "network_latency_us": 20.0,
    "network_bandwidth": 0.7,
    "exchange_latency_us": 15.0,
    "exchange_bandwidth": 0.4,
    "overlap": 3.0,
    "admission_steps": 1.0,
    "wave": 0.1,
}
