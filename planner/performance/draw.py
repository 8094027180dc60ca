"""Watts of one replica: its iterations' utilization put into the power model of its accelerator."""

from __future__ import annotations

import numpy as np

from planner.performance.power import PowerModel
from planner.performance.steps import Batch, Chip
from planner.performance.types import Array, ArrayInput
from planner.performance.utilization import utilization
from planner.performance.work import Work

TYPICAL_CONTEXT_TOKENS = 2048.0
"""Cached tokens of a decoding sequence where the caller does not say: median input plus half the
output of public serving traces (Azure 2023 conversation: 1,020 + 129 / 2; code: 1,469) rounded up."""


def draw_w(model: PowerModel, work: Work, chip: Chip, batch: Batch, uncapped_ms: Array) -> Array:
    """Return the mean watts of one accelerator during an iteration that takes ``uncapped_ms``."""
    return model.draw_w(*utilization(work, chip, batch, uncapped_ms))


def capped_ms(model: PowerModel, work: Work, chip: Chip, batch: Batch, uncapped_ms: Array) -> Array:
    """Return the milliseconds of an iteration under the cap, given those without."""
    if model.limit_w >= model.tdp_w:
        return uncapped_ms
    stretch = model.stretch(*utilization(work, chip, batch, uncapped_ms))
    return np.asarray(uncapped_ms * stretch)


def decode_batch(sequences: ArrayInput, context_tokens: ArrayInput) -> Batch:
    """Return a batch that only decodes."""
    count, context = np.broadcast_arrays(
        np.asarray(sequences, dtype=float), np.asarray(context_tokens, dtype=float)
    )
    nothing = np.zeros_like(count)
    return Batch(count, context, nothing, nothing, nothing)


def decode_or_fill(sequences: Array, context_tokens: float, chunk_tokens: float) -> Batch:
    """Return batches of shape [2, ...]: some that only decode, and as many that process one chunk each."""
    nothing = np.zeros_like(sequences)
    prompts = np.full_like(sequences, min(chunk_tokens, 1.0))
    return Batch(
        np.stack([sequences, nothing]),
        np.stack([np.full_like(sequences, context_tokens), nothing]),
        np.stack([nothing, np.full_like(sequences, chunk_tokens)]),
        np.stack([nothing, nothing]),
        np.stack([nothing, prompts]),
    )


def prompt_batch(new_tokens: ArrayInput, cached_tokens: ArrayInput) -> Batch:
    """Return a batch that processes one prompt."""
    new, cached = np.broadcast_arrays(
        np.asarray(new_tokens, dtype=float), np.asarray(cached_tokens, dtype=float)
    )
    nothing = np.zeros_like(new)
    return Batch(nothing, nothing, new, cached, np.minimum(new, 1.0))
