"""What is wrong between the entries of a catalog: references, watts, names."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from planner.catalog.layers import Reading
from planner.catalog.provenance import unstated
from planner.catalog.regions import Region, Regions, folded_name
from planner.catalog.unknown import UnknownEntry
from planner.files import Document, InputFault, close_matches

if TYPE_CHECKING:
    from planner.catalog.catalog import Catalog


def catalog_faults(catalog: Catalog, regions: Regions) -> list[InputFault]:
    """Return everything that is wrong with the facts of a catalog, kind by kind and between kinds.

    `regions` are its sound regions.
    """
    readings: tuple[Reading[Any], ...] = (
        catalog.source_reading,
        catalog.accelerator_reading,
        catalog.server_reading,
        catalog.engine_reading,
        catalog.instance_reading,
        catalog.region_reading,
    )
    faults = [fault for reading in readings for fault in reading.faults]
    check = _Between(catalog)
    accelerators, servers = catalog.accelerator_reading, catalog.server_reading
    check.references("servers", "accelerator", servers, accelerators)
    check.references("instances", "accelerator", catalog.instance_reading, accelerators)
    check.references("instances", "server", catalog.instance_reading, servers)
    check.watts()
    check.regions(regions)
    return faults + check.faults + catalog.llm_faults()


class _Between:
    """Checks entries against one another and collects faults."""

    def __init__(self, catalog: Catalog):
        self.catalog = catalog
        self.faults: list[InputFault] = []

    def fault(self, loc: tuple[str, ...], found: str, allowed: str, advice: str = "") -> None:
        """Note a fault of an entry, in the last file that says something about it."""
        self.faults.append(self.home(loc).fault(loc, found, allowed, advice))

    def home(self, loc: tuple[str, ...]) -> Document:
        """Return the last document that holds the value at `loc`, or the entry around it."""
        layers = [layer for layer in self.catalog.layers(loc[0]) if loc[1] in layer.section(loc[0])]
        holding = [layer for layer in layers if layer.document.walk(loc)[0] == loc]
        return (holding or layers)[-1].document

    def references(self, section: str, field: str, reading: Reading[Any], known: Reading[Any]) -> None:
        """Check that `field` of every entry names one of `known` (a faulty one will do)."""
        for name, entry in reading.written.items():
            target = unstated(entry.get(field))
            if isinstance(target, str) and target not in known.names:
                advice = close_matches(target, known.names) or f"`planner catalog list {field}s` shows them"
                self.fault((section, name, field), f"'{target}'", f"an id of the {field}s", advice)

    def watts(self) -> None:
        """Check that every server is rated for its accelerators, if only when they idle."""
        accelerators = self.catalog.accelerator_reading.entries
        for name, server in self.catalog.server_reading.entries.items():
            accelerator = accelerators.get(server.accelerator)
            if accelerator is None:
                continue
            idle_w = server.accelerators * (accelerator.idle_w or 0.0)
            if server.rated_w < idle_w:
                parts = f"{server.accelerators} {accelerator.id} that idle at {idle_w:g} W"
                self.fault(
                    ("servers", name, "rated_w"),
                    f"{server.rated_w:g} W for {parts}",
                    f"{idle_w:g} W or more",
                    "rated_w is of the whole server",
                )

    def regions(self, regions: Regions) -> None:
        """Check that regions refer to regions and places that exist, and share no name."""
        owners: dict[str, str] = {}
        names = self.catalog.region_reading.names
        for name, region in regions.entries.items():
            for field, table in (("electricity", regions.electricity), ("carbon", regions.carbon)):
                self.place(name, field, getattr(region, field), table)
            others = [("rtt_via",)] if region.rtt_via else []
            for loc, other in [
                *((("regions", name, *field), region.rtt_via) for field in others),
                *((("regions", name, "rtt_ms", other), other) for other in region.rtt_ms),
            ]:
                if other not in names and not _resolves(regions, str(other)):
                    self.fault(loc, f"'{other}'", "a region", close_matches(str(other), names))
        for name, region in regions.entries.items():
            self.aliases(name, region, regions.entries, owners)

    def place(self, name: str, field: str, place: str | None, table: Mapping[str, Any]) -> None:
        """Check that a region's place is a row of the table of electricity or carbon."""
        if place is not None and place not in table:
            advice = close_matches(place, table) or f"or write {field} figures of your own"
            self.fault(("regions", name, field), f"'{place}'", f"a place of data/{field}.csv", advice)

    def aliases(
        self, name: str, region: Region, entries: Mapping[str, Region], owners: dict[str, str]
    ) -> None:
        """Check that no other region has a name of this one."""
        ids: Iterable[str] = entries
        for alias in region.aliases:
            word = folded_name(alias)
            other = next((n for n in ids if n != name and folded_name(n) == word), None)
            other = other or owners.setdefault(word, name)
            if other != name:
                found = f"'{alias}', which is a name of '{other}'"
                self.fault(("regions", name, "aliases"), found, "a name of its own")


def _resolves(regions: Regions, name: str) -> bool:
    try:
        regions.resolve(name)
    except UnknownEntry:
        return False
    return True
