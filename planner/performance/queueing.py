"""Queues of a pool of replicas, as plain mathematics on arrays.

Two queues stand behind a latency percentile. This one is the *batch*: requests decode together, the
more the slower, up to an admission limit; a birth-death chain with state-dependent departures gives
the state probabilities. The other, the line of prompts, is in `renewal`. Nothing here knows engines
or hardware.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_LOWEST = 1e-300
_FULLEST = 0.98  # load of the last state beyond which its wait no longer grows


@dataclass(frozen=True)
class Occupancy:
    """State probabilities of a pool, for several arrival rates at once.

    Attributes:
        level: requests in service per replica at each state, shape [s].
        probability: time share of each state, shape [k, s]; the rest of the mass waits.
        waiting: probability that an arrival finds every place taken, shape [k].
        wait_rate: rate (1/ms) of the exponential wait of those that wait, shape [k].
        shift: how many more requests an arrival sees than a clock does (bursts), per replica.

    """

    level: FloatArray
    probability: FloatArray
    waiting: FloatArray
    wait_rate: FloatArray
    shift: FloatArray

    @property
    def mean_level(self) -> FloatArray:
        """Time-average requests in service per replica, shape [k]."""
        queued = 1.0 - self.probability.sum(axis=1)
        return np.asarray(self.probability @ self.level + queued * self.level[-1])

    def quantile(self, u: FloatArray) -> tuple[FloatArray, FloatArray]:
        """State and admission wait that an arrival finds at probabilities `u` (shape [m]).

        Returns:
            level per replica and wait in ms, both of shape [k, m].

        """
        cumulative = np.cumsum(self.probability, axis=1)
        free = 1.0 - self.waiting
        levels = np.empty((len(free), len(u)))
        waits = np.zeros_like(levels)
        for k in range(len(free)):
            served = u < free[k]
            inside = u[served] / free[k] * cumulative[k, -1]
            found = np.interp(inside, cumulative[k], self.level) + self.shift[k]
            levels[k] = self.level[-1]
            levels[k, served] = np.minimum(found, self.level[-1])
            if self.waiting[k] > 0:
                left = np.maximum((1.0 - u[~served]) / self.waiting[k], 1e-12)
                waits[k, ~served] = -np.log(left) / self.wait_rate[k]
        return levels, waits


def occupancy(
    arrival_rate: FloatArray,
    departure_rate: FloatArray,
    level: FloatArray,
    pool_size: int = 1,
    peakedness: FloatArray | float = 1.0,
) -> Occupancy:
    """Stationary state of `pool_size` equal replicas fed by one stream.

    Balance of a birth-death chain, p(j+1)/p(j) = arrivals/departures(j+1), over the requests j in
    the whole pool, which least-loaded routing spreads evenly. When every place is taken requests
    wait: the geometric tail of Erlang's delay formula. Bursts widen the distribution: a diffusion
    with the same drift and z = (cv^2 + 1)/2 times the variance has the stationary density to the
    power 1/z.

    Args:
        arrival_rate: arrivals per ms and replica, shape [k].
        departure_rate: departures per ms of one replica at each level, shape [k, s]; `level[0]`
            is 0 and its rate is not used.
        level: requests in service per replica, ascending, shape [s]; the last is the limit.
        pool_size: replicas.
        peakedness: variance over mean of the requests in service if places were free, shape [k];
            1 for Poisson arrivals.

    """
    peakedness = np.broadcast_to(np.asarray(peakedness, dtype=np.float64), arrival_rate.shape)
    step = np.diff(level) * pool_size
    middle = (departure_rate[:, 1:] + departure_rate[:, :-1]) / 2.0
    exact = step <= 1.0 + 1e-9
    departures = np.where(exact, departure_rate[:, 1:], middle)
    ratio = np.log(arrival_rate[:, None] / np.maximum(departures, _LOWEST)) * step / peakedness[:, None]
    log_weight = np.concatenate([np.zeros((len(ratio), 1)), np.cumsum(ratio, axis=1)], axis=1)
    log_weight -= log_weight.max(axis=1, keepdims=True)
    width = np.concatenate([[1.0], step])
    weight = np.exp(log_weight) * width
    fastest = departure_rate[:, -1]
    decay = np.minimum(arrival_rate / fastest, _FULLEST) ** (1.0 / peakedness)
    top = np.exp(log_weight[:, -1])
    tail = top * decay / (1.0 - decay)
    total = weight.sum(axis=1) + tail
    probability = weight / total[:, None]
    shift = (peakedness - 1.0) / pool_size
    near = level[-1] - shift
    beyond = (probability * (level > near[:, None] + 1e-9)).sum(axis=1)
    waiting = np.minimum(tail / total + np.maximum(beyond, top / total), 1.0)
    wait_rate = pool_size * fastest * (1.0 - decay)
    return Occupancy(level, probability, waiting, wait_rate, shift)


def pool_levels(limit: int, pool_size: int, most_states: int = 400) -> FloatArray:
    """Levels per replica for `occupancy`: every whole request of the pool, or an even subset."""
    places = max(limit, 1) * pool_size
    states = min(places, most_states)
    return np.asarray(np.round(np.linspace(0, places, states + 1)) / pool_size)
