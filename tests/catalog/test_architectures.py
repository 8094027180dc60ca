"""Layers are read as the architecture defines them."""

import pytest

from planner.catalog.architectures import read_llm
from planner.files import Document


def _read(config: dict) -> object:
    return read_llm(Document(config, name="config.json"), "test")


def _layers_with(llm, kind: str) -> int:
    return sum(group.count for group in llm.groups if group.feed_forward.kind == kind)


def test_latent_attention_widths(catalog):
    """DeepSeek-V3: 128 heads of 128 + 64, latent 512, query latent 1,536."""
    llm = catalog.llm("deepseek-v3")
    mixer = llm.groups[0].attention
    assert (mixer.kind, mixer.query_heads, mixer.head_dim, mixer.value_head_dim) == ("mla", 128, 192, 128)
    assert (mixer.kv_lora_rank, mixer.q_lora_rank, mixer.qk_rope_head_dim) == (512, 1536, 64)
    assert mixer.sparse_top_k is None
    assert catalog.llm("deepseek-v3.2").groups[0].attention.sparse_top_k == 2048


def test_leading_dense_layers_and_shared_experts(catalog):
    """DeepSeek-V3: 3 dense layers, then 256 experts, 8 per token, and one shared expert."""
    llm = catalog.llm("deepseek-v3")
    assert _layers_with(llm, "dense") == 3
    assert _layers_with(llm, "moe") == 58
    mixture = next(g.feed_forward for g in llm.groups if g.feed_forward.kind == "moe")
    assert (mixture.experts, mixture.experts_per_token) == (256, 8)
    assert mixture.shared_intermediate_size == 2048
    assert mixture.shared_parameters == 3 * 7168 * 2048
    assert mixture.routed_parameters == 256 * 3 * 7168 * 2048


def test_interleaved_experts(catalog):
    """Llama 4 Maverick has experts in every second layer, Scout in every layer."""
    assert _layers_with(catalog.llm("llama-4-maverick"), "moe") == 24
    assert _layers_with(catalog.llm("llama-4-scout"), "moe") == 48


def test_listed_experts(catalog):
    """MiniMax M3 lists its expert layers one by one: 3 dense, 57 with experts."""
    llm = catalog.llm("minimax-m3")
    assert (_layers_with(llm, "dense"), _layers_with(llm, "moe")) == (3, 57)


def test_mamba_attention_and_experts_are_layers_of_their_own(catalog):
    """Nemotron 3 Nano: 23 Mamba, 6 attention, 23 expert layers."""
    llm = catalog.llm("nemotron-3-nano-30b-a3b")
    assert llm.layers == 52
    assert _layers_with(llm, "moe") == 23
    linear = [g for g in llm.groups if g.attention.kind == "linear" and g.attention.parameters]
    assert sum(group.count for group in linear) == 23
    assert sum(group.count for group in llm.groups if group.attention.kind == "full") == 6


def test_experts_behind_a_narrow_latent(catalog):
    """Nemotron 3 Super: routed experts work on 1,024 of 4,096 dimensions, plain matrices."""
    llm = catalog.llm("nemotron-3-super-120b-a12b")
    mixture = next(g.feed_forward for g in llm.groups if g.feed_forward.kind == "moe")
    assert mixture.latent_size == 1024
    assert mixture.matrices == 2
    assert mixture.routed_parameters == 512 * 2 * 1024 * 2688


def test_pruned_layers_differ(catalog):
    """Nemotron Super 49B: some layers lost their attention, widths vary."""
    llm = catalog.llm("llama-3.3-nemotron-super-49b")
    assert llm.layers == 80
    assert sum(g.count for g in llm.groups if g.attention.parameters == 0) == 31
    assert len({g.feed_forward.intermediate_size for g in llm.groups}) > 3


def test_gemma4_values_are_its_keys(catalog):
    """Global layers of Gemma 4 have no value projection, but both are cached."""
    llm = catalog.llm("gemma-4-26b-a4b")
    mixer = next(g.attention for g in llm.groups if g.attention.kind == "full")
    assert mixer.shared_key_value
    assert mixer.parameters == 2816 * 16 * 512 * 2 + 2816 * 2 * 512
    assert mixer.kv_elements == 2 * 2 * 512


def test_towers_are_left_out_and_named(catalog):
    """Vision towers are not counted, and the model says so."""
    assert "vision tower not counted" in catalog.llm("qwen3-vl-30b-a3b").remarks
    text, with_eyes = catalog.llm("qwen3-30b-a3b"), catalog.llm("qwen3-vl-30b-a3b")
    assert text.total_parameters == with_eyes.total_parameters


def test_llama_33_has_the_architecture_of_31(catalog):
    """Same layers, other weights, and the facts say so."""
    old, new = catalog.llm("llama-3.1-70b"), catalog.llm("llama-3.3-70b")
    assert old.groups == new.groups
    assert "Llama-3.1-70B" in catalog.llm_facts("llama-3.3-70b").notes


# Families without a shipped folder, from their published architectures: config and exact total.
OTHERS = {
    "gemma-7b": (
        {
            "model_type": "gemma",
            "hidden_size": 3072,
            "intermediate_size": 24576,
            "num_hidden_layers": 28,
            "num_attention_heads": 16,
            "num_key_value_heads": 16,
            "head_dim": 256,
            "vocab_size": 256000,
            "max_position_embeddings": 8192,
        },
        8_537_680_896,
    ),
    "phi-2": (
        {
            "model_type": "phi",
            "hidden_size": 2560,
            "intermediate_size": 10240,
            "num_hidden_layers": 32,
            "num_attention_heads": 32,
            "num_key_value_heads": 32,
            "vocab_size": 51200,
            "max_position_embeddings": 2048,
        },
        2_779_683_840,
    ),
    "qwen2-57b-a14b": (
        {
            "model_type": "qwen2_moe",
            "hidden_size": 3584,
            "intermediate_size": 18944,
            "num_hidden_layers": 28,
            "num_attention_heads": 28,
            "num_key_value_heads": 4,
            "vocab_size": 151936,
            "max_position_embeddings": 32768,
            "num_experts": 64,
            "num_experts_per_tok": 8,
            "moe_intermediate_size": 2560,
            "shared_expert_intermediate_size": 20480,
            "decoder_sparse_step": 1,
        },
        57_409_000_000,
    ),
    "nemotron-4-340b": (
        {
            "model_type": "nemotron",
            "hidden_size": 18432,
            "intermediate_size": 73728,
            "num_hidden_layers": 96,
            "num_attention_heads": 96,
            "num_key_value_heads": 8,
            "head_dim": 192,
            "vocab_size": 256000,
            "max_position_embeddings": 4096,
        },
        341_000_000_000,
    ),
    "glm-4-9b": (
        {
            "model_type": "glm",
            "hidden_size": 4096,
            "intermediate_size": 13696,
            "num_hidden_layers": 40,
            "num_attention_heads": 32,
            "num_key_value_heads": 2,
            "head_dim": 128,
            "attention_bias": True,
            "vocab_size": 151552,
            "max_position_embeddings": 131072,
        },
        9_400_000_000,
    ),
    "glm-4.7-flash-like": (
        {
            "model_type": "glm4_moe_lite",
            "hidden_size": 2048,
            "intermediate_size": 10240,
            "num_hidden_layers": 47,
            "num_attention_heads": 20,
            "q_lora_rank": 768,
            "kv_lora_rank": 512,
            "qk_nope_head_dim": 192,
            "qk_rope_head_dim": 64,
            "v_head_dim": 256,
            "n_routed_experts": 64,
            "n_shared_experts": 1,
            "num_experts_per_tok": 4,
            "moe_intermediate_size": 1536,
            "first_k_dense_replace": 1,
            "vocab_size": 154880,
            "max_position_embeddings": 202752,
        },
        30_000_000_000,
    ),
}


@pytest.mark.parametrize("name", OTHERS)
def test_other_families_are_read_too(name):
    """Published totals within 1 % for families that are not shipped."""
    config, total = OTHERS[name]
    assert _read(config).total_parameters == pytest.approx(total, rel=0.01)


def test_a_window_may_start_late():
    """Qwen2's first max_window_layers layers keep full attention."""
    config = {
        "model_type": "qwen2",
        "hidden_size": 64,
        "intermediate_size": 128,
        "num_hidden_layers": 10,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "vocab_size": 1000,
        "max_position_embeddings": 1024,
        "sliding_window": 256,
        "use_sliding_window": True,
        "max_window_layers": 7,
    }
    llm = _read(config)
    kinds = {group.attention.kind: group.count for group in llm.groups}
    assert kinds == {"full": 7, "sliding": 3}
    off = _read({**config, "use_sliding_window": False})
    assert [group.attention.kind for group in off.groups] == ["full"]


def test_sparse_steps_of_qwen():
    """Experts in every second layer, and never in the layers listed as dense only."""
    config = {
        "model_type": "qwen3_moe",
        "hidden_size": 64,
        "intermediate_size": 256,
        "moe_intermediate_size": 32,
        "num_hidden_layers": 8,
        "num_attention_heads": 4,
        "num_key_value_heads": 2,
        "head_dim": 16,
        "num_experts": 8,
        "num_experts_per_tok": 2,
        "decoder_sparse_step": 2,
        "mlp_only_layers": [1],
        "vocab_size": 1000,
        "max_position_embeddings": 1024,
    }
    assert _layers_with(_read(config), "moe") == 3
