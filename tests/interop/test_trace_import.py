"""`planner import trace` turns files of others into workloads that load."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from planner.cli import app
from planner.files import InputFaults, read_document
from planner.interop.trace_import import import_traces, workload_entries
from planner.scenario import load_scenario

DATA = Path(__file__).parents[1] / "scenario" / "data"
AZURE = DATA / "azure_2023_conv_sample.csv"
MOONCAKE = DATA / "mooncake_conversation_sample.jsonl"


def test_the_written_file_completes_a_scenario(tmp_path: Path) -> None:
    """What is written under `workloads:` loads with an LLM and a preset for the SLO."""
    path = tmp_path / "workload.yaml"
    call = ["import", "trace", str(AZURE), "-o", str(path), "--llm", "llama-3.1-8b", "--preset", "chat"]
    result = CliRunner().invoke(app, call)
    assert result.exit_code == 0, result.output
    assert "300 requests" in result.output
    assert path.read_text("utf-8").startswith("# azure_2023_conv_sample.csv: 300 requests in ")
    data = {"topology": "single-rack-h100", **read_document(path).data}
    workload = load_scenario(data).workloads[0]
    assert workload.name == "azure_2023_conv_sample"
    assert workload.slo is not None
    assert workload.slo.ttft_ms == 2000
    assert workload.input_tokens.mean == pytest.approx(900, rel=0.01)


def test_json_has_an_entry_per_file_and_class() -> None:
    """Two classes of one file, one of the other; prefix hits where the trace knows them."""
    result = CliRunner().invoke(
        app, ["import", "trace", str(AZURE), str(MOONCAKE), "--classes", "2", "--json"]
    )
    assert result.exit_code == 0, result.output
    found = {entry["name"]: entry for entry in json.loads(result.output)["workloads"]}
    assert {"azure_2023_conv_sample-1", "azure_2023_conv_sample-2"} <= set(found)
    short, long = (found[f"azure_2023_conv_sample-{i}"]["input_tokens"]["mean"] for i in (1, 2))
    assert short < long
    assert "prefix_hit_rate" not in found["azure_2023_conv_sample-1"]
    assert found["mooncake_conversation_sample-1"]["prefix_hit_rate"] > 0


def test_faults_of_all_files_come_together(tmp_path: Path) -> None:
    """An empty file and one with a wrong number: both are told."""
    (tmp_path / "empty.csv").write_text("", "utf-8")
    (tmp_path / "wrong.csv").write_text("t_s,in_tokens,out_tokens\n0,5,5\n1,5,many\n", "utf-8")
    with pytest.raises(InputFaults) as caught:
        import_traces([tmp_path / "empty.csv", tmp_path / "wrong.csv"])
    assert [Path(fault.file).name for fault in caught.value.faults] == ["empty.csv", "wrong.csv"]
    assert caught.value.faults[1].line == 3


def test_files_of_one_name_become_workloads_of_two(tmp_path: Path) -> None:
    """Names of workloads are unique."""
    (tmp_path / "b").mkdir()
    for path in (tmp_path / "a.csv", tmp_path / "b" / "a.csv"):
        path.write_text("t_s,in_tokens,out_tokens\n0,5,5\n1,5,5\n", "utf-8")
    imported = import_traces([tmp_path / "a.csv", tmp_path / "b" / "a.csv"])
    assert [entry["name"] for entry in workload_entries(imported)] == ["a", "a-2"]


def test_an_unknown_preset_is_named() -> None:
    """With what it might have been."""
    with pytest.raises(LookupError, match="did you mean 'chat'"):
        workload_entries(import_traces([AZURE]), preset="chatt")
