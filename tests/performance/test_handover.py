"""Moving a cache from prefill to decode."""

import pytest

from planner.catalog import load_catalog
from planner.performance.handover import cache_bytes, handover_ms
from planner.performance.shape import Shape


def test_llama_70b_moves_320_kib_a_token() -> None:
    """8,192 tokens in bf16: 2.7 GB, over 8 lanes of 50 GB/s at 70 %: 9.6 ms and the start-up."""
    llm = load_catalog().llm("llama-3.1-70b")
    assert float(cache_bytes(llm, 8192, "bf16")) == 8192 * 327680
    side = Shape("llama-3.1-70b", "h200-sxm", "vllm", tp=8)
    expected = 8192 * 327680 / (8 * 50e9 * 0.7) * 1e3 + 1.0
    assert float(handover_ms(llm, side, side, 8192)) == pytest.approx(expected)


def test_the_narrower_side_limits() -> None:
    """Eight prefill ranks into two decode ranks use two lanes."""
    llm = load_catalog().llm("llama-3.1-70b")
    wide = Shape("llama-3.1-70b", "h200-sxm", "vllm", tp=8, weights="fp8")
    thin = Shape("llama-3.1-70b", "h200-sxm", "vllm", tp=2, weights="fp8")
    assert float(handover_ms(llm, wide, thin, 8192)) > 3 * float(handover_ms(llm, wide, wide, 8192))


def test_a_latent_cache_is_cheap_to_move() -> None:
    """DeepSeek-R1 leaves 70 KB a token where Llama-3.1-405B leaves 516 KB."""
    catalog = load_catalog()
    side = Shape("x", "h200-sxm", "vllm", tp=8)
    latent = float(handover_ms(catalog.llm("deepseek-r1"), side, side, 100_000))
    grouped = float(handover_ms(catalog.llm("llama-3.1-405b"), side, side, 100_000))
    assert latent < grouped / 5
