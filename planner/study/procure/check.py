"""Names in a study that must exist in its scenario and topology.

Read from the file as it is, so that they are told together with everything else that is wrong in it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from planner.files import Document, InputFault, close_matches
from planner.study.procure.names import EVERY
from planner.topology import Question, build_graph, rack_classes

Location = tuple[str | int, ...]

DATED_KINDS = ("site", "power", "cooling")
"""Kinds of nodes of the topology that can come online later."""

MOST_LISTED = 12
"""Names listed where one is wrong; more are left out."""


def name_faults(document: Document, question: Question) -> list[InputFault]:
    """Return every name in a study that stands for nothing in its scenario or topology, with lines."""
    data = document.data if isinstance(document.data, Mapping) else {}
    scenario = question.scenario
    graph = build_graph(question.topology, question.catalog)
    workloads = [workload.name for workload in scenario.workloads]
    servers = list(scenario.fleet.buy)
    standing = sorted({name for rack_class in rack_classes(graph) for name in rack_class.existing})
    dated = [name for name, about in graph.nodes(data=True) if about["kind"] in DATED_KINDS]
    a_workload, a_server = "a workload of the scenario, or *", "a server in the scenario's fleet.buy, or *"
    wanted: list[tuple[Location, str, Sequence[str], str]] = []
    for where, name in _keys(data, "growth"):
        wanted.append((where, name, workloads, a_workload))
    for where, name in _keys(data, "buy"):
        wanted.append((where, name, servers, a_server))
    for where, name in _keys(data, "owned"):
        wanted.append((where, name, standing, "a server that stands in the topology"))
    for at, future in _members(data, "tree"):
        for field in ("demand", "growth"):
            for where, name in _keys(future, field):
                wanted.append((("tree", at, *where), name, workloads, a_workload))
        for where, name in _keys(future, "prices"):
            wanted.append((("tree", at, *where), name, servers, a_server))
    for at, online in _members(data, "online"):
        if isinstance(online.get("at"), str):
            what = "a site, power node or loop of the topology"
            wanted.append((("online", at, "at"), online["at"], dated, what))
    return [
        _fault(document, where, name, allowed, what)
        for where, name, allowed, what in wanted
        if name not in (EVERY, *allowed)
    ]


def _fault(document: Document, where: Location, name: str, allowed: Sequence[str], what: str) -> InputFault:
    listed = ", ".join(allowed[:MOST_LISTED]) + (", ..." if len(allowed) > MOST_LISTED else "")
    advice = close_matches(name, allowed)
    near = advice if advice.startswith("did you mean") else ""
    return document.fault(where, f"'{name}'", f"{what}: {listed or 'there is none'}", near)


def _keys(data: Mapping[str, Any], field: str) -> Iterator[tuple[Location, str]]:
    """Yield the location and name of every key of a field, if it has keys."""
    factors = data.get(field)
    if isinstance(factors, Mapping):
        for name in factors:
            yield (field, str(name)), str(name)


def _members(data: Mapping[str, Any], field: str) -> Iterator[tuple[int, Mapping[str, Any]]]:
    """Yield the number and content of every entry of a list of mappings."""
    members = data.get(field)
    if isinstance(members, list):
        yield from ((at, member) for at, member in enumerate(members) if isinstance(member, Mapping))
