"""Published precisions: which weights are narrow, and which parts were left in bf16."""

import json

import pytest

from planner.catalog.architectures import read_llm
from planner.catalog.architectures.quantization import ALWAYS_WIDE
from planner.files import Document, InputFaults
from planner.shipped import shipped_folder

MLP = ("gate", "up", "down")


@pytest.mark.parametrize(
    ("name", "weights", "left_wide", "kv_cache"),
    [
        ("llama-3.1-8b", "bf16", set(), "bf16"),
        ("deepseek-v3", "fp8", set(), "bf16"),
        ("qwen3-32b-fp8", "fp8", set(), "bf16"),
        ("qwen3-235b-a22b-fp8", "fp8", set(), "bf16"),
        ("glm-5-fp8", "fp8", set(), "bf16"),
        ("llama-3.1-70b-fp8", "fp8", set(), "fp8"),
        ("gpt-oss-120b", "fp4", {"attention"}, "bf16"),
        ("deepseek-v3.1-nvfp4", "fp4", {"attention"}, "fp8"),
        ("qwen3-235b-a22b-nvfp4", "fp4", set(), "fp8"),
        ("qwen3.5-397b-a17b-nvfp4", "fp4", {"attention", "shared_experts"}, "fp8"),
        ("gemma-4-31b-nvfp4", "fp4", {"attention"}, "fp8"),
        ("kimi-k2.5", "int4", {"attention", "dense_ffn", "shared_experts"}, "bf16"),
        ("minimax-m2.5", "fp8", set(), "bf16"),
        ("nemotron-3-super-120b-a12b", "fp8", set(), "fp8"),
    ],
)
def test_shipped_precisions(catalog, name, weights, left_wide, kv_cache):
    """Quantization sections of config.json and hf_quant_config.json are read together."""
    llm = catalog.llm(name)
    assert llm.native_weights == weights
    assert llm.unquantized == ALWAYS_WIDE | left_wide
    assert llm.native_kv_cache == kv_cache


BASE = {
    "model_type": "llama",
    "hidden_size": 64,
    "intermediate_size": 128,
    "num_hidden_layers": 8,
    "num_attention_heads": 4,
    "vocab_size": 1000,
    "max_position_embeddings": 1024,
}


def _read(section: dict, side: dict | None = None):
    document = Document({**BASE, "quantization_config": section}, name="config.json")
    return read_llm(document, "test", quantization=Document(side) if side else None)


@pytest.mark.parametrize(
    ("section", "weights"),
    [
        ({"quant_method": "awq", "bits": 4}, "int4"),
        ({"quant_method": "gptq", "bits": 8}, "int8"),
        ({"quant_method": "fbgemm_fp8"}, "fp8"),
        ({"quant_method": "bitsandbytes", "load_in_4bit": True}, "int4"),
        ({"quant_method": "mxfp4"}, "fp4"),
        (
            {
                "quant_method": "compressed-tensors",
                "config_groups": {"group_0": {"weights": {"type": "int", "num_bits": 8}}},
            },
            "int8",
        ),
    ],
)
def test_common_methods(section, weights):
    """The methods found on the hub."""
    assert _read(section).native_weights == weights


def test_most_modules_decide():
    """One excluded projection does not make attention wide; all of them do."""
    one = {"quant_method": "fp8", "modules_to_not_convert": ["re:.*self_attn.o_proj"]}
    assert "attention" not in _read(one).unquantized
    every = {"quant_method": "fp8", "modules_to_not_convert": ["model.layers.*.self_attn"]}
    assert "attention" in _read(every).unquantized


def test_a_file_beside_the_config_counts():
    """hf_quant_config.json alone makes the weights narrow."""
    document = Document(BASE, name="config.json")
    side = {"quantization": {"quant_algo": "NVFP4", "kv_cache_quant_algo": "FP8"}}
    llm = read_llm(document, "test", quantization=Document(side) if side else None)
    assert (llm.native_weights, llm.native_kv_cache) == ("fp4", "fp8")


def test_mixed_precision_takes_the_largest_part():
    """Layers listed one by one: the largest part names the precision, the rest is remarked."""
    quantized = {}
    for layer in range(8):
        for module in ("gate_proj", "up_proj", "down_proj"):
            quantized[f"model.layers.{layer}.mlp.{module}"] = {"quant_algo": "NVFP4"}
        for module in ("q_proj", "k_proj", "v_proj", "o_proj"):
            quantized[f"model.layers.{layer}.self_attn.{module}"] = {"quant_algo": "FP8"}
    llm = _read({"quant_algo": "MIXED_PRECISION", "quantized_layers": quantized})
    assert llm.native_weights == "fp4"
    assert any("attention is published in fp8" in remark for remark in llm.remarks)


def test_an_unknown_method_is_refused():
    """A quantization that is not understood is not taken for bf16."""
    with pytest.raises(InputFaults, match="quant_method: found 'magic'"):
        _read({"quant_method": "magic"})


def _with_section(model: str, section: dict):
    """Read a shipped config under another quantization section."""
    path = shipped_folder("models") / model / "config.json"
    config = json.loads(path.read_text(encoding="utf-8"))
    config.get("text_config", {}).pop("quantization_config", None)
    return read_llm(Document({**config, "quantization_config": section}), "test")


def test_layers_of_every_kind_are_looked_at():
    """Hybrids whose full and linear attention are both left out, layer by layer, name by name."""
    layers = range(48)
    ignore = [
        f"model.language_model.layers.{n}.{'self_attn' if (n + 1) % 4 == 0 else 'linear_attn'}*"
        for n in layers
    ]
    section = {"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ignore}
    assert "attention" in _with_section("qwen3.5-122b-a10b", section).unquantized
    section["ignore"] = [pattern for pattern in ignore if "self_attn" in pattern]
    assert "attention" not in _with_section("qwen3.5-122b-a10b", section).unquantized


def test_leading_dense_layers_left_out_by_number():
    """Kimi K2.6 NVFP4 leaves out layer 0, the only dense one, as a whole."""
    section = {"quant_method": "modelopt", "quant_algo": "NVFP4", "ignore": ["model.layers.0*"]}
    assert ALWAYS_WIDE | {"dense_ffn"} == _with_section("kimi-k2", section).unquantized


def test_experts_beside_the_dense_part():
    """Gemma 4 calls its shared part `mlp`: leaving that out leaves the experts narrow."""
    section = {
        "quant_method": "modelopt",
        "quant_algo": "NVFP4",
        "ignore": [f"model.language_model.layers.{n}.mlp*" for n in range(30)],
    }
    assert ALWAYS_WIDE | {"shared_experts"} == _with_section("gemma-4-26b-a4b", section).unquantized


def test_mamba_layers_have_names_of_their_own():
    """Nemotron's layers are `backbone.layers.N.mixer`."""
    section = {
        "quant_method": "modelopt",
        "quant_algo": "NVFP4",
        "ignore": [f"backbone.layers.{n}.mixer.{name}_proj" for n in range(52) for name in ("in", "out")],
    }
    assert ALWAYS_WIDE | {"attention"} == _with_section("nemotron-3-nano-30b-a3b", section).unquantized


def test_an_unknown_method_of_single_layers_is_refused():
    """What is listed layer by layer is not taken for bf16 either."""
    listed = {"model.layers.0.mlp.up_proj": {"quant_algo": "MAGIC"}}
    with pytest.raises(InputFaults, match="quant_algo: found 'MAGIC'"):
        _read({"quant_algo": "MIXED_PRECISION", "quantized_layers": listed})
    known = {f"model.layers.{n}.mlp.{m}_proj": {"quant_algo": "W4A16_NVFP4"} for n in range(8) for m in MLP}
    assert _read({"quant_algo": "MIXED_PRECISION", "quantized_layers": known}).native_weights == "fp4"
