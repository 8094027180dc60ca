"""Presets are workloads that load, with a source each."""

import pytest

from planner.files import InputFaults
from planner.report.catalog import catalog_record, catalog_table
from planner.scenario import Workload, load_scenario
from planner.scenario.presets import workload_presets


@pytest.mark.parametrize("name", list(workload_presets()))
def test_every_preset_is_a_workload(name: str) -> None:
    """With an LLM and a rate it validates; its source is stated."""
    preset = workload_presets()[name]
    entry = preset.as_workload("w") | {"llms": ["llama-3.3-70b"], "rate_rps": 1.0}
    workload = Workload.model_validate(entry)
    assert workload.slo is not None
    assert len(preset.source) > 20
    assert workload.input_tokens.mean >= 1


def test_the_presets_cover_the_kinds_of_serving() -> None:
    """Chat, code, retrieval, long context, agents, reasoning, and the MLPerf pairs."""
    names = set(workload_presets())
    assert {"chat", "code", "rag", "long-context", "agentic", "reasoning"} <= names
    assert {f"mlperf-llama2-70b-{kind}" for kind in ("server", "interactive")} <= names
    interactive = workload_presets()["mlperf-llama2-70b-interactive"].use.slo
    assert (interactive.ttft_ms, interactive.tpot_ms) == (450, 40)


def scenario(**workload: object) -> dict[str, object]:
    """A scenario of one workload with these fields."""
    entry = {"name": "w", "llms": ["llama-3.1-8b"], "rate_rps": 1, **workload}
    return {"topology": "single-rack-h100", "workloads": [entry]}


def test_a_workload_starts_from_a_preset_and_states_the_rest() -> None:
    """Own fields win; of an SLO each own time wins, the others stay."""
    found = load_scenario(scenario(preset="chat", output_tokens=77, slo={"ttft_ms": 900})).workload("w")
    assert found.input_tokens.p99 == 4142
    assert found.output_tokens.mean == 77
    assert found.burstiness_cv == 1.05
    assert found.slo is not None
    assert (found.slo.ttft_ms, found.slo.tpot_ms) == (900, 50)


def test_an_unknown_preset_is_one_fault() -> None:
    """Its missing fields are not told as well."""
    with pytest.raises(InputFaults) as caught:
        load_scenario(scenario(preset="chatt"))
    (fault,) = caught.value.faults
    assert fault.field == "workloads.w.preset"
    assert "did you mean 'chat'" in fault.advice


def test_presets_are_listed_and_shown_with_their_source() -> None:
    """Beside the other kinds of the catalog."""
    rows = {row["id"]: row for row in catalog_table("presets")}
    assert rows["mlperf-llama2-70b-interactive"]["ttft_ms"] == 450
    assert rows["agentic"]["prefix_hit_rate"] == 0.857
    assert "Splitwise" in catalog_record("presets", "code")["source"]
    with pytest.raises(LookupError, match="no preset 'cod'"):
        catalog_record("presets", "cod")
