"""Presets are workloads that load, with a source each."""

import pytest

from planner.scenario import Workload
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
