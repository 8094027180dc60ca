"""Where the plan comes from: versions, fingerprints, and the whole question."""

from __future__ import annotations

import io
from dataclasses import dataclass
from typing import Any

from ruamel.yaml import YAML

from planner.plan.types import Plan

LONGEST_TEXT = 40_000
"""Characters of the scenario that are printed; plan.json has all of it."""

TITLES = {
    "ortools": "OR-Tools",
    "scenario_sha256": "Scenario, SHA-256",
    "topology_sha256": "Topology, SHA-256",
}


@dataclass(frozen=True)
class OriginView:
    """The section; `cut`: the scenario is too long to be printed whole."""

    facts: list[tuple[str, str]]
    scenario: str
    cut: bool


def origin_view(plan: Plan) -> OriginView:
    """Return the section."""
    facts = [("Scenario file", plan.scenario_file.path or "made in memory")]
    facts += [
        (TITLES.get(name, name.replace("_", " ").capitalize()), str(value))
        for name, value in plan.provenance.items()
    ]
    if "scenario_sha256" not in plan.provenance:
        facts.append(("Scenario, SHA-256", plan.scenario_file.sha256))
    text = as_yaml(without_nothing(plan.scenario))
    return OriginView(facts, text[:LONGEST_TEXT], len(text) > LONGEST_TEXT)


def as_yaml(data: Any) -> str:
    """Return plain data as YAML."""
    yaml = YAML(typ="safe", pure=True)
    yaml.default_flow_style = False
    yaml.sort_base_mapping_type_on_output = False  # type: ignore[assignment]
    yaml.allow_unicode = True
    written = io.StringIO()
    yaml.dump(data, written)
    return written.getvalue()


def without_nothing(data: Any) -> Any:
    """Return plain data without fields that are None or empty: those the user left alone."""
    if isinstance(data, dict):
        kept = {key: without_nothing(value) for key, value in data.items()}
        return {key: value for key, value in kept.items() if value is not None and value not in ([], {})}
    if isinstance(data, list):
        return [without_nothing(value) for value in data]
    return data
