"""A line of jobs behind one server, fed by gamma renewal arrivals: exact, in units of mean gaps.

Times between arrivals are gamma distributed with shape `k = 1/cv^2`: k = 1 is Poisson, below 1
bursty, above 1 regular. Two things are tabulated once per distribution and looked up ever after:

- `wait_table`: the stationary wait of the GI/GI/1 queue, for any load;
- `count_table`: how many arrivals follow an arrival within a time.

The wait is the maximum of a random walk with steps service minus gap. Its transform is the inverse
of the ascending Wiener-Hopf factor of 1 - E[exp(i w step)], and the factor is the causal part of
the complex cepstrum (M. H. Ackroyd, "Computing the waiting time distribution for the G/G/1 queue by
signal processing methods", IEEE Trans. Communications 28(1), 1980): two FFTs, no series, no moments.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import gammainc, ndtri

FloatArray = npt.NDArray[np.float64]

_GRID = 4096  # lattice points of a wait distribution
_LOADS = np.concatenate([np.arange(0.0, 0.9, 0.05), [0.9, 0.93, 0.95, 0.965, 0.975, 0.985]])
_TAIL_LENGTHS = 16.0  # decay lengths of the wait that the lattice covers: e^-16 is cut
_LEAST_REACH = 8.0  # mean gaps that the lattice covers at least, so that gaps themselves fit
_RESIDUALS = 64
WAIT_NODES = np.concatenate([np.linspace(0.0, 0.95, 77), 1.0 - np.geomspace(0.045, 1e-5, 40)])
"""Probabilities at which waits are tabulated, ascending in [0, 1)."""

_COUNT_TIMES = np.concatenate([[0.0], np.geomspace(0.01, 64.0, 40)])
_COUNT_STEP = float(np.log(_COUNT_TIMES[2] / _COUNT_TIMES[1]))
_COUNT_NODES = np.concatenate([np.linspace(0.0, 0.98, 99), 1.0 - np.geomspace(0.018, 1e-5, 24)])


_LOAD_UNITS = 200  # loads are whole multiples of 0.005
_LOAD_CELL = np.clip(
    np.searchsorted(_LOADS, np.arange(_LOAD_UNITS + 1) / _LOAD_UNITS + 1e-9, side="right") - 1,
    0,
    len(_LOADS) - 2,
)


@dataclass(frozen=True, eq=False)
class WaitTable:
    """The wait for one server over loads.

    Attributes:
        waits: quantiles in mean gaps, shape [loads, nodes].
        chances: probability of a wait, shape [loads].
        residuals: equally likely rests of a service in progress, in mean services.

    """

    waits: FloatArray
    chances: FloatArray
    residuals: FloatArray

    @property
    def largest_load(self) -> float:
        """Loads above this are looked up as if they were this."""
        return float(_LOADS[-1])

    def chance(self, load: npt.ArrayLike) -> FloatArray:
        """Probability of a wait at load (0..1)."""
        return np.asarray(np.interp(np.asarray(load, dtype=np.float64), _LOADS, self.chances))

    def residual(self, u: npt.ArrayLike) -> FloatArray:
        """Rest of a service in progress, in mean services, at probability `u` (clipped to 0..1)."""
        nodes = (np.arange(len(self.residuals)) + 0.5) / len(self.residuals)
        return np.asarray(np.interp(np.asarray(u, dtype=np.float64), nodes, self.residuals))

    def at(self, u: FloatArray) -> Waits:
        """The waits at fixed probabilities `u` (shape [m])."""
        return Waits(np.stack([np.interp(u, WAIT_NODES, row) for row in self.waits]))


@dataclass(frozen=True)
class Waits:
    """Waits at fixed probabilities over loads, in mean gaps; shape [loads, m]."""

    table: FloatArray

    def quantile(self, load: FloatArray) -> FloatArray:
        """Waits at `load` (0..1), shape [k, m] in and out; loads beyond the last are clamped."""
        clipped = np.clip(load, 0.0, _LOADS[-1])
        row = _LOAD_CELL[(clipped * _LOAD_UNITS + 1e-6).astype(np.int32)]
        below = _LOADS.take(row)
        share = (clipped - below) / (_LOADS.take(row + 1) - below)
        column = np.arange(self.table.shape[1])
        flat, place = self.table.ravel(), row * np.intp(self.table.shape[1]) + column
        low, high = flat.take(place), flat.take(place + self.table.shape[1])
        return np.asarray(low + share * (high - low))


def wait_table(service_points: FloatArray, cv: float) -> WaitTable:
    """Tabulate the wait of GI/GI/1.

    Args:
        service_points: equally likely service times, any unit; only their shape matters.
        cv: coefficient of variation of the times between arrivals.

    """
    shape = np.asarray(service_points, dtype=np.float64)
    shape = shape / shape.mean()
    waits = np.zeros((len(_LOADS), len(WAIT_NODES)))
    chances = np.zeros(len(_LOADS))
    for row, load in enumerate(_LOADS):
        if load > 0:
            cell, cumulative = wait_distribution(shape * load, cv)
            waits[row] = _quantiles(cell, cumulative, WAIT_NODES)
            chances[row] = 1.0 - cumulative[0]
    # the rest of a service has the density P(S > t) / E[S]
    steps = np.concatenate([[0.0], np.sort(shape)])
    reached = np.cumsum(np.diff(steps) * (1.0 - np.arange(len(shape)) / len(shape)))
    share = np.concatenate([[0.0], reached]) / reached[-1]
    residuals = np.interp((np.arange(_RESIDUALS) + 0.5) / _RESIDUALS, share, steps)
    return WaitTable(waits, chances, residuals)


def wait_quantiles(service_points: FloatArray, cv: float, u: FloatArray) -> FloatArray:
    """Quantiles `u` of the stationary wait, in mean gaps (arguments as `wait_distribution`)."""
    cell, cumulative = wait_distribution(service_points, cv)
    return _quantiles(cell, cumulative, u)


def wait_distribution(service_points: FloatArray, cv: float) -> tuple[float, FloatArray]:
    """Stationary wait of GI/GI/1 on a lattice.

    Args:
        service_points: equally likely service times in mean gaps; their mean, the load, below 1.
        cv: coefficient of variation of the gaps.

    Returns:
        the distance of the lattice points in mean gaps, and P(W <= point), from W = 0.

    """
    load = float(service_points.mean())
    if not 0 < load < 1:
        raise ValueError(f"the wait is finite for loads between 0 and 1 only, found {load:g}")
    spread = float(service_points.var())
    decay = 2.0 * (1.0 - load) / (cv**2 + spread)  # of the exponential tail in heavy traffic
    reach = max(_TAIL_LENGTHS / decay, 4.0 * float(service_points.max()), _LEAST_REACH)
    cell = 2.0 * reach / _GRID
    service = _on_lattice(service_points, cell)
    gap = _gamma_on_lattice(cv, cell)
    step = np.fft.fft(service) * np.conj(np.fft.fft(gap))
    theta = 2.0 * np.pi * np.arange(_GRID) / _GRID
    unit = 1.0 - np.exp(1j * theta)  # the zero at frequency 0 belongs to the descending factor
    ratio = np.empty(_GRID, dtype=np.complex128)
    ratio[1:] = np.log(1.0 - step[1:]) - np.log(unit[1:])
    index = np.arange(_GRID)
    drift = float(index @ gap - index @ service)
    ratio[0] = np.log(max(drift, 1e-12))
    cepstrum = np.fft.ifft(ratio)
    causal = cepstrum.copy()
    causal[_GRID // 2 :] = 0.0
    causal[0] = 0.0
    factor = np.fft.fft(causal)
    mass = np.real(np.fft.ifft(np.exp(factor[0] - factor)))
    cumulative = np.cumsum(np.maximum(mass, 0.0))
    return cell, np.asarray(cumulative / cumulative[-1])


def _quantiles(cell: float, cumulative: FloatArray, u: FloatArray) -> FloatArray:
    # mass of a lattice point is spread over the cell around it, that of zero stays at zero
    edges = np.concatenate([[0.0], (np.arange(1, _GRID) + 0.5) * cell])
    keep = np.concatenate([[True], np.diff(cumulative) > 1e-15])
    found = np.interp(u, cumulative[keep], edges[keep])
    return np.where(u <= cumulative[0], 0.0, found)


def _on_lattice(points: FloatArray, cell: float) -> FloatArray:
    """Probability mass on the lattice, split between neighbours so that the mean is exact."""
    position = np.minimum(points / cell, _GRID // 2 - 2)
    low = np.floor(position).astype(np.int64)
    share = position - low
    mass = np.bincount(low, 1.0 - share, _GRID) + np.bincount(low + 1, share, _GRID)
    return np.asarray(mass / len(points))


def _gamma_on_lattice(cv: float, cell: float) -> FloatArray:
    """Gamma gaps of mean 1 on the lattice; what lies beyond half of it is lumped there.

    The mass of each cell is split between its ends so that the mean stays exact.
    """
    shape = 1.0 / cv**2
    half = _GRID // 2
    edges = np.arange(half) * cell
    below = gammainc(shape, shape * edges)
    partial = gammainc(shape + 1.0, shape * edges)  # integral of t up to the edge, mean 1
    mass = np.diff(below)
    moment = np.diff(partial)
    mean = np.divide(moment, mass, out=edges[:-1].copy(), where=mass > 1e-300)
    up = np.clip((mean - edges[:-1]) / cell, 0.0, 1.0) * mass
    result = np.zeros(_GRID)
    result[: half - 1] = mass - up
    result[1:half] += up
    result[half - 1] += 1.0 - below[-1]
    return result


@dataclass(frozen=True, eq=False)
class CountTable:
    """Quantiles of the arrivals within a time after an arrival; shape [times, nodes]."""

    counts: FloatArray
    means: FloatArray
    cv: float

    def mean(self, time: npt.ArrayLike) -> FloatArray:
        """Mean arrivals within `time` mean gaps after an arrival."""
        t = np.asarray(time, dtype=np.float64)
        far = t + (self.cv**2 - 1.0) / 2.0
        return np.asarray(np.where(t <= _COUNT_TIMES[-1], np.interp(t, _COUNT_TIMES, self.means), far))

    def at(self, u: FloatArray) -> Counts:
        """The counts at fixed probabilities `u` (shape [m])."""
        # counts are whole: the node at or above, not between
        column = np.searchsorted(_COUNT_NODES, np.minimum(u, _COUNT_NODES[-1]), side="left")
        return Counts(
            np.ascontiguousarray(self.counts[:, column]),
            np.asarray(ndtri(np.clip(u, 1e-6, 1 - 1e-6))),
            self.cv,
        )


@dataclass(frozen=True)
class Counts:
    """Arrivals after an arrival at fixed probabilities; table of shape [times, m]."""

    table: FloatArray
    deviate: FloatArray
    cv: float

    def within(self, time: FloatArray) -> FloatArray:
        """Arrivals within `time` mean gaps, shape [..., m] in and out."""
        last = _COUNT_TIMES[-1]
        inside = np.clip(time, 0.0, last)
        place = np.log(np.maximum(inside, _COUNT_TIMES[1]) / _COUNT_TIMES[1]) / _COUNT_STEP
        row = np.where(
            inside < _COUNT_TIMES[1], 0, np.minimum(place.astype(np.int32) + 1, len(_COUNT_TIMES) - 2)
        )
        before = _COUNT_TIMES.take(row)
        share = (inside - before) / (_COUNT_TIMES.take(row + 1) - before)
        column = np.arange(self.table.shape[1])
        flat, cell = self.table.ravel(), row * np.intp(self.table.shape[1]) + column
        low, high = flat.take(cell), flat.take(cell + self.table.shape[1])
        near = low + share * (high - low)
        if np.all(time <= last):
            return np.asarray(near)
        # long after, the count is normal: mean t + (cv^2-1)/2, variance cv^2 t (renewal theory)
        mean = time + (self.cv**2 - 1.0) / 2.0
        far = np.maximum(mean + self.deviate * self.cv * np.sqrt(np.maximum(time, 0.0)), 0.0)
        return np.asarray(np.where(time <= last, near, far))


def count_table(cv: float) -> CountTable:
    """Tabulate the arrivals after an arrival: P(N >= j) = P(gamma(j k) <= k t)."""
    shape = 1.0 / cv**2
    most = int(_COUNT_TIMES[-1] + 12.0 * max(cv, 1.0) * np.sqrt(_COUNT_TIMES[-1]) * max(cv, 1.0)) + 40
    j = np.arange(1, most + 1, dtype=np.float64)
    counts = np.empty((len(_COUNT_TIMES), len(_COUNT_NODES)))
    means = np.empty(len(_COUNT_TIMES))
    for row, time in enumerate(_COUNT_TIMES):
        at_least = gammainc(shape * j, shape * time) if time > 0 else np.zeros(most)
        # N exceeds j - 1 with probability at_least[j - 1]; count those above 1 - u
        counts[row] = np.searchsorted(-at_least, -(1.0 - _COUNT_NODES), side="left")
        means[row] = at_least.sum()
    return CountTable(counts, means, cv)
