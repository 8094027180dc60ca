"""From a Hugging Face `config.json` to an `LLM`: one reader per family of architectures."""

from collections.abc import Callable, Mapping
from typing import Any

from planner.catalog.architectures.body import Body
from planner.catalog.architectures.deepseek import read_deepseek, read_deepseek_sparse
from planner.catalog.architectures.gemma import read_gemma, read_gemma2, read_gemma3, read_gemma4
from planner.catalog.architectures.llama import (
    read_glm4,
    read_llama,
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
from planner.catalog.architectures.qwen_hybrid import read_qwen_hybrid
from planner.catalog.config_reader import ConfigReader
from planner.catalog.llm import LLM
from planner.files import Document, close_matches

Reader = Callable[[ConfigReader], Body]

FAMILIES: Mapping[str, Reader] = {
    "deepseek_v2": read_deepseek,
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
    "minimax_text_01": read_minimax_text,
    "mistral": read_llama,
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
    "qwen3_5_moe": read_qwen_hybrid,
    "qwen3_moe": read_qwen3_moe,
    "qwen3_next": read_qwen_hybrid,
    "qwen3_vl": read_qwen3,
    "qwen3_vl_moe": read_qwen3_moe,
}
"""Readers by the `model_type` of the text part, without a trailing `_text`."""

_TEXT_SECTIONS = ("text_config", "llm_config", "language_config")
_OTHER_SENSES = ("vision_config", "audio_config", "visual")


def read_llm(
    document: Document,
    name: str,
    *,
    hugging_face_id: str = "",
    source: str = "",
    quantization: Mapping[str, Any] | None = None,
) -> LLM:
    """Return the LLM of a `config.json`.

    `quantization` is the content of an `hf_quant_config.json` beside it, when there is one.

    Raises:
        InputFaults: an unknown architecture, or every field that is missing or not understood.
    """
    top = ConfigReader(document)
    text = top
    for section in _TEXT_SECTIONS:
        if isinstance(top.data.get(section), Mapping):
            text = top.child(section)
            break
    family = text.text("model_type") or top.text("model_type")
    reader = FAMILIES.get(family.removesuffix("_text"))
    if reader is None:
        _refuse_family(text, family)
    text.finish()
    assert reader is not None
    found = reader(text)
    precision = read_precision(text, top, quantization or {}, found.groups)
    text.finish()
    tied = found.tied
    if "tie_word_embeddings" not in text.data and "tie_word_embeddings" in top.data:
        tied = top.flag("tie_word_embeddings", found.tied)
        text.finish()
    others = [sense for sense in _OTHER_SENSES if isinstance(top.data.get(sense), Mapping)]
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
