"""The work of an iteration, counted by hand."""

import pytest

from planner.catalog import load_catalog
from planner.performance.shape import Shape
from planner.performance.work import count_work


def work_of(llm: str, **shape: object):
    return count_work(load_catalog().llm(llm), Shape(llm, "h200-sxm", "vllm", **shape))


def test_dense_weights_are_cut_by_tensor_parallelism() -> None:
    """Llama-3.1-70B: 80 layers of attention (8192 x (8192 x 2 + 1024 x 2)) and three 28672-wide matrices."""
    attention = 8192 * (2 * 8192 + 2 * 1024)
    feed_forward = 3 * 8192 * 28672
    whole = 80 * (attention + feed_forward)
    assert work_of("llama-3.1-70b", tp=8, weights="fp8").narrow_parameters == pytest.approx(whole / 8)


def test_key_value_heads_are_not_cut_below_one() -> None:
    """Qwen3-30B-A3B has 4 key/value heads: 8 ranks hold one each, as 4 ranks do."""
    eight = work_of("qwen3-30b-a3b", tp=8).slot_cache_bytes.sum()
    four = work_of("qwen3-30b-a3b", tp=4).slot_cache_bytes.sum()
    two = work_of("qwen3-30b-a3b", tp=2).slot_cache_bytes.sum()
    assert eight == pytest.approx(four)
    assert two == pytest.approx(2 * four)


def test_latent_cache_is_576_elements_a_layer_on_every_rank() -> None:
    """DeepSeek-R1: 61 layers x (512 + 64) elements, bf16, not cut by tensor parallelism."""
    assert work_of("deepseek-r1", tp=8).slot_cache_bytes.sum() == pytest.approx(61 * 576 * 2)


def test_whole_experts_or_slices_weigh_the_same() -> None:
    """Expert parallelism moves whole experts, tensor parallelism slices: equal bytes per rank."""
    sliced = work_of("qwen3-235b-a22b", tp=8, ep=1)
    whole = work_of("qwen3-235b-a22b", tp=8, ep=8)
    assert sliced.expert_parameters == pytest.approx(whole.expert_parameters)
    assert whole.expert_flops_per_token >= sliced.expert_flops_per_token


def test_a_window_bounds_what_sliding_layers_read() -> None:
    """gpt-oss-120b: half of the 36 layers see 128 tokens."""
    work = work_of("gpt-oss-120b", weights="fp4")
    windows = {float(w) for w, b in zip(work.slot_window, work.slot_cache_bytes, strict=True) if b > 0}
    assert 128.0 in windows
    assert max(windows) > 1e12


def test_tensor_parallelism_reduces_twice_a_layer_and_none_alone() -> None:
    """80 layers make 160 all-reduces; one accelerator makes none."""
    assert work_of("llama-3.1-70b", tp=4).reduces == 160
    assert work_of("llama-3.1-70b", tp=1).reduces == 0


def test_data_parallel_attention_exchanges_tokens_in_expert_layers_only() -> None:
    """DeepSeek-R1 has 58 expert layers of 61."""
    work = work_of("deepseek-r1", tp=1, dp=8, ep=8, weights="fp8")
    assert work.exchanges == 58
    assert work.exchange_bytes > 0
    assert work_of("deepseek-r1", tp=8, ep=8, weights="fp8").exchanges == 0


def test_recurrent_layers_hold_a_state_and_no_growing_cache() -> None:
    """Qwen3.5 mixes gated delta layers with full attention: a state beside a smaller cache."""
    work = work_of("qwen3.5-35b-a3b")
    assert work.state_bytes > 0
    assert work.state_flops > 0
