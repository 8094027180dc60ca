"""Pools: routing, split halves, failures, determinism, and agreement with queueing theory."""

from __future__ import annotations

import math

import numpy as np
import pytest

from planner.performance.service import RequestProfile, latency_curves
from planner.scenario.distributions import TokenDistribution
from planner.scenario.request_trace import RequestTable
from planner.simulate.arrivals import renewal_stream, trace_stream
from planner.simulate.loop import Failure, Link, Path, Replay, Stream
from planner.simulate.pool import Pool
from planner.simulate.single import replay_pool, step_clock
from tests.simulate.linear_replica import LinearReplica

CHAT = RequestProfile(
    TokenDistribution(mean=1154.7, p50=1020, p99=4142), TokenDistribution(mean=211.1, p50=129, p99=601)
)
ENGINE = LinearReplica(
    base_ms=12.0, sequence_ms=0.1, token_ms=0.02, sequences=256, max_batched_tokens=8192, kv_tokens=500_000
)


def table(*requests: tuple[float, int, int]) -> RequestTable:
    """Requests as (arrival in seconds, prompt, output)."""
    arrival, prompt, output = (np.asarray(column) for column in zip(*requests, strict=True))
    return RequestTable(arrival.astype(float), prompt, np.zeros_like(prompt), output)


def stand(replay: Replay, replica: LinearReplica, count: int, first_index: int = 0, name: str = "p") -> Pool:
    clock = step_clock(replica, CHAT)
    pool = Pool(name, replica, count, clock, replay.on_first, replay.on_done, first_index)
    replay.add_pool(pool)
    return pool


def test_requests_spread_over_the_replicas() -> None:
    """Eight requests at once on four replicas: two each, whatever their lengths."""
    replay = Replay(1)
    pool = stand(replay, ENGINE, 4)
    requests = table(*[(0.0, 100 + 50 * i, 50) for i in range(8)])
    stream = Stream(0, trace_stream(requests), [Path((pool,), 1.0)], np.random.default_rng(0))
    counts = {engine.index: 0 for engine in pool.engines}
    replay.on_done = lambda engine, request, now: counts.update({engine.index: counts[engine.index] + 1})  # type: ignore[method-assign]
    for engine in pool.engines:
        engine.on_done = replay.on_done
    replay.run([stream])
    assert set(counts.values()) == {2}


def test_equal_seeds_give_equal_results() -> None:
    """Every latency of two runs is the same number; another seed gives others."""
    first = replay_pool(ENGINE, CHAT, 30.0, 3, requests=2000, seed=7)
    second = replay_pool(ENGINE, CHAT, 30.0, 3, requests=2000, seed=7)
    other = replay_pool(ENGINE, CHAT, 30.0, 3, requests=2000, seed=8)
    assert np.array_equal(first.ttft_ms, second.ttft_ms)
    assert np.array_equal(first.tpot_ms, second.tpot_ms, equal_nan=True)
    assert not np.array_equal(first.ttft_ms, other.ttft_ms)


def test_a_single_server_engine_replays_mm1() -> None:
    """One place, no prompt cost, exponential-like answers: the wait has the mean of M/G/1."""
    engine = LinearReplica(base_ms=10.0, sequences=1, max_batched_tokens=1000, role="decode")
    profile = RequestProfile(TokenDistribution.fixed(10), TokenDistribution(p50=100, p99=400))
    mean, second = profile.output_tokens.mean - 1, profile.output_tokens.moments()[1]
    service_ms, load = 10.0 * mean, 0.6
    square = 100.0 * (second - 2 * profile.output_tokens.mean + 1)
    wait = load / service_ms * square / (2 * (1 - load))
    replay = Replay(1)
    pool = stand(replay, engine, 1)
    rng = np.random.default_rng(1)
    arrivals = renewal_stream(profile, 1000 * load / service_ms, math.inf, rng, most_requests=60_000)
    stream = Stream(0, arrivals, [Path((pool,), 1.0)], rng)
    replay.run([stream])
    busy = np.asarray(replay.latencies[0].e2e_ms)
    assert busy.mean() == pytest.approx(service_ms + wait, rel=0.05)


def test_the_replay_of_a_pool_agrees_with_the_formulas() -> None:
    """Four replicas at 70 %: predicted and replayed percentiles are within a tenth."""
    load = 0.7
    curves = latency_curves(ENGINE, CHAT, 4, loads=np.array([load]))
    replay = replay_pool(ENGINE, CHAT, 4 * float(curves.rates_rps[0]), 4, requests=30_000)
    for name in ("ttft", "tpot"):
        for percentile in (50, 95, 99):
            predicted = float(curves.at_percentile(name, percentile)[0])  # type: ignore[arg-type]
            assert predicted == pytest.approx(replay.percentile(name, percentile), rel=0.1)
    assert float(curves.watts[0]) == pytest.approx(replay.watts, rel=0.1)


def test_a_split_hands_the_cache_over_its_link() -> None:
    """TTFT ends with the transfer; two transfers of one replica follow each other on its wire."""
    replay = Replay(1)
    prefill = stand(replay, LinearReplica(10.0, 0.0, 0.0, max_batched_tokens=1000, role="prefill"), 1)
    decode = stand(replay, LinearReplica(10.0, role="decode"), 1, first_index=1, name="d")
    path = Path((prefill, decode), 1.0, network_ms=3.0, overhead_ms=2.0, link=Link(1.0, 0.04))
    requests = table((0.0, 500, 3), (0.0, 500, 3))
    replay.run([Stream(0, trace_stream(requests), [path], np.random.default_rng(0))])
    log = replay.latencies[0]
    # one iteration prefills both (10 ms, at arrival the first alone): 10 + 20 + 1, then 20 ms more
    assert sorted(log.ttft_ms)[0] == pytest.approx(10 + 20 + 1 + 5)
    assert len(log.ttft_ms) == 2
    assert all(t >= 10.0 for t in log.tpot_ms)


def test_a_failure_moves_requests_to_the_survivors() -> None:
    """Half the replicas die: every request is still answered, those in flight later."""
    replay = Replay(1)
    pool = stand(replay, ENGINE, 2)
    rng = np.random.default_rng(0)
    stream = Stream(0, renewal_stream(CHAT, 10.0, 60.0, rng), [Path((pool,), 1.0)], rng)
    replay.run([stream], [Failure(20_000.0, (pool.engines[0],))])
    arrived = pool.requests
    assert pool.alive == 1
    assert replay.latencies[0].failed == 0
    assert len(replay.latencies[0].ttft_ms) >= 500
    assert arrived > len(replay.latencies[0].ttft_ms)  # the moved ones came twice


def test_without_survivors_requests_are_lost_and_counted() -> None:
    """The last replica dies: what it held and what comes after is counted as lost."""
    replay = Replay(1)
    pool = stand(replay, ENGINE, 1)
    rng = np.random.default_rng(0)
    stream = Stream(0, renewal_stream(CHAT, 10.0, 40.0, rng), [Path((pool,), 1.0)], rng)
    replay.run([stream], [Failure(20_000.0, (pool.engines[0],))])
    sent = len(list(renewal_stream(CHAT, 10.0, 40.0, np.random.default_rng(0))))
    log = replay.latencies[0]
    assert log.failed > 100
    assert log.failed + log.answered == sent


def test_requests_follow_the_weights_of_their_paths() -> None:
    """Three quarters of the traffic go one way."""
    replay = Replay(1)
    pools = [stand(replay, ENGINE, 1), stand(replay, ENGINE, 1, first_index=1, name="q")]
    rng = np.random.default_rng(0)
    paths = [Path((pools[0],), 3.0), Path((pools[1],), 1.0)]
    replay.run([Stream(0, renewal_stream(CHAT, 10.0, 400.0, rng), paths, rng)])
    assert pools[0].requests / (pools[0].requests + pools[1].requests) == pytest.approx(0.75, abs=0.03)


@pytest.mark.parametrize("cv", [0.5, 1.0, 3.0])
def test_sampled_arrivals_have_the_rate_and_the_burstiness_asked(cv: float) -> None:
    """Mean and coefficient of variation of 40,000 gaps."""
    profile = RequestProfile(CHAT.input_tokens, CHAT.output_tokens, 0.25, cv)
    stream = renewal_stream(profile, 20.0, math.inf, np.random.default_rng(2), most_requests=40_000)
    times, prompts, cached, _ = map(np.asarray, zip(*stream, strict=True))
    gaps = np.diff(times)
    assert gaps.mean() == pytest.approx(50.0, rel=0.05)
    assert gaps.std() / gaps.mean() == pytest.approx(cv, rel=0.06)
    assert cached.sum() / prompts.sum() == pytest.approx(0.25, abs=0.01)


def test_a_daily_profile_moves_the_arrivals() -> None:
    """Twice the rate in the second hour brings twice the requests."""
    hourly = [1.0] + [2.0] + [1.0] * 22
    stream = renewal_stream(CHAT, 1.0, 7200.0, np.random.default_rng(3), hourly)
    times = np.asarray([arrival[0] for arrival in stream])
    early, late = (times < 3.6e6).sum(), (times >= 3.6e6).sum()
    assert late / early == pytest.approx(2.0, rel=0.08)


def test_a_large_replay_keeps_no_request_behind() -> None:
    """After the run the engines are empty: memory does not grow with the length of a replay."""
    replay = Replay(1, sample_every_s=1e9)
    pool = stand(replay, ENGINE, 2)
    rng = np.random.default_rng(0)
    stream = Stream(
        0, renewal_stream(CHAT, 20.0, math.inf, rng, most_requests=5000), [Path((pool,), 1.0)], rng
    )
    replay.run([stream])
    for engine in pool.engines:
        assert not engine.decoding
        assert not engine.filling
        assert not engine.waiting
        assert engine.held == pytest.approx(0.0)
    assert len(replay.latencies[0].ttft_ms) == 5000
