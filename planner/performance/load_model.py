"""One replica prepared for one workload: what prompts cost, how fast it runs, where it saturates."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import combinations_with_replacement

import numpy as np
import numpy.typing as npt

from planner.performance.profile import RequestProfile
from planner.performance.remember import MOST_ARRAYS, remember, remembering
from planner.performance.renewal import Counts, CountTable
from planner.performance.step_table import Axis, StepTable, bilinear, step_table
from planner.performance.types import ReplicaModel
from planner.scenario.distributions import TokenDistribution

FloatArray = npt.NDArray[np.float64]

MOST_CONCURRENT = 4096
"""Requests in one batch beyond which the states are not told apart (engines stop far earlier)."""

LENGTHS = 16
"""Typical prompts over which costs are averaged."""

_LEVEL_NODES = 14
_TOGETHER_SCALE = 4.0  # nodes of an axis are whole numbers: quarters of a prompt
_TOGETHER_NODES = np.asarray([1.0, 1.5, 2.0, 3.0, 4.5, 7.0, 11.0, 18.0, 30.0, 60.0])
_LOST_PROMPT = 0.75
"""Share of a mean prompt that stays free in a full cache on average, because the next prompt does
not fit (measured in saturated replays: 0.7 to 1.0 for prompts of 200 to 4,000 tokens)."""

_THIRDS = np.asarray([1 / 6, 1 / 2, 5 / 6])  # middles of equal thirds of a distribution
_PAIRS = [
    (i, j, (1.0 if i == j else 2.0) / len(_THIRDS) ** 2)
    for i, j in combinations_with_replacement(range(len(_THIRDS)), 2)
]
"""Thirds of what comes before and after a prompt, and the weight of each pair."""

_FULLEST = 0.98  # shares of time are cut there: queues are not stable beyond
_ROUNDING = 1e-6  # iterations: a prompt that just fills one does not begin another


@dataclass(frozen=True)
class LoadModel:
    """A replica under the requests of one workload.

    Attributes:
        table: iteration times.
        budget: tokens of one iteration.
        limit: most requests decoding at once.
        memory_bound: whether KV memory sets `limit`, not the engine.
        prompt: uncached tokens of equally likely prompts, shape [l].
        prefix: their cached tokens, shape [l].
        steps: mean decode iterations of a request.
        decodes, prefills: what its role does.
        prompt_spread: squared coefficient of variation of the uncached tokens.
        memory_spread: squared coefficient of variation of the cache one request holds.
        recompute: preemptions per request when the cache is full.
        level_axis, together_axis: nodes of `cost_ms`: decoding requests, and how many prompts share
            an iteration (times a scale).
        cost_ms: what a prompt adds to iterations on average, shape [levels, together].

    """

    table: StepTable
    budget: float
    limit: int
    memory_bound: bool
    prompt: FloatArray
    prefix: FloatArray
    steps: float
    decodes: bool
    prefills: bool
    prompt_spread: float
    memory_spread: float
    recompute: float
    level_axis: Axis
    together_axis: Axis
    cost_ms: FloatArray

    @property
    def levels(self) -> FloatArray:
        """Level nodes of `cost_ms`, shape [levels]."""
        return self.level_axis.nodes

    @property
    def typical_prompt(self) -> float:
        """Mean uncached tokens of a prompt."""
        return float(self.prompt.mean())

    def prompt_cost_ms(self, level: npt.ArrayLike, together: npt.ArrayLike) -> FloatArray:
        """Milliseconds a prompt adds beside `level` decodes when `together` share iterations."""
        scaled = np.asarray(together, dtype=np.float64) * _TOGETHER_SCALE
        return bilinear(self.level_axis, self.together_axis, self.cost_ms, level, scaled)

    def room(self, level: FloatArray) -> FloatArray:
        """Prompt tokens that fit in one iteration beside `level` decodes."""
        return np.asarray(np.maximum(self.budget - level, 1.0))


@remembering(MOST_ARRAYS)
def points(tokens: TokenDistribution, number: int) -> FloatArray:
    """Equally likely lengths that stand for a distribution (see `TokenDistribution.points`)."""
    return tokens.points(number)


@remember
def _longest(tokens: TokenDistribution) -> float:
    """The length that one request in a thousand exceeds, tokens."""
    return float(tokens.quantile(0.999))


def load_model(replica: ReplicaModel, profile: RequestProfile) -> LoadModel | None:
    """Prepare a replica for a workload; None when it cannot hold a single request."""
    if not replica.fits:
        return None
    role = replica.shape.role
    inputs, outputs = profile.input_tokens, profile.output_tokens
    lengths = points(inputs, LENGTHS)
    prefix = np.floor(lengths * profile.prefix_hit_rate)
    prompt = np.maximum(lengths - prefix, 1.0)
    steps = float(np.maximum(points(outputs, 256) - 1.0, 0.0).mean()) if role != "prefill" else 0.0
    output_second = outputs.moments()[1]
    grown = 0.5 * output_second / outputs.mean if steps else 0.0
    held = inputs.mean + grown
    roomy = min(int(replica.max_batch(1.0)), MOST_CONCURRENT)
    fitting = min(int(replica.max_batch(held)), MOST_CONCURRENT)
    if fitting < 1 or roomy < 1:
        return None
    memory_bound = fitting < roomy
    if memory_bound:
        fitting = max(int(fitting - _LOST_PROMPT * inputs.mean / held), 1)
    longest = _longest(inputs) + _longest(outputs)
    table = step_table(replica, fitting, held, longest)
    budget = float(replica.max_batched_tokens)
    prefills = role != "decode"
    lowest = 1.0 if role != "prefill" else 0.0
    levels = np.unique(np.concatenate([[lowest], np.geomspace(1.0, max(fitting, 2), _LEVEL_NODES)]))
    most = max(budget / prompt.mean(), 1.0)
    together = np.append(_TOGETHER_NODES[most > _TOGETHER_NODES], max(most, 1.0 + 1e-6))
    together = np.unique(np.concatenate([[1.0], together]))
    cost = np.zeros((len(levels), len(together)))
    if prefills:
        cost = _cost_ms(table, budget, prompt, prefix, levels[:, None, None], together[:, None])
    growth = outputs.mean / inputs.mean
    spread = inputs.moments()[1] - inputs.mean**2 + output_second / 4.0
    return LoadModel(
        table=table,
        budget=budget,
        limit=fitting,
        memory_bound=memory_bound,
        prompt=prompt,
        prefix=prefix,
        steps=steps,
        decodes=role != "prefill" and steps > 0,
        prefills=prefills,
        prompt_spread=inputs.moments()[1] / inputs.mean**2 - 1.0,
        memory_spread=float(spread / held**2),
        # measured in saturated replays with vLLM's policy: about one per prompt's worth of answer
        recompute=growth / (1.0 + growth / 10.0) if memory_bound and steps else 0.0,
        level_axis=Axis(levels),
        together_axis=Axis(together * _TOGETHER_SCALE),
        cost_ms=cost,
    )


def _cost_ms(
    table: StepTable,
    budget: float,
    prompt: FloatArray,
    prefix: FloatArray,
    level: FloatArray,
    together: FloatArray,
) -> FloatArray:
    """Mean over prompts of what one adds when `together` of its kind share iterations."""
    room = np.maximum(budget - level, 1.0)
    alone = table.step_ms(level)
    tokens = np.minimum(prompt * together, np.maximum(room, prompt))
    chunks = np.ceil(tokens / room - _ROUNDING)
    last = tokens - (chunks - 1) * room
    behind = np.where(chunks == 1, prefix + (prompt - tokens) / 2, prefix + (chunks - 1) * room)
    cost = table.step_ms(level, None, last, behind) - alone
    if np.any(chunks > 1):
        full = table.step_ms(level, None, room, prefix + (chunks - 1) * room / 2) - alone
        cost = cost + (chunks - 1) * full
    return np.asarray(np.maximum(cost * prompt / tokens, 0.0).mean(axis=-1))


def service_curvature(model: LoadModel) -> float:
    """How much faster than linearly the cost of a prompt grows: cost ~ L (1 + q L/mean)."""
    level = np.ones((1, 1, 1)) if model.decodes else np.zeros((1, 1, 1))
    cost = [
        float(_cost_ms(model.table, model.budget, length, before, level, np.ones(1)).item())
        for length, before in (
            (model.prompt[[LENGTHS // 2]], model.prefix[[LENGTHS // 2]]),
            (model.prompt[[-1]], model.prefix[[-1]]),
        )
    ]
    x, y = model.prompt[[LENGTHS // 2, -1]] / model.prompt.mean()
    per_token = cost[1] / y / max(cost[0] / x, 1e-9)
    if per_token <= 1.0 or y <= x:
        return 0.0
    left = y - per_token * x
    return float((per_token - 1.0) / left) if left > 0 else 1.0


@dataclass(frozen=True)
class Pace:
    """Iterations at each arrival rate (k) and level node (s) of a load model.

    Attributes:
        bare_ms: an iteration that only decodes, shape [s].
        cost_ms: what one prompt adds, shape [k, s].
        iteration_ms: mean iteration with the prompts of the rate, shape [k, s].

    """

    bare_ms: FloatArray
    cost_ms: FloatArray
    iteration_ms: FloatArray


def pace(model: LoadModel, rate: FloatArray, counts: CountTable) -> Pace:
    """Mean iterations under arrivals of `rate` per ms (shape [k])."""
    bare = model.table.step_ms(model.levels)
    if not model.prefills:
        both = np.broadcast_to(bare, (len(rate), len(bare)))
        return Pace(bare, np.zeros_like(both), both)
    cost = np.broadcast_to(model.cost_ms[:, 0], (len(rate), len(bare)))
    fullest = model.table.step_ms(model.levels, None, model.room(model.levels), float(model.prefix.mean()))
    around = _around(counts)
    for _ in range(3):
        share = np.minimum(rate[:, None] * cost, _FULLEST)
        # prompts arrive in long iterations more often than in short ones: E[T^2]/E[T], with the
        # variance of an iteration that serves the arrivals of the one before
        varied = cost**2 * (1.0 + model.prompt_spread) * rate[:, None] * counts.cv**2 / (1.0 - share**2)
        met = rate[:, None] * np.minimum(bare / (1.0 - share) + varied, np.maximum(fullest, bare))
        # a prompt shares its iteration with those before and those after it
        thirds = around.within(met[..., None] / 2.0)
        together = np.stack([1.0 + thirds[..., i] + thirds[..., j] for i, j, _ in _PAIRS])
        cost = np.zeros_like(met)
        for (_, _, weight), each in zip(_PAIRS, model.prompt_cost_ms(model.levels, together), strict=True):
            cost = cost + weight * each
    share = np.minimum(rate[:, None] * cost, _FULLEST)
    return Pace(bare, cost, np.asarray(bare / (1.0 - share)))


@remembering(MOST_ARRAYS)
def _around(counts: CountTable) -> Counts:
    """Arrivals around a prompt: middles of equal thirds of their distribution."""
    return counts.at(_THIRDS)


def saturation_per_ms(model: LoadModel) -> float:
    """Rate (1/ms) at which the replica has no time left."""
    level = model.levels
    if not model.decodes:
        level = np.zeros(1)
    bare = model.table.step_ms(level)
    if not model.prefills:
        return float((level / (model.steps * bare))[level <= model.limit].max())
    if not model.decodes:
        room = model.room(level)
        full = model.table.step_ms(level, None, room, float(model.prefix.mean()))
        return float((room / model.typical_prompt / full).max())
    return float(1.0 / _per_request_ms(model)[level <= model.limit].min())


def full_cache_per_ms(model: LoadModel) -> float:
    """Rate (1/ms) at which requests leave while the cache is full, preemptions included.

    It may be below the rate at which a smaller batch runs: then a queue, once there, stays.
    """
    last = int(np.searchsorted(model.levels, model.limit, side="right")) - 1
    cost = model.prompt_cost_ms(model.levels[last], 1.0 + model.levels[last] / model.steps)
    return float(1.0 / (_per_request_ms(model)[last] + model.recompute * cost))


def _per_request_ms(model: LoadModel) -> FloatArray:
    """Time of the replica per request at each level node, decodes and prefill, shape [s]."""
    level = model.levels
    bare = model.table.step_ms(level)
    room = model.room(level)
    full = model.table.step_ms(level, None, room, float(model.prefix.mean()))
    # as many prompts enter each iteration as requests leave it
    cost = model.prompt_cost_ms(level, 1.0 + level / model.steps)
    return np.maximum(model.steps * bare / level + cost, model.typical_prompt / room * full)
