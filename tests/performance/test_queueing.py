"""The batch of a pool reduces to the queues of the textbooks."""

import math

import numpy as np
import pytest

from planner.performance.queueing import occupancy, pool_levels


def erlang_c(servers: int, offered: float) -> float:
    """Probability of a wait in M/M/c (Erlang 1917)."""
    terms = [offered**k / math.factorial(k) for k in range(servers)]
    last = offered**servers / math.factorial(servers) * servers / (servers - offered)
    return last / (sum(terms) + last)


@pytest.mark.parametrize("load", [0.2, 0.5, 0.9])
def test_one_place_is_the_single_server_queue(load: float) -> None:
    """M/M/1: an arrival waits with probability rho, then exponentially at rate mu (1 - rho)."""
    levels = np.array([0.0, 1.0])
    state = occupancy(np.array([load]), np.array([[1e-9, 1.0]]), levels)
    assert state.waiting[0] == pytest.approx(load, rel=1e-6)
    assert state.wait_rate[0] == pytest.approx(1.0 - load, rel=1e-6)
    assert state.mean_level[0] == pytest.approx(load, rel=1e-6)


@pytest.mark.parametrize(("servers", "offered"), [(2, 1.0), (5, 4.0), (30, 25.0)])
def test_places_served_independently_are_erlangs_queue(servers: int, offered: float) -> None:
    """M/M/c: Erlang's C formula, and a wait of rate c mu - lambda."""
    levels = np.arange(servers + 1.0)
    state = occupancy(np.array([offered]), np.maximum(levels, 1e-9)[None, :], levels)
    assert state.waiting[0] == pytest.approx(erlang_c(servers, offered), rel=1e-6)
    assert state.wait_rate[0] == pytest.approx(servers - offered, rel=1e-6)


def test_a_pool_of_single_servers_is_the_same_queue() -> None:
    """Four replicas of one place behind one router make M/M/4."""
    levels = pool_levels(1, 4)
    state = occupancy(np.array([0.75]), np.maximum(levels, 1e-9)[None, :], levels, pool_size=4)
    assert state.waiting[0] == pytest.approx(erlang_c(4, 3.0), rel=1e-6)
    assert state.wait_rate[0] == pytest.approx(1.0, rel=1e-6)


def test_without_limit_the_batch_is_poisson() -> None:
    """M/M/infinity: mean and variance equal the offered load."""
    levels = np.arange(200.0)
    state = occupancy(np.array([40.0]), np.maximum(levels, 1e-9)[None, :], levels)
    mean = float(state.probability[0] @ levels)
    variance = float(state.probability[0] @ levels**2) - mean**2
    assert mean == pytest.approx(40.0, rel=1e-6)
    assert variance == pytest.approx(40.0, rel=1e-6)
    assert state.waiting[0] == pytest.approx(0.0, abs=1e-12)


def test_bursts_widen_the_batch_by_their_peakedness() -> None:
    """Variance over mean is the peakedness, and an arrival sees z - 1 more than a clock does."""
    levels = np.arange(400.0)
    rates = np.maximum(levels, 1e-9)[None, :]
    state = occupancy(np.array([100.0]), rates, levels, peakedness=3.0)
    mean = float(state.probability[0] @ levels)
    variance = float(state.probability[0] @ levels**2) - mean**2
    assert variance / mean == pytest.approx(3.0, rel=0.03)
    assert state.shift[0] == pytest.approx(2.0)


def test_an_even_subset_of_states_stands_for_all() -> None:
    """A pool of 16 replicas of 256 places keeps 400 states; mean and spread stay."""
    levels = pool_levels(256, 16)
    assert len(levels) == 401
    state = occupancy(np.array([100.0]), np.maximum(levels, 1e-9)[None, :], levels, pool_size=16)
    assert state.mean_level[0] == pytest.approx(100.0, rel=0.01)
    spread = float(state.probability[0] @ (levels - 100.0) ** 2)
    assert spread == pytest.approx(100.0 / 16, rel=0.1)


def test_quantiles_follow_the_states_and_then_the_wait() -> None:
    """Half of the arrivals at rho 0.9 that find the server busy wait longer than ln 2 / (1 - rho)."""
    state = occupancy(np.array([0.9]), np.array([[1e-9, 1.0]]), np.array([0.0, 1.0]))
    levels, waits = state.quantile(np.array([0.05, 0.55]))
    assert waits[0, 0] == 0.0
    assert waits[0, 1] == pytest.approx(math.log(2) / 0.1, rel=1e-6)
    assert levels[0, 1] == 1.0
