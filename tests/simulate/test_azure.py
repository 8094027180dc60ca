"""A plan sized on minutes of a real trace keeps its p99 on others; one sized on means does not."""

import numpy as np
import pytest

from benchmarks import azure
from planner.scenario.request_trace import RequestTable, Trace
from planner.simulate.prove import solve_and_replay
from planner.simulate.traced import busiest_part, named_traces, traced_requests
from planner.topology import load_question


def test_ten_minutes_of_conversations_against_the_next_ten(tmp_path) -> None:
    """With the same limits: at p99 they are kept on traffic never seen, on means most visibly not."""
    trace = azure.load("conv", shorter=2)
    seen, unseen = azure.blocks(trace, 0), azure.blocks(trace, 1)
    path = tmp_path / "conv.csv"
    path.write_text(azure.as_csv(seen), encoding="utf-8")
    p99, mean = (
        azure.row("conv", str(percentile), azure.solve(azure.scenario("conv", path, percentile)), unseen)
        for percentile in (99, "mean")
    )
    assert p99.replayed.requests == len(unseen) > 1000
    assert p99.kept
    assert not mean.kept
    assert mean.replayed.attainment < 0.95
    assert mean.replicas < p99.replicas


def test_the_loop_replays_the_trace_of_a_workload(tmp_path) -> None:
    """As many requests as the file has, not as a sampled replay would take."""
    path = tmp_path / "conv.csv"
    part = azure.load("conv", shorter=1).between(0.0, 120.0)
    path.write_text(azure.as_csv(part), encoding="utf-8")
    proved = solve_and_replay(azure.scenario("conv", path, 99))
    assert proved.result is not None
    assert proved.result.workloads["conv"].requests == len(part)
    assert proved.result.warm_up_s == 0.0


def test_a_trace_runs_at_the_rate_that_is_planned(tmp_path) -> None:
    """Twice the rate: the same requests in half the time."""
    path = tmp_path / "own.csv"
    arrival = np.arange(600) * 0.5
    ones = np.ones(600, dtype=np.int64)
    path.write_text(azure.as_csv(Trace(RequestTable(arrival, ones, ones, ones), "plain")), encoding="utf-8")
    question = azure.scenario("conv", path, 99)
    as_recorded = traced_requests(load_question(question).scenario)["conv"]
    rate = load_question(question).scenario.workload("conv").rate_rps
    question["workloads"][0]["rate_rps"] = 2 * rate
    faster = traced_requests(load_question(question).scenario)["conv"]
    assert as_recorded.arrival_s == pytest.approx(arrival)
    assert faster.arrival_s == pytest.approx(arrival / 2, rel=1e-3)


def test_the_busiest_part_of_a_long_trace() -> None:
    """Three requests within two seconds, in the middle of rarer ones."""
    arrival = np.asarray([0.0, 10.0, 20.0, 21.0, 22.0, 40.0])
    number = np.arange(6)
    part = busiest_part(RequestTable(arrival, number, number, number), 3)
    assert part.prompt.tolist() == [2, 3, 4]
    assert part.arrival_s.tolist() == [0.0, 1.0, 2.0]


def test_traces_of_a_command_line_say_whose_they_are(tmp_path) -> None:
    """One file alone, or a name for each of several."""
    path = tmp_path / "a=b.csv"
    path.write_text("t_s,in_tokens,out_tokens\n0,5,5\n1,6,5\n", encoding="utf-8")
    assert named_traces([]) is None
    assert named_traces([str(path)]).prompt.tolist() == [5, 6]
    both = named_traces([f"x={path}", f"y={path}"])
    assert both["y"].prompt.tolist() == [5, 6]
    with pytest.raises(ValueError, match="say whose"):
        named_traces([str(path), f"y={path}"])
    with pytest.raises(ValueError, match="two traces"):
        named_traces([f"y={path}", f"y={path}"])
