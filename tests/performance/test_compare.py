"""Predicted against measured."""

from pathlib import Path

import pandas as pd
import pytest

from planner.catalog import load_catalog
from planner.files import InputFaults
from planner.performance.compare import compare
from planner.performance.estimate import compare_file
from planner.performance.measured import read_measured

SAMPLE = Path(__file__).parent / "data" / "measured_sample.csv"


def test_both_layouts_are_understood() -> None:
    """A user's own columns and those of public collections."""
    own = read_measured(
        pd.DataFrame(
            [
                {
                    "llm": "llama-3.1-8b",
                    "accelerator": "h100-sxm",
                    "input_tokens": 1000,
                    "output_tokens": 100,
                    "concurrency": 4,
                    "ttft_ms": 40.0,
                    "tpot_ms": 8.0,
                }
            ]
        )
    ).iloc[0]
    assert (own["measured_ttft_ms"], own["measured_tpot_ms"], own["engine"]) == (40.0, 8.0, "vllm")
    public = read_measured(SAMPLE)
    assert set(public["accelerator"]) <= set(load_catalog().accelerators)
    assert set(public["engine"]) == {"vllm", "sglang", "trtllm"}
    assert public["measured_tpot_ms"].notna().all()


def test_attention_data_parallel_rows_are_spread_over_ranks() -> None:
    """`tp 8, dp-attention on` is tp 1, dp 8."""
    row = {
        "model": "deepseek-ai/DeepSeek-R1",
        "gpu": "B200-SXM-180GB",
        "isl": 1024,
        "osl": 1024,
        "concurrency": 64,
        "tp": 8,
        "ep": 8,
        "notes": "dp-attention on; published",
    }
    found = read_measured(pd.DataFrame([row])).iloc[0]
    assert (found["tp"], found["dp"], found["ep"]) == (1, 8, 8)


def test_missing_columns_are_named() -> None:
    """Neither layout: the message says what is missing."""
    with pytest.raises(ValueError, match="output_tokens"):
        read_measured(pd.DataFrame({"llm": ["x"]}))


def test_the_shipped_calibration_predicts_the_sample() -> None:
    """The regression gate: 160 public results of six GPUs and nine LLMs."""
    comparison = compare(SAMPLE, load_catalog())
    overall = comparison.errors().iloc[0]
    assert overall["tpot_median"] < 0.15
    assert overall["ttft_median"] < 0.30
    assert abs(overall["tpot_bias"]) < 0.10
    assert abs(overall["ttft_bias"]) < 0.10
    assert comparison.rank_correlation()["correlation"].median() > 0.95


def test_error_bands_hold_for_four_rows_of_five() -> None:
    """Each estimate says how far the truth may be; most of the sample keeps it."""
    rows = compare(SAMPLE, load_catalog()).rows
    known = rows[rows["error"] == ""]
    inside = known["tpot_ms_error"].abs() <= known["tpot_error_band"]
    assert 0.65 < inside.mean() <= 1.0


def test_the_summary_reads_by_llm_accelerator_and_engine(tmp_path: Path) -> None:
    """Text for people, a table and a plot for closer looks."""
    text = compare_file(SAMPLE, tmp_path)
    for part in ("overall", "by engine", "by accelerator", "by llm", "h200-sxm", "rank correlation"):
        assert part in text
    assert len(pd.read_csv(tmp_path / "comparison.csv")) == 160
    pytest.importorskip("matplotlib")
    assert (tmp_path / "comparison.png").stat().st_size > 10_000


GOOD = (
    "llm,accelerator,input_tokens,output_tokens,concurrency,tpot_ms\nllama-3.1-8b,h100-sxm,1000,200,8,9.5\n"
)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "No columns"),
        (b"\xff\xfe\x00\x9c\xff,\n", "no text"),
        (b"llm,accelerator\n", "no rows"),
        (b"llm,accelerator\na,b\n", "lack the columns input_tokens"),
        (GOOD.replace("9.5", "fast").encode(), "no measured numbers"),
        (b'llm,accelerator\n"a,b\n', "EOF"),
    ],
)
def test_a_file_that_cannot_be_compared_says_why(tmp_path: Path, content: bytes, found: str) -> None:
    """Every fault names the file, what is there and what would do."""
    path = tmp_path / "mine.csv"
    path.write_bytes(content)
    with pytest.raises(InputFaults, match=found) as fault:
        compare_file(path)
    assert "mine.csv" in str(fault.value)


def test_rows_that_say_nothing_are_counted(tmp_path: Path) -> None:
    """One good row, one without a number, one unknown LLM: all three are accounted for."""
    path = tmp_path / "mine.csv"
    path.write_text(GOOD + "llama-3.1-8b,h100-sxm,1000,200,8,x\nllama-9,h100-sxm,1000,200,8,9\n")
    text = compare_file(path)
    assert "1 rows without a number" in text
    assert "1 x unknown LLM 'llama-9'" in text
    assert text.count("llama-9") == 1
