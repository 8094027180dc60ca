"""From step times to the latencies a load generator sees.

Closed loop: ``concurrency`` clients, each sends its next request when the last one is answered.
Static batch: all requests start together and run in lock-step. Equations and their limits are in
docs/performance-model.md, section Closed loop.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from planner.performance.coefficients import Coefficients
from planner.performance.steps import Batch, Chip, iteration_ms, prefill_ms
from planner.performance.types import Array
from planner.performance.work import Work


@dataclass(frozen=True)
class Load:
    """What a load generator asks of one replica; arrays of one shape.

    ``concurrency`` is per replica; ``held`` is how many requests fit in memory at their mean
    length (and under the engine's limit); ``chunk`` the tokens of one iteration. Under
    speculation ``tokens_each`` is 1 + drafted tokens, ``accepted_each`` the tokens a verification
    step yields on average and ``draft_share`` what drafting adds to a step. ``scattered`` is 1 where
    lengths differ from request to request, 0 where they are all equal and clients stay in step;
    ``wait_steps`` are iterations that the engine's flags hold a request back.
    """

    input_tokens: Array
    output_tokens: Array
    cached_tokens: Array
    concurrency: Array
    held: Array
    chunk: Array
    tokens_each: Array
    accepted_each: Array
    draft_share: Array
    scattered: Array
    wait_steps: Array


FIRST_WAVE = 0.1
"""Share of requests that start together where lengths differ: the first of each client, of ten each
(num-prompts is 10 x concurrency in SemiAnalysis InferenceX and in vLLM's serving recipes)."""


@dataclass(frozen=True)
class Latency:
    """Means a client sees, and what the replica delivers."""

    ttft_ms: Array
    tpot_ms: Array
    output_tokens_per_s: Array
    running: Array
    """Requests in the engine at a time."""
    decode_step_ms: Array
    """A pure decode iteration at that batch."""
    settled_ttft_ms: Array
    """Time to first token once the first wave is over: what a median sees."""


def closed_loop(work: Work, chip: Chip, rates: Coefficients, load: Load) -> Latency:
    """Return mean latencies and throughput of a closed loop.

    The requests that run share each cycle between their own decode steps and everybody's
    prefills; requests beyond ``held`` wait for a slot.
    """
    running = np.maximum(np.minimum(load.concurrency, np.maximum(load.held, 1.0)), 1e-9)
    # Tokens of every busy data-parallel rank meet in the experts.
    work = replace(work, expert_token_factor=np.clip(running, 1.0, work.dp))
    ranks = np.minimum(work.dp, np.maximum(running, 1.0))
    per_rank = np.maximum(running / work.dp, np.minimum(running, 1.0))
    others = np.maximum(per_rank - 1.0, 0.0)
    new = np.maximum(load.input_tokens - load.cached_tokens, 1.0)
    steps = np.maximum(load.output_tokens - 1.0, 0.0)
    context = load.input_tokens + load.output_tokens / 2.0
    decode = _decode_ms(work, chip, rates, running, context, load)
    token = decode / load.accepted_each
    chunk = np.minimum(new, load.chunk)
    chunks = np.maximum(new / chunk, 1.0)  # prompts are packed, so a chunk may be shared
    behind = load.cached_tokens + (new - chunk) / 2.0
    # Prompts that share an iteration: all prefills of a cycle fit in its iterations, if they can.
    gathered = np.maximum(2.0 * load.wait_steps, 1.0)
    packed = np.clip(others * chunks * gathered / (steps + 1.0), 1.0, load.chunk / chunk)
    prompts = packed * ranks
    mixed = iteration_ms(
        work,
        chip,
        rates,
        Batch(running, context, chunk * prompts, behind, prompts, load.tokens_each),
    )
    interference = np.maximum(chunks * (mixed - decode), 0.0) / packed
    alone = prefill_ms(work, chip, rates, new, load.cached_tokens, load.chunk, ranks)
    own = np.maximum(np.where(work.pp > 1, alone, chunks * mixed), alone)
    together = _batched_prefill_ms(work, chip, rates, new, load, ranks)
    # Each of the others' prefills is met once per cycle: in the queue or while decoding. The first
    # wave meets half of them in its queue.
    in_step = np.clip(rates.wave, 0.0, 1.0)
    burst = load.scattered * FIRST_WAVE + (1.0 - load.scattered) * in_step
    client = rates.request_ms + load.input_tokens * rates.request_token_us * 1e-3
    # Engines hold requests back only while others decode.
    held_back = np.minimum(load.wait_steps, steps) * np.minimum(others, 1.0)
    admitted = (rates.admission_steps * np.where(running > 1.0, 1.0, 0.5) + held_back) * decode
    met = others * interference
    busy = np.clip((met + interference) / (client + admitted + own + met + steps * token), 0.0, 1.0 - 1e-9)
    queued = _queue_share(busy, others)
    decoding_share = 1.0 - burst / 2.0 - (1.0 - burst) * queued
    tpot = token + np.where(steps > 0, decoding_share * met / (steps + 1.0), 0.0)
    queue = queued * met
    steady = client + admitted + own + queue
    first_wave = client + alone + others * together / 2.0
    served = (1.0 - burst) * steady + burst * first_wave
    cycle = served + steps * tpot
    waiting = np.maximum(load.concurrency - running, 0.0) / running * cycle
    return Latency(
        ttft_ms=served + waiting,
        tpot_ms=tpot,
        output_tokens_per_s=running * load.output_tokens / cycle * 1e3,
        running=running,
        decode_step_ms=decode,
        settled_ttft_ms=steady + waiting,
    )


def static_batch(work: Work, chip: Chip, rates: Coefficients, load: Load) -> Latency:
    """Return latencies of one batch that starts together and decodes in lock-step."""
    running = load.concurrency
    work = replace(work, expert_token_factor=np.clip(running, 1.0, work.dp))
    ranks = np.minimum(work.dp, np.maximum(running, 1.0))
    per_rank = np.maximum(running / work.dp, np.minimum(running, 1.0))
    new = np.maximum(load.input_tokens - load.cached_tokens, 1.0)
    steps = np.maximum(load.output_tokens - 1.0, 0.0)
    context = load.input_tokens + load.output_tokens / 2.0
    decode = _decode_ms(work, chip, rates, running, context, load)
    token = decode / load.accepted_each
    alone = prefill_ms(work, chip, rates, new, load.cached_tokens, load.chunk, ranks)
    together = _batched_prefill_ms(work, chip, rates, new, load, ranks)
    ttft = rates.request_ms + alone + (per_rank - 1.0) * together
    total = ttft + steps * token
    return Latency(
        ttft_ms=ttft,
        tpot_ms=token,
        output_tokens_per_s=running * load.output_tokens / total * 1e3,
        running=running,
        decode_step_ms=decode,
        settled_ttft_ms=ttft,
    )


def saturated(work: Work, chip: Chip, rates: Coefficients, load: Load) -> Latency:
    """Return the closed loop at the largest batch that fits, which is the best throughput."""
    full = Load(**{**vars(load), "concurrency": np.maximum(load.held, 1.0)})
    return closed_loop(work, chip, rates, full)


def _decode_ms(
    work: Work, chip: Chip, rates: Coefficients, running: Array, context: Array, load: Load
) -> Array:
    zero = np.zeros_like(running)
    batch = Batch(running, context, zero, zero, zero, load.tokens_each)
    result: Array = iteration_ms(work, chip, rates, batch) * (1.0 + load.draft_share)
    return result


def _queue_share(busy: Array, others: Array) -> Array:
    """Return the share (0 to 1/2) of the others' prefills that a prompt finds queued before it.

    The wait of an M/D/1 queue, busy / (2 (1 - busy)) services, harmonically bounded by half of
    the other clients, who cannot all arrive first.
    """
    open_queue = busy / (2.0 * (1.0 - busy))
    bounded = 1.0 / (1.0 / np.maximum(open_queue, 1e-12) + 2.0 / np.maximum(others, 1e-12))
    result: Array = np.where(others > 0, bounded / np.maximum(others, 1e-12), 0.0)
    return result


def _batched_prefill_ms(
    work: Work, chip: Chip, rates: Coefficients, new: Array, load: Load, ranks: Array
) -> Array:
    """Return milliseconds per prompt of a rank when prompts fill whole iterations.

    ``ranks`` data-parallel ranks do so at the same time.
    """
    prompts = np.maximum(np.floor(load.chunk / new), 1.0)
    tokens = np.minimum(new * prompts, load.chunk)
    zero = np.zeros_like(new)
    behind = load.cached_tokens + np.maximum(new - load.chunk, 0.0) / 2.0
    batch = Batch(zero, zero, tokens * ranks, behind, prompts * ranks)
    each: Array = iteration_ms(work, chip, rates, batch) * new / tokens
    return each
