"""Traces of others are read as they are published."""

from pathlib import Path

import numpy as np
import pytest

from planner.files import InputFaults
from planner.scenario.distributions import TokenDistribution
from planner.scenario.request_trace import RequestTable, Trace, read_trace
from planner.scenario.trace_workload import burstiness_cv, length_classes, workload_from_trace

DATA = Path(__file__).parent / "data"


def made(arrival: np.ndarray, prompt: int = 100, output: int = 10) -> Trace:
    count = len(arrival)
    same = np.full(count, prompt), np.zeros(count, dtype=np.int64), np.full(count, output)
    return Trace(RequestTable(arrival, *same), "plain")


def test_azure_2023_with_seven_digits_of_a_second() -> None:
    """300 requests of the conversation trace, clock times without a zone."""
    trace = read_trace(DATA / "azure_2023_conv_sample.csv")
    assert trace.format == "azure"
    assert len(trace) == 300
    assert trace.start.startswith("2023-11-16T18:15:46")
    assert trace.requests.prompt[:3].tolist() == [374, 396, 879]
    assert trace.requests.arrival_s[1] == pytest.approx(4.3146)


def test_azure_2024_with_a_zone() -> None:
    """The same columns with zoned clock times."""
    trace = read_trace(DATA / "azure_2024_shape_sample.csv")
    assert len(trace) == 200
    assert trace.start.startswith("2024-05-12T00:00:00")
    assert trace.requests.output[:3].tolist() == [10, 8, 27]


def test_burstgpt_without_its_failures() -> None:
    """A request without an answer is left out and counted."""
    trace = read_trace(DATA / "burstgpt_sample.csv")
    assert trace.format == "burstgpt"
    assert len(trace) == 7
    assert trace.failed == 1
    assert trace.requests.arrival_s[-1] == pytest.approx(1273.0)


def test_mooncake_blocks_become_cached_tokens() -> None:
    """Block 0 of 512 tokens is shared by all; the first request finds nothing."""
    trace = read_trace(DATA / "mooncake_conversation_sample.jsonl")
    assert trace.format == "mooncake"
    assert trace.requests.cached.tolist() == [0] + [512] * 7
    assert trace.requests.arrival_s[-1] == pytest.approx(12.0)
    rate = workload_from_trace(trace)[0].prefix_hit_rate
    assert rate == pytest.approx(7 * 512 / trace.requests.prompt.sum())


def test_plain_csv_with_named_prefixes(tmp_path: Path) -> None:
    """A later turn of a session finds the prompt of the earlier one."""
    path = tmp_path / "own.csv"
    path.write_text("t_s,in_tokens,out_tokens,prefix_hash\n0,100,5,a\n3,80,5,b\n9,240,5,a\n", "utf-8")
    assert read_trace(path).requests.cached.tolist() == [0, 0, 100]


def test_plain_csv_with_cached_tokens(tmp_path: Path) -> None:
    """Stated cached tokens are taken, at most all but one of the prompt."""
    path = tmp_path / "own.csv"
    path.write_text("t_s,in_tokens,out_tokens,cached_tokens\n0,100,5,40\n3,80,5,90\n", "utf-8")
    assert read_trace(path).requests.cached.tolist() == [40, 79]


def test_unordered_rows_are_put_in_order(tmp_path: Path) -> None:
    """Arrivals count from the first request, whatever the order of the rows."""
    path = tmp_path / "own.csv"
    path.write_text("t_s,in_tokens,out_tokens\n9,3,5\n4,1,5\n6,2,5\n", "utf-8")
    trace = read_trace(path)
    assert trace.requests.prompt.tolist() == [1, 2, 3]
    assert trace.requests.arrival_s.tolist() == [0.0, 2.0, 5.0]


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a,b\n1,2\n", "the columns a, b"),
        ("t_s,in_tokens,out_tokens\n0,5,5\n1,oops,5\n", "own.csv:3: in_tokens: found 'oops'"),
        ("t_s,in_tokens,out_tokens\n0,5,5\n-1,5,5\n", "own.csv:3: t_s: found '-1'"),
        ("t_s,in_tokens,out_tokens\n0,5,5\n", "at least 2"),
    ],
)
def test_wrong_traces_are_refused_with_the_line(tmp_path: Path, content: str, words: str) -> None:
    """File, line and field, and what would do."""
    path = tmp_path / "own.csv"
    path.write_text(content, "utf-8")
    with pytest.raises(InputFaults) as caught:
        read_trace(path)
    assert words in str(caught.value)


def test_a_missing_trace_is_an_input_fault(tmp_path: Path) -> None:
    """Not a traceback."""
    with pytest.raises(InputFaults, match=r"none\.csv"):
        read_trace(tmp_path / "none.csv")


def test_a_trace_becomes_a_workload_of_a_scenario() -> None:
    """Lengths, the busiest minute, burstiness: ready to paste under `workloads:`."""
    trace = read_trace(DATA / "azure_2023_conv_sample.csv")
    workload = workload_from_trace(trace, "chat")[0]
    entry = workload.as_workload(["llama-3.3-70b"])
    assert entry["name"] == "chat"
    assert workload.rate_rps >= workload.mean_rate_rps
    lengths = TokenDistribution.model_validate(entry["input_tokens"])
    assert lengths.mean == pytest.approx(trace.requests.prompt.mean(), rel=0.01)
    assert workload.profile is None  # a minute says nothing about a day


def test_slow_swings_are_rate_and_fast_ones_burstiness() -> None:
    """Poisson arrivals whose rate doubles every ten minutes have a cv near 1, not above."""
    rng = np.random.default_rng(0)
    gaps = np.concatenate([rng.exponential(1.0 / rate, int(600 * rate)) for rate in (1, 8, 1, 8)])
    arrival = np.cumsum(gaps)
    assert gaps.std() / gaps.mean() > 1.4
    assert burstiness_cv(arrival) == pytest.approx(1.0, abs=0.1)


def test_a_long_trace_has_an_hourly_profile() -> None:
    """Two days with a busy hour at 9: the profile peaks there."""
    rng = np.random.default_rng(1)
    hours = np.arange(48)
    counts = np.where(hours % 24 == 9, 2000, 500)
    arrival = np.sort(
        np.concatenate([3600.0 * (h + rng.random(c)) for h, c in zip(hours, counts, strict=True)])
    )
    workload = workload_from_trace(made(arrival - arrival[0]))[0]
    assert workload.profile is not None
    assert int(np.argmax(workload.profile)) == 9
    assert workload.profile[9] / workload.profile[3] == pytest.approx(4.0, rel=0.1)
    assert max(workload.profile) <= 1.0


def test_length_classes_carry_equal_tokens() -> None:
    """Few long prompts weigh as much as many short ones; every request is in one class."""
    rng = np.random.default_rng(2)
    prompt = rng.lognormal(7, 1.2, 4000).astype(np.int64) + 1
    arrival = np.cumsum(rng.exponential(1.0, 4000))
    trace = Trace(RequestTable(arrival, prompt, np.zeros_like(prompt), np.full(4000, 50)), "plain")
    parts = length_classes(trace.requests, 3)
    masses = [int((part.prompt + part.output).sum()) for part in parts]
    assert max(masses) / min(masses) < 1.05
    assert sum(len(part.prompt) for part in parts) == 4000
    assert parts[0].prompt.max() <= parts[1].prompt.min()
    names = [workload.name for workload in workload_from_trace(trace, "chat", classes=3)]
    assert names == ["chat-1", "chat-2", "chat-3"]


def test_hours_of_a_trace_can_be_cut_out() -> None:
    """Size on one part, replay the other."""
    trace = read_trace(DATA / "azure_2023_conv_sample.csv")
    middle = float(trace.requests.arrival_s[-1]) / 2
    first, second = trace.between(0.0, middle), trace.between(middle, 1e9)
    assert len(first) + len(second) == 300
    assert first.requests.arrival_s.max() < middle <= second.requests.arrival_s.min()
