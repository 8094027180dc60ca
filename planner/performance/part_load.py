"""Watts of a replica at part load: the draw is not a straight line from idle to full.

A continuous batch keeps the accelerator awake long before it is full. At half of the full rate a
replica steps nearly all the time, over a smaller batch, and still reads all weights in every step:
its draw lies well above the mean of idle and full. Books that scale the watts of full load with the
load count too little.
"""

from __future__ import annotations

import numpy as np

from planner.performance.profile import RequestProfile
from planner.performance.types import Array, ArrayInput, ReplicaModel

LEVELS = 48
"""Nodes of the mean number of requests decoding, from nearly none to the largest batch."""
EMPTIEST = 1e-3  # requests decoding at the lowest node
TINY = 1e-12
_MS_PER_S = 1000.0


def part_load_watts(
    replica: ReplicaModel, profile: RequestProfile, load: ArrayInput, full_rps: float
) -> Array:
    """Return the expected watts of all accelerators of a replica at shares of its full rate.

    With `n` requests decoding on average, Little's law gives the rate `n / (steps x step_ms(n))`
    left after prompts took their share of the time. Requests come and go independently, so the batch
    is empty for `exp(-n)` of the time and holds `n / (1 - exp(-n))` otherwise.

    Parameters
    ----------
    replica
        One engine instance; a cap lowers its draw and its speed.
    profile
        The requests; means of their lengths count here.
    load
        Shares of ``full_rps``, 0 (idle) to 1; any shape.
    full_rps
        Requests per second of the replica at load 1, for example the rate it was sized at.

    Returns
    -------
    numpy.ndarray
        Watts, in the shape of ``load``, never below idle; NaN where the replica cannot run. A rate
        beyond the largest batch draws what that batch draws.
    """
    share = np.clip(np.asarray(load, dtype=float), 0.0, 1.0)
    if not replica.fits:
        return np.full(share.shape, np.nan)
    per_ms = share * full_rps / _MS_PER_S
    cached = np.floor(profile.input_tokens.mean * profile.prefix_hit_rate)
    new = max(profile.input_tokens.mean - cached, 1.0)
    steps = profile.output_tokens.mean - 1.0 if replica.shape.role != "prefill" else 0.0
    alone_ms = float(replica.prefill_ms(new, cached)) if replica.shape.role != "decode" else 0.0
    if steps <= 0:
        filling = active = np.minimum(per_ms * alone_ms, 1.0)
        batch = np.zeros_like(share)
    else:
        context = profile.input_tokens.mean + profile.output_tokens.mean / 2.0
        levels = np.geomspace(EMPTIEST, max(replica.max_batch(context), 1), LEVELS)
        batches = levels / -np.expm1(-levels)
        step_ms = replica.step_ms(batches, context)
        added_ms = np.zeros(LEVELS)
        if alone_ms:
            # A prompt adds to iterations that run anyway: less than it takes alone.
            chunk = min(new, float(replica.max_batched_tokens))
            mixed_ms = replica.step_ms(batches, context, chunk, cached + (new - chunk) / 2.0)
            added_ms = np.minimum(new / chunk * (mixed_ms - step_ms), alone_ms)
        rates = np.maximum.accumulate(levels / (steps * step_ms + levels * added_ms))
        level = np.interp(per_ms, np.append(0.0, rates), np.append(0.0, levels))
        filling = np.minimum(per_ms * np.interp(level, levels, added_ms), 1.0)
        active = np.maximum(-np.expm1(-level), filling)
        batch = np.maximum(level / np.maximum(active, TINY), 1.0)
    running_w = replica.power_w(batch, filling / np.maximum(active, TINY))
    watts = active * running_w + (1.0 - active) * replica.idle_w
    return np.asarray(np.maximum(watts, replica.idle_w) * replica.shape.accelerators)
