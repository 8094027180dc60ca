"""What cannot be read is refused, with the field and the line; nothing is guessed."""

import json

import pytest

from planner.catalog import UnknownEntry
from planner.files import InputFaults


def _write(folder, config):
    path = folder / "config.json"
    path.write_text(json.dumps(config, indent=2), encoding="utf-8")
    return path


def _faults(catalog, path):
    with pytest.raises(InputFaults) as caught:
        catalog.llm(path)
    return caught.value.faults


def test_an_unknown_architecture_is_refused(catalog, tmp_path):
    """The type is named, with its line and the nearest known ones."""
    path = _write(tmp_path, {"vocab_size": 1, "model_type": "qwen4"})
    (fault,) = _faults(catalog, path)
    assert (fault.field, fault.line) == ("model_type", 3)
    assert "qwen" in fault.advice


def test_no_model_type_at_all(catalog, tmp_path):
    """A JSON file that is no model config says what is missing."""
    (fault,) = _faults(catalog, _write(tmp_path, {"hello": 1}))
    assert fault.field == "model_type"


def test_all_missing_fields_are_named_together(catalog, tmp_path):
    """Not the first missing field, all of them."""
    path = _write(tmp_path, {"model_type": "llama", "hidden_size": 4096, "vocab_size": 32000})
    fields = {fault.field for fault in _faults(catalog, path)}
    assert fields >= {
        "num_attention_heads",
        "intermediate_size",
        "num_hidden_layers",
        "max_position_embeddings",
    }


def test_latent_attention_without_its_rank(catalog, tmp_path):
    """Dropping kv_lora_rank from DeepSeek's config names exactly that field."""
    folder = catalog.llm("deepseek-v3")
    config = json.loads((_shipped("deepseek-v3")).read_text(encoding="utf-8"))
    del config["kv_lora_rank"]
    (fault,) = _faults(catalog, _write(tmp_path, config))
    assert fault.field == "kv_lora_rank"
    assert folder.layers == 61


@pytest.mark.parametrize(
    ("model", "field"),
    [
        ("qwen3-235b-a22b", "moe_intermediate_size"),
        ("gpt-oss-120b", "layer_types"),
        ("gpt-oss-120b", "sliding_window"),
        ("mixtral-8x7b", "num_local_experts"),
        ("nemotron-3-nano-30b-a3b", "ssm_state_size"),
        ("deepseek-v3.2", "index_head_dim"),
        ("minimax-m3", "sparse_attention_config"),
        ("minimax-text-01", "attn_type_list"),
        ("mimo-v2-flash", "swa_head_dim"),
        ("llama-3.1-8b", "vocab_size"),
        ("glm-4.5", "first_k_dense_replace"),
    ],
)
def test_each_family_names_what_it_needs(catalog, tmp_path, model, field):
    """Removing one needed field of a real config is answered with its name."""
    config = json.loads(_shipped(model).read_text(encoding="utf-8"))
    del config[field]
    assert field in {fault.field for fault in _faults(catalog, _write(tmp_path, config))}


def test_faults_inside_a_text_section_have_their_path(catalog, tmp_path):
    """Multimodal configs nest the decoder; the fault says where."""
    config = json.loads(_shipped("qwen3.5-27b").read_text(encoding="utf-8"))
    del config["text_config"]["linear_conv_kernel_dim"]
    (fault,) = _faults(catalog, _write(tmp_path, config))
    assert fault.field == "text_config.linear_conv_kernel_dim"


def test_a_list_must_have_one_entry_per_layer(catalog, tmp_path):
    """Layer types shorter than the layers are refused."""
    config = json.loads(_shipped("gpt-oss-20b").read_text(encoding="utf-8"))
    config["layer_types"] = config["layer_types"][:-1]
    (fault,) = _faults(catalog, _write(tmp_path, config))
    assert (fault.field, fault.allowed) == ("layer_types", "a list of 24, one per layer")


def test_an_unknown_layer_type_is_refused(catalog, tmp_path):
    """A mixer that is not understood is not counted as attention."""
    config = json.loads(_shipped("gpt-oss-20b").read_text(encoding="utf-8"))
    config["layer_types"][3] = "quantum_attention"
    assert any("quantum_attention" in fault.found for fault in _faults(catalog, _write(tmp_path, config)))


def test_features_that_are_not_understood_are_refused(catalog, tmp_path):
    """Gemma 4's small models have per-layer embeddings, which would be counted wrongly."""
    config = json.loads(_shipped("gemma-4-26b-a4b").read_text(encoding="utf-8"))
    config["text_config"]["hidden_size_per_layer_input"] = 256
    (fault,) = _faults(catalog, _write(tmp_path, config))
    assert fault.field == "text_config.hidden_size_per_layer_input"


def test_a_width_of_the_wrong_type_is_refused(catalog, tmp_path):
    """Text where a number belongs is a fault, not a crash."""
    config = json.loads(_shipped("llama-3.1-8b").read_text(encoding="utf-8"))
    config["hidden_size"] = "4096"
    faults = _faults(catalog, _write(tmp_path, config))
    assert "hidden_size" in {fault.field for fault in faults}


def test_broken_json_names_its_line(catalog, tmp_path):
    """A syntax error is answered with file and line."""
    path = tmp_path / "config.json"
    path.write_text('{\n  "model_type": "llama",\n  "hidden_size": \n}\n', encoding="utf-8")
    (fault,) = _faults(catalog, path)
    assert fault.line in (3, 4)


def test_a_missing_file_is_named(catalog, tmp_path):
    """A path that leads nowhere is answered with that path."""
    (fault,) = _faults(catalog, tmp_path / "config.json")
    assert "config.json" in fault.file


def test_an_unknown_id_offers_close_ones(catalog):
    """A typo in an id, and what was meant."""
    with pytest.raises(UnknownEntry, match=r"llama-3\.1-8b"):
        catalog.llm("llama-3.1-8bb")


def _shipped(model: str):
    from planner.shipped import shipped_folder

    return shipped_folder("models") / model / "config.json"
