"""What fits, to the gigabyte that decides it."""

from dataclasses import replace

import pandas as pd
import pytest

from planner.catalog import load_catalog
from planner.performance.engine_limits import engine_limits
from planner.performance.estimate import estimate
from planner.performance.memory import GIB, kv_bytes_fixed, kv_bytes_per_token, weights_bytes
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


@pytest.mark.parametrize(
    ("engine", "kv_cache", "input_tokens"),
    [
        ("vllm", "bf16", 1024),
        ("vllm", "fp8", 1024),
        ("sglang", "bf16", 1024),
        ("sglang", "fp8", 1024),
        ("trtllm", "bf16", 1024),
        ("trtllm", "fp8", 4096),
    ],
)
def test_152_gib_of_weights_on_a_179_gib_accelerator_do_not_carry_a_batch_of_96(
    engine: str, kv_cache: str, input_tokens: int
) -> None:
    """DeepSeek-R1 in fp8 on four B200 at fraction 0.92: weights barely fit, 96 requests do not.

    TensorRT-LLM takes its fraction of what is free: with an fp8 cache it holds 96 prompts of 1,024 tokens
    (the measured rows below had 223,000 tokens of cache at fraction 0.75), and not those of 4,096.
    """
    point = {
        "llm": "deepseek-r1",
        "accelerator": "b200-sxm",
        "engine": engine,
        "weights": "fp8",
        "kv_cache": kv_cache,
        "tp": 4,
        "memory_fraction": 0.92,
        "input_tokens": input_tokens,
        "output_tokens": 1024,
        "concurrency": 96,
    }
    answer = estimate(pd.DataFrame([point, {**point, "tp": 8}]), load_catalog())
    assert answer["memory_gb_per_accelerator"][0] * 1e9 > 152 * GIB
    assert list(answer["fits"]) == [False, True]
    assert answer["error"][0] or "about" in answer["advice"][0]


@pytest.mark.parametrize(
    ("llm", "accelerator", "engine", "fraction", "sequences", "degrees", "tokens"),
    [
        # Start-up logs: vLLM pull request 17122, vLLM issue 21348 (both engines).
        ("llama-3.1-8b", "l40s", "vllm", 0.90, 1024, {}, 158_656),
        ("qwen3-235b-a22b", "h100-sxm", "vllm", 0.90, 1024, {"tp": 4, "weights": "fp8"}, 178_880),
        ("qwen3-235b-a22b", "h100-sxm", "sglang", 0.93, 4096, {"tp": 4, "weights": "fp8"}, 367_404),
        # vLLM pull request 10511 (256 sequences were its default): 53.29 and 58.97 GiB of cache.
        ("llama-3.1-8b", "h100-sxm", "vllm", 0.90, 256, {}, 436_551),
        ("llama-3.1-8b", "h100-sxm", "vllm", 0.90, 256, {"tp": 2}, 966_164),
        # Requests at once by Little's law in public results that queue (SemiAnalysis InferenceX,
        # 8192/1024 at concurrency 32, 64 and 128), times their mean length, 0.9 of the nominal one.
        ("deepseek-r1", "b200-sxm", "trtllm", 0.75, 2048, {"tp": 4, "weights": "fp8"}, 223_000),
        ("llama-3.1-70b", "b200-sxm", "trtllm", 0.90, 2048, {"weights": "fp8"}, 650_000),
        ("llama-3.1-70b", "h200-sxm", "trtllm", 0.90, 2048, {"weights": "fp8"}, 403_000),
    ],
)
def test_the_cache_is_as_large_as_engines_report(
    llm: str,
    accelerator: str,
    engine: str,
    fraction: float,
    sequences: int,
    degrees: dict[str, object],
    tokens: int,
) -> None:
    """Cached tokens within 8 % of what engines print at start-up or hold under load."""
    catalog = load_catalog()
    limits = replace(engine_limits(engine, fraction), max_sequences=sequences)
    asked = shape(
        llm, accelerator, engine, **{"kv_cache": "fp8" if engine == "trtllm" else "bf16", **degrees}
    )
    model = replica_model(catalog.llm(llm), catalog.accelerators[accelerator], asked, limits=limits)
    assert model.memory.kv_capacity_tokens == pytest.approx(tokens, rel=0.08)


def test_a_refusal_names_the_sizes_and_a_way_out() -> None:
    """70 billion bf16 weights on one 80 GiB accelerator: two barely hold the weights, four do."""
    catalog = load_catalog()
    model = replica_model(
        catalog.llm("llama-3.1-70b"), catalog.accelerators["h100-sxm"], shape("llama-3.1-70b")
    )
    assert not model.fits
    assert "141.1 GB of weights" in model.refusal
    assert "try tp 4" in model.refusal
    assert model.max_batch(1000) == 0


def test_vllm_on_two_h100_runs_29_long_requests_of_llama_70b() -> None:
    """Measured (AIConfigurator silicon sample): 8192/1024 at concurrency 64 queues behind about 29."""
    catalog = load_catalog()
    model = replica_model(
        catalog.llm("llama-3.1-70b"),
        catalog.accelerators["h100-sxm"],
        shape("llama-3.1-70b", tp=2, weights="fp8"),
        limits=replace(engine_limits("vllm"), max_sequences=64),  # --max-num-seqs of that recipe
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
