"""`planner catalog` and `planner topology` as people use them."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from planner.catalog import KINDS
from planner.cli import app, main
from planner.topology import topology_names

EXAMPLE = Path(__file__).parents[2] / "examples" / "catalog" / "my-catalog.yaml"


def said(*arguments: str) -> str:
    """Return what a command prints; it must succeed."""
    result = CliRunner().invoke(app, list(arguments), catch_exceptions=False)
    assert result.exit_code == 0, result.output
    return result.output


@pytest.mark.parametrize("command", ["list", "show"])
def test_without_a_kind_the_kinds_are_listed(command):
    """With how many entries each has, and how to go on."""
    rows = json.loads(said("catalog", command, "--json"))
    assert {row["id"] for row in rows} == {*KINDS, "topologies", "presets"}
    assert all(row["entries"] > 0 and row["command"].endswith(row["id"]) for row in rows)


def test_without_a_name_the_entries_are_listed():
    """`show gpus` is `list gpus`."""
    assert said("catalog", "show", "gpus") == said("catalog", "list", "accelerators")


@pytest.mark.parametrize("kind", ["llm", "model", "models", "LLMs"])
def test_kinds_have_the_same_names_in_both_commands(kind):
    """What can be listed can be shown."""
    assert json.loads(said("catalog", "show", kind, "qwen3-8b", "--json"))["id"] == "qwen3-8b"


def test_a_shipped_topology_is_shown_as_a_tree():
    """Not as a line of fields."""
    assert "├── ams1" in said("catalog", "show", "topology", "two-site-h200")


def test_precisions_that_do_not_exist_are_not_shown():
    """T4 and Groq compute in fp16; H100 in bf16; who states neither shows neither."""
    rows = {row["id"]: row for row in json.loads(said("catalog", "list", "accelerators", "--json"))}
    shown = {name: (rows[name]["half_precision"], rows[name]["half_tflops"]) for name in rows}
    assert shown["t4"] == ("fp16", 65)
    assert shown["groq-lpu-v1"][0] == "fp16"
    assert shown["h100-sxm"] == ("bf16", 989)
    assert shown["cerebras-wse3"] == (None, None)


def test_an_unknown_kind_is_answered_once(capsys, monkeypatch):
    """The kinds, and no second list of the same kinds."""
    monkeypatch.setattr("sys.argv", ["planner", "catalog", "show", "xyz", "a"])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert capsys.readouterr().err.count("accelerators") == 1


@pytest.mark.parametrize(
    "name",
    [pytest.param(n, marks=pytest.mark.slow) if n == "world-100k" else n for n in topology_names()],
)
def test_every_shipped_topology_is_sound_and_drawn(name, tmp_path):
    """The commands of a person who looks at the examples."""
    assert json.loads(said("topology", "check", name, "--json"))["faults"] == []
    picture = tmp_path / "picture.html"
    said("topology", "show", name, "--picture", str(picture))
    assert "<svg" in picture.read_text(encoding="utf-8")


def test_a_topology_of_own_servers(tmp_path):
    """Servers of one's own catalog stand in one's own topology, in check, tree, JSON and picture."""
    path = tmp_path / "room.yaml"
    path.write_text(
        "sites:\n"
        "- {name: a, region: gothenburg, racks: [{name: r, power_kw: 30, servers: {acme-x1-8: 1}}]}\n",
        encoding="utf-8",
    )
    own = ("--catalog", str(EXAMPLE))
    assert "sound" in said("topology", "check", str(path), *own)
    assert "acme-x1-8" in said("topology", "show", str(path), *own)
    assert "acme-x1-8" in said("topology", "show", str(path), "--json", *own)
    said("topology", "show", str(path), "--picture", str(tmp_path / "room.svg"), *own)
    assert "acme-x1-8" in (tmp_path / "room.svg").read_text(encoding="utf-8")
    faults = CliRunner().invoke(app, ["topology", "check", str(path), "--json"])
    assert faults.exit_code == 2
    assert {fault["line"] for fault in json.loads(faults.output)["faults"]} == {2}
