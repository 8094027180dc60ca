"""A scenario file is read, or everything that is wrong with it is told at once."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from planner.files import InputFaults
from planner.scenario import Scenario, load_scenario, scenario_json_schema

GOOD: dict[str, Any] = {
    "topology": "single-rack-h100",
    "workloads": [
        {
            "name": "chat",
            "llms": ["llama-3.1-8b"],
            "origins": {"eastus": 1},
            "rate_rps": 4,
            "input_tokens": {"mean": 1000, "p99": 4000},
            "output_tokens": 200,
            "slo": {"ttft_ms": 1000, "tpot_ms": 50},
        }
    ],
}

WRONG = """\
topology: single-rack-h100
workloads:
  - name: chat
    llms: [llama-3.1-8bb]
    origins: {eastus: 0.6, westus: 0.3}
    rate_rps: -3
    input_tokens: {mean: 1000, p99: 4000}
    output_tokens: {mean: 200, p99: 600}
    slo: {ttft_ms: 1000, percentil: 99}
  - name: chat
    llms: [llama-3.1-8b]
    rate_rps: 1
    input_tokens: 100
    tier: batch
fleet:
  buy: [dgx-h20]
  rent:
    - {instance: p5en.48xlarge, region: eu-nort-1}
    - {accelerator: h100-sxm, instance: p5.48xlarge}
engines: [vlm]
limts: {grid_kw: 5}
reliability: {survive: [moon]}
solver: {relative_gap: 2}
"""


def test_everything_wrong_is_told_at_once_with_lines(tmp_path: Path) -> None:
    """Types, ranges, shares, names of the catalog and unknown fields, each with its line."""
    path = tmp_path / "wrong.yaml"
    path.write_text(WRONG)
    with pytest.raises(InputFaults) as caught:
        load_scenario(path)
    found = {(fault.line, fault.field) for fault in caught.value.faults}
    assert {
        (4, "workloads.chat.llms[0]"),
        (5, "workloads.chat.origins"),
        (6, "workloads.chat.rate_rps"),
        (9, "workloads.chat.slo.percentil"),
        (10, "workloads.chat.output_tokens"),
        (16, "fleet.buy[0]"),
        (18, "fleet.rent[0].region"),
        (19, "fleet.rent[1]"),
        (20, "engines[0]"),
        (21, "limts"),
        (22, "reliability.survive[0]"),
        (23, "solver.relative_gap"),
    } <= found
    text = str(caught.value)
    assert "shares that sum to 0.9" in text
    assert "did you mean 'limits'?" in text
    assert "did you mean 'percentile'?" in text
    assert all(str(path) in str(fault) for fault in caught.value.faults)


def test_a_good_scenario_is_complete() -> None:
    """Defaults are those a user of the field expects, and the dump is itself a scenario."""
    scenario = load_scenario(GOOD)
    workload = scenario.workload("chat")
    assert workload.slo is not None
    assert workload.slo.percentile == 99
    assert workload.burstiness_cv == 1
    assert scenario.objective.goals == [("minimize", "cost")]
    assert scenario.engines == ["vllm"]
    dumped = scenario.model_dump(mode="json")
    json.dumps(dumped, allow_nan=False)
    assert Scenario.model_validate(dumped).model_dump(mode="json") == dumped


def test_goals_keep_their_order() -> None:
    """Maximize goals come first; a single name stands for a list of one."""
    goals = {"minimize": ["servers", "cost"], "maximize": "served"}
    scenario = load_scenario({**GOOD, "objective": goals})
    assert scenario.objective.goals == [
        ("maximize", "served"),
        ("minimize", "servers"),
        ("minimize", "cost"),
    ]


def test_changes_from_the_command_line_are_applied(tmp_path: Path) -> None:
    """Fields of the scenario change; those of the topology file are kept for it."""
    changes = ["workloads.chat.rate_rps=*2", "topology.sites.iad1.grid_kw=60", "name=what-if"]
    scenario = load_scenario(GOOD, changes)
    assert scenario.workload("chat").rate_rps == 8
    assert scenario.topology_changes == ["sites.iad1.grid_kw=60"]
    assert scenario.name == "what-if"
    with pytest.raises(InputFaults, match="did you mean 'chat'"):
        load_scenario(GOOD, ["workloads.chta.rate_rps=1"])


def test_fields_know_their_lines(tmp_path: Path) -> None:
    """`line` answers for names as written in messages; the file gives the name."""
    path = tmp_path / "mine.json"
    path.write_text(json.dumps(GOOD, indent=1))
    scenario = load_scenario(path)
    lines = path.read_text().splitlines()
    line = scenario.line("workloads.chat.rate_rps")
    assert line is not None
    assert "rate_rps" in lines[line - 1]
    assert scenario.name == "mine"


def test_a_trace_fills_what_is_not_stated(tmp_path: Path) -> None:
    """Rate of the busiest time, burstiness and token lengths come from the CSV beside the file."""
    rng = np.random.default_rng(0)
    arrivals = np.cumsum(rng.exponential(0.5, 2400))
    rows = [f"{t:.3f},{n},{n // 4}" for t, n in zip(arrivals, rng.integers(400, 1600, 2400), strict=True)]
    (tmp_path / "trace.csv").write_text("t_s,in_tokens,out_tokens\n" + "\n".join(rows))
    workload = {k: v for k, v in GOOD["workloads"][0].items() if k not in ("rate_rps", "input_tokens")}
    data = {**GOOD, "workloads": [{**workload, "trace": "trace.csv"}]}
    filled = load_scenario(data, folder=tmp_path).workload("chat")
    assert filled.rate_rps == pytest.approx(2, rel=0.15)
    assert filled.burstiness_cv == pytest.approx(1, rel=0.1)
    assert filled.input_tokens.mean == pytest.approx(1000, rel=0.05)
    assert filled.output_tokens.mean == 200


def test_a_faulty_trace_is_one_fault_not_many(tmp_path: Path) -> None:
    """A missing trace does not make its fields missing too; a wrong cell has its line."""
    workload = {"name": "a", "llms": ["llama-3.1-8b"], "trace": "t.csv", "tier": "batch"}
    with pytest.raises(InputFaults) as caught:
        load_scenario({**GOOD, "workloads": [workload]}, folder=tmp_path)
    assert [fault.field for fault in caught.value.faults] == ["workloads.a.trace"]
    (tmp_path / "t.csv").write_text("t_s,in_tokens,out_tokens\n0,5,5\n1,x,5\n")
    with pytest.raises(InputFaults) as caught:
        load_scenario({**GOOD, "workloads": [workload]}, folder=tmp_path)
    assert [(fault.line, fault.field) for fault in caught.value.faults] == [(3, "in_tokens")]


def test_measured_rates_make_names_known(tmp_path: Path) -> None:
    """With a rate table an LLM may be just a name, and the SLO may be left out."""
    (tmp_path / "rates.csv").write_text("llm,accelerator,tp,max_rps\nmine,chip,1,3.5\n")
    workload = {k: v for k, v in GOOD["workloads"][0].items() if k != "slo"}
    data = {
        "topology": "cloud",
        "workloads": [{**workload, "llms": ["mine"]}],
        "fleet": {"rent": [{"accelerator": "chip", "usd_per_h": 1}]},
        "performance": {"provider": "table", "path": "rates.csv"},
    }
    assert load_scenario(data, folder=tmp_path).workload("chat").slo is None
    (tmp_path / "rates.csv").write_text("llm,accelerator,tp,max_rps\nmine,chip,1,-2\n")
    with pytest.raises(InputFaults, match=r"rates\.csv:2: max_rps"):
        load_scenario(data, folder=tmp_path)


def test_interactive_work_without_slo_or_rates_is_refused() -> None:
    """Nothing would tell how much a replica may carry."""
    workload = {k: v for k, v in GOOD["workloads"][0].items() if k != "slo"}
    with pytest.raises(InputFaults, match="tier: batch"):
        load_scenario({**GOOD, "workloads": [workload]})
    assert load_scenario({**GOOD, "workloads": [{**workload, "tier": "batch"}]})


@pytest.mark.parametrize(
    ("change", "field"),
    [
        ({"fleet": {"rent": [{"instance": "p5en.48xlarge", "region": "japaneast"}]}}, "fleet.rent[0].region"),
        ({"fleet": {"stock": {"dgx-h100s": 3}}}, "fleet.stock.dgx-h100s"),
        ({"objective": {"minimize": ["cost", "cost"]}}, "objective"),
        ({"performance": {"provider": "table"}}, "performance.path"),
        ({"performance": {"provider": "table", "path": "no.csv"}}, "performance.path"),
        ({"catalog": "no.yaml"}, "catalog"),
        ({"topology": 5}, "topology"),
        ({"workloads": []}, "workloads"),
    ],
)
def test_single_mistakes_are_found_where_they_are(change: dict[str, Any], field: str) -> None:
    """One mistake, one fault, at its field."""
    with pytest.raises(InputFaults) as caught:
        load_scenario({**GOOD, **change})
    assert {fault.field for fault in caught.value.faults} == {field}


def test_the_schema_accepts_the_examples_and_refuses_typos() -> None:
    """Editors can use the JSON Schema: it agrees with the loader on the shipped examples."""
    jsonschema = pytest.importorskip("jsonschema")
    from planner.files import read_document

    checker = jsonschema.Draft202012Validator(scenario_json_schema())
    examples = sorted((Path(__file__).parents[2] / "examples").glob("*.yaml"))
    assert examples
    for path in examples:
        data = read_document(path).data
        if "workloads" in data:
            assert list(checker.iter_errors(data)) == [], path
    assert not checker.is_valid({**GOOD, "limts": {}})
