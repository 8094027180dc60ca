"""What is left of a topology file without the entries that are wrong.

Whether racks are too heavy or feeds too small can be asked of the sound entries even while others have
faults of their own, so that one run tells everything. Leaving entries out only takes load away: no fault
of the rest comes from it.
"""

from collections.abc import Iterable, Mapping
from typing import Any

from planner.catalog import Catalog
from planner.files import Document, faulty_places
from planner.scenario import ANYWHERE
from planner.topology.references import reference_problems
from planner.topology.types import Topology

Loc = tuple[str | int, ...]

_ENTRIES = ("sites", "blocks", "power", "cooling", "fabric_domains", "racks", "wan")
"""Lists whose entries can be left out one by one."""

_MOST_ROUNDS = 20
"""Leaving out a feed leaves racks without one, and so on; no file needs more rounds than it has levels."""


def sound_part(document: Document, catalog: Catalog) -> Document | None:
    """Return the document without its faulty entries; None where nothing sound is left.

    Lines and names are those of the file.
    """
    for _ in range(_MOST_ROUNDS):
        places = [place for place, _ in reference_problems(document, catalog)]
        places += faulty_places(Topology, document)
        if not places:
            return document
        if () in places:
            return None
        document = without(document, places)
    return None


def without(document: Document, places: Iterable[Loc]) -> Document:
    """Return the document without the entries (or, of sites, the fields) that `places` lie in."""
    gone: set[Loc] = set()
    elsewhere: set[Loc] = set()
    for place in places:
        if len(place) > 1 and place[0] == "sites" and place[2:] == ("region",):
            elsewhere.add(place)
        else:
            gone.add(_left_out(place))
    lines: dict[Loc, int] = {}
    data = _copied(document.data, (), (), gone, elsewhere, document.lines, lines)
    return Document(data, document.path, document.name, lines)


def _left_out(place: Loc) -> Loc:
    """Return what to leave out for a fault at `place`: the entry around it, or a field of a site."""
    depth = max(
        (at + 1 for at in range(1, len(place)) if isinstance(place[at], int) and place[at - 1] in _ENTRIES),
        default=1,
    )
    entry, inner = place[:depth], place[depth:]
    of_site = len(entry) > 1 and entry[-2] == "sites"
    if inner and inner[0] != "name" and (of_site or (entry[-2:-1] == ("power",) and inner[0] == "parent")):
        return (*entry, inner[0])
    return entry


def _copied(
    node: Any,
    old: Loc,
    new: Loc,
    gone: set[Loc],
    elsewhere: set[Loc],
    lines: Mapping[Loc, int],
    moved: dict[Loc, int],
) -> Any:
    """Return a copy of the value at `old` without what is `gone`, noting its lines at their new places."""
    if old in lines:
        moved[new] = lines[old]
    if old in elsewhere:
        return ANYWHERE
    if isinstance(node, Mapping):
        return {
            key: _copied(value, (*old, key), (*new, key), gone, elsewhere, lines, moved)
            for key, value in node.items()
            if (*old, key) not in gone
        }
    if isinstance(node, list):
        kept = [index for index in range(len(node)) if (*old, index) not in gone]
        return [
            _copied(node[index], (*old, index), (*new, at), gone, elsewhere, lines, moved)
            for at, index in enumerate(kept)
        ]
    return node
