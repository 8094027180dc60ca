"""How busy arithmetic and memory of one accelerator are in an iteration, against the datasheet."""

from __future__ import annotations

import numpy as np

from planner.performance.experts import active_share
from planner.performance.steps import MS_PER_GIGA, MS_PER_TERA, PLAIN_BYTES, Batch, Chip, visible_pairs
from planner.performance.types import Array
from planner.performance.work import Work


def utilization(work: Work, chip: Chip, batch: Batch, iteration_ms: Array) -> tuple[Array, Array]:
    """Return (compute, memory) utilization of one accelerator, 0 to 1.

    Counted FLOPs and bytes over what the datasheet's peak would do in ``iteration_ms``. Pipeline
    stages share the layers and run ``pp`` micro-batches at once, so a stage does the whole batch's
    work on a ``pp``-th of the layers in one iteration.
    """
    ranks = work.dp
    sequences = batch.sequences / ranks
    new = batch.prefill_tokens / ranks
    tokens = sequences * batch.tokens_each + new
    sampled = sequences * batch.tokens_each + np.where(new > 0, batch.prompts / ranks, 0.0)
    entering = tokens * work.expert_token_factor
    active = active_share(work.active_curve, entering / np.maximum(work.pp, 1.0))
    seen = np.minimum(batch.context[..., None], work.slot_window)
    prompts = np.maximum(batch.prompts, 1e-9)
    pairs = visible_pairs(
        (batch.prefill_tokens / prompts)[..., None], batch.prefill_context[..., None], work.slot_window
    )
    share = np.asarray(prompts / ranks)[..., None]
    plain_flops = (
        2.0 * tokens * work.plain_parameters
        + 2.0 * sampled * work.head_parameters
        + np.sum(seen * work.slot_decode_flops, axis=-1) * sequences * batch.tokens_each
        + np.sum(pairs * share * work.slot_prefill_flops, axis=-1)
        + work.state_flops * tokens
    )
    narrow_flops = 2.0 * tokens * work.narrow_parameters + work.expert_flops_per_token * entering
    compute_ms = (plain_flops / chip.plain_tflops + narrow_flops / chip.narrow_tflops) * MS_PER_TERA
    bytes_moved = (
        work.narrow_parameters * work.weight_bytes * work.pp
        + work.plain_parameters * PLAIN_BYTES * work.pp
        + np.where(sampled > 0, work.head_parameters * PLAIN_BYTES * work.pp, 0.0)
        + work.expert_parameters * active * work.expert_weight_bytes * work.pp
        + np.sum(seen * work.slot_cache_bytes, axis=-1) * sequences
        + 2.0 * work.state_bytes * sequences
        + tokens * work.token_bytes
    )
    memory_ms = np.where(tokens > 0, bytes_moved, 0.0) / chip.memory_gb_s * MS_PER_GIGA
    time = np.maximum(iteration_ms * work.pp, 1e-9)
    return np.clip(compute_ms / time, 0.0, 1.0), np.clip(memory_ms / time, 0.0, 1.0)
