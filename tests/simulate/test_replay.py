"""Plans are replayed at their places, with their routes, failures and promises."""

from __future__ import annotations

import json
import math
from pathlib import Path

import numpy as np
import pytest

from planner.plan.solve import solve
from planner.plan.types import Plan
from planner.scenario.request_trace import RequestTable
from planner.simulate.failures import read_failure
from planner.simulate.replay import replay_plan
from planner.simulate.result import Limits, WorkloadReplay
from tests.plan.questions import changed
from tests.plan.tiny import full_plan


@pytest.fixture(scope="module")
def plan() -> Plan:
    return solve(changed(workload={"rate_rps": 60}))


def test_the_json_has_the_published_shape(plan: Plan) -> None:
    """workloads: name: requests, ttft_ms and tpot_ms with mean, p50, p95, p99, and attainment."""
    result = replay_plan(plan, duration_s=60).to_json()
    json.dumps(result)
    for found in result["workloads"].values():
        assert found["requests"] > 0
        for name in ("ttft_ms", "tpot_ms"):
            assert set(found[name]) == {"mean", "p50", "p95", "p99"}
            assert 0 < found[name]["p50"] <= found[name]["p95"] <= found[name]["p99"]
        assert 0 <= found["attainment"] <= 1
    assert result["workloads"]["chat"]["requests"] == pytest.approx(60 * 54, rel=0.1)


def test_a_plan_keeps_what_it_promises(plan: Plan) -> None:
    """At the planned load the replayed percentiles keep the SLO, and the predictions are near."""
    result = replay_plan(plan)
    row = plan.slo[0]
    found = result.workloads["chat"]
    assert found.attainment >= 0.99
    assert row.tpot_ms.predicted == pytest.approx(found.percentile("tpot", 99), rel=0.25)


def test_equal_seeds_replay_alike(plan: Plan) -> None:
    """Nothing but the seed decides: latencies, pools and series are equal."""
    first, second = replay_plan(plan, duration_s=40, seed=3), replay_plan(plan, duration_s=40, seed=3)
    assert first.to_json() == second.to_json()
    assert first.series.equals(second.series)
    assert replay_plan(plan, duration_s=40, seed=4).to_json() != first.to_json()


def test_every_pool_and_workload_of_a_mixed_plan_is_replayed() -> None:
    """Two workloads, three kinds of pools, owned and rented servers."""
    mixed = full_plan()
    result = replay_plan(mixed, duration_s=60)
    assert set(result.workloads) == {route.workload for route in mixed.routes}
    assert {pool.name for pool in result.pools} == {name for route in mixed.routes for name in route.pools}
    planned = {group.pool: 0 for group in mixed.replicas}
    for group in mixed.replicas:
        planned[group.pool] += group.count
    assert {pool.name: pool.replicas for pool in result.pools} == planned
    assert set(result.series.columns) == {"time_s", "pool", "waiting", "running", "utilization", "watts"}


def test_the_network_round_trip_is_part_of_the_first_token(plan: Plan) -> None:
    """Routes from farther away show later first tokens by their round trip."""
    farther = plan.model_copy(
        update={"routes": [r.model_copy(update={"rtt_ms": r.rtt_ms + 100.0}) for r in plan.routes]}
    )
    near = replay_plan(plan, duration_s=60).workloads["chat"]
    far = replay_plan(farther, duration_s=60).workloads["chat"]
    assert far.percentile("ttft", 50) - near.percentile("ttft", 50) == pytest.approx(100.0)
    assert far.percentile("tpot", 50) == near.percentile("tpot", 50)


def test_losing_a_server_shows(plan: Plan) -> None:
    """The plan stands on one server: when it dies, what comes later fails, what came before does not."""
    name = plan.servers[0].name
    whole = replay_plan(plan, duration_s=120)
    broken = replay_plan(plan, duration_s=120, fail=[f"server:{name}@60"])
    assert whole.workloads["chat"].failed == 0
    assert broken.workloads["chat"].failed > 3000
    assert broken.attainment < whole.attainment
    late = broken.series[broken.series["time_s"] > 70]
    assert (late["watts"] == 0).all()


def test_losing_everything_fails_the_rest(plan: Plan) -> None:
    """Without a site every later request fails, and the attainment says so."""
    site = plan.servers[0].site
    result = replay_plan(plan, duration_s=100, fail=[f"site:{site}@50"])
    assert result.workloads["chat"].failed > 1000
    assert result.attainment < 0.6


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("gpu:3", "server:NAME"),
        ("server:", "server:NAME"),
        ("server:x@soon", "not a time"),
        ("server:nowhere", "no server in server 'nowhere'"),
    ],
)
def test_unreadable_failures_are_refused(plan: Plan, text: str, words: str) -> None:
    """The message says how to write it, or what there is."""
    with pytest.raises(ValueError, match=words):
        replay_plan(plan, duration_s=10, fail=[text])


def test_failures_have_a_time_or_the_middle() -> None:
    """`rack:r1@600` dies at 600 s."""
    assert read_failure("rack:r1@600").time_s == 600
    assert read_failure("rack:r1").time_s is None


def test_a_trace_is_replayed_whole(plan: Plan) -> None:
    """As many requests as the trace has, at its times, none of them cut as warm-up."""
    rng = np.random.default_rng(0)
    arrival = np.cumsum(rng.exponential(1 / 40, 2000))
    prompt = rng.integers(50, 2000, 2000)
    table = RequestTable(
        arrival - arrival[0], prompt, np.zeros(2000, dtype=np.int64), rng.integers(1, 300, 2000)
    )
    result = replay_plan(plan, trace=table)
    assert result.workloads["chat"].requests == 2000
    assert result.warm_up_s == 0.0
    with pytest.raises(ValueError, match="the plan serves"):
        replay_plan(plan, trace={"other": table})


def test_tables_are_written_for_spreadsheets(plan: Plan, tmp_path: Path) -> None:
    """One CSV each for workloads, pools and the states over time."""
    paths = replay_plan(plan, duration_s=30).write_tables(tmp_path)
    assert sorted(path.name for path in paths) == [
        "replay-pools.csv",
        "replay-series.csv",
        "replay-workloads.csv",
    ]
    assert all(path.read_text("utf-8").count("\n") >= 2 for path in paths)


def test_attainment_counts_every_limit_and_every_failure() -> None:
    """Of five requests one is late, one slow, one failed; a one-token answer has no pace to miss."""
    replay = WorkloadReplay(
        name="w",
        limits=Limits(ttft_ms=100.0, tpot_ms=20.0),
        arrival_s=np.arange(4.0),
        ttft_ms=np.array([50.0, 150.0, 60.0, 70.0]),
        tpot_ms=np.array([10.0, 10.0, 30.0, math.nan]),
        e2e_ms=np.array([500.0] * 4),
        answered=4,
        output_tokens=100,
        failed=1,
    )
    assert replay.requests == 5
    assert replay.attainment == pytest.approx(2 / 5)
    assert replay.percentile("tpot", None) == pytest.approx(50.0 / 3)


@pytest.mark.slow
def test_fifty_thousand_requests_and_ten_million_tokens(plan: Plan) -> None:
    """A long replay runs through, and what it keeps per request is four numbers."""
    result = replay_plan(plan, duration_s=900)
    found = result.workloads["chat"]
    assert found.requests > 45_000
    assert found.output_tokens > 9_000_000


@pytest.mark.parametrize("duration_s", [0.0, -5.0, math.nan, math.inf])
def test_a_duration_that_is_no_time_is_refused(plan: Plan, duration_s: float) -> None:
    """Not replayed as if nothing had been said, and never without end."""
    with pytest.raises(ValueError, match="positive number of seconds"):
        replay_plan(plan, duration_s=duration_s)


@pytest.mark.parametrize("text", ["server:a@-1", "server:a@nan", "server:a@inf", "server:a@soon"])
def test_a_failure_at_no_time_is_refused(text: str) -> None:
    """With what was written."""
    with pytest.raises(ValueError, match="is not a time in seconds"):
        read_failure(text)
