"""The largest rate that keeps an objective, found by replaying one pool: the formulas give the start.

The queueing formulas answer in microseconds for thousands of shapes and are right within a few percent of
the rate for most; the few shapes that a plan uses deserve better. Every replay of a search sends the same
requests (the same random numbers, only faster or slower), so its latencies rise smoothly with the rate and
a few replays find where the objective stops being kept.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from planner.performance.service import LatencyObjective, RequestProfile, latency_curves, service_columns
from planner.performance.types import ReplicaModel
from planner.simulate.single import PoolReplay, replay_pool, step_clock

FEWEST_REQUESTS, MOST_REQUESTS = 40_000, 120_000
_REQUESTS_PER_PLACE = 40  # turnovers of the requests in service that a replay lasts
_MOST_REPLAYS = 10
_CLOSE = 0.015  # relative distance of two rates, one kept and one not, that ends the search
_LOWEST_LOAD = 0.02  # where nothing queues: what misses there cannot be served
_HIGHEST_LOAD = 0.97  # of the saturated rate: at 100 % no queue is stable
_USUAL_SLOPE, _FLATTEST = 3.0, 0.1  # d ln latency / d ln rate: of a first step, and least believed
_SMALLEST_STEP, _LARGEST_STEP = 0.03, math.log(3.0)
_FAR = 0.7  # beyond twice the limit a queue may be growing without end: how far says nothing
_AT_THE_LIMIT = 0.002  # relative distance of a latency from its limit that is none


@dataclass(frozen=True)
class RefinedRate:
    """A rate found by replay.

    Attributes:
        rate_rps: largest rate of one replica that keeps the objective in the replay; 0 when none does.
        formula_rps: what the queueing formulas say.
        pool_size: replicas that share the arrivals.
        replays: how many it took.

    """

    rate_rps: float
    formula_rps: float
    pool_size: int
    replays: int

    @property
    def factor(self) -> float:
        """What the rate of the formulas is to be multiplied with."""
        return self.rate_rps / self.formula_rps if self.formula_rps > 0 else 1.0


def refined_rate(
    replica: ReplicaModel,
    profile: RequestProfile,
    objective: LatencyObjective,
    pool_size: int = 1,
    *,
    seed: int = 11,
    requests: int | None = None,
) -> RefinedRate:
    """Find the largest rate that keeps an objective by replaying a pool.

    Args:
        replica: one engine instance.
        profile: the requests.
        objective: limits with the network taken out.
        pool_size: replicas that share the arrivals.
        seed: of the random numbers.
        requests: of each replay; by default enough for every place of the pool to turn over often.

    """
    column = service_columns([replica], profile, [objective], pool_size)[0][0]
    idle = latency_curves(replica, profile, pool_size, loads=np.asarray([_LOWEST_LOAD]))
    if len(idle.rates_rps) == 0:
        return RefinedRate(0.0, 0.0, pool_size, 0)
    if objective.ttft_ms is None and objective.tpot_ms is None and objective.e2e_ms is None:
        return RefinedRate(column.rate_rps, column.rate_rps, pool_size, 0)
    search = _Search(replica, profile, objective, pool_size, seed, column.concurrency, requests)
    lowest = float(idle.rates_rps[0])
    highest = idle.saturation_rps * _HIGHEST_LOAD
    rate = search.find(min(max(column.rate_rps, lowest), highest), lowest, highest)
    return RefinedRate(rate, column.rate_rps, pool_size, search.replays)


class _Search:
    """Replays at rates until one that keeps and one that misses the objective are close together."""

    def __init__(
        self,
        replica: ReplicaModel,
        profile: RequestProfile,
        objective: LatencyObjective,
        pool_size: int,
        seed: int,
        concurrency: float,
        requests: int | None,
    ) -> None:
        self._replica, self._profile, self._objective = replica, profile, objective
        self._pool_size, self._seed = pool_size, seed
        self._clock = step_clock(replica, profile)
        wanted = _REQUESTS_PER_PLACE * max(concurrency, 1.0) * pool_size
        self._requests = requests or int(np.clip(wanted, FEWEST_REQUESTS, MOST_REQUESTS))
        self.replays = 0

    def find(self, start: float, lowest: float, highest: float) -> float:
        """The largest rate between `lowest` and `highest` (1/s and replica) that keeps, or 0."""
        bottom, top = math.log(lowest), math.log(highest)
        place = math.log(start)
        seen: list[tuple[float, float]] = []  # ln rate, excess (above 0: missed)
        while self.replays < _MOST_REPLAYS:
            seen.append((place, self._excess(math.exp(place))))
            kept = [point for point in seen if point[1] <= 0]
            missed = [point for point in seen if point[1] > 0]
            if not missed:
                if place >= top - 1e-9:
                    return highest
                place = min(place + _outward(seen), top)
            elif not kept:
                if place <= bottom + 1e-9:
                    return 0.0
                place = max(place - _outward(seen), bottom)
            else:
                high = min(missed)
                low = max([point for point in kept if point[0] < high[0]], default=None)
                if low is None:  # kept above a rate that missed: both are at the limit
                    return math.exp(high[0])
                if high[0] - low[0] < _CLOSE or min(-low[1], high[1]) < _AT_THE_LIMIT:
                    return math.exp(low[0] + (high[0] - low[0]) * _crossing(low, high))
                share = min(max(_crossing(low, high), 0.15), 0.85)
                if len(seen) > 2 and (seen[-1][1] > 0) == (seen[-2][1] > 0):
                    share = 0.5  # a straight line stays on one side of a bent curve
                place = low[0] + (high[0] - low[0]) * share
        kept = [point for point in seen if point[1] <= 0]
        return math.exp(max(kept)[0]) if kept else 0.0

    def _excess(self, rate_rps: float) -> float:
        """Logarithm of the worst latency over its limit in a replay; above 0 it misses."""
        self.replays += 1
        replay = replay_pool(
            self._replica,
            self._profile,
            rate_rps * self._pool_size,
            self._pool_size,
            requests=self._requests,
            seed=self._seed,
            clock=self._clock,
        )
        return _excess(replay, self._objective)


def _crossing(low: tuple[float, float], high: tuple[float, float]) -> float:
    """Share of the way from `low` to `high` at which a straight line is at the limit."""
    return -low[1] / (high[1] - low[1])


def _outward(seen: list[tuple[float, float]]) -> float:
    """How far (ln rate) to go on, to find the other side: a little beyond where the last two points aim."""
    (place, excess) = seen[-1]
    slope = _USUAL_SLOPE
    if len(seen) > 1:
        (before, excess_before) = seen[-2]
        slope = (excess - excess_before) / (place - before)
    step = 1.3 * abs(excess) / max(slope, _FLATTEST)
    return min(max(step, _SMALLEST_STEP), _LARGEST_STEP)


def _excess(replay: PoolReplay, objective: LatencyObjective) -> float:
    """Logarithm of the worst latency over its limit, at most `_FAR`."""
    limits = (("ttft", objective.ttft_ms), ("tpot", objective.tpot_ms), ("e2e", objective.e2e_ms))
    found = [
        math.log(max(replay.percentile(name, objective.percentile), 1e-9) / limit)
        for name, limit in limits
        if limit is not None
    ]
    return min(max(found), _FAR)
