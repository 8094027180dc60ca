"""What fits, to the gigabyte that decides it."""

import pytest

from planner.catalog import load_catalog
from planner.performance.memory import (
    GIB,
    EngineLimits,
    kv_bytes_fixed,
    kv_bytes_per_token,
    memory_breakdown,
    requests_held,
    weights_bytes,
)
from planner.performance.replica import replica_model
from planner.performance.shape import Shape


def shape(llm: str, accelerator: str = "h100-sxm", engine: str = "vllm", **degrees: object) -> Shape:
    return Shape(llm, accelerator, engine, **degrees)


def test_bf16_weights_are_two_bytes_a_parameter() -> None:
    """All parameters of Llama-3.1-8B on one accelerator."""
    llm = load_catalog().llm("llama-3.1-8b")
    assert weights_bytes(llm, shape("llama-3.1-8b")) == pytest.approx(2 * llm.total_parameters, rel=1e-3)


def test_the_native_fp8_checkpoint_of_deepseek_r1_weighs_what_its_files_do() -> None:
    """689 GB on disk with the 14 GB multi-token-prediction layer, so about 675 GB."""
    llm = load_catalog().llm("deepseek-r1")
    total = 8 * weights_bytes(llm, shape("deepseek-r1", tp=8, weights="fp8"))
    assert total / 1e9 == pytest.approx(680, rel=0.03)


def test_gpt_oss_experts_are_4_bit_and_the_rest_is_not() -> None:
    """The published checkpoint is 65 GB: 117 billion parameters would be 58 GB at 4 bits flat."""
    llm = load_catalog().llm("gpt-oss-120b")
    assert weights_bytes(llm, shape("gpt-oss-120b", weights="fp4")) / 1e9 == pytest.approx(65, rel=0.06)


def test_kv_of_llama_70b_is_320_kib_a_token() -> None:
    """2 x 80 layers x 8 heads x 128 x 2 bytes; tp 8 holds an eighth, fp8 half."""
    llm = load_catalog().llm("llama-3.1-70b")
    assert kv_bytes_per_token(llm, shape("llama-3.1-70b")) == 2 * 80 * 8 * 128 * 2
    cut = shape("llama-3.1-70b", tp=8, kv_cache="fp8")
    assert kv_bytes_per_token(llm, cut) == 2 * 80 * 1 * 128


def test_sliding_layers_hold_a_window_and_no_more() -> None:
    """gpt-oss-120b: 18 sliding layers of 128 tokens, 8 heads of 64, keys and values."""
    llm = load_catalog().llm("gpt-oss-120b")
    assert kv_bytes_fixed(llm, shape("gpt-oss-120b")) == 18 * 128 * 8 * 2 * 64 * 2


def test_152_gib_of_experts_on_a_179_gib_accelerator_do_not_carry_a_batch_of_96() -> None:
    """DeepSeek-R1 in fp8 on four B200 at fraction 0.92: weights barely fit, 96 requests do not."""
    catalog = load_catalog()
    llm, accelerator = catalog.llm("deepseek-r1"), catalog.accelerators["b200-sxm"]
    four = shape("deepseek-r1", "b200-sxm", tp=4, weights="fp8")
    memory = memory_breakdown(llm, four, accelerator.memory_bytes, EngineLimits(0.92))
    assert memory.weights_bytes > 152 * GIB
    assert requests_held(memory, four, 2048) < 96
    eight = shape("deepseek-r1", "b200-sxm", tp=8, weights="fp8")
    roomy = memory_breakdown(llm, eight, accelerator.memory_bytes, EngineLimits(0.92))
    assert requests_held(roomy, eight, 2048) >= 96


def test_a_refusal_names_the_sizes_and_a_way_out() -> None:
    """70 billion bf16 weights on one 80 GiB accelerator: try a larger tp."""
    catalog = load_catalog()
    model = replica_model(
        catalog.llm("llama-3.1-70b"), catalog.accelerators["h100-sxm"], shape("llama-3.1-70b")
    )
    assert not model.fits
    assert "141.1 GB of weights" in model.refusal
    assert "try tp 2" in model.refusal
    assert model.max_batch(1000) == 0


def test_vllm_on_two_h100_runs_29_long_requests_of_llama_70b() -> None:
    """Measured (AIConfigurator silicon sample): 8192/1024 at concurrency 64 queues behind about 29."""
    catalog = load_catalog()
    model = replica_model(
        catalog.llm("llama-3.1-70b"),
        catalog.accelerators["h100-sxm"],
        shape("llama-3.1-70b", tp=2, weights="fp8"),
    )
    # Prompts and answers of that generator are 0.9 of the nominal length on average.
    assert model.max_batch(0.9 * (8192 + 512)) == pytest.approx(29, abs=3)


def test_more_memory_never_holds_less() -> None:
    """Capacity grows with memory, with tensor parallelism, and with a narrower cache."""
    catalog = load_catalog()
    llm = catalog.llm("llama-3.1-70b")
    held = [
        replica_model(
            llm, catalog.accelerators[name], shape("llama-3.1-70b", name, tp=tp, kv_cache=kv)
        ).max_batch(4096)
        for name, tp, kv in (
            ("h100-sxm", 4, "bf16"),
            ("h100-sxm", 8, "bf16"),
            ("h200-sxm", 8, "bf16"),
            ("b200-sxm", 8, "fp8"),
        )
    ]
    assert held == sorted(held)


def test_pipeline_stages_share_layers() -> None:
    """Two stages hold about half of the weights and half of the cache of every token each."""
    llm = load_catalog().llm("llama-3.1-70b")
    one, two = shape("llama-3.1-70b"), shape("llama-3.1-70b", pp=2)
    assert weights_bytes(llm, two) == pytest.approx(weights_bytes(llm, one) / 2, rel=0.01)
    assert kv_bytes_per_token(llm, two) == kv_bytes_per_token(llm, one) / 2
