"""The rate found by replaying a pool is the one at which its replay just keeps the objective."""

import math

import pytest

from planner.performance.service import LatencyObjective, RequestProfile
from planner.scenario.distributions import TokenDistribution
from planner.simulate.refine import refined_rate
from planner.simulate.single import replay_pool
from tests.simulate.linear_replica import LinearReplica

PROFILE = RequestProfile(TokenDistribution(mean=60, p99=200), TokenDistribution(mean=20, p99=60))
REPLICA = LinearReplica(base_ms=8.0, sequence_ms=0.2, token_ms=0.05, sequences=16)


@pytest.mark.parametrize("pool_size", [1, 3])
def test_other_requests_keep_a_little_less_and_miss_a_little_more(pool_size: int) -> None:
    """Judged with other random numbers, 6 % to either side."""
    objective = LatencyObjective(ttft_ms=120.0, tpot_ms=13.5)
    found = refined_rate(REPLICA, PROFILE, objective, pool_size, requests=30_000)
    assert found.replays <= 10

    def keeps(rate: float) -> bool:
        replay = replay_pool(REPLICA, PROFILE, rate * pool_size, pool_size, requests=30_000, seed=5)
        return replay.percentile("ttft", 99) <= 120.0 and replay.percentile("tpot", 99) <= 13.5

    assert keeps(0.94 * found.rate_rps)
    assert not keeps(1.06 * found.rate_rps)


def test_the_mean_of_an_mm1_queue_is_found() -> None:
    """One place, exponential answers of m steps: the wait rho/(1-rho) m is asked to be 2 m, so rho = 2/3."""
    replica = LinearReplica(base_ms=1.0, token_ms=1e-3, sequences=1, max_batched_tokens=1000)
    answers = TokenDistribution(
        quantiles={f"p{100 * u:g}": max(-200.0 * math.log(1 - u), 1.0) for u in (0.01, 0.05, 0.1, 0.2, 0.3)}
        | {f"p{100 * u:g}": -200.0 * math.log(1 - u) for u in (0.5, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.999)}
    )
    profile = RequestProfile(TokenDistribution.fixed(1), answers)
    service_ms = answers.mean
    objective = LatencyObjective(ttft_ms=2.0 * service_ms, percentile=None)
    found = refined_rate(replica, profile, objective, requests=60_000)
    assert found.rate_rps == pytest.approx(1000.0 * (2 / 3) / service_ms, rel=0.04)


def test_what_misses_when_idle_cannot_be_served_at_any_rate() -> None:
    """A TTFT below one iteration."""
    found = refined_rate(REPLICA, PROFILE, LatencyObjective(ttft_ms=1.0), requests=2_000)
    assert found.rate_rps == 0.0


def test_without_a_limit_nothing_is_replayed() -> None:
    """Throughput needs no refinement."""
    found = refined_rate(REPLICA, PROFILE, LatencyObjective())
    assert found.replays == 0
    assert found.factor == 1.0
