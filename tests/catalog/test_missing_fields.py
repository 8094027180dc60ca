"""Every field of every shipped config, deleted in turn: refused by name, or nothing changes."""

import copy
import json
from collections.abc import Iterator

import pytest

from planner.catalog.architectures import read_llm
from planner.files import Document, InputFaults
from planner.shipped import shipped_folder

CONFIGS = sorted(path.parent for path in shipped_folder("models").glob("*/config.json"))

# Fields whose absence has a meaning of its own, so that a config without them is another model.
MEANINGFUL = {
    "tie_word_embeddings": "absent: the default of the architecture's class, which always writes the other",
    "quantization_config": "absent: the weights are not quantized",
    "modules_to_not_convert": "absent: nothing was left out of quantization",
    "ignore": "absent: nothing was left out of quantization",
}

# The same for single families.
MEANINGFUL_IN = {
    ("llama", "num_key_value_heads"): "absent in configs of Llama 1: every query head has its own",
}

# A config may say the same in either field; the refusal names one and mentions the other.
ALTERNATIVES = {
    "attention_head_dim": "head_dim",
    "layers_block_type": "hybrid_override_pattern",
}


def _fields(node: object, at: tuple = ()) -> Iterator[tuple]:
    """Yield the path of every field that may matter: not those of towers or of single modules."""
    if isinstance(node, dict):
        for name, value in node.items():
            if name in ("vision_config", "audio_config"):
                continue
            yield (*at, name)
            if name not in ("quantized_layers", "rope_scaling", "rope_parameters"):
                yield from _fields(value, (*at, name))
    elif isinstance(node, list) and node and isinstance(node[0], dict):
        yield from _fields(node[0], (*at, 0))


def _without(data: dict | list, path: tuple) -> dict | list:
    """Return the data without the value at `path`; what lies beside the path is shared."""
    changed = copy.copy(data)
    if len(path) == 1:
        del changed[path[0]]
    else:
        changed[path[0]] = _without(changed[path[0]], path[1:])
    return changed


def _read(config: dict, side: Document | None) -> tuple:
    """Return the LLM and no names, or None and the last parts of the fields that are refused."""
    try:
        return read_llm(Document(config), "x", quantization=side), set()
    except InputFaults as error:
        return None, {fault.field.split(".")[-1] for fault in error.faults}


def _numbers(llm) -> tuple:
    """Everything of an LLM that a plan depends on."""
    return (
        llm.groups,
        llm.hidden_size,
        llm.vocab_size,
        llm.tied_embeddings,
        llm.max_context,
        llm.final_norm_parameters,
        llm.native_weights,
        llm.native_kv_cache,
        llm.unquantized,
    )


@pytest.mark.parametrize("folder", CONFIGS, ids=[folder.name for folder in CONFIGS])
def test_a_missing_field_is_refused_by_name_or_changes_nothing(folder):
    """No default of a class silently makes another model out of a config that lost a field."""
    data = json.loads((folder / "config.json").read_text(encoding="utf-8"))
    beside = folder / "hf_quant_config.json"
    side = Document(json.loads(beside.read_text(encoding="utf-8"))) if beside.is_file() else None
    full = read_llm(Document(data), "x", quantization=side)
    assert _numbers(read_llm(Document(copy.deepcopy(data)), "x", quantization=side)) == _numbers(full)
    refused = 0
    for path in _fields(data):
        name = str(path[-1])
        if name in MEANINGFUL or (full.family, name) in MEANINGFUL_IN:
            continue
        found, named = _read(_without(data, path), side)
        if found is not None:
            assert _numbers(found) == _numbers(full), f"{path} is missing and nobody says so"
            continue
        refused += 1
        # Without the section around it, its fields are what is missing; an empty one is as good as none.
        inner = path[-1] == "text_config" and named & set(data[path[-1]])
        accepted = {ALTERNATIVES.get(name, name), *map(str, path[-2:-1])}
        assert inner or (accepted & named and len(named) == 1), (path, named)
    assert refused > 6, "a config of which hardly anything is needed is not read"


def test_old_llamas_have_no_grouped_heads():
    """Absent from a config of before transformers 4.31: every head its own. Later: refused."""
    config = json.loads((shipped_folder("models") / "llama-3.1-70b" / "config.json").read_text("utf-8"))
    del config["num_key_value_heads"]
    with pytest.raises(InputFaults, match="num_key_value_heads: found nothing"):
        read_llm(Document({**config, "transformers_version": "4.43.0.dev0"}), "x")
    old = read_llm(Document({**config, "transformers_version": "4.28.1"}), "x")
    assert old.groups[0].attention.kv_heads == 64
    del config["transformers_version"]
    assert read_llm(Document(config), "x").groups == old.groups


def test_the_defaults_of_gemma3_count_together_or_not_at_all():
    """Gemma 3 4B leaves out all three widths of its heads; a config that states some must state all."""
    config = {
        "model_type": "gemma3_text",
        "hidden_size": 2560,
        "intermediate_size": 10240,
        "num_hidden_layers": 34,
        "sliding_window": 1024,
    }
    llm = read_llm(Document(config), "x")
    # The checkpoint's 4,300,079,472 less the vision tower (416,866,032) and its projector (2,950,272).
    assert llm.total_parameters == 3_880_263_168
    with pytest.raises(InputFaults, match="head_dim: found nothing"):
        read_llm(Document({**config, "num_attention_heads": 8, "num_key_value_heads": 4}), "x")


def test_a_window_that_is_neither_there_nor_null_is_refused():
    """Mistral's class has a window of 4,096 by default, its later configs say null."""
    config = json.loads((shipped_folder("models") / "mistral-7b-v0.3" / "config.json").read_text("utf-8"))
    assert read_llm(Document({**config, "sliding_window": None}), "x").kv_bytes_per_token(2) > 0
    config.pop("sliding_window")
    with pytest.raises(InputFaults, match="sliding_window: found nothing"):
        read_llm(Document(config), "x")
