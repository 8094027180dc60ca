"""One replica on its own: prefill, iterations, power caps."""

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from planner.catalog import load_catalog
from planner.performance.memory import EngineLimits
from planner.performance.replica import AnalyticReplica, replica_model
from planner.performance.shape import Shape

LIMITS = EngineLimits()
LLMS = ("llama-3.1-8b", "gpt-oss-120b", "deepseek-r1", "qwen3-235b-a22b", "qwen3.5-35b-a3b")
CHIPS = ("a100-80-sxm", "h100-sxm", "b200-sxm", "l40s", "mi300x", "tpu-v6e", "epyc-9965")


def model(
    llm: str, accelerator: str, faster: dict[str, float] | None = None, **shape: object
) -> AnalyticReplica:
    catalog = load_catalog()
    chip = catalog.accelerators[accelerator]
    if faster:
        chip = chip.model_copy(update=faster)
    return replica_model(catalog.llm(llm), chip, Shape(llm, accelerator, "vllm", **shape), limits=LIMITS)


replicas = st.builds(
    lambda llm, chip, tp, weights: (llm, chip, {"tp": tp, "weights": weights}),
    st.sampled_from(LLMS),
    st.sampled_from(CHIPS),
    st.sampled_from((1, 2, 4, 8)),
    st.sampled_from(("bf16", "fp8", "fp4", "int4")),
)


@settings(max_examples=60, deadline=None)
@given(replicas)
def test_more_of_anything_never_takes_less_time(case: tuple[str, str, dict[str, object]]) -> None:
    """Longer prompts, larger batches and longer contexts never make an iteration shorter."""
    replica = model(case[0], case[1], **case[2])
    prompts = replica.prefill_ms(np.array([1, 64, 1000, 8192, 8193, 20000, 200000]))
    assert np.all(np.diff(prompts) >= 0)
    assert np.all(np.diff(prompts[2:]) > 0)
    batches = replica.step_ms(np.array([1, 2, 7, 64, 256, 1000]), 2000)
    assert np.all(np.diff(batches) >= 0)
    contexts = replica.step_ms(32, np.array([1, 100, 10000, 1000000]))
    assert np.all(np.diff(contexts) >= 0)
    mixed = replica.step_ms(32, 2000, np.array([0, 16, 512, 8192]))
    assert np.all(np.diff(mixed) >= 0)
    assert mixed[-1] > mixed[0]


@settings(max_examples=60, deadline=None)
@given(replicas)
def test_tokens_per_second_grow_with_the_batch(case: tuple[str, str, dict[str, object]]) -> None:
    """A step of twice the batch never takes twice the time."""
    replica = model(case[0], case[1], **case[2])
    batch = np.array([1, 2, 4, 16, 64, 256, 1024])
    assert np.all(np.diff(batch / replica.step_ms(batch, 1500)) > -1e-9)


@settings(max_examples=40, deadline=None)
@given(replicas, st.sampled_from(("memory_bandwidth_gb_s", "scale_up_gb_s", "pcie_gb_s")))
def test_more_bandwidth_is_never_slower(case: tuple[str, str, dict[str, object]], field: str) -> None:
    """Half again as much of one bandwidth, all else equal."""
    plain = model(case[0], case[1], **case[2])
    have = getattr(load_catalog().accelerators[case[1]], field)
    if have is None:
        return
    better = model(case[0], case[1], faster={field: 1.5 * have}, **case[2])
    assert np.all(better.step_ms([1, 64], 2000) <= plain.step_ms([1, 64], 2000) + 1e-9)
    assert np.all(better.prefill_ms([100, 9000]) <= plain.prefill_ms([100, 9000]) + 1e-9)


def test_tensor_parallelism_over_a_slower_link_is_never_faster() -> None:
    """The same H100 with NVLink, with a tenth of it, and through PCIe."""
    whole = model("llama-3.1-70b", "h100-sxm", tp=8)
    tenth = model("llama-3.1-70b", "h100-sxm", faster={"scale_up_gb_s": 65.0}, tp=8)
    pcie = model("llama-3.1-70b", "h100-sxm", faster={"scale_up_gb_s": 64.0, "scale_up_domain": 1}, tp=8)
    for times in (lambda m: m.step_ms([1, 64], 2000), lambda m: m.prefill_ms([500, 8000])):
        assert np.all(times(whole) < times(tenth))
        assert np.all(times(tenth) < times(pcie))


def test_a_cached_prefix_saves_prefill_but_never_decode() -> None:
    """2,000 new tokens behind 6,000 cached ones cost less than 8,000 and more than 2,000."""
    replica = model("llama-3.1-70b", "h100-sxm", tp=8)
    behind, fresh, short = (
        float(replica.prefill_ms(new, cached)) for new, cached in ((2000, 6000), (8000, 0), (2000, 0))
    )
    assert short < behind < fresh
    assert float(replica.step_ms(8, 8000)) == float(replica.step_ms(8, 8000, 0, 6000))


def test_a_million_tokens_of_context_are_read_at_memory_speed() -> None:
    """Llama-4-Scout keeps full attention in 12 of 48 layers: the step grows by their cache."""
    replica = model("llama-4-scout", "h200-sxm", tp=8)
    short, long = (float(replica.step_ms(1, n)) for n in (10_000, 1_000_000))
    read_gb = 990_000 * replica.memory.kv_bytes_per_token / 1e9
    assert read_gb / 4800 * 1e3 < long - short < 3 * read_gb / 4800 * 1e3


def test_pipeline_stages_raise_latency_of_one_token_and_not_of_prompts() -> None:
    """A token still crosses all layers; a long prompt's chunks overlap in the stages."""
    one = model("llama-3.1-70b", "h100-sxm", tp=4)
    two = model("llama-3.1-70b", "h100-sxm", tp=4, pp=2)
    assert float(two.step_ms(1, 1000)) > float(one.step_ms(1, 1000))
    assert float(two.prefill_ms(60000)) < 0.9 * float(one.prefill_ms(60000))


def test_weight_only_quantisation_saves_bytes_and_no_flops() -> None:
    """int4 on an A100: faster decoding, no faster prefill than bf16."""
    narrow = model("llama-3.1-8b", "a100-80-sxm", weights="int4")
    plain = model("llama-3.1-8b", "a100-80-sxm")
    assert float(narrow.step_ms(1, 500)) < 0.6 * float(plain.step_ms(1, 500))
    assert float(narrow.prefill_ms(8000)) >= float(plain.prefill_ms(8000))


def test_decode_is_bounded_by_the_datasheet() -> None:
    """One token of Llama-3.1-70B fp8 on 8 H200 cannot be faster than reading its weights."""
    replica = model("llama-3.1-70b", "h200-sxm", tp=8, weights="fp8")
    floor_ms = replica.memory.weights_bytes * 0.97 / 4800e9 * 1e3
    assert floor_ms < float(replica.step_ms(1, 100)) < 5 * floor_ms


def test_arrays_broadcast() -> None:
    """Batches down, contexts across."""
    replica = model("llama-3.1-8b", "h100-sxm")
    grid = replica.step_ms(np.array([[1], [8], [64]]), np.array([100, 1000]))
    assert grid.shape == (3, 2)
    assert float(grid[1, 1]) == pytest.approx(float(replica.step_ms(8, 1000)))


def test_an_empty_iteration_takes_no_time() -> None:
    """Nothing to do."""
    replica = model("llama-3.1-8b", "h100-sxm")
    assert float(replica.step_ms(0, 0)) == 0.0
    assert float(replica.prefill_ms(0)) == 0.0


def test_a_cap_slows_prompts_far_more_than_tokens() -> None:
    """H200 at 400 of 700 W: arithmetic loses its clock, memory keeps it."""
    capped = model("llama-3.1-70b", "h200-sxm", tp=4, weights="fp8", power_cap_w=400.0)
    free = model("llama-3.1-70b", "h200-sxm", tp=4, weights="fp8")
    prompts = float(capped.prefill_ms(8000)) / float(free.prefill_ms(8000))
    tokens = float(capped.step_ms(8, 2000)) / float(free.step_ms(8, 2000))
    assert prompts > 1.05
    assert 1.0 <= tokens < 1.0 + 0.5 * (prompts - 1.0)
    assert float(np.max(capped.power_w([1, 64], [0.0, 1.0]))) <= 400.0


def test_an_impossible_cap_is_refused() -> None:
    """Below idle nothing runs."""
    refused = model("llama-3.1-8b", "h200-sxm", power_cap_w=10.0)
    assert not refused.fits
    assert "power cap" in refused.refusal


def test_shapes_that_make_no_replica_are_refused_with_the_reason() -> None:
    """Ep must divide tp x dp."""
    base = Shape("llama-3.1-8b", "h100-sxm", "vllm", tp=4)
    catalog = load_catalog()
    refused = replica_model(
        catalog.llm("llama-3.1-8b"),
        catalog.accelerators["h100-sxm"],
        replace(base, ep=3),
        limits=LIMITS,
    )
    assert "ep must divide" in refused.refusal
