"""Fill workloads from presets and from traces of real requests."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from planner.files import Document, InputFault, InputFaults, close_matches
from planner.scenario.presets import workload_presets
from planner.scenario.request_trace import read_trace
from planner.scenario.trace_workload import workload_from_trace

_UNREADABLE: dict[str, Any] = {"rate_rps": 1.0, "input_tokens": 1, "output_tokens": 1}
"""Stands in for a faulty trace, so that its fields are not called missing as well."""

_NO_PRESET: dict[str, Any] = {"input_tokens": 1, "output_tokens": 1, "slo": {"ttft_ms": 1e6}}
"""Likewise for a preset."""


def fill_workloads(document: Document) -> tuple[Any, list[InputFault]]:
    """Return a scenario's data with what its presets and traces know, and what is wrong with them.

    What a workload states itself is kept; of the rest a trace knows better than a preset. Paths must
    be absolute already.
    """
    data = document.data
    workloads = data.get("workloads") if isinstance(data, Mapping) else None
    if not isinstance(workloads, list):
        return data, []
    faults: list[InputFault] = []
    filled: list[Any] = []
    for index, workload in enumerate(workloads):
        known: dict[str, Any] = {}
        if isinstance(workload, Mapping):
            if isinstance(workload.get("preset"), str):
                known |= _from_preset(document, index, workload["preset"], faults)
            if isinstance(workload.get("trace"), str):
                known |= _from_trace(workload["trace"], faults)
            workload = _merged(known, workload)
            if "llms" not in workload:
                workload = {**workload, **_good_enough(data.get("quality"), workload.get("quality"))}
        filled.append(workload)
    return {**data, "workloads": filled}, faults


def _merged(known: Mapping[str, Any], workload: Mapping[str, Any]) -> dict[str, Any]:
    """The workload over what is known; of an SLO field by field."""
    both = {**known, **workload}
    if isinstance(known.get("slo"), Mapping) and isinstance(workload.get("slo"), Mapping):
        both["slo"] = {**known["slo"], **workload["slo"]}
    return both


def _good_enough(quality: Any, floor: Any) -> dict[str, Any]:
    """Return the LLMs whose score reaches a workload's floor; nothing where none does or none is asked."""
    scores = quality.get("scores") if isinstance(quality, Mapping) else None
    if not isinstance(scores, Mapping) or not isinstance(floor, int | float):
        return {}
    found = [llm for llm, score in scores.items() if isinstance(score, int | float) and score >= floor]
    return {"llms": found} if found else {}


def _from_preset(document: Document, index: int, name: str, faults: list[InputFault]) -> dict[str, Any]:
    presets = workload_presets()
    if name not in presets:
        hint = close_matches(name, list(presets))
        at = ("workloads", index, "preset")
        faults.append(document.fault(at, f"'{name}'", "one of " + ", ".join(presets), hint))
        return _NO_PRESET
    entry = presets[name].as_workload("")
    del entry["name"]
    return entry


def _from_trace(path: str, faults: list[InputFault]) -> dict[str, Any]:
    # A path that leads nowhere is reported where paths are made absolute.
    if not Path(path).is_file():
        return _UNREADABLE
    try:
        entry = workload_from_trace(read_trace(path))[0].as_workload()
    except InputFaults as error:
        faults += error.faults
        return _UNREADABLE
    return {key: value for key, value in entry.items() if key not in ("name", "llms")}
