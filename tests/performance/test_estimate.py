"""`estimate`: one row in, one row out, in order, whatever is in the row."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.catalog import load_catalog
from planner.performance.estimate import (
    EXTRA_COLUMNS,
    INPUT_COLUMNS,
    OUTPUT_COLUMNS,
    estimate,
    estimate_file,
)

POINT = {
    "llm": "llama-3.1-70b",
    "accelerator": "h100-sxm",
    "engine": "vllm",
    "weights": "fp8",
    "kv_cache": "",
    "tp": 4,
    "pp": 1,
    "dp": 1,
    "ep": 1,
    "input_tokens": 1024,
    "output_tokens": 512,
    "concurrency": 16,
}


def points(*changes: dict[str, object]) -> pd.DataFrame:
    return pd.DataFrame([{**POINT, **change} for change in changes])


def answers(*changes: dict[str, object]) -> pd.DataFrame:
    return estimate(points(*changes), load_catalog())


def test_every_row_comes_back_in_order_with_the_promised_columns() -> None:
    """Good rows have numbers, bad rows a reason; none is dropped."""
    answer = answers(
        {},
        {"llm": "no-such-llm"},
        {"accelerator": "h100-sxn"},
        {"concurrency": "many"},
        {"weights": "fp3"},
        {"tp": 0},
        {"tp": 4, "ep": 3},
        {"input_tokens": -1},
        {"tp": 1, "weights": "bf16"},
        {"engine": "no-engine"},
        {"concurrency": "max"},
    )
    assert list(answer.columns) == [*INPUT_COLUMNS, *OUTPUT_COLUMNS, *EXTRA_COLUMNS]
    assert len(answer) == 11
    good = answer["error"] == ""
    assert good.tolist() == [True, *[False] * 9, True]
    assert answer.loc[good, ["ttft_ms", "tpot_ms"]].notna().all(axis=None)
    assert answer.loc[~good, ["ttft_ms", "tpot_ms"]].isna().all(axis=None)
    for text, fragment in zip(
        answer["error"][1:10],
        (
            "no-such-llm",
            "h100-sxm",
            "concurrency",
            "fp3",
            "tp",
            "ep must",
            "input_tokens",
            "try tp 4",
            "vllm",
        ),
        strict=True,
    ):
        assert fragment in text


def test_a_table_without_a_needed_column_says_which() -> None:
    """The error is on every row."""
    answer = estimate(points({}, {}).drop(columns="input_tokens"), load_catalog())
    assert answer["error"].tolist() == ["missing column input_tokens"] * 2


def test_an_empty_table_stays_empty() -> None:
    """No rows, all columns."""
    answer = estimate(points({}).iloc[:0], load_catalog())
    assert len(answer) == 0
    assert set(OUTPUT_COLUMNS) <= set(answer.columns)


def test_missing_and_empty_choices_get_what_the_engine_would_choose() -> None:
    """Weights default to the checkpoint's, the cache to bf16, TensorRT-LLM's fp8 checkpoints to fp8."""
    bare = points({})[["llm", "accelerator", "input_tokens", "output_tokens", "concurrency", "tp"]]
    answer = estimate(bare, load_catalog()).iloc[0]
    assert (answer["engine"], answer["weights"], answer["kv_cache"]) == ("vllm", "bf16", "bf16")
    assert answers({"engine": "trtllm"}).iloc[0]["kv_cache"] == "fp8"
    assert answers({"llm": "gpt-oss-120b", "weights": ""}).iloc[0]["weights"] == "fp4"


def test_common_spellings_of_an_engine_are_understood() -> None:
    """TensorRT-LLM has several."""
    rows = answers({"engine": "trtllm"}, {"engine": "tensorrt-llm"}, {"engine": "TRT"})
    assert rows["engine"].tolist() == ["trtllm"] * 3
    assert rows["tpot_ms"].nunique() == 1


def test_hugging_face_names_mean_the_same_llm() -> None:
    """Catalog id and repository id give the same numbers."""
    both = answers({}, {"llm": "meta-llama/Llama-3.1-70B"})
    assert both["tpot_ms"].nunique() == 1


def test_asking_for_deepseek_r1_in_fp8_on_four_b200_is_refused_at_96_and_says_why() -> None:
    """152 GiB of experts sit on 179 GiB: a few requests run, 96 do not."""
    case = {
        "llm": "deepseek-r1",
        "accelerator": "b200-sxm",
        "engine": "sglang",
        "weights": "fp8",
        "input_tokens": 8192,
    }
    few, many, eight = answers(
        {**case, "concurrency": 1, "memory_fraction": 0.92},
        {**case, "concurrency": 96, "memory_fraction": 0.92},
        {**case, "concurrency": 96, "tp": 8, "memory_fraction": 0.92},
    ).itertuples()
    assert few.fits
    assert not many.fits
    assert "requests at once" in many.advice or "does not fit" in many.error
    assert eight.fits


def test_requests_beyond_memory_wait_and_are_flagged() -> None:
    """Measured: two H100 hold 29 requests of 8192/1024; the 64-client loop waits a minute."""
    queueing = answers({"tp": 2, "input_tokens": 8192, "output_tokens": 1024, "concurrency": 64}).iloc[0]
    assert not queueing["fits"]
    assert "about" in queueing["advice"]
    assert 30_000 < queueing["ttft_ms"] < 120_000


def test_largest_batch_gives_the_best_throughput() -> None:
    """`max` delivers at least what any concurrency that fits does."""
    rates = answers(*[{"concurrency": n} for n in (1, 8, 64, 200)], {"concurrency": "max"})
    column = rates["output_tokens_per_s_per_accelerator"]
    assert column.iloc[-1] >= column.iloc[:-1].max() - 1e-9
    assert rates["fits"].iloc[-1]


def test_speculation_needs_an_acceptance_rate_and_changes_tokens_not_prompts() -> None:
    """Three drafts at 0.7 speed up decoding of one client and leave its first token alone."""
    plain, missing, drafted = answers(
        {"concurrency": 1, "draft_tokens": 0, "acceptance_rate": np.nan},
        {"concurrency": 1, "draft_tokens": 3, "acceptance_rate": np.nan},
        {"concurrency": 1, "draft_tokens": 3, "acceptance_rate": 0.7},
    ).itertuples()
    assert "acceptance_rate" in missing.error
    assert drafted.tpot_ms < 0.6 * plain.tpot_ms
    assert drafted.ttft_ms == pytest.approx(plain.ttft_ms, rel=0.1)


def test_a_cached_prefix_shortens_the_first_token() -> None:
    """Half of the prompt in the cache."""
    cold, warm = answers(
        {"input_tokens": 8000, "cached_tokens": 0}, {"input_tokens": 8000, "cached_tokens": 4000}
    )["ttft_ms"]
    assert warm < 0.8 * cold


def test_one_output_token_has_no_time_per_output_token() -> None:
    """TPOT is defined after the first token."""
    only = answers({"output_tokens": 1}).iloc[0]
    assert np.isnan(only["tpot_ms"])
    assert only["error"] == ""
    assert only["output_tokens_per_s_per_accelerator"] > 0


def test_ten_thousand_points_of_many_kinds_come_back_in_one_call() -> None:
    """Thousands of configurations in one table, none dropped, all finite where there is no error."""
    catalog = load_catalog()
    random = np.random.default_rng(0)
    count = 10_000
    table = pd.DataFrame(
        {
            "llm": random.choice(catalog.llm_ids(), count),
            "accelerator": random.choice(list(catalog.accelerators), count),
            "engine": random.choice(["vllm", "sglang", "trtllm"], count),
            "weights": random.choice(["bf16", "fp8", "fp4", "int4"], count),
            "tp": random.choice([1, 2, 4, 8], count),
            "input_tokens": random.integers(1, 100_000, count),
            "output_tokens": random.integers(1, 4_000, count),
            "concurrency": random.integers(1, 512, count),
        }
    )
    answer = estimate(table, catalog)
    assert (answer["llm"] == table["llm"]).all()
    good = answer[answer["error"] == ""]
    assert len(good) > 5_000
    assert np.isfinite(good["ttft_ms"]).all()
    assert (good["ttft_ms"] > 0).all()
    assert (good["output_tokens_per_s_per_accelerator"] > 0).all()


loads = st.fixed_dictionaries(
    {
        "llm": st.sampled_from(("llama-3.1-8b", "gpt-oss-120b", "deepseek-r1", "qwen3-32b")),
        "accelerator": st.sampled_from(("a100-80-sxm", "h200-sxm", "b200-sxm", "mi355x", "l40s")),
        "engine": st.sampled_from(("vllm", "sglang", "trtllm")),
        "weights": st.sampled_from(("bf16", "fp8", "int4")),
        "tp": st.sampled_from((1, 2, 4, 8)),
        "dp": st.sampled_from((1, 1, 4)),
        "pp": st.sampled_from((1, 1, 2)),
        "input_tokens": st.integers(1, 60_000),
        "output_tokens": st.integers(2, 3_000),
        "concurrency": st.integers(1, 300),
    }
)


@settings(max_examples=60, deadline=None)
@given(st.lists(loads, min_size=10, max_size=10))
def test_more_clients_never_deliver_less_while_they_fit(cases: list[dict[str, object]]) -> None:
    """Throughput of a closed loop grows with its clients until memory is full (0.5 % of slack)."""
    fewer = answers(*cases)
    more = answers(*[{**case, "concurrency": 2 * int(case["concurrency"])} for case in cases])
    fit = fewer["fits"] & more["fits"]
    name = "output_tokens_per_s_per_accelerator"
    assert (more.loc[fit, name] >= 0.995 * fewer.loc[fit, name]).all()


@settings(max_examples=60, deadline=None)
@given(st.lists(loads, min_size=10, max_size=10), st.integers(1, 20_000))
def test_longer_inputs_never_lower_the_first_token_time(cases: list[dict[str, object]], longer: int) -> None:
    """Whatever the shape and the load."""
    short = answers(*cases)
    long = answers(*[{**case, "input_tokens": int(case["input_tokens"]) + longer} for case in cases])
    both = (short["error"] == "") & (long["error"] == "")
    assert (long.loc[both, "ttft_ms"] >= short.loc[both, "ttft_ms"] * (1 - 1e-3)).all()


def test_files_in_files_out(tmp_path: Path) -> None:
    """The command's work: a CSV with text in every cell gives a CSV with `true` and `false`."""
    source, target = tmp_path / "in.csv", tmp_path / "out.csv"
    points({}, {"llm": "nope"}).to_csv(source, index=False)
    assert estimate_file(source, target) == (2, 1)
    written = pd.read_csv(target, dtype=str, keep_default_na=False)
    assert written["fits"].tolist() == ["true", "false"]
    assert written["error"].tolist()[0] == ""
    assert "nope" in written["error"].tolist()[1]
    assert float(written["tpot_ms"][0]) > 0
