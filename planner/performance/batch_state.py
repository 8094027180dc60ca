"""How full the batch of a replica is under a workload: requests in service, and cache they hold."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from planner.performance.load_model import LoadModel, Pace, full_cache_per_ms
from planner.performance.profile import RequestProfile
from planner.performance.queueing import Occupancy, occupancy, pool_levels
from planner.performance.remember import remember
from planner.scenario.distributions import TokenDistribution

FloatArray = npt.NDArray[np.float64]

_FULLEST = 0.9  # share of prefill beyond which its effect on the spread no longer grows
_LEAST_SPREAD = 0.05  # peakedness below which chains are not told apart
_REALLY_BLOCKED = 0.5
"""Share of the waits that the chain of cache predicts which replays show (0.1 to 1 over twelve engines
near their limit, at predictions of 1 % to 30 %): it takes every request for one of average size."""

_HELD_BEFORE_DECODE = 1.5
"""Mean iterations a prompt holds cache besides its own: the rest of one and the shared one."""


def batch_state(
    model: LoadModel,
    profile: RequestProfile,
    rate: FloatArray,
    speed: Pace,
    pool_size: int,
) -> tuple[Occupancy, FloatArray]:
    """How many requests decode at each rate, and how fast that number returns to its mean.

    When KV memory sets the limit, the chance to wait comes from a second chain that counts cache
    instead of requests. It is wider by the spread of what requests hold, counts prompts too, and
    follows bursts less, because young requests hold little.
    """
    if not model.decodes:  # prompts leave as soon as they are prefilled: nothing is in the batch
        nothing = np.zeros(len(rate))
        empty = np.column_stack([np.ones(len(rate)), nothing])
        return Occupancy(np.asarray([0.0, 1.0]), empty, nothing, nothing + 1.0, nothing), nothing + 1.0
    levels = pool_levels(model.limit, pool_size)
    iteration = _over_levels(levels, model, speed.iteration_ms)
    steps = model.steps
    departures = np.maximum(levels, 1e-9) / (steps * iteration)
    bursts = (profile.burstiness_cv**2 - 1.0) * _kept_of_bursts(profile.output_tokens)
    peaked = _peakedness(model, 1.0 + bursts, rate, speed, levels, departures)
    # the limit is kept in the last state only: there as many prompts enter as requests leave
    state = occupancy(rate, departures, levels, pool_size, peaked)
    restoring = _elasticity(levels, departures, state.mean_level)
    if not model.memory_bound:
        return state, restoring
    cost = _over_levels(levels, model, speed.cost_ms)
    holding = steps * iteration + _HELD_BEFORE_DECODE * iteration + cost
    full = np.maximum(levels, 1e-9) / holding
    full[:, -1] = full_cache_per_ms(model)
    young = 1.0 + bursts * _cache_in_bursts(profile.output_tokens, profile.input_tokens.mean)
    held = _peakedness(model, young, rate, speed, levels, departures) + model.memory_spread
    memory = occupancy(rate, full, levels, pool_size, np.maximum(held, _LEAST_SPREAD))
    waiting = _REALLY_BLOCKED * memory.waiting
    limited = Occupancy(levels, state.probability, waiting, memory.wait_rate, state.shift)
    return limited, restoring


def _elasticity(levels: FloatArray, departures: FloatArray, mean: FloatArray) -> FloatArray:
    """D ln(departures) / d ln(level) around the mean level, shape [k], between 0.05 and 1."""
    low, high = np.maximum(mean * 0.8, 0.5), np.maximum(mean * 1.2, 1.5)
    served = [
        np.interp(h, levels, d) / np.interp(a, levels, d)
        for d, a, h in zip(departures, low, high, strict=True)
    ]
    return np.asarray(np.clip(np.log(served) / np.log(high / low), 0.05, 1.0))


def _over_levels(levels: FloatArray, model: LoadModel, by_node: FloatArray) -> FloatArray:
    """Interpolate rows [k, nodes] at the levels of a chain, shape [k, s]."""
    busy = np.maximum(levels, model.levels[0])
    return np.stack([np.interp(busy, model.levels, row) for row in by_node])


@remember
def _kept_of_bursts(output_tokens: TokenDistribution) -> float:
    """1 - Gini of the answer lengths.

    Times cv^2 - 1 it is the peakedness beyond 1 of an infinite-server queue.
    """
    output = output_tokens.points(64)
    gini = float(np.abs(output[:, None] - output[None, :]).mean() / (2 * output.mean()))
    return 1.0 - gini


@remember
def _cache_in_bursts(output_tokens: TokenDistribution, prompt_tokens: float) -> float:
    """Cache of the requests of a burst, squared, over that of as many requests of any age.

    A request of age t tokens holds its prompt and t; a burst's effect at age t is weighed by the
    square of the share S(t) still there: integral of ((I + t) S)^2 over that of (h S)^2, with h the
    mean held.
    """
    answers = output_tokens.points(256)
    age = np.linspace(0.0, answers[-1], 512)
    alive = 1.0 - np.searchsorted(answers, age, side="right") / len(answers)
    held = prompt_tokens + age
    mean = (held * alive).sum() / alive.sum()
    return float(((held * alive) ** 2).sum() / (mean**2 * (alive**2).sum()))


def _peakedness(
    model: LoadModel,
    plain: float,
    rate: FloatArray,
    speed: Pace,
    levels: FloatArray,
    departures: FloatArray,
) -> FloatArray:
    """How much wider than Poisson the requests in service are spread, shape [k].

    `plain` is the peakedness without prefill. Prefill adds: while a prompt runs, departures stop, so
    an arrival adds 1 + y requests, where y is the time its prompt takes over the time between
    departures meanwhile.
    """
    if not model.prefills:
        return np.full(len(rate), plain)
    usual = np.asarray(
        [
            levels[min(int(np.searchsorted(d, r)), len(levels) - 1)]
            for d, r in zip(departures, rate, strict=True)
        ]
    )
    cost = np.asarray([np.interp(x, model.levels, y) for x, y in zip(usual, speed.cost_ms, strict=True)])
    share = np.minimum(rate * cost, _FULLEST)
    lost = share / (1.0 - share)
    return np.asarray((1.0 + (1.0 + lost) ** 2 * (2.0 * plain - 1.0) + lost**2 * model.prompt_spread) / 2.0)
