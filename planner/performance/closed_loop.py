"""From step times to the latencies a load generator sees.

Closed loop: ``concurrency`` clients, each sends its next request when the last one is answered.
Static batch: all requests start together and run in lock-step. Equations and their limits are in
docs/performance-model.md, section Closed loop.
"""

from __future__ import annotations

from dataclasses import dataclass

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
    step yields on average and ``draft_share`` what drafting adds to a step.
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
    per_rank = np.maximum(running / work.dp, np.minimum(running, 1.0))
    new = np.maximum(load.input_tokens - load.cached_tokens, 1.0)
    steps = np.maximum(load.output_tokens - 1.0, 0.0)
    context = load.input_tokens + load.output_tokens / 2.0
    decode = _decode_ms(work, chip, rates, running, context, load)
    token = decode / load.accepted_each
    chunk = np.minimum(new, np.maximum(load.chunk - per_rank, load.chunk / 4.0))
    chunks = np.ceil(new / chunk)
    part = new / chunks
    behind = load.cached_tokens + (new - part) / 2.0
    one = np.ones_like(new)
    ranks = work.dp  # every data-parallel rank prefills its own prompt
    mixed = iteration_ms(
        work,
        chip,
        rates,
        Batch(running, context, part * ranks, behind, one * ranks, load.tokens_each),
    )
    interference = np.maximum(chunks * (mixed - decode), 0.0)
    alone = prefill_ms(work, chip, rates, new, load.cached_tokens, load.chunk)
    own = np.maximum(np.where(work.pp > 1, alone, chunks * mixed), alone)
    together = _batched_prefill_ms(work, chip, rates, new, load)
    others = np.maximum(per_rank - 1.0, 0.0)
    # The first wave queues behind itself; half of the others' prefills then fall on its decoding.
    burst = np.clip(rates.wave, 0.0, 1.0)
    tpot = token + np.where(
        steps > 0, (1.0 - burst / 2.0) * others * interference / np.maximum(steps + 1.0, 1.0), 0.0
    )
    client = rates.request_ms + load.input_tokens * rates.request_token_us * 1e-3
    admitted = rates.admission_steps * tpot * np.where(running > 1.0, 1.0, 0.5)
    busy = np.clip(per_rank * interference / np.maximum(own + steps * tpot, 1e-9), 0.0, 1.0 - 1e-9)
    queue = np.where(
        others * interference > 0,
        1.0
        / (
            2.0 * (1.0 - busy) / np.maximum(busy * interference, 1e-12)
            + 2.0 / np.maximum(others * interference, 1e-12)
        ),
        0.0,
    )
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
    per_rank = np.maximum(running / work.dp, np.minimum(running, 1.0))
    new = np.maximum(load.input_tokens - load.cached_tokens, 1.0)
    steps = np.maximum(load.output_tokens - 1.0, 0.0)
    context = load.input_tokens + load.output_tokens / 2.0
    decode = _decode_ms(work, chip, rates, running, context, load)
    token = decode / load.accepted_each
    alone = prefill_ms(work, chip, rates, new, load.cached_tokens, load.chunk)
    together = _batched_prefill_ms(work, chip, rates, new, load)
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


def _batched_prefill_ms(work: Work, chip: Chip, rates: Coefficients, new: Array, load: Load) -> Array:
    """Return milliseconds per prompt when prompts fill whole iterations of ``chunk`` tokens."""
    prompts = np.maximum(np.floor(load.chunk / new), 1.0)
    tokens = np.minimum(new * prompts, load.chunk)
    zero = np.zeros_like(new)
    behind = load.cached_tokens + np.maximum(new - load.chunk, 0.0) / 2.0
    ranks = work.dp
    batch = Batch(zero, zero, tokens * ranks, behind, prompts * ranks)
    each: Array = iteration_ms(work, chip, rates, batch) * new / tokens
    return each
