"""Where a thing of the topology is written: from the name in the graph to the field and its line."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from planner.scenario.paths import find
from planner.topology import Question, Topology
from planner.topology.layout import full_name, scopes

TOPOLOGY = "topology."


@dataclass(frozen=True)
class Place:
    """An entry of the topology: the path that `--set` takes, and the entry itself."""

    path: str
    entry: Any


def places_of(topology: Topology) -> Mapping[str, Place]:
    """Return the entry behind every name of the graph: sites, power, cooling, fabrics, rack groups.

    Copies of a block share the entries of the block: a change there changes all of them.
    """
    found: dict[str, Place] = {}
    for at, site in enumerate(topology.sites):
        root = f"{TOPOLOGY}sites.{site.name}"
        found[site.name] = Place(root, site)
        for scope in scopes(site, at):
            base = root
            if len(scope.loc) > 2:
                base = f"{root}.blocks.{site.blocks[int(scope.loc[3])].name}"
            for kind in ("power", "cooling", "racks", "fabric_domains"):
                for entry in getattr(scope.equipment, kind):
                    name = full_name(scope.prefix, entry.name)
                    found[name] = Place(f"{base}.{kind}.{entry.name}", entry)
    return found


def where(question: Question, path: str) -> tuple[str | None, int | None]:
    """Return the file and the line where a field is written, as far as they are known."""
    if path.startswith(TOPOLOGY):
        document, rest = question.topology.document, path.removeprefix(TOPOLOGY)
    else:
        document, rest = question.scenario.document, path
    if document is None:
        return None, None
    line = document.line(find(document.data, rest).loc)
    return str(document.path or document.name), line
