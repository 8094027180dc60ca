"""The closed loop: lock-step, waits by flags, older software."""

import numpy as np
import pandas as pd
import pytest

from planner.catalog import load_catalog
from planner.performance.calibration_file import SHARED_KERNELS, load_calibration, software_of
from planner.performance.estimate import estimate
from planner.performance.measured import read_measured

POINT = {
    "llm": "llama-3.1-70b",
    "accelerator": "h200-sxm",
    "engine": "sglang",
    "tp": 4,
    "weights": "fp8",
    "input_tokens": 2048,
    "output_tokens": 512,
    "concurrency": 64,
}


def answers(*changes: dict[str, object]) -> pd.DataFrame:
    found = estimate(pd.DataFrame([{**POINT, **change} for change in changes]), load_catalog())
    assert (found["error"] == "").all()
    return found


def test_equal_requests_stay_in_step_and_wait_for_each_other() -> None:
    """All alike: prompts come together, TTFT is long and TPOT short; unsaid: between the two."""
    equal, unsaid, apart = answers({"length_spread": 0}, {}, {"length_spread": 0.2}).itertuples()
    assert equal.ttft_ms > 1.5 * unsaid.ttft_ms > 1.5 * apart.ttft_ms
    assert equal.tpot_ms < unsaid.tpot_ms < apart.tpot_ms


def test_flags_that_hold_requests_back_add_their_iterations() -> None:
    """Fifteen iterations of waiting add about fifteen decode steps to TTFT; alone nothing waits."""
    fast, slow = answers({"length_spread": 0.2}, {"length_spread": 0.2, "wait_steps": 15}).itertuples()
    assert slow.ttft_ms - fast.ttft_ms == pytest.approx(15 * slow.tpot_ms, rel=0.5)
    alone, held = answers({"concurrency": 1}, {"concurrency": 1, "wait_steps": 15}).itertuples()
    assert held.ttft_ms == pytest.approx(alone.ttft_ms)
    short = answers({"output_tokens": 3}, {"output_tokens": 3, "wait_steps": 15})
    assert short["ttft_ms"].diff().iloc[1] < 4 * short["tpot_ms"].max()


def test_the_first_engine_of_vllm_is_slower_and_other_engines_have_none() -> None:
    """Results of 2023 and 2024 are vLLM's engine before 0.8."""
    assert software_of("vllm", 2024.0) == software_of("vllm", 2023.0) == "vllm-v0"
    assert software_of("vllm", 2025.0) == software_of("vllm", np.nan) == software_of("trtllm", 2024.0) == ""
    rows = answers(*({"engine": "vllm", **year} for year in ({}, {"software_year": 2024})))
    assert rows["tpot_ms"].iloc[1] > 1.2 * rows["tpot_ms"].iloc[0]


def test_engines_share_the_kernels_of_blackwell() -> None:
    """Attention and experts are NVIDIA's there; on Hopper each engine has its own."""
    calibration = load_calibration()
    for accelerator, same in (("b200-sxm", True), ("h100-sxm", False)):
        pair = [calibration.coefficients(accelerator, engine) for engine in ("vllm", "sglang")]
        equal = [len({float(getattr(rates, name)) for rates in pair}) == 1 for name in SHARED_KERNELS]
        assert all(equal) if same else not any(equal)


def test_nominal_lengths_of_a_public_collection_become_means() -> None:
    """InferenceX draws from 80 % to 100 % of the length it names; others name what they send."""
    rows = pd.DataFrame(
        [
            {**POINT, "source": source, "input_tokens": prompt, "output_tokens": 1024, "date": date}
            for source, prompt, date in (
                ("inferencex_fixture", 8192, "2026-01-14"),
                ("aic_silicon_sample", 4000, "2025-11-02"),
                ("mine", 8192, ""),
            )
        ]
    )
    read = read_measured(rows)
    assert read["input_tokens"].tolist() == pytest.approx([7372.8, 4000, 8192])
    assert read["output_tokens"].tolist() == pytest.approx([921.6, 1024, 1024])
    assert read["length_spread"].fillna(-1).tolist() == pytest.approx([0.2, 0.0, -1])
    assert read["software_year"].fillna(0).tolist() == [2026, 2025, 0]
