"""Queues of a pool of replicas, as plain mathematics on arrays.

Two queues stand behind a latency percentile:

- the *batch*: requests decode together, the more the slower, up to an admission limit. A birth-death
  chain with state-dependent departures gives the state probabilities (`occupancy`);
- the *prompt line*: prompts are prefilled in order of arrival by one server (`prompt_wait`).

Arrivals are a renewal process with a coefficient of variation `cv`; 1 is Poisson. Nothing here
knows engines or hardware.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

FloatArray = npt.NDArray[np.float64]

_LOWEST = 1e-300


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
    shift: float

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
            found = np.interp(inside, cumulative[k], self.level) + self.shift
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
    cv: float = 1.0,
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
        cv: coefficient of variation of the times between arrivals.

    """
    peakedness = (cv**2 + 1.0) / 2.0
    step = np.diff(level) * pool_size
    middle = (departure_rate[:, 1:] + departure_rate[:, :-1]) / 2.0
    exact = step <= 1.0 + 1e-9
    departures = np.where(exact, departure_rate[:, 1:], middle)
    ratio = np.log(arrival_rate[:, None] / np.maximum(departures, _LOWEST)) * step / peakedness
    log_weight = np.concatenate([np.zeros((len(ratio), 1)), np.cumsum(ratio, axis=1)], axis=1)
    log_weight -= log_weight.max(axis=1, keepdims=True)
    width = np.concatenate([[1.0], step])
    weight = np.exp(log_weight) * width
    fastest = departure_rate[:, -1]
    decay = np.minimum(arrival_rate / fastest, 1.0 - 1e-9) ** (1.0 / peakedness)
    top = np.exp(log_weight[:, -1])
    tail = top * decay / (1.0 - decay)
    total = weight.sum(axis=1) + tail
    probability = weight / total[:, None]
    shift = (peakedness - 1.0) / pool_size
    near = level[-1] - shift
    beyond = probability @ (level > near + 1e-9).astype(np.float64)
    waiting = np.minimum(tail / total + np.maximum(beyond, top / total), 1.0)
    wait_rate = pool_size * fastest * (1.0 - decay)
    return Occupancy(level, probability, waiting, wait_rate, shift)


def pool_levels(limit: int, pool_size: int, most_states: int = 400) -> FloatArray:
    """Levels per replica for `occupancy`: every whole request of the pool, or an even subset."""
    places = max(limit, 1) * pool_size
    states = min(places, most_states)
    return np.asarray(np.round(np.linspace(0, places, states + 1)) / pool_size)


def prompt_wait(
    arrival_rate: FloatArray, service_mean: FloatArray, service_second: FloatArray, cv: float = 1.0
) -> tuple[FloatArray, FloatArray]:
    """Probability and mean of the wait for one server (ms), M/G/1 corrected for bursts.

    Allen and Cunneen's two-moment formula with the correction of Kraemer and Langenbach-Belz:
    E[W] = rho/(1-rho) (ca^2+cs^2)/2 E[S] g. With cv = 1 it is Pollaczek and Khinchine's, exact.

    Args:
        arrival_rate: per ms.
        service_mean: E[S], ms.
        service_second: E[S^2], ms^2.
        cv: coefficient of variation of the times between arrivals.

    Returns:
        P(W > 0) and E[W | W > 0] in ms, shapes as the arguments broadcast.

    """
    busy = np.minimum(arrival_rate * service_mean, 1.0 - 1e-6)
    spread = np.maximum(service_second / np.maximum(service_mean, 1e-12) ** 2 - 1.0, 0.0)
    squared = cv**2
    if squared <= 1.0:
        exponent = -2 * (1 - busy) * (1 - squared) ** 2 / (3 * busy * (squared + spread) + 1e-12)
    else:
        exponent = -(1 - busy) * (squared - 1) / (squared + 4 * spread)
    mean = busy / (1 - busy) * (squared + spread) / 2 * service_mean * np.exp(exponent)
    waits = np.clip(busy + (squared - 1) * busy * (1 - busy) * _delay_lift(squared, spread, busy), 0, 1)
    return waits, mean / np.maximum(waits, 1e-12)


def _delay_lift(squared: float, spread: FloatArray, busy: FloatArray) -> FloatArray:
    """Kraemer and Langenbach-Belz's correction of the delay probability."""
    if squared <= 1.0:
        return np.asarray(
            (1 + squared + busy * spread) / (1 + busy * (spread - 1) + busy**2 * (4 * squared + spread))
        )
    return np.asarray(4 * busy / (squared + busy**2 * (4 * squared + spread)))
