"""Names in a study that must exist in its scenario and topology."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from planner.files import InputFault, InputFaults, close_matches
from planner.study.procure.study import EVERY, ProcureStudy
from planner.study.study_file import Opened
from planner.topology import Question, build_graph, rack_classes

Location = tuple[str | int, ...]

DATED_KINDS = ("site", "power", "cooling")
"""Kinds of nodes of the topology that can come online later."""

MOST_LISTED = 12
"""Names listed where one is wrong; more are left out."""


def check_names(opened: Opened[ProcureStudy], question: Question) -> None:
    """Check every name in the study that stands for something in its scenario or topology.

    Raises:
        InputFaults: all names that lead nowhere, with lines.
    """
    study, document = opened.study, opened.document
    faults: list[InputFault] = []

    def check(where: Location, name: str, allowed: Sequence[str], what: str) -> None:
        if name == EVERY or name in allowed:
            return
        listed = ", ".join(allowed[:MOST_LISTED]) + (", ..." if len(allowed) > MOST_LISTED else "")
        found = f"'{name}'"
        faults.append(
            document.fault(where, found, f"{what}: {listed or 'there is none'}", near(name, allowed))
        )

    def near(name: str, allowed: Sequence[str]) -> str:
        advice = close_matches(name, allowed)
        return advice if advice.startswith("did you mean") else ""

    scenario = question.scenario
    workloads = [workload.name for workload in scenario.workloads]
    servers = list(scenario.fleet.buy)
    graph = build_graph(question.topology, question.catalog)
    standing = sorted({name for rack_class in rack_classes(graph) for name in rack_class.existing})
    for where, name in _keys(("growth",), study.growth):
        check(where, name, workloads, "a workload of the scenario, or *")
    for where, name in _keys(("buy",), study.buy):
        check(where, name, servers, "a server in the scenario's fleet.buy, or *")
    for where, name in _keys(("owned",), study.owned):
        check(where, name, standing, "a server that stands in the topology")
    for at, future in enumerate(study.tree):
        for field, factors in (("demand", future.demand), ("growth", future.growth)):
            for where, name in _keys(("tree", at, field), factors):
                check(where, name, workloads, "a workload of the scenario, or *")
        for where, name in _keys(("tree", at, "prices"), future.prices):
            check(where, name, servers, "a server in the scenario's fleet.buy, or *")
    dated = [name for name, about in graph.nodes(data=True) if about["kind"] in DATED_KINDS]
    for at, online in enumerate(study.online):
        check(("online", at, "at"), online.at, dated, "a site, power node or loop of the topology")
        if online.period > study.periods:
            allowed = f"a period from 2 to {study.periods}"
            faults.append(document.fault(("online", at, "period"), str(online.period), allowed))
    if faults:
        raise InputFaults(faults)


def _keys(where: Location, factors: object) -> Iterator[tuple[Location, str]]:
    """Yield the location and name of every key, if there are keys."""
    if isinstance(factors, Mapping):
        for name in factors:
            yield (*where, name), name
