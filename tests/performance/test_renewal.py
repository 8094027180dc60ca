"""Lines behind one server against closed forms, and counts of renewal processes."""

import math

import numpy as np
import pytest

from planner.performance.renewal import count_table, wait_distribution, wait_quantiles, wait_table

EXPONENTIAL = -np.log(1.0 - (np.arange(4000) + 0.5) / 4000)
PROBABILITIES = np.array([0.1, 0.5, 0.9, 0.99, 0.999])


def mean_wait(service: np.ndarray, cv: float) -> float:
    cell, cumulative = wait_distribution(service, cv)
    return float((1.0 - cumulative).sum() * cell)


@pytest.mark.parametrize("load", [0.3, 0.7, 0.9, 0.95])
def test_exponential_services_wait_as_in_mm1(load: float) -> None:
    """P(W > t) = rho exp(-mu (1 - rho) t)."""
    expected = np.maximum(-np.log((1 - PROBABILITIES) / load) * load / (1 - load), 0.0)
    assert wait_quantiles(EXPONENTIAL * load, 1.0, PROBABILITIES) == pytest.approx(
        expected, rel=0.01, abs=0.01
    )


@pytest.mark.parametrize("load", [0.3, 0.7, 0.9])
def test_fixed_services_wait_as_in_md1(load: float) -> None:
    """Pollaczek and Khinchine: E[W] = rho S / (2 (1 - rho)); an arrival waits with probability rho."""
    service = np.full(1, load)
    assert mean_wait(service, 1.0) == pytest.approx(load * load / (2 * (1 - load)), rel=0.01)
    _, cumulative = wait_distribution(service, 1.0)
    assert 1.0 - cumulative[0] == pytest.approx(load, rel=0.02)


def test_regular_arrivals_wait_as_in_em1() -> None:
    """E4/M/1: W is exponential beyond an atom 1 - s, with s the root of s = A*(mu (1 - s))."""
    load, shape = 0.8, 4
    root = 0.5
    for _ in range(200):
        root = (1 + (1 - root) / (shape * load)) ** -shape
    expected = np.maximum(-np.log((1 - PROBABILITIES) / root) * load / (1 - root), 0.0)
    found = wait_quantiles(EXPONENTIAL * load, 0.5, PROBABILITIES)
    assert found == pytest.approx(expected, rel=0.01, abs=0.01)


def test_bursts_wait_as_a_simulated_line_does() -> None:
    """Lindley's recursion over a million gamma gaps with cv 2, lognormal services, rho 0.6."""
    rng = np.random.default_rng(0)
    service = np.exp(0.7 * np.linspace(-2.5, 2.5, 101))
    service = service / service.mean() * 0.6
    gaps = rng.gamma(0.25, 4.0, 1_000_000)
    walk = np.concatenate([[0.0], np.cumsum(rng.choice(service, len(gaps)) - gaps)])
    simulated = np.quantile(walk - np.minimum.accumulate(walk), [0.5, 0.9, 0.99])
    assert wait_quantiles(service, 2.0, np.array([0.5, 0.9, 0.99])) == pytest.approx(simulated, rel=0.06)


def test_a_full_server_has_no_steady_wait() -> None:
    """At a load of 1 the question is refused."""
    with pytest.raises(ValueError, match="loads between 0 and 1"):
        wait_distribution(np.full(3, 1.0), 1.0)


def test_the_table_interpolates_its_own_loads() -> None:
    """Between tabulated loads the wait lies between theirs, and it rises with the load."""
    table = wait_table(EXPONENTIAL, 1.0)
    u = np.full(1, 0.9)
    waits = np.array([[0.5], [0.62], [0.65]])
    found = table.at(u).quantile(waits)[:, 0]
    assert np.all(np.diff(found) > 0)
    exact = -math.log(0.1 / 0.62) * 0.62 / 0.38
    assert found[1] == pytest.approx(exact, rel=0.03)
    assert float(table.chance(0.62)) == pytest.approx(0.62, rel=0.01)


def test_the_rest_of_a_service_is_its_equilibrium() -> None:
    """Rests of fixed services are uniform; of exponential ones exponential again."""
    fixed = wait_table(np.full(16, 2.0), 1.0)
    assert fixed.residual(np.array([0.25, 0.75])) == pytest.approx([0.25, 0.75], abs=0.02)
    exponential = wait_table(EXPONENTIAL, 1.0)
    assert float(exponential.residual(0.5)) == pytest.approx(math.log(2), rel=0.05)


@pytest.mark.parametrize("time", [0.5, 2.0, 20.0, 100.0])
def test_poisson_counts_are_poisson(time: float) -> None:
    """With cv 1 the arrivals after an arrival are those at any time."""
    table = count_table(1.0)
    rng = np.random.default_rng(1)
    u = (np.arange(500) + 0.5) / 500
    counts = table.at(u).within(np.full(500, time))
    sampled = rng.poisson(time, 200_000)
    assert counts.mean() == pytest.approx(time, rel=0.06)
    assert float(np.quantile(counts, 0.9)) == pytest.approx(np.quantile(sampled, 0.9), abs=1.5)
    assert float(table.mean(time)) == pytest.approx(time, rel=0.02)


def test_an_arrival_of_a_bursty_process_is_followed_by_its_burst() -> None:
    """Renewal theory: (cv^2 - 1)/2 more arrivals follow than the rate says."""
    table = count_table(3.0)
    assert float(table.mean(60.0)) == pytest.approx(60.0 + 4.0, rel=0.01)
    assert float(table.mean(200.0)) == pytest.approx(204.0, rel=0.01)
    assert float(count_table(0.5).mean(60.0)) == pytest.approx(60.0 - 0.375, rel=0.01)
