"""LLMs are found by id, Hugging Face id, alias, folder and file."""

import json
import shutil

import pytest

from planner.shipped import shipped_folder

SHORT_IDS = [
    "llama-3.1-8b",
    "llama-3.1-70b",
    "llama-3.3-70b",
    "llama-3.1-405b",
    "qwen3-32b",
    "qwen3-235b-a22b",
    "mixtral-8x7b",
    "deepseek-v3",
    "deepseek-r1",
    "gpt-oss-120b",
]


@pytest.mark.parametrize("name", SHORT_IDS)
def test_short_ids(catalog, name):
    """The ids people type."""
    assert catalog.llm(name).id == name


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("meta-llama/Llama-3.3-70B-Instruct", "llama-3.3-70b"),
        ("META-LLAMA/llama-3.3-70b-instruct", "llama-3.3-70b"),
        ("deepseek-ai/DeepSeek-R1-0528", "deepseek-r1"),
        ("Qwen/Qwen3-32B", "qwen3-32b"),
        ("Qwen3-32B", "qwen3-32b"),
        ("mistralai/Mixtral-8x7B-Instruct-v0.1", "mixtral-8x7b"),
    ],
)
def test_hugging_face_ids_and_aliases_in_any_case(catalog, name, found):
    """The hub's names work everywhere."""
    assert catalog.llm(name).id == found


def test_a_folder_and_a_file(catalog, tmp_path):
    """A model on disk is its folder, or its config.json; both are the same LLM."""
    folder = tmp_path / "mine"
    shutil.copytree(shipped_folder("models") / "qwen3-8b", folder)
    from_folder, from_file = catalog.llm(folder), catalog.llm(str(folder / "config.json"))
    assert from_folder == from_file
    assert from_folder.id == str(folder)
    assert from_folder.total_parameters == catalog.llm("qwen3-8b").total_parameters


def test_a_quantization_file_in_the_folder_is_read(catalog, tmp_path):
    """The hf_quant_config.json beside a config counts."""
    folder = tmp_path / "narrow"
    shutil.copytree(shipped_folder("models") / "llama-3.1-70b-fp8", folder)
    assert catalog.llm(folder).native_weights == "fp8"


def test_an_edited_config_is_read_again(catalog, tmp_path):
    """No stale answers from a cache."""
    source = shipped_folder("models") / "qwen3-8b" / "config.json"
    path = tmp_path / "config.json"
    config = json.loads(source.read_text(encoding="utf-8"))
    path.write_text(json.dumps(config), encoding="utf-8")
    assert catalog.llm(path).layers == 36
    config["num_hidden_layers"] = 12
    path.write_text(json.dumps(config), encoding="utf-8")
    import os

    os.utime(path, ns=(1, 1))
    assert catalog.llm(path).layers == 12


def test_no_two_llms_share_a_name(catalog):
    """Ids, Hugging Face ids and aliases are unique over the shipped models."""
    seen = {}
    for name in catalog.llm_ids():
        facts = catalog.llm_facts(name)
        for alias in {alias.lower() for alias in (name, facts.hugging_face_id, *facts.aliases)}:
            assert seen.setdefault(alias, name) == name, alias


def test_every_shipped_folder_is_complete(catalog):
    """Each has facts with licence or note, source, and a config that can be read."""
    for name in catalog.llm_ids():
        facts = catalog.llm_facts(name)
        assert facts.hugging_face_id.count("/") == 1
        assert facts.source in ("hf-configs", "published-architecture")
        assert catalog.llm(name).layers > 0
