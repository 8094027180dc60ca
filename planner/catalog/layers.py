"""The shipped facts with the user's own laid over them, checked and typed."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, Generic, TypeVar

from planner.catalog.provenance import NOT_STATED, CatalogEntry, Source, is_stated, provenance_problems
from planner.files import Document, InputFault, InputFaults, close_matches, nearest, validate

Entry = TypeVar("Entry", bound=CatalogEntry | Source)

BASED_ON = "based_on"
"""The key with which an entry takes every value it does not state from another entry."""

SECTIONS = ("sources", "accelerators", "servers", "engines", "instances", "regions", "llms")
"""What a catalog file may contain."""

_ENTRY_KEYS = ("source", "as_of", "confidence", "notes", BASED_ON)
_DISPLACES = {"memory_gb": "memory_gib", "memory_gib": "memory_gb"}


@dataclass(frozen=True)
class Layer:
    """One file (or inline mapping) of facts; `own_source` names it where it states no source."""

    document: Document
    own_source: str | None = None

    def section(self, name: str) -> Mapping[str, Mapping[str, Any]]:
        """Return the entries of a section, empty when it is absent; what is no entry is left out."""
        data = self.document.data
        section = data.get(name) if isinstance(data, Mapping) else None
        entries = section if isinstance(section, Mapping) else {}
        return {key: entry for key, entry in entries.items() if isinstance(entry, Mapping)}


@dataclass(frozen=True)
class Reading(Generic[Entry]):
    """The entries of a section that are sound, what is wrong with the others, and all as written."""

    entries: Mapping[str, Entry]
    faults: tuple[InputFault, ...]
    written: Mapping[str, Mapping[str, Any]]

    @property
    def names(self) -> frozenset[str]:
        """The ids of all entries, faulty ones too."""
        return frozenset(self.written)

    def sound(self) -> Mapping[str, Entry]:
        """Return the entries.

        Raises:
            InputFaults: something is wrong with any of them.
        """
        if self.faults:
            raise InputFaults(self.faults)
        return self.entries


def shape_faults(document: Document) -> list[InputFault]:
    """Return what is wrong with the outline of a user's file: sections and entries must be mappings."""
    data = document.data if document.data is not None else {}
    if not isinstance(data, Mapping):
        return [document.fault((), "no mapping", "a mapping of " + ", ".join(SECTIONS))]
    faults = []
    for name, section in data.items():
        if name not in SECTIONS:
            found, allowed = f"the unknown section '{name}'", "one of " + ", ".join(SECTIONS)
            faults.append(document.fault((name,), found, allowed, nearest(name, SECTIONS)))
        elif section is not None and not isinstance(section, Mapping):
            faults.append(document.fault((name,), "no mapping", "a mapping of id to entry"))
        else:
            faults += [
                document.fault((name, key), "no mapping", "a mapping of field to value")
                for key, entry in (section or {}).items()
                if not isinstance(entry, Mapping)
            ]
    return faults


def sources_of(layers: Sequence[Layer]) -> Reading[Source]:
    """Return every source key of the layers, the user's files themselves included."""
    found: dict[str, Source] = {}
    written: dict[str, Mapping[str, Any]] = {}
    faults: list[InputFault] = []
    for layer in layers:
        if layer.own_source is not None:
            found[layer.own_source] = Source(
                title=f"stated in {layer.own_source}", kind="user", as_of=NOT_STATED
            )
        for key, entry in layer.section("sources").items():
            written[key] = entry
            document = layer.document.part("sources", key)
            try:
                found[key] = validate(Source, document)
            except InputFaults as error:
                faults += with_prefix(error.faults, f"sources.{key}")
                # Values that name it are not at fault.
                found[key] = Source(title=key, kind="user", as_of=NOT_STATED)
    return Reading(found, tuple(faults), written)


def entries_of(
    model: type[Entry], section: str, layers: Sequence[Layer], sources: Mapping[str, Source]
) -> Reading[Entry]:
    """Return the typed entries of a section, later layers over earlier ones."""
    raw: dict[str, dict[str, Any]] = {}
    home: dict[str, Document] = {}
    written: dict[str, Mapping[str, Any]] = {}
    unsound: set[str] = set()
    faults: list[InputFault] = []
    for layer in layers:
        for name, entry in layer.section(section).items():
            written.setdefault(name, entry)
            document = layer.document.part(section, name)
            wrong = provenance_faults(document, sources)
            if wrong:
                faults += with_prefix(wrong, f"{section}.{name}")
                unsound.add(name)
            base = raw.get(name)
            if BASED_ON in entry:
                base = raw.get(str(entry[BASED_ON]))
                if base is None:
                    fault = layer.document.fault(
                        (section, name, BASED_ON),
                        f"'{entry[BASED_ON]}'",
                        f"an id of the {section}, written before this one",
                        close_matches(str(entry[BASED_ON]), raw),
                    )
                    faults.append(fault)
                    continue
            raw[name] = _laid_over(base, entry, layer.own_source)
            home[name] = document
    entries: dict[str, Entry] = {}
    for name, values in raw.items():
        try:
            found = validate(model, home[name].with_data({**values, "id": name}))
        except InputFaults as error:
            told = {fault.field for fault in faults}
            faults += [f for f in with_prefix(error.faults, f"{section}.{name}") if f.field not in told]
        else:
            if name not in unsound:
                entries[name] = found
    return Reading(entries, tuple(faults), {**written, **raw})


def provenance_faults(document: Document, sources: Mapping[str, Source]) -> list[InputFault]:
    """Return what is wrong with the sources, dates and confidences that an entry states."""
    problems = provenance_problems(document.data, sources)
    return [document.fault(p.at, p.found, p.allowed, p.advice) for p in problems]


def with_prefix(faults: Iterable[InputFault], prefix: str) -> list[InputFault]:
    """Return the faults of an entry with the path of the entry before their fields."""
    return [replace(fault, field=f"{prefix}.{fault.field}" if fault.field else prefix) for fault in faults]


def _laid_over(
    base: Mapping[str, Any] | None, entry: Mapping[str, Any], own_source: str | None
) -> dict[str, Any]:
    """Return `entry` over `base`; values that state no source get the source of their own layer."""
    own = {
        "source": entry.get("source", own_source),
        "as_of": str(entry.get("as_of", NOT_STATED)),
        "confidence": entry.get("confidence", "medium"),
    }
    if base is None:
        if own_source is None:
            return dict(entry)
        return {**own, **{key: value for key, value in entry.items() if key != BASED_ON}}
    merged = dict(base)
    for key, value in entry.items():
        if key in _ENTRY_KEYS:
            if key == "notes":
                merged[key] = value
            continue
        merged.pop(_DISPLACES.get(key, ""), None)
        if value is None:
            merged.pop(key, None)
        elif isinstance(value, Mapping) and not is_stated(value) and _is_table(merged.get(key)):
            inner = {name: _with_source(cell, own) for name, cell in value.items()}
            merged[key] = {name: cell for name, cell in {**merged[key], **inner}.items() if cell is not None}
        else:
            merged[key] = _with_source(value, own)
    return merged


def _is_table(value: Any) -> bool:
    """Return whether a base value is a mapping whose cells are replaced one by one."""
    return isinstance(value, Mapping) and not is_stated(value) and "low" not in value


def _with_source(value: Any, own: Mapping[str, Any]) -> Any:
    """Return a value that states the provenance of the layer it was written in."""
    if value is None:
        return None
    if is_stated(value):
        return {**own, **value}
    return {"value": value, **own}
