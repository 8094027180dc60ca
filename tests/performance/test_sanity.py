"""Physics everywhere, also where nothing was measured: every accelerator, many architectures."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pandas as pd
import pytest

from planner.catalog import Accelerator, load_catalog
from planner.performance.estimate import estimate
from planner.performance.memory import EngineLimits
from planner.performance.replica import AnalyticReplica, replica_model
from planner.performance.shape import Shape

CATALOG = load_catalog()
KNOWN = [a for a in CATALOG.accelerators.values() if a.memory_bytes and a.memory_bandwidth_gb_s and a.tflops]
# Dense, mixture of experts, latent attention, sparse latent attention, linear hybrid, sliding windows.
LLMS = ("llama-3.3-70b", "gpt-oss-120b", "deepseek-r1", "deepseek-v3.2", "qwen3-next-80b-a3b", "gemma-3-27b")
ROOMY = EngineLimits(memory_fraction=1.0)
CONTEXTS = np.array([128.0, 4096.0, 131072.0, 1e6])
BATCHES = np.array([1.0, 2.0, 3.0, 8.0, 9.0, 64.0, 65.0, 512.0, 1024.0])
CASES = [(a.id, LLMS[i % len(LLMS)], ("vllm", "sglang", "trtllm")[i % 3]) for i, a in enumerate(KNOWN)]
CASES += [(a.id, LLMS[(i + 2) % len(LLMS)], "vllm") for i, a in enumerate(KNOWN)]


def replica(accelerator: Accelerator, llm: str, engine: str, **degrees: object) -> AnalyticReplica:
    weights = "fp8" if llm != "gpt-oss-120b" else "fp4"
    shape = Shape(llm, accelerator.id, engine, weights=weights, **degrees)  # type: ignore[arg-type]
    return replica_model(CATALOG.llm(llm), accelerator, shape, limits=ROOMY)


def times(model: AnalyticReplica) -> np.ndarray:
    """Decode steps, mixed steps and whole prompts over batches and contexts up to a million tokens."""
    decode = model.step_ms(BATCHES[:, None], CONTEXTS)
    mixed = model.step_ms(BATCHES[:, None], CONTEXTS, 2048.0, CONTEXTS / 2.0)
    prompts = model.prefill_ms(CONTEXTS, CONTEXTS[:, None] / 4.0)
    return np.concatenate([decode.ravel(), mixed.ravel(), prompts.ravel()])


@pytest.mark.parametrize(("name", "llm", "engine"), CASES)
def test_more_of_anything_is_never_slower(name: str, llm: str, engine: str) -> None:
    """Memory bandwidth, arithmetic and links: each half as much again."""
    chip = CATALOG.accelerators[name]
    for degrees in ({"tp": 8}, {"tp": 4, "pp": 2}):
        before = times(replica(chip, llm, engine, **degrees))
        assert np.isfinite(before).all()
        assert (before > 0).all()
        changes: list[dict[str, object]] = [
            {"memory_bandwidth_gb_s": chip.memory_bandwidth_gb_s * 1.5},
            {"tflops": {kind: rate * 1.5 for kind, rate in chip.tflops.items()}},
        ]
        changes += [
            {link: getattr(chip, link) * 1.5}
            for link in ("scale_up_gb_s", "pcie_gb_s")
            if getattr(chip, link)
        ]
        for change in changes:
            after = times(replica(chip.model_copy(update=change), llm, engine, **degrees))
            assert (after <= before * (1 + 1e-9)).all(), change.keys()


@pytest.mark.parametrize(("name", "llm", "engine"), CASES)
def test_larger_batches_and_longer_requests_cost_what_they_must(name: str, llm: str, engine: str) -> None:
    """A step never gets shorter nor less efficient with more sequences, nor shorter with more tokens."""
    for degrees in ({"tp": 8}, {"dp": 8, "ep": 8}, {"pp": 2}):
        if "dp" in degrees and llm in ("llama-3.3-70b", "gemma-3-27b"):
            continue
        model = replica(CATALOG.accelerators[name], llm, engine, **degrees)
        steps = model.step_ms(BATCHES[:, None], CONTEXTS)
        assert (np.diff(steps, axis=0) >= -1e-9).all()
        assert (np.diff(steps, axis=1) >= -1e-9).all()
        rates = BATCHES[:, None] / steps
        assert (np.diff(rates, axis=0) >= -1e-9 * rates[:-1]).all()
        chunks = model.step_ms(64.0, 4096.0, np.array([0.0, 1.0, 100.0, 2048.0, 8192.0]), 8192.0)
        assert (np.diff(chunks) >= 0).all()
        prompts = model.prefill_ms(np.array([1.0, 2.0, 100.0, 8191.0, 8192.0, 8193.0, 1e5, 1e6]), 4096.0)
        assert (np.diff(prompts) > 0).all()
        behind = model.prefill_ms(1000.0, np.array([0.0, 1e3, 1e5, 1e6]))
        assert (np.diff(behind) >= 0).all()


@pytest.mark.parametrize("llm", LLMS)
def test_a_slower_link_never_helps_tensor_parallelism(llm: str) -> None:
    """The same accelerators: all wired, in pairs, through PCIe."""
    chip = CATALOG.accelerators["h100-sxm"]
    for tp in (2, 4, 8):
        wires = [
            chip,
            chip.model_copy(update={"scale_up_domain": 2}),
            chip.model_copy(update={"scale_up_domain": 1, "scale_up_gb_s": 32.0}),
            chip.model_copy(update={"scale_up_domain": 1, "scale_up_gb_s": 16.0, "pcie_gb_s": 16.0}),
        ]
        slower = [times(replica(wire, llm, "vllm", tp=tp)) for wire in wires]
        for fast, slow in pairwise(slower):
            assert (slow >= fast * (1 - 1e-9)).all()


def random_points(count: int) -> pd.DataFrame:
    """Points all over the catalog, the same at each run."""
    random = np.random.default_rng(20)

    def pick(values: list[object]) -> list[object]:
        return [values[i] for i in random.integers(0, len(values), count)]

    return pd.DataFrame(
        {
            "llm": pick(["llama-3.1-8b", "qwen3-30b-a3b-2507", *LLMS]),
            "accelerator": pick([chip.id for chip in KNOWN]),
            "engine": pick(["vllm", "sglang", "vllm", "trtllm"]),
            "weights": pick(["bf16", "fp8", "int4"]),
            "tp": pick([1, 4, 8, 8]),
            "input_tokens": np.round(2 ** random.uniform(4, 20, count)),
            "output_tokens": np.round(2 ** random.uniform(4, 12, count)),
            "concurrency": np.round(2 ** random.uniform(0, 9, count)),
            "length_spread": pick([0.0, 0.2, None]),
            "memory_fraction": 0.95,
        }
    )


def test_closed_loops_behave_at_a_thousand_random_points() -> None:
    """Longer prompts never lower TTFT; more clients never lower throughput until memory, nor TPOT.

    Where prompts take all the time, the packing of prompts into iterations is approximate: within 0.2 %.
    """
    points = random_points(1000)
    before = estimate(points, CATALOG)
    runs = before["error"] == ""
    assert runs.sum() > 500
    for factor in (1.01, 1.5, 3.0):
        longer = estimate(points.assign(input_tokens=np.ceil(points["input_tokens"] * factor + 1)), CATALOG)
        both = runs & (longer["error"] == "")
        assert (longer["ttft_ms"] >= before["ttft_ms"] * (1 - 1e-9))[both].all()
        more = estimate(points.assign(concurrency=np.ceil(points["concurrency"] * factor + 0.5)), CATALOG)
        held = runs & before["fits"] & more["fits"]
        rate = "output_tokens_per_s_per_accelerator"
        assert (more[rate] >= before[rate] * (1 - 2e-3))[held].all()
        assert (more["tpot_ms"] >= before["tpot_ms"] * (1 - 1e-9))[held].all()
