"""Time of one engine iteration: counted work over calibrated rates.

Every function takes NumPy arrays that broadcast: one replica and a grid of batches, or ten
thousand replicas with one batch each.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from planner.performance.coefficients import Coefficients
from planner.performance.experts import active_share
from planner.performance.links import Links, all_reduce_ms, exchange_ms
from planner.performance.types import Array
from planner.performance.work import Work

PLAIN_BYTES = 2.0
MS_PER_TERA = 1e-9  # FLOPs / (TFLOP/s) in milliseconds
MS_PER_GIGA = 1e-6  # bytes / (GB/s) in milliseconds


@dataclass(frozen=True)
class Chip:
    """Datasheet rates of one accelerator as used by one replica, plus its wires.

    ``narrow_doublings`` is log2(peak of the weights' arithmetic / bf16 peak); ``weight_only`` is
    1 when weights are expanded to bf16 inside the kernel.
    """

    plain_tflops: Array
    narrow_tflops: Array
    narrow_doublings: Array
    weight_only: Array
    memory_gb_s: Array
    links: Links


@dataclass(frozen=True)
class Batch:
    """What one iteration of a replica processes; arrays broadcast.

    Parameters
    ----------
    sequences
        Sequences that decode one token each.
    context
        Mean cached tokens of those sequences.
    prefill_tokens
        Prompt tokens processed.
    prefill_context
        Cached tokens in front of each prompt's chunk.
    prompts
        Number of prompts those tokens belong to (at least 1 where there are tokens).
    tokens_each
        Tokens each decoding sequence computes: 1, or 1 + drafted ones under speculation.
    """

    sequences: Array
    context: Array
    prefill_tokens: Array
    prefill_context: Array
    prompts: Array
    tokens_each: Array | float = 1.0


def smooth_max(first: Array, second: Array, sharpness: Array) -> Array:
    """Return (a^p + b^p)^(1/p): imperfect overlap of two resources, between max and sum."""
    larger = np.maximum(np.maximum(first, second), 1e-30)
    smaller = np.minimum(first, second)
    result: Array = larger * (1.0 + (smaller / larger) ** sharpness) ** (1.0 / sharpness)
    return result


def visible_pairs(new: Array, cached: Array, window: Array) -> Array:
    """Return the (query, key) pairs of ``new`` tokens behind ``cached`` ones under a window.

    Token i of the chunk sees min(cached + i, window) keys.
    """
    growing = np.clip(window - cached, 0.0, new)
    result: Array = growing * cached + growing * growing / 2.0 + (new - growing) * np.minimum(window, 1e18)
    return np.where(new > growing, result, growing * cached + growing * growing / 2.0)


def stage_gpu_ms(work: Work, chip: Chip, rates: Coefficients, batch: Batch) -> Array:
    """Return device milliseconds of all layers for one rank's share of a batch.

    ``batch`` counts what this rank processes (already divided by dp and by pp micro-batches).
    """
    decoded = batch.sequences * batch.tokens_each
    tokens = decoded + batch.prefill_tokens
    sampled = decoded + np.where(batch.prefill_tokens > 0, batch.prompts, 0.0)
    sharp = rates.overlap
    stream = chip.memory_gb_s * rates.memory
    plain_rate = chip.plain_tflops * rates.compute
    narrow_rate = (
        chip.narrow_tflops
        * rates.compute
        * rates.narrow_compute**chip.narrow_doublings
        * np.where(chip.weight_only > 0, rates.weight_only_compute, 1.0)
    )

    def product(parameters: Array, bytes_each: Array | float, rate: Array, rows: Array) -> Array:
        compute = 2.0 * parameters * (rows + rates.half_tokens) / rate * MS_PER_TERA
        memory = parameters * bytes_each / stream * MS_PER_GIGA
        return smooth_max(compute, memory, sharp) * (rows > 0)

    total = product(work.narrow_parameters, work.weight_bytes, narrow_rate, tokens)
    total = total + product(work.plain_parameters, PLAIN_BYTES, plain_rate, tokens)
    total = total + product(work.head_parameters, PLAIN_BYTES, plain_rate, sampled)
    total = total + tokens * work.token_bytes * rates.traffic / stream * MS_PER_GIGA
    total = total + _experts(work, chip, rates, tokens)
    total = total + _attention(work, chip, rates, batch)
    message = tokens * work.hidden_bytes
    total = total + work.reduces * all_reduce_ms(chip.links, rates, work.tp, message)
    total = total + work.exchanges * exchange_ms(
        chip.links, rates, work.exchange_ranks, tokens * work.exchange_bytes
    )
    return total + work.kernels * rates.kernel_gap_us * 1e-3


def _experts(work: Work, chip: Chip, rates: Coefficients, tokens: Array) -> Array:
    entering = tokens * work.expert_token_factor
    active = active_share(work.active_curve, entering)
    rate = (
        chip.narrow_tflops
        * rates.expert_compute
        * rates.narrow_compute**chip.narrow_doublings
        * np.where(chip.weight_only > 0, rates.weight_only_experts, 1.0)
    )
    flops = work.expert_flops_per_token * entering + work.expert_pad_flops * active * rates.expert_pad_tokens
    memory = (
        work.expert_parameters
        * active
        * work.expert_weight_bytes
        / (chip.memory_gb_s * rates.expert_memory)
        * MS_PER_GIGA
    )
    result: Array = smooth_max(flops / rate * MS_PER_TERA, memory, rates.overlap) * (
        work.expert_parameters > 0
    )
    return result


def _attention(work: Work, chip: Chip, rates: Coefficients, batch: Batch) -> Array:
    latent = rates.latent_attention**work.latent
    compute_rate = chip.plain_tflops * rates.attention_compute * latent
    cache_rate = chip.memory_gb_s * rates.cache_memory * latent
    seen = np.minimum(batch.context[..., None], work.slot_window)
    read = np.sum(seen * work.slot_cache_bytes, axis=-1) * batch.sequences
    flops = np.sum(seen * work.slot_decode_flops, axis=-1) * batch.sequences * batch.tokens_each
    decode = smooth_max(flops / compute_rate * MS_PER_TERA, read / cache_rate * MS_PER_GIGA, rates.overlap)
    decode = decode + 2.0 * work.state_bytes * batch.sequences / cache_rate * MS_PER_GIGA
    prompts = np.maximum(batch.prompts, 1e-9)
    pairs = (
        visible_pairs(
            (batch.prefill_tokens / prompts)[..., None],
            batch.prefill_context[..., None],
            work.slot_window,
        )
        * prompts[..., None]
    )
    prefill = np.sum(pairs * work.slot_prefill_flops, axis=-1) / compute_rate * MS_PER_TERA
    # The cache in front of a chunk is read once per prompt of the chunk.
    behind = np.minimum(batch.prefill_context[..., None], work.slot_window)
    reread = np.sum(behind * work.slot_cache_bytes, axis=-1) * prompts * (batch.prefill_tokens > 0)
    recurrent = work.state_flops * batch.prefill_tokens / compute_rate * MS_PER_TERA
    result: Array = decode + prefill + reread / cache_rate * MS_PER_GIGA + recurrent
    return result


PIPELINE_OVERLAP = 0.5
"""Share of the ideal overlap of micro-batches that pipeline stages reach. 1: a stage never waits for
another; 0: micro-batches pass one after the other. Measured on A100 with TensorRT-LLM (Argonne, static
batches of 16-64): 0 to 0.87, 0.3 on average over seven rows; engines since overlap better, but nothing
newer was found. Until it is, pipelines inside a server are not flattered."""


def pipeline_wait(stages: Array, sequences: Array) -> Array:
    """Return by what factor micro-batches that wait for each other stretch an iteration (1: not at all)."""
    in_flight = np.clip(sequences, 1.0, stages)
    result: Array = 1.0 + (1.0 - PIPELINE_OVERLAP) * (in_flight - 1.0)
    return result


def iteration_ms(work: Work, chip: Chip, rates: Coefficients, batch: Batch) -> Array:
    """Return milliseconds of one iteration of the whole replica, as each sequence sees it.

    Attention data parallelism splits the batch over ``dp`` ranks; pipeline stages run ``pp``
    micro-batches, so a token waits for all stages, each at a ``pp``-th of the batch.
    """
    parts = work.dp * work.pp
    rank = Batch(
        sequences=_share(batch.sequences, parts),
        context=batch.context,
        prefill_tokens=_share(batch.prefill_tokens, parts),
        prefill_context=batch.prefill_context,
        prompts=_share(batch.prompts, parts),
        tokens_each=batch.tokens_each,
    )
    device = stage_gpu_ms(work, chip, rates, rank)
    # Chunks of prompts fill the pipeline whatever the number of decoding sequences.
    in_flight = np.where(batch.prefill_tokens > 0, work.pp, batch.sequences / work.dp)
    device = device * pipeline_wait(np.asarray(work.pp, dtype=float), in_flight)
    launched = np.where(rank.prefill_tokens > 0, work.kernels * rates.eager_launch_us * 1e-3, 0.0)
    hand_over = (work.pp - 1.0) * (
        rates.network_latency_us * 1e-3
        + (rank.sequences + rank.prefill_tokens)
        * work.hidden_bytes
        / (chip.links.network_gb_s * rates.network_bandwidth)
        * MS_PER_GIGA
    )
    host = (
        rates.host_step_ms
        + batch.sequences / work.dp * rates.host_sequence_us * 1e-3
        + np.where(batch.prefill_tokens > 0, rates.prefill_step_ms, 0.0)
    )
    result: Array = smooth_max(device, launched, rates.overlap) + hand_over + host
    return result


def _share(count: Array, parts: Array) -> Array:
    """Split a count over parts; the busiest part of fewer than ``parts`` holds one."""
    result: Array = np.maximum(count / parts, np.minimum(count, 1.0))
    return result


def prefill_ms(
    work: Work,
    chip: Chip,
    rates: Coefficients,
    new_tokens: Array,
    cached_tokens: Array,
    chunk_tokens: Array,
    neighbours: Array | float = 1.0,
) -> Array:
    """Return milliseconds for one prompt alone, cut into chunks, through the whole replica.

    ``neighbours`` counts the data-parallel ranks (itself included) that prefill at the same time
    and meet in the experts.

    Full chunks are timed at their mean context, then the rest; with a pipeline the chunks follow
    each other through the stages, a flow shop whose chunks wait for each other as micro-batches do:
    (wait x sum of chunks + (pp - 1) x slowest) / pp.
    """
    new = np.asarray(new_tokens, dtype=float)
    cached = np.asarray(cached_tokens, dtype=float)
    full = np.floor(np.maximum(new - 1.0, 0.0) / chunk_tokens)
    rest = new - full * chunk_tokens
    zero = np.zeros(np.broadcast_shapes(new.shape, cached.shape, np.shape(work.tp)))
    alone = alone_on_the_replica(work, neighbours)

    def once(tokens: Array, context: Array) -> Array:
        one = Batch(zero, zero, zero + tokens, zero + context, zero + 1.0)
        return iteration_ms(alone, chip, rates, one)

    each = once(chunk_tokens, cached + np.maximum(full - 1.0, 0.0) * chunk_tokens / 2.0)
    last = once(rest, cached + full * chunk_tokens)
    total = np.where(full > 0, full * each, 0.0) + last
    slowest = np.where(full > 0, np.maximum(each, last), last)
    wait = pipeline_wait(np.asarray(work.pp, dtype=float), full + 1.0)
    result: Array = (total * wait + (work.pp - 1.0) * slowest) / work.pp
    return np.where(new > 0, result, 0.0)


def alone_on_the_replica(work: Work, neighbours: Array | float = 1.0) -> Work:
    """Return the work of one micro-batch on one data-parallel rank; ``neighbours`` ranks are busy."""
    one = np.ones_like(work.pp)
    return replace(work, pp=one, dp=one, expert_token_factor=neighbours * one)
