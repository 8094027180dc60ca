"""A user's own rates: read from a CSV, or made from benchmark sweeps."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from planner.files import InputFaults
from planner.performance.measured_curve import measured_curve, measured_rates
from planner.performance.providers.table import RateTable
from planner.performance.service import LatencyObjective


def _table(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "rates.csv"
    path.write_text(text)
    return path


def test_shape_columns_may_be_left_out(tmp_path: Path) -> None:
    """Three columns are enough; degrees are 1, the role aggregated, the rate for every workload."""
    table = RateTable.load(_table(tmp_path, "llm,accelerator,max_rps\nm,l4,2.5\n"))
    assert table.shapes() == [("m", "l4", 1, 1, 1, 1, "aggregated")]
    assert table.rate_rps("m", "l4", 1, 1, 1, 1, "aggregated", "chat") == 2.5


def test_a_workloads_own_row_counts_before_the_general_one(tmp_path: Path) -> None:
    """And a zero of its own says that it cannot be served."""
    text = "llm,accelerator,tp,workload,max_rps\nm,a100,2,,4\nm,a100,2,chat,1.5\nm,a100,2,code,0\n"
    table = RateTable.load(_table(tmp_path, text))
    shape = ("m", "a100", 2, 1, 1, 1, "aggregated")
    assert [table.rate_rps(*shape, name) for name in ("chat", "code", "other")] == [1.5, 0.0, 4.0]


def test_missing_and_zero_rates_cannot_serve(tmp_path: Path) -> None:
    """An empty cell, a zero and an absent row mean the same; such shapes are not offered."""
    table = RateTable.load(
        _table(tmp_path, "llm,accelerator,tp,max_rps\nm,a100,1,\nm,a100,2,0\nm,a100,4,3\n")
    )
    assert [shape[2] for shape in table.shapes()] == [4]
    assert table.rate_rps("m", "a100", 1, 1, 1, 1, "aggregated", "chat") == 0.0
    assert table.rate_rps("unknown", "a100", 1, 1, 1, 1, "aggregated", "chat") == 0.0


def test_roles_are_shapes_of_their_own(tmp_path: Path) -> None:
    """A prefill replica and a decode replica of one cut have different rates."""
    text = "llm,accelerator,role,max_rps\nm,h100,prefill,8\nm,h100,Decode,3\n"
    table = RateTable.load(_table(tmp_path, text))
    assert table.rate_rps("m", "h100", 1, 1, 1, 1, "prefill", "chat") == 8
    assert table.rate_rps("m", "h100", 1, 1, 1, 1, "decode", "chat") == 3


def test_spreadsheet_files_are_read(tmp_path: Path) -> None:
    """A byte order mark, spaces around cells, whole numbers written as 2.0, and blank lines."""
    path = _table(tmp_path, "\ufeffllm, accelerator ,tp,max_rps\n m , h100 ,2.0, 3 \n,,,\n")
    assert RateTable.load(path).shapes() == [("m", "h100", 2, 1, 1, 1, "aggregated")]


def test_everything_wrong_is_said_at_once_with_its_line(tmp_path: Path) -> None:
    """Line, field, what was found and what is allowed; the role with a close match."""
    text = (
        "llm,accelerator,tp,role,max_rps\n"
        "m,h100,0,aggregated,1\n"
        "m,h100,2,prefil,1\n"
        "m,h100,4,,fast\n"
        ",h100,8,,-1\n"
        "m,h100,16,,1\n"
        "m,h100,16,,2\n"
    )
    with pytest.raises(InputFaults) as caught:
        RateTable.load(_table(tmp_path, text))
    faults = [(fault.line, fault.field) for fault in caught.value.faults]
    assert faults == [(2, "tp"), (3, "role"), (4, "max_rps"), (5, "llm"), (5, "max_rps"), (7, "max_rps")]
    assert "prefill" in str(caught.value)
    assert "line 6" in str(caught.value)


def test_missing_columns_and_files_are_faults(tmp_path: Path) -> None:
    """The first line is named, and the columns that are missing."""
    with pytest.raises(InputFaults, match="missing: accelerator, max_rps"):
        RateTable.load(_table(tmp_path, "llm,rate\nm,1\n"))
    with pytest.raises(InputFaults, match="no such file"):
        RateTable.load(tmp_path / "none.csv")


def _sweep(**columns: object) -> pd.DataFrame:
    """Measure one shape at 1, 4, 16 and 64 requests in flight."""
    rows = {
        "llm": "llama-3.1-8b",
        "accelerator": "l4",
        "concurrency": [1.0, 4.0, 16.0, 64.0],
        "requests_per_s": [0.5, 1.6, 4.0, 6.0],
        "input_tokens": 512.0,
        "output_tokens": 101.0,
        "ttft_ms": [100.0, 150.0, 400.0, 3000.0],
        "tpot_ms": [18.0, 22.0, 32.0, 64.0],
        "ttft_p99_ms": [150.0, 300.0, 1200.0, 9000.0],
        "tpot_p99_ms": [20.0, 25.0, 45.0, 120.0],
        "e2e_ms": [1900.0, 2350.0, 3600.0, 9400.0],
    }
    return pd.DataFrame({**rows, **columns})


def test_the_largest_rate_lies_where_the_promise_meets_the_curve() -> None:
    """TPOT doubles from 32 to 64 ms over a factor of 4 in load: 45.25 ms is met at half the way, 32."""
    curve = measured_curve(_sweep())
    objective = LatencyObjective(ttft_ms=None, tpot_ms=32.0 * 2**0.5, e2e_ms=None, percentile=None)
    assert curve.largest_concurrency(objective) == pytest.approx(32.0)
    assert curve.largest_rate_rps(objective) == pytest.approx((4.0 * 6.0) ** 0.5)


def test_percentiles_are_kept_when_asked() -> None:
    """A p99 promise binds earlier than the same promise on the mean; 97 takes the next one up."""
    mean = LatencyObjective(ttft_ms=400.0, tpot_ms=None, e2e_ms=None, percentile=None)
    tail = LatencyObjective(ttft_ms=400.0, tpot_ms=None, e2e_ms=None, percentile=99)
    assert measured_curve(_sweep()).largest_concurrency(mean) == pytest.approx(16.0)
    at_p99 = measured_curve(_sweep(), 99).largest_concurrency(tail)
    assert 4.0 < at_p99 < 16.0
    assert measured_curve(_sweep(), 97).largest_concurrency(tail) == at_p99
    with pytest.raises(ValueError, match="up to 99"):
        measured_curve(_sweep(), 99.9)


def test_whole_answers_are_bounded_by_their_parts() -> None:
    """At p99 an answer takes at most its first token plus 100 tokens at their p99."""
    curve = measured_curve(_sweep(), 99)
    assert curve.e2e_ms[0] == 150.0 + 100 * 20.0
    objective = LatencyObjective(ttft_ms=None, tpot_ms=None, e2e_ms=2150.0, percentile=99)
    assert curve.largest_rate_rps(objective) == pytest.approx(0.5)


def test_nothing_is_claimed_outside_what_was_measured() -> None:
    """A promise that always holds gives the best measured rate; one that never holds gives 0."""
    curve = measured_curve(_sweep(requests_per_s=[0.5, 1.6, 6.5, 6.0]))
    loose = LatencyObjective(ttft_ms=1e6, tpot_ms=1e6, e2e_ms=None, percentile=None)
    tight = LatencyObjective(ttft_ms=99.0, tpot_ms=None, e2e_ms=None, percentile=None)
    assert curve.largest_rate_rps(loose) == 6.5  # past its peak at 64
    assert curve.largest_rate_rps(tight) == 0.0
    assert np.isnan(curve.at([0.5, 128.0]).ttft_ms).all()
    assert curve.at(16.0).ttft_ms == pytest.approx(400.0)


def test_an_unmeasured_latency_keeps_no_promise() -> None:
    """A client that did not stream prints no TTFT."""
    objective = LatencyObjective(ttft_ms=500.0, tpot_ms=None, e2e_ms=None, percentile=None)
    assert measured_curve(_sweep(ttft_ms=np.nan)).largest_rate_rps(objective) == 0.0


def test_requests_of_different_lengths_are_no_sweep() -> None:
    """Otherwise a long prompt would look like a busy server."""
    with pytest.raises(ValueError, match="512 to 4096 input_tokens"):
        measured_curve(_sweep(input_tokens=[512.0, 512.0, 4096.0, 4096.0]))


def test_benchmarks_become_a_rate_table(tmp_path: Path) -> None:
    """Two shapes, two workloads; what comes out is read back by the provider."""
    benchmarks = pd.concat(
        [
            _sweep(tp=1, workload="chat"),
            _sweep(tp=2, workload="", tpot_ms=[10.0, 12.0, 18.0, 40.0]),
        ],
        ignore_index=True,
    )
    objectives = {
        "chat": LatencyObjective(ttft_ms=2000.0, tpot_ms=32.0, e2e_ms=None, percentile=None),
        "code": LatencyObjective(ttft_ms=2000.0, tpot_ms=9.0, e2e_ms=None, percentile=None),
    }
    rates = measured_rates(benchmarks, objectives)
    assert rates[["tp", "workload"]].values.tolist() == [[1, "chat"], [2, "chat"], [2, "code"]]
    rates.to_csv(tmp_path / "rates.csv", index=False)
    table = RateTable.load(tmp_path / "rates.csv")
    assert table.rate_rps("llama-3.1-8b", "l4", 1, 1, 1, 1, "aggregated", "chat") == pytest.approx(4.0)
    assert table.rate_rps("llama-3.1-8b", "l4", 2, 1, 1, 1, "aggregated", "code") == 0.0
    assert 4.0 < table.rate_rps("llama-3.1-8b", "l4", 2, 1, 1, 1, "aggregated", "chat") < 6.0


def test_a_shape_without_a_name_is_refused() -> None:
    """The planner must know which LLM and accelerator a rate belongs to."""
    objective = {"chat": LatencyObjective(ttft_ms=None, tpot_ms=50.0, e2e_ms=None, percentile=None)}
    with pytest.raises(ValueError, match="accelerator"):
        measured_rates(_sweep(accelerator=""), objective)
