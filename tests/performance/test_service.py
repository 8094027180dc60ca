"""Service columns: closed forms where the engine reduces to them, and sense everywhere else."""

import math
from dataclasses import replace

import numpy as np
import pytest

from planner.performance import request_sample
from planner.performance.service import (
    LatencyObjective,
    RequestProfile,
    latency_curves,
    service_columns,
)
from planner.scenario.distributions import TokenDistribution
from tests.simulate.linear_replica import LinearReplica

CHAT = RequestProfile(
    TokenDistribution(mean=1154.7, p50=1020, p99=4142), TokenDistribution(mean=211.1, p50=129, p99=601)
)
ENGINE = LinearReplica(
    base_ms=12.0, sequence_ms=0.1, token_ms=0.02, sequences=256, max_batched_tokens=8192, kv_tokens=500_000
)


def test_fixed_prompts_alone_are_md1() -> None:
    """One prompt fills an iteration of 10 ms: the mean TTFT is Pollaczek and Khinchine's."""
    engine = LinearReplica(base_ms=10.0, max_batched_tokens=100, role="prefill")
    profile = RequestProfile(TokenDistribution.fixed(100), TokenDistribution.fixed(1))
    curves = latency_curves(engine, profile, loads=np.array([0.3, 0.6, 0.9]))
    assert curves.saturation_rps == pytest.approx(100.0)
    for load, found in zip([0.3, 0.6, 0.9], curves.at_percentile("ttft", None), strict=True):
        assert found == pytest.approx(10.0 + 10.0 * load / (2 * (1 - load)), rel=0.03)


def test_exponential_prompts_in_small_chunks_are_mm1() -> None:
    """Prompts of exponential length at 1 ms a token: TTFT is exponential with rate mu - lambda."""
    lengths = {f"p{100 * p:.4g}": -1000.0 * math.log(1 - p) for p in np.linspace(0.005, 0.995, 200)}
    engine = LinearReplica(base_ms=0.0, token_ms=1.0, max_batched_tokens=32, role="prefill")
    profile = RequestProfile(TokenDistribution(quantiles=lengths), TokenDistribution.fixed(1))
    curves = latency_curves(engine, profile, loads=np.array([0.5, 0.8]))
    mean_service = profile.input_tokens.mean
    for load, mean, p95 in zip(
        [0.5, 0.8], curves.at_percentile("ttft", None), curves.at_percentile("ttft", 95), strict=True
    ):
        assert mean == pytest.approx(mean_service / (1 - load), rel=0.08)
        assert p95 == pytest.approx(-math.log(0.05) * mean_service / (1 - load), rel=0.08)


@pytest.mark.parametrize("places", [1, 8])
def test_decodes_of_constant_pace_are_mmc(places: int) -> None:
    """An iteration takes 10 ms whatever the batch: `places` servers, and Erlang's wait for one."""
    engine = LinearReplica(base_ms=10.0, sequences=places, role="decode", max_batched_tokens=1000)
    answers = TokenDistribution(p50=100, p99=400)
    profile = RequestProfile(TokenDistribution.fixed(100), answers)
    load = 0.8
    curves = latency_curves(engine, profile, loads=np.array([load]))
    offered = load * places
    below = sum(offered**k / math.factorial(k) for k in range(places))
    last = offered**places / math.factorial(places) / (1 - load)
    service_ms = 10.0 * (answers.mean - 1.0)
    expected = last / (below + last) * service_ms / (places * (1 - load))
    assert curves.at_percentile("ttft", None)[0] == pytest.approx(expected, rel=0.05)


def test_latencies_rise_with_the_load() -> None:
    """The same points serve all loads, so percentiles never fall as the load grows."""
    curves = latency_curves(ENGINE, CHAT)
    for name in ("ttft", "tpot", "e2e"):
        for percentile in (None, 50, 99):
            values = curves.at_percentile(name, percentile)
            assert np.all(np.diff(values) > -0.02 * values[:-1])


def test_the_rate_found_just_keeps_the_limit() -> None:
    """At the column's rate the predicted latency is the limit; nothing else binds."""
    column = service_columns([ENGINE], CHAT, [LatencyObjective(2000, 40, None, 99)])[0][0]
    assert column.limited_by == "tpot"
    assert column.tpot_ms == pytest.approx(40, rel=0.01)
    again = latency_curves(ENGINE, CHAT, loads=np.array([column.utilization]))
    assert again.at_percentile("tpot", 99)[0] == pytest.approx(40, rel=0.02)


def test_tighter_limits_never_serve_more() -> None:
    """More round trip, less TTFT budget, lower rate; and a budget below the best serves nothing."""
    objectives = [LatencyObjective(ttft, 50, None, 99) for ttft in (5000, 800, 300, 150, 20)]
    rates = [column.rate_rps for column in service_columns([ENGINE], CHAT, objectives)[0]]
    assert rates == sorted(rates, reverse=True)
    assert rates[-1] == 0.0
    refused = service_columns([ENGINE], CHAT, objectives)[0][-1]
    assert refused.limited_by == "ttft"
    assert refused.best_ttft_ms > 20


def test_sizing_on_means_is_labelled_and_promises_more() -> None:
    """A mean limit of 40 ms allows a rate at which one request in a hundred waits far longer."""
    on_means = service_columns([ENGINE], CHAT, [LatencyObjective(2000, 40, None, None)])[0][0]
    on_p99 = service_columns([ENGINE], CHAT, [LatencyObjective(2000, 40, None, 99)])[0][0]
    assert on_means.sized_on == "mean"
    assert on_p99.sized_on == "p99"
    assert on_means.rate_rps > 1.05 * on_p99.rate_rps


def test_a_pool_shares_its_bursts() -> None:
    """Each of sixteen replicas behind one router serves more within a tail than a lone one."""
    bursty = replace(CHAT, burstiness_cv=3.0)
    objective = [LatencyObjective(1000, 40, None, 99)]
    alone = service_columns([ENGINE], bursty, objective)[0][0]
    pooled = service_columns([ENGINE], bursty, objective, pool_size=16)[0][0]
    assert pooled.rate_rps > 1.1 * alone.rate_rps


def test_bursts_cost_capacity_and_cached_prefixes_give_it_back() -> None:
    """Burstiness lowers the rate; a prefix cache that spares 60 % of the prefill raises it."""
    objective = [LatencyObjective(1000, 40, None, 99)]
    smooth = service_columns([ENGINE], CHAT, objective)[0][0]
    bursty = service_columns([ENGINE], replace(CHAT, burstiness_cv=2.0), objective)[0][0]
    cached = service_columns([ENGINE], replace(CHAT, prefix_hit_rate=0.6), objective)[0][0]
    assert bursty.rate_rps < smooth.rate_rps < cached.rate_rps


def test_little_memory_limits_the_rate() -> None:
    """A cache for about thirty requests stops the rate long before the engine's 256 do."""
    small = replace(ENGINE, kv_tokens=40_000)
    column = service_columns([small], CHAT, [LatencyObjective(2000, 200, None, 99)])[0][0]
    roomy = service_columns([ENGINE], CHAT, [LatencyObjective(2000, 200, None, 99)])[0][0]
    assert column.rate_rps < 0.7 * roomy.rate_rps
    assert column.concurrency < 32


def test_what_does_not_fit_serves_nothing() -> None:
    """A replica without memory for one request has a rate of 0 and says memory."""
    column = service_columns([replace(ENGINE, kv_tokens=500.0)], CHAT, [LatencyObjective(2000, 50)])[0][0]
    assert column.rate_rps == 0.0
    assert column.limited_by == "memory"
    column = service_columns([replace(ENGINE, fits=False)], CHAT, [LatencyObjective(2000, 50)])[0][0]
    assert column.rate_rps == 0.0


def test_end_to_end_limits_bind_on_long_answers() -> None:
    """An end-to-end limit that only long answers reach lowers the rate below the others' limits."""
    free = service_columns([ENGINE], CHAT, [LatencyObjective(5000, 100, None, 99)])[0][0]
    bound = service_columns([ENGINE], CHAT, [LatencyObjective(5000, 100, 16_000, 99)])[0][0]
    assert bound.limited_by == "e2e"
    assert bound.rate_rps < free.rate_rps


def test_split_pools_are_sized_on_their_own_half() -> None:
    """Prefill replicas answer for TTFT, transfer included; decode replicas for TPOT."""
    prefill = replace(ENGINE, role="prefill")
    fast, slow = (
        service_columns([prefill], CHAT, [LatencyObjective(500, 10)], transfer_ms=t)[0][0] for t in (5, 250)
    )
    assert fast.tpot_ms == 0.0
    assert 0 < slow.rate_rps < fast.rate_rps
    decode = service_columns([replace(ENGINE, role="decode")], CHAT, [LatencyObjective(None, 30)])[0][0]
    assert decode.limited_by == "tpot"
    assert decode.tpot_ms == pytest.approx(30, rel=0.02)


def test_watts_lie_between_idle_and_full() -> None:
    """Expected watts rise with the rate and stay between the idle and the full draw of the replica."""
    curves = latency_curves(ENGINE, CHAT)
    assert curves.watts[0] >= 100.0
    assert curves.watts[-1] <= 500.0
    assert np.all(np.diff(curves.watts) > 0)
    column = service_columns([ENGINE], CHAT, [LatencyObjective(2000, 40)])[0][0]
    assert column.joules_per_request == pytest.approx((column.watts_at_rate - 100.0) / column.rate_rps)


def test_equal_questions_get_equal_answers() -> None:
    """Nothing in the formulas is random."""
    first = service_columns([ENGINE], CHAT, [LatencyObjective(2000, 40)])
    assert first == service_columns([ENGINE], CHAT, [LatencyObjective(2000, 40)])


@pytest.mark.parametrize("burstiness_cv", [0.01, 0.05, 0.1])
def test_arrivals_like_clockwork_wait_no_longer_than_regular_ones(burstiness_cv: float) -> None:
    """The lattice of gaps cannot hold a distribution that narrow; it is taken to be a little wider."""
    replica = LinearReplica(
        base_ms=10.0, sequence_ms=0.1, token_ms=0.1, sequences=64, max_batched_tokens=2048
    )

    def p99(cv: float) -> float:
        profile = RequestProfile(TokenDistribution(mean=200), TokenDistribution(mean=20), burstiness_cv=cv)
        return float(latency_curves(replica, profile, loads=np.asarray([0.5])).at_percentile("ttft", 99)[0])

    assert p99(burstiness_cv) == pytest.approx(p99(0.2), rel=0.05)


def test_the_sampled_requests_are_those_that_were_drawn() -> None:
    """The points in the file are a Sobol sequence's, the same to the last bit."""
    assert np.array_equal(request_sample._luck(), request_sample.drawn_points())
