"""The same question with some fields changed, as `--set` would change them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from planner.scenario import Scenario, apply_overrides
from planner.topology import Question, Topology

TOPOLOGY = "topology."


def edited(question: Question, changes: Iterable[str]) -> Question:
    """Return `question` with every `path=value` applied; paths below `topology.` change its topology.

    What is changed is the resolved question, wherever it came from: a file, or the copy inside a plan.

    Raises:
        InputFaults: a path leads nowhere.
        ValueError: a value is not allowed.
    """
    own: list[str] = []
    places: list[str] = []
    for change in changes:
        if change.startswith(TOPOLOGY):
            places.append(change.removeprefix(TOPOLOGY))
        else:
            own.append(change)
    scenario, topology = question.scenario, question.topology
    if own:
        document = scenario.document
        scenario = Scenario.model_validate(apply_overrides(scenario.model_dump(mode="json"), own))
        scenario._document = document
    if places:
        written = topology.document
        topology = Topology.model_validate(apply_overrides(topology.model_dump(mode="json"), places))
        topology._document = written
    return replace(question, scenario=scenario, topology=topology)
