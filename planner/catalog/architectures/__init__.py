"""From a Hugging Face `config.json` to an `LLM`: one reader per family of architectures."""

from collections.abc import Callable, Mapping

from planner.catalog.architectures.body import Body
from planner.catalog.architectures.deepseek import (
    read_deepseek,
    read_deepseek_sparse,
    read_deepseek_v2,
)
from planner.catalog.architectures.gemma import read_gemma, read_gemma2, read_gemma3, read_gemma4
from planner.catalog.architectures.llama import (
    read_glm4,
    read_llama,
    read_mistral,
    read_nemotron,
    read_phi,
    read_phi3,
    read_qwen2,
    read_qwen3,
)
from planner.catalog.architectures.llama4 import read_llama4
from planner.catalog.architectures.minimax import read_minimax_text
from planner.catalog.architectures.mixtures import (
    read_glm4_moe,
    read_gpt_oss,
    read_mimo_v2,
    read_minimax_m2,
    read_minimax_m3,
    read_mixtral,
    read_phi_moe,
    read_qwen2_moe,
    read_qwen3_moe,
)
from planner.catalog.architectures.nemotron import read_nemotron_h, read_nemotron_nas
from planner.catalog.architectures.quantization import read_precision
from planner.catalog.architectures.qwen_hybrid import read_qwen_hybrid, read_qwen_hybrid_moe
from planner.catalog.config_reader import ConfigReader
from planner.catalog.llm import LLM
from planner.files import Document, close_matches

Reader = Callable[[ConfigReader], Body]

FAMILIES: Mapping[str, Reader] = {
    "deepseek_v2": read_deepseek_v2,
    "deepseek_v3": read_deepseek,
    "deepseek_v32": read_deepseek_sparse,
    "gemma": read_gemma,
    "gemma2": read_gemma2,
    "gemma3": read_gemma3,
    "gemma4": read_gemma4,
    "glm": read_glm4,
    "glm4": read_glm4,
    "glm4_moe": read_glm4_moe,
    "glm4_moe_lite": read_deepseek,
    "glm_moe_dsa": read_deepseek_sparse,
    "gpt_oss": read_gpt_oss,
    "kimi_k2": read_deepseek,
    "llama": read_llama,
    "llama4": read_llama4,
    "mimo": read_qwen2,
    "mimo_v2_flash": read_mimo_v2,
    "minimax": read_minimax_text,
    "minimax_m1": read_minimax_text,
    "minimax_m2": read_minimax_m2,
    "minimax_m3": read_minimax_m3,
    "minimax_m3_vl": read_minimax_m3,
    "minimax_text_01": read_minimax_text,
    "mistral": read_mistral,
    "mixtral": read_mixtral,
    "nemotron": read_nemotron,
    "nemotron-nas": read_nemotron_nas,
    "nemotron_h": read_nemotron_h,
    "phi": read_phi,
    "phi3": read_phi3,
    "phimoe": read_phi_moe,
    "qwen2": read_qwen2,
    "qwen2_5_vl": read_qwen2,
    "qwen2_moe": read_qwen2_moe,
    "qwen2_vl": read_qwen2,
    "qwen3": read_qwen3,
    "qwen3_5": read_qwen_hybrid,
    "qwen3_5_moe": read_qwen_hybrid_moe,
    "qwen3_moe": read_qwen3_moe,
    "qwen3_next": read_qwen_hybrid_moe,
    "qwen3_vl": read_qwen3,
    "qwen3_vl_moe": read_qwen3_moe,
}
"""Readers by the `model_type` of the text part, without a trailing `_text`."""

STRUCTURE = (
    # experts
    "num_experts",
    "num_local_experts",
    "n_routed_experts",
    "num_experts_per_tok",
    "top_k_experts",
    "moe_intermediate_size",
    "moe_latent_size",
    "n_shared_experts",
    "shared_expert_intermediate_size",
    "shared_intermediate_size",
    "first_k_dense_replace",
    "interleave_moe_layer_step",
    "mlp_only_layers",
    "enable_moe_block",
    # latent and sparse attention
    "kv_lora_rank",
    "q_lora_rank",
    "qk_nope_head_dim",
    "qk_rope_head_dim",
    "v_head_dim",
    "index_topk",
    "index_n_heads",
    "sparse_attention_config",
    # linear attention and state-space layers
    "linear_num_key_heads",
    "linear_num_value_heads",
    "linear_attn_config",
    "full_attention_interval",
    "ssm_state_size",
    "mamba_num_heads",
    "mamba_d_state",
    "hybrid_override_pattern",
    "layers_block_type",
    "block_configs",
    # windows
    "layer_types",
    "sliding_window",
    "attention_chunk_size",
    "hybrid_layer_pattern",
    # parts of other families
    "global_head_dim",
    "num_global_key_value_heads",
    "attention_k_eq_v",
    "hidden_size_per_layer_input",
    "num_kv_shared_layers",
    "cross_attention_layers",
    "num_memory_blocks",
    "attention_bias",
    "mlp_bias",
    "qkv_bias",
)
"""Fields that change weights, cache or compute. One that is set although the reader of its family never
asks for it contradicts the `model_type`, so the config is refused."""

_TEXT_SECTIONS = ("text_config", "llm_config", "language_config")
_OTHER_SENSES = ("vision_config", "audio_config", "visual")


def read_llm(
    document: Document,
    name: str,
    *,
    hugging_face_id: str = "",
    source: str = "",
    quantization: Document | None = None,
) -> LLM:
    """Return the LLM of a `config.json`.

    `quantization` is the content of an `hf_quant_config.json` beside it, when there is one.

    Raises:
        InputFaults: an unknown architecture, or every field that is missing or not understood.
    """
    top = ConfigReader(document)
    top.finish()
    text = top
    for section in _TEXT_SECTIONS:
        if isinstance(top.data.get(section), Mapping):
            text = top.child(section)
            break
    others = [sense for sense in _OTHER_SENSES if isinstance(top.data.get(sense), Mapping)]
    if text is top and others and not top.has("hidden_size"):
        top.refuse("text_config", "nothing", "the language model's part beside its " + " and ".join(others))
        top.finish()
    family = text.text("model_type") or top.text("model_type")
    reader = FAMILIES.get(family.removesuffix("_text"))
    if reader is None:
        _refuse_family(text, family)
    text.finish()
    assert reader is not None
    found = reader(text)
    if not text.faults:  # else a reader may have stopped before it asked
        text.refuse_unread(STRUCTURE, f"an architecture of type '{family}'")
    precision = read_precision(text, top, quantization, found.groups)
    text.finish()
    tied = found.tied
    if "tie_word_embeddings" not in text.data and "tie_word_embeddings" in top.data:
        tied = top.flag("tie_word_embeddings", found.tied)
        text.finish()
    remarks = [f"{sense.removesuffix('_config')} tower not counted" for sense in others]
    return LLM(
        id=name,
        hugging_face_id=hugging_face_id,
        family=family,
        hidden_size=found.hidden,
        vocab_size=found.vocabulary,
        tied_embeddings=tied,
        max_context=found.max_context,
        groups=found.groups,
        native_weights=precision.weights,
        unquantized=precision.unquantized,
        source=source or document.name,
        native_kv_cache=precision.kv_cache,
        final_norm_parameters=found.final_norm,
        extra_embedding_parameters=found.extra_embedding,
        remarks=(*remarks, *found.remarks, *precision.remarks),
    )


def _refuse_family(config: ConfigReader, family: str) -> None:
    """Note that the architecture is not known."""
    if not family:
        config.refuse("model_type", "nothing", "the name of an architecture")
        return
    advice = close_matches(family, FAMILIES) or "see 'model families' in docs/catalog.md"
    config.refuse("model_type", f"'{family}'", "an architecture the planner can read", advice)
