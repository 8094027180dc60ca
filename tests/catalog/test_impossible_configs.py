"""Configs that no model can have are refused with the field, quickly, and in words."""

import copy
import json

import pytest

from planner.catalog import load_catalog
from planner.catalog.architectures import read_llm
from planner.files import Document, InputFaults
from planner.shipped import shipped_folder


def _config(model: str) -> dict:
    return json.loads((shipped_folder("models") / model / "config.json").read_text(encoding="utf-8"))


def _refusals(config: object) -> dict[str, str]:
    """Return found and allowed of every fault by the last part of its field."""
    with pytest.raises(InputFaults) as caught:
        read_llm(Document(config, name="config.json"), "x")
    return {fault.field.split(".")[-1]: f"{fault.found}; {fault.allowed}" for fault in caught.value.faults}


@pytest.mark.parametrize(
    ("model", "changes", "field"),
    [
        ("llama-3.1-8b", {"num_key_value_heads": 7}, "num_key_value_heads"),
        ("llama-3.1-8b", {"num_key_value_heads": 64}, "num_key_value_heads"),
        ("mixtral-8x7b", {"num_experts_per_tok": 9}, "num_experts_per_tok"),
        ("qwen3-30b-a3b", {"num_experts_per_tok": 129}, "num_experts_per_tok"),
        ("deepseek-v3", {"num_experts_per_tok": 257}, "num_experts_per_tok"),
        ("gpt-oss-20b", {"num_experts_per_tok": 33}, "num_experts_per_tok"),
        ("nemotron-3-nano-30b-a3b", {"num_experts_per_tok": 129}, "num_experts_per_tok"),
        ("deepseek-v3", {"first_k_dense_replace": 62}, "first_k_dense_replace"),
        ("glm-4.5", {"first_k_dense_replace": 93}, "first_k_dense_replace"),
        ("qwen3-30b-a3b", {"mlp_only_layers": [48]}, "mlp_only_layers"),
        ("qwen3-30b-a3b", {"mlp_only_layers": [-1]}, "mlp_only_layers"),
        ("qwen3-30b-a3b", {"mlp_only_layers": ["0"]}, "mlp_only_layers"),
        ("qwen3-30b-a3b", {"mlp_only_layers": 3}, "mlp_only_layers"),
        ("mimo-v2-flash", {"hybrid_layer_pattern": [2] * 48}, "hybrid_layer_pattern"),
        ("mimo-v2-flash", {"moe_layer_freq": [2] * 48}, "moe_layer_freq"),
        ("mimo-v2-flash", {"swa_num_key_value_heads": 7}, "swa_num_key_value_heads"),
        ("nemotron-3-nano-30b-a3b", {"n_groups": 7}, "n_groups"),
        ("nemotron-3-nano-30b-a3b", {"mamba_ssm_cache_dtype": "float8"}, "mamba_ssm_cache_dtype"),
        ("nemotron-3-nano-30b-a3b", {"hybrid_override_pattern": "MX" * 26}, "hybrid_override_pattern"),
        ("qwen3-next-80b-a3b", {"linear_num_key_heads": 7}, "linear_num_key_heads"),
        ("llama-3.3-nemotron-super-49b", {"block_configs": []}, "block_configs"),
        ("llama-3.3-nemotron-super-49b", {"block_configs": [5] * 80}, "block_configs[0]"),
        ("llama-3.3-nemotron-super-49b", {"block_configs": None}, "block_configs"),
        ("glm-5.2", {"first_k_dense_replace": 4}, "mlp_layer_types"),
        ("llama-3.1-8b", {"torch_dtype": "float8_e4m3fn"}, "torch_dtype"),
    ],
)
def test_contradictions_within_a_family_are_refused(model, changes, field):
    """Heads that do not group, experts that are not there, layers beyond the last."""
    assert field in _refusals({**_config(model), **changes})


@pytest.mark.parametrize(
    ("model", "changes"),
    [
        ("llama-3.1-8b", {"num_experts": 8}),
        ("llama-3.1-8b", {"num_local_experts": 8}),
        ("llama-3.1-8b", {"kv_lora_rank": 512}),
        ("llama-3.1-8b", {"ssm_state_size": 128}),
        ("llama-3.1-8b", {"sliding_window": 4096}),
        ("qwen3-8b", {"n_routed_experts": 64}),
        ("qwen3-30b-a3b", {"kv_lora_rank": 512}),
        ("deepseek-v3", {"index_topk": 2048}),
        ("gemma-2-9b", {"attention_bias": True}),
        ("mixtral-8x7b", {"layer_types": ["sliding_attention"] * 32}),
    ],
)
def test_fields_of_another_architecture_are_refused(model, changes):
    """A Llama with experts is no Llama, and is not counted as one."""
    refusals = _refusals({**_config(model), **changes})
    (field,) = changes
    assert set(refusals) == {field}
    assert "no such field" in refusals[field]


@pytest.mark.parametrize("value", [0, -1, 1.5, 4096.0, True, "4096", [4096], {}, float("nan"), 10**9, 10**30])
@pytest.mark.parametrize("field", ["hidden_size", "num_hidden_layers", "num_attention_heads"])
def test_sizes_are_whole_numbers_within_measure(field, value):
    """Zero, negative, broken, text, and a billion layers: refused before anything is built."""
    assert field in _refusals({**_config("llama-3.1-8b"), field: value})


def test_every_number_of_every_config_has_a_largest_value():
    """No field of any family can be made so large that reading it fills the memory."""
    paths = sorted(shipped_folder("models").glob("*/config.json"))
    families = {config["model_type"]: config for config in (json.loads(p.read_text("utf-8")) for p in paths)}
    for family, config in families.items():
        inner = next((s for s in ("text_config", "language_config") if s in config), None)
        section = config[inner] if inner else config
        for field, value in section.items():
            if isinstance(value, bool) or not isinstance(value, int):
                continue
            changed = copy.deepcopy(config)
            (changed[inner] if inner else changed)[field] = 10**12
            try:
                llm = read_llm(Document(changed), "x")
            except InputFaults:
                continue
            assert llm.layers <= 200, (family, field)
            assert llm.total_parameters < 10**13, (family, field)


@pytest.mark.parametrize(
    ("section", "field"),
    [
        ("fp8", "quantization_config"),
        (["fp8"], "quantization_config"),
        ({"quant_method": 8}, "quant_method"),
        ({}, None),
        ({"bits": 4}, "quant_method"),
        ({"quant_method": "gptq"}, "bits"),
        ({"quant_method": "gptq", "bits": 3}, "bits"),
        ({"quant_method": "gptq", "bits": "4"}, "bits"),
        ({"quant_method": "fp8", "modules_to_not_convert": "lm_head"}, "modules_to_not_convert"),
        ({"quant_method": "fp8", "modules_to_not_convert": [1]}, "modules_to_not_convert"),
        ({"quant_method": "fp8", "ignore": ["re:("]}, "ignore"),
        ({"quant_method": "compressed-tensors"}, "config_groups"),
        ({"quant_method": "compressed-tensors", "config_groups": []}, "config_groups"),
        ({"quant_method": "compressed-tensors", "config_groups": {"a": 1}}, "a"),
        ({"quant_method": "compressed-tensors", "config_groups": {"a": {"weights": "int4"}}}, "weights"),
        (
            {"quant_method": "compressed-tensors", "config_groups": {"a": {"weights": {"num_bits": "x"}}}},
            "num_bits",
        ),
        ({"quant_method": "fp8", "kv_cache_scheme": {"num_bits": 8}}, "type"),
        ({"quant_method": "fp8", "kv_cache_scheme": "fp5"}, "kv_cache_scheme"),
        ({"quantized_layers": ["x"]}, "quantized_layers"),
        ({"quantized_layers": {"model.layers.0.mlp": "FP8"}}, "model.layers.0.mlp"),
    ],
)
def test_broken_quantization_sections_are_refused(section, field):
    """Text, lists and numbers where a mapping belongs are faults, not crashes."""
    config = {**_config("llama-3.1-8b"), "quantization_config": section}
    if field is None:
        assert read_llm(Document(config), "x").native_weights == "bf16"
        return
    with pytest.raises(InputFaults) as caught:
        read_llm(Document(config), "x")
    assert any(fault.field.endswith(field) for fault in caught.value.faults), str(caught.value)


@pytest.mark.parametrize("side", [[], {"quantization": "fp8"}, {"quantization": {"quant_algo": "Q"}}, "fp8"])
def test_broken_files_beside_a_config_are_refused(tmp_path, side):
    """hf_quant_config.json is read with the same care, and named."""
    (tmp_path / "config.json").write_text(json.dumps(_config("llama-3.1-8b")), encoding="utf-8")
    (tmp_path / "hf_quant_config.json").write_text(json.dumps(side), encoding="utf-8")
    with pytest.raises(InputFaults) as caught:
        load_catalog().llm(tmp_path)
    assert all("hf_quant_config.json" in fault.file for fault in caught.value.faults)


@pytest.mark.parametrize("config", [[], None, 5, "llama", {"text_config": []}, {"model_type": ["llama"]}])
def test_what_is_no_config_is_refused(config):
    """JSON that is not a mapping, or whose parts are not."""
    assert _refusals(config)


def test_a_config_of_windows_may_begin_with_a_mark(tmp_path):
    """A byte-order mark before the brace is skipped."""
    text = json.dumps(_config("llama-3.1-8b"))
    (tmp_path / "config.json").write_bytes(b"\xef\xbb\xbf" + text.encode())
    assert load_catalog().llm(tmp_path).layers == 32


def test_float32_weights_are_remarked():
    """Published in 4 bytes, held in 2: the model says so."""
    llm = read_llm(Document({**_config("llama-3.1-8b"), "torch_dtype": "float32"}), "x")
    assert llm.native_weights == "bf16"
    assert "published in float32, counted in bf16" in llm.remarks
