"""Cache bytes: exact per token, capped by windows, constant for recurrent states."""

import pytest

# Bytes of one more token at bf16: 2 bytes x layers x elements; MLA keeps 512 + 64 per layer, and
# only layers whose cache grows without bound count.
KV_BYTES_PER_TOKEN = {
    "llama-3.1-8b": 2 * 32 * 2 * 8 * 128,
    "llama-3.1-70b": 2 * 80 * 2 * 8 * 128,
    "llama-3.1-405b": 2 * 126 * 2 * 8 * 128,
    "llama-2-7b": 2 * 32 * 2 * 32 * 128,
    "qwen3-32b": 2 * 64 * 2 * 8 * 128,
    "qwen3-30b-a3b": 2 * 48 * 2 * 4 * 128,
    "qwen3-235b-a22b": 2 * 94 * 2 * 4 * 128,
    "mixtral-8x7b": 2 * 32 * 2 * 8 * 128,
    "minimax-m2.5": 2 * 62 * 2 * 8 * 128,
    "deepseek-v3": 2 * 61 * (512 + 64),
    "deepseek-v3.2": 2 * 61 * (512 + 64),
    "kimi-k2": 2 * 61 * (512 + 64),
    "glm-5": 2 * 78 * (512 + 64),
    "gpt-oss-120b": 2 * 18 * 2 * 8 * 64,  # 18 of 36 layers attend to everything
    "llama-4-maverick": 2 * 12 * 2 * 8 * 128,  # 12 of 48, the others in chunks
    "gemma-3-27b": 2 * 10 * 2 * 16 * 128,  # every sixth of 62
    "gemma-4-26b-a4b": 2 * 5 * 2 * 2 * 512,
    "qwen3.5-397b-a17b": 2 * 15 * 2 * 2 * 256,  # 15 of 60, the others gated delta nets
    "qwen3-next-80b-a3b": 2 * 12 * 2 * 2 * 256,
    "nemotron-3-nano-30b-a3b": 2 * 6 * 2 * 2 * 128,  # 6 attention layers among Mamba
    "nemotron-h-56b": 2 * 10 * 2 * 8 * 128,
    "minimax-text-01": 2 * 10 * 2 * 8 * 128,
    "mimo-v2-flash": 2 * 9 * 4 * (192 + 128),
    "mistral-7b": 0,  # all layers slide
    "llama-3.3-nemotron-super-49b": 2 * 49 * 2 * 8 * 128,  # 31 of 80 layers lost their attention
}


@pytest.mark.parametrize("name", KV_BYTES_PER_TOKEN)
def test_cache_of_one_token_is_exact(catalog, name):
    """The cache grows by exactly this many bytes per token."""
    assert catalog.llm(name).kv_bytes_per_token(2) == KV_BYTES_PER_TOKEN[name]


@pytest.mark.parametrize("name", sorted(KV_BYTES_PER_TOKEN))
def test_long_sequences_grow_by_the_token_figure(catalog, name):
    """Past every window, one more token costs kv_bytes_per_token and the index bytes."""
    llm = catalog.llm(name)
    growth = llm.kv_bytes(100_001, 2) - llm.kv_bytes(100_000, 2)
    assert growth == llm.kv_bytes_per_token(2) + llm.index_bytes_per_token


def test_an_fp8_cache_is_half(catalog):
    """Bytes scale with the element size."""
    llm = catalog.llm("qwen3-32b")
    assert llm.kv_bytes_per_token(1) * 2 == llm.kv_bytes_per_token(2)


def test_windows_cap_the_cache(catalog):
    """gpt-oss: 18 layers keep everything, 18 keep 128 tokens."""
    llm = catalog.llm("gpt-oss-120b")
    per_layer = 2 * 2 * 8 * 64
    assert llm.kv_bytes(100, 2) == 36 * 100 * per_layer
    assert llm.kv_bytes(10_000, 2) == 18 * 10_000 * per_layer + 18 * 128 * per_layer


def test_recurrent_states_do_not_grow(catalog):
    """Qwen3.5-27B: 48 gated delta nets, 48 value heads of 128 x 128 in float32, and the convolution."""
    llm = catalog.llm("qwen3.5-27b")
    state = 48 * 128 * 128 * 4
    convolution = (2 * 16 * 128 + 48 * 128) * 3 * 2
    assert llm.state_bytes == 48 * (state + convolution)
    assert llm.kv_bytes(0, 2) == llm.state_bytes


def test_mamba_states(catalog):
    """Nemotron 3 Nano: 23 Mamba-2 layers of 64 heads x 64 x 128 in float32."""
    llm = catalog.llm("nemotron-3-nano-30b-a3b")
    state = 64 * 64 * 128 * 4
    convolution = (64 * 64 + 2 * 8 * 128) * 3 * 2
    assert llm.state_bytes == 23 * (state + convolution)


def test_sparse_attention_keeps_an_index(catalog):
    """DeepSeek-V3.2 keeps an FP8 key of 128 and a float32 scale per token and layer."""
    llm = catalog.llm("deepseek-v3.2")
    assert llm.index_bytes_per_token == 61 * (128 + 4)
    assert llm.kv_bytes(1000, 2) == 1000 * (llm.kv_bytes_per_token(2) + 61 * 132)
    assert catalog.llm("deepseek-v3").index_bytes_per_token == 0


def test_glm52_shares_indexers(catalog):
    """Three of four layers reuse the index of another one: 21 of 78 have their own."""
    assert catalog.llm("glm-5").index_bytes_per_token == 78 * 132
    assert catalog.llm("glm-5.2").index_bytes_per_token == 21 * 132


def test_values_may_be_narrower_than_keys(catalog):
    """MiMo-V2: keys of 192, values of 128; 8 key-value heads in windows, 4 in global layers."""
    llm = catalog.llm("mimo-v2-flash")
    kinds = {group.attention.kind: group.attention for group in llm.groups}
    assert kinds["full"].kv_elements == 4 * (192 + 128)
    assert kinds["sliding"].kv_elements == 8 * (192 + 128)
    assert kinds["sliding"].window == 128
