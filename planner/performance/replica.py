"""The analytic replica: one engine instance, timed from counted work and calibrated rates."""

from __future__ import annotations

import math
from dataclasses import replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np

from planner.performance import draw
from planner.performance.calibration_file import Calibration, load_calibration
from planner.performance.coefficients import Coefficients
from planner.performance.engine_limits import engine_limits, unsupported
from planner.performance.experts import DEFAULT_EXPERT_SKEW
from planner.performance.links import links_of
from planner.performance.memory import (
    EngineLimits,
    memory_breakdown,
    requests_held,
    weights_bytes,
)
from planner.performance.power import PowerModel, idle_w, power_model
from planner.performance.precision import KV_BYTES, WEIGHT_BYTES, arithmetic
from planner.performance.shape import Shape
from planner.performance.steps import Batch, Chip, alone_on_the_replica, iteration_ms, prefill_ms
from planner.performance.types import Array, ArrayInput, ErrorBand, MemoryBreakdown
from planner.performance.work import Work, count_work

if TYPE_CHECKING:
    from planner.catalog.accelerators import Accelerator
    from planner.catalog.llm import LLM
    from planner.catalog.servers import Server

GB = 1e9


def chip_of(accelerator: Accelerator, shape: Shape, server: Server | None = None) -> Chip:
    """Return the datasheet rates one replica computes with."""
    kind, narrow = arithmetic(shape.weights, accelerator.tflops)
    _, plain = arithmetic("bf16", accelerator.tflops)
    return Chip(
        plain_tflops=np.asarray(plain),
        narrow_tflops=np.asarray(narrow),
        narrow_doublings=np.asarray(math.log2(narrow / plain) if narrow and plain else 0.0),
        weight_only=np.asarray(shape.weights != "bf16" and kind == "bf16"),
        memory_gb_s=np.asarray(accelerator.memory_bandwidth_gb_s),
        links=links_of(accelerator, server),
    )


class AnalyticReplica:
    """A ``ReplicaModel`` from first principles; build it with ``replica_model``."""

    provider = "analytic"

    def __init__(
        self,
        llm: LLM,
        accelerator: Accelerator,
        shape: Shape,
        *,
        server: Server | None,
        calibration: Calibration,
        limits: EngineLimits,
        expert_skew: float = DEFAULT_EXPERT_SKEW,
    ) -> None:
        self.shape = shape
        self.limits = limits
        self.error_band: ErrorBand = calibration.band(shape.accelerator, shape.engine)
        self.accelerator = accelerator
        self.llm = llm
        self.memory: MemoryBreakdown = memory_breakdown(llm, shape, accelerator.memory_bytes, limits)
        self.refusal: str = refusal(llm, accelerator, shape, self.memory, limits)
        self.work: Work = count_work(llm, shape, expert_skew)
        self.chip: Chip = chip_of(accelerator, shape, server)
        self.rates: Coefficients = calibration.coefficients(shape.accelerator, shape.engine)

    @property
    def fits(self) -> bool:
        """Whether the weights and at least one short request fit."""
        return not self.refusal

    @property
    def max_batched_tokens(self) -> int:
        """Tokens of one iteration (the chunk size of chunked prefill)."""
        return self.limits.max_batched_tokens

    @property
    def request_overhead_ms(self) -> float:
        """Milliseconds added once to the time to first token of each request."""
        return float(self.rates.request_ms)

    def prefill_ms(self, new_tokens: ArrayInput, cached_tokens: ArrayInput = 0) -> Array:
        """Return milliseconds for one prompt alone; ``cached_tokens`` are already in the cache."""
        new, cached = np.broadcast_arrays(
            np.asarray(new_tokens, dtype=float), np.asarray(cached_tokens, dtype=float)
        )
        chunk = np.asarray(self.max_batched_tokens)
        alone = prefill_ms(self.work, self.chip, self.rates, new, cached, chunk)
        if self.shape.power_cap_w is None:
            return alone
        one = draw.prompt_batch(np.minimum(new, chunk), cached + np.maximum(new - chunk, 0.0) / 2.0)
        work = alone_on_the_replica(self.work)
        uncapped = iteration_ms(work, self.chip, self.rates, one)
        slower = draw.capped_ms(self.power, work, self.chip, one, uncapped) / np.maximum(uncapped, 1e-9)
        return np.where(new > 0, alone * slower, 0.0)

    def step_ms(
        self,
        decode_batch: ArrayInput,
        context_tokens: ArrayInput,
        prefill_tokens: ArrayInput = 0,
        prefill_context_tokens: ArrayInput = 0,
    ) -> Array:
        """Return milliseconds of one iteration.

        ``decode_batch`` sequences with a mean of ``context_tokens`` cached tokens decode one
        token each, beside a chunk of ``prefill_tokens`` of one prompt behind
        ``prefill_context_tokens`` of its own.
        """
        sequences, context, prefill, behind = np.broadcast_arrays(
            *(
                np.asarray(value, dtype=float)
                for value in (decode_batch, context_tokens, prefill_tokens, prefill_context_tokens)
            )
        )
        batch = Batch(sequences, context, prefill, behind, np.minimum(prefill, 1.0))
        busy = (sequences > 0) | (prefill > 0)
        time_ms = iteration_ms(self.work, self.chip, self.rates, batch)
        if self.shape.power_cap_w is not None:
            time_ms = draw.capped_ms(self.power, self.work, self.chip, batch, time_ms)
        return np.where(busy, time_ms, 0.0)

    def max_batch(self, tokens_per_request: float) -> int:
        """Return the most requests of that many cached tokens held at once."""
        if not self.fits:
            return 0
        held = requests_held(self.memory, self.shape, tokens_per_request)
        return int(min(held, self.limits.max_sequences * self.shape.dp))

    @cached_property
    def power(self) -> PowerModel:
        """Watts of one accelerator by utilization, and its cap."""
        return power_model(self.accelerator, self.shape.power_cap_w)

    @property
    def idle_w(self) -> float:
        """Watts of one accelerator with the model loaded and no work."""
        return float(idle_w(self.accelerator))

    def power_w(self, decode_batch: Any, prefill_fraction: Any = 0.0) -> Array:
        """Return expected watts of one accelerator, after the cap.

        A mean over time: ``prefill_fraction`` of it full prefill chunks are processed, the rest
        ``decode_batch`` sequences of typical context decode.
        """
        sequences, share = np.broadcast_arrays(
            np.asarray(decode_batch, dtype=float), np.asarray(prefill_fraction, dtype=float)
        )
        chunk = float(self.max_batched_tokens) * self.shape.dp
        both = draw.decode_or_fill(sequences, draw.TYPICAL_CONTEXT_TOKENS, chunk)
        times_ms = iteration_ms(self.work, self.chip, self.rates, both)
        decoding_w, filling_w = draw.draw_w(self.power, self.work, self.chip, both, times_ms)
        decode_w = np.where(sequences > 0, decoding_w, self.idle_w)
        result: Array = share * filling_w + (1.0 - share) * decode_w
        return result


def refusal(
    llm: LLM, accelerator: Accelerator, shape: Shape, memory: MemoryBreakdown, limits: EngineLimits
) -> str:
    """Return why a replica cannot run, with advice; empty when it can."""
    faults = shape.faults()
    if faults:
        return "; ".join(faults)
    if not accelerator.memory_bytes or not accelerator.memory_bandwidth_gb_s:
        return (
            f"{accelerator.id} has no memory size or bandwidth in the catalog: "
            "give it in the scenario's catalog section"
        )
    _, plain = arithmetic("bf16", accelerator.tflops)
    if plain <= 0:
        return (
            f"{accelerator.id} has no known FLOP rate in the catalog: "
            "give tflops in the scenario's catalog section"
        )
    if shape.weights not in WEIGHT_BYTES:
        return f"unknown weights precision {shape.weights!r}: use one of {', '.join(WEIGHT_BYTES)}"
    if shape.kv_cache not in KV_BYTES:
        return f"unknown kv_cache precision {shape.kv_cache!r}: use one of {', '.join(KV_BYTES)}"
    cannot = unsupported(shape.engine, accelerator, shape.weights, shape.kv_cache)
    if cannot:
        return cannot
    if shape.power_cap_w is not None:
        try:
            power_model(accelerator, shape.power_cap_w)
        except ValueError as error:
            return str(error)
    one_block = memory.kv_bytes_per_token * 16 + memory.kv_bytes_fixed
    if memory.kv_budget_bytes < one_block:
        return (
            f"does not fit: {memory.weights_bytes / GB:.1f} GB of weights and "
            f"{(memory.reserved_bytes - memory.weights_bytes) / GB:.1f} GB of buffers per "
            f"accelerator, {memory.usable_bytes / GB:.1f} GB usable "
            f"({limits.memory_fraction:.2f} of what the driver leaves of {memory.total_bytes / GB:.1f} GB); "
            + _advice(llm, accelerator, shape, limits)
        )
    return ""


def _advice(llm: LLM, accelerator: Accelerator, shape: Shape, limits: EngineLimits) -> str:
    for tp in (1, 2, 4, 8, 16):
        if tp <= shape.tp or weights_bytes(llm, shape) * shape.tp / tp > accelerator.memory_bytes:
            continue
        wider = replace(shape, tp=tp, ep=shape.ep if (tp * shape.dp) % shape.ep == 0 else 1)
        memory = memory_breakdown(llm, wider, accelerator.memory_bytes, limits)
        if memory.kv_budget_bytes > 0:
            return f"try tp {tp}"
    for weights in ("fp8", "fp4", "int4"):
        if WEIGHT_BYTES[weights] < WEIGHT_BYTES[shape.weights]:
            smaller = replace(shape, weights=weights)
            if weights_bytes(llm, smaller) < 0.85 * accelerator.memory_bytes:
                return f"try weights {weights}"
    return "try more pipeline stages or a larger accelerator"


def replica_model(
    llm: LLM,
    accelerator: Accelerator,
    shape: Shape,
    *,
    server: Server | None = None,
    calibration: Calibration | None = None,
    memory_fraction: float | None = None,
    limits: EngineLimits | None = None,
    expert_skew: float = DEFAULT_EXPERT_SKEW,
) -> AnalyticReplica:
    """Return the analytic model of one replica.

    Parameters
    ----------
    llm, accelerator, shape
        What runs where, and how it is cut.
    server
        Gives the NIC bandwidth and accelerators per box; an 8-way box with 400 Gb/s NICs without.
    calibration
        Defaults to the shipped one.
    memory_fraction
        Share of accelerator memory the engine may use; the engine's default without.
    limits
        All engine limits at once (then ``memory_fraction`` is ignored).
    expert_skew
        Exponent of the power law by which tokens choose experts (``experts.py``); 0 is balanced.
    """
    chosen = limits or engine_limits(shape.engine, memory_fraction, accelerator)
    return AnalyticReplica(
        llm,
        accelerator,
        shape,
        server=server,
        calibration=calibration or load_calibration(),
        limits=chosen,
        expert_skew=expert_skew,
    )
