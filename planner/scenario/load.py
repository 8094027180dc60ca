"""From a file (or plain data) to a scenario that is checked against the catalog."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planner.catalog import Catalog, load_catalog
from planner.files import Document, InputFault, InputFaults, read_document, validate
from planner.scenario.names import RateTable, name_faults, read_rate_table
from planner.scenario.overrides import apply_overrides, split_topology_overrides
from planner.scenario.scenario import Scenario
from planner.scenario.trace import fill_workloads


@dataclass(frozen=True)
class Examined:
    """All that could be read of a scenario, and all that is wrong with it.

    `scenario` is None where something is wrong with its own fields; `document` where the file
    cannot be read; `catalog` where the user's entries cannot.
    """

    document: Document | None
    scenario: Scenario | None
    catalog: Catalog | None
    faults: list[InputFault]


def load_scenario(
    source: str | Path | Mapping[str, Any],
    overrides: Iterable[str] = (),
    folder: Path | None = None,
) -> Scenario:
    """Return the scenario in a file, or in plain data whose relative paths start at `folder`.

    `overrides` are changes such as `limits.grid_kw=*0.9`. What the topology can answer (does it
    exist, is it sound, is an SLO below the speed of light) is asked by `topology.load_question`.

    Raises:
        InputFaults: everything that is wrong, together.
    """
    examined = examine_scenario(source, overrides, folder)
    if examined.scenario is None or examined.faults:
        raise InputFaults(examined.faults)
    return examined.scenario


def examine_scenario(
    source: str | Path | Mapping[str, Any],
    overrides: Iterable[str] = (),
    folder: Path | None = None,
) -> Examined:
    """Read and check a scenario as far as possible; faults are returned, never raised."""
    try:
        document, folder = _open(source, folder)
    except InputFaults as error:
        return Examined(None, None, None, error.faults)
    faults: list[InputFault] = []
    data = document.data
    own, changes = split_topology_overrides(data, overrides)
    try:
        data = apply_overrides(data, own)
    except InputFaults as error:
        faults += error.faults
    if isinstance(data, Mapping):
        data = _with_defaults(data, document, changes)
    document = document.with_data(data)
    data, missing = _with_absolute_paths(document, folder)
    faults += missing
    data, unreadable = fill_workloads(document.with_data(data))
    faults += unreadable
    document = document.with_data(data)

    scenario: Scenario | None = None
    try:
        scenario = validate(Scenario, document)
        scenario._document = document
    except InputFaults as error:
        faults += error.faults

    catalog: Catalog | None = None
    table = RateTable.empty()
    if isinstance(data, Mapping):
        try:
            catalog = _catalog(document)
        except InputFaults as error:
            faults += error.faults
        try:
            table = read_rate_table(document)
        except InputFaults as error:
            faults += error.faults
        if catalog is not None:
            faults += name_faults(document, catalog, table)
    return Examined(document, None if faults else scenario, catalog, faults)


def _open(source: str | Path | Mapping[str, Any], folder: Path | None) -> tuple[Document, Path]:
    if isinstance(source, Mapping):
        return Document(dict(source)), (folder or Path.cwd())
    path = Path(source)
    return read_document(path), (folder or path.resolve().parent)


def _with_defaults(data: Mapping[str, Any], document: Document, changes: list[str]) -> dict[str, Any]:
    """Name the scenario after its file and add the topology changes of the command line."""
    filled = dict(data)
    if "name" not in filled and document.path is not None:
        filled["name"] = document.path.stem
    if changes:
        before = filled.get("topology_changes") or []
        filled["topology_changes"] = [*before, *changes] if isinstance(before, list) else before
    return filled


def _catalog(document: Document) -> Catalog:
    """Return the catalog with the user's entries, given as a path or inline.

    A path that leads nowhere is reported where paths are made absolute.
    """
    extra = document.data.get("catalog")
    if isinstance(extra, str) and Path(extra).is_file():
        return load_catalog(extra=Path(extra))
    if isinstance(extra, Mapping):
        return load_catalog(inline=document.part("catalog"))
    return load_catalog()


def _with_absolute_paths(document: Document, folder: Path) -> tuple[Any, list[InputFault]]:
    """Make the paths of other files absolute; a file that must be there and is not is a fault.

    Topologies and LLMs may be names of shipped ones, so theirs are paths only where a file is.
    """
    data = document.data
    if not isinstance(data, Mapping):
        return data, []
    faults: list[InputFault] = []

    def absolute(value: Any, loc: tuple[str | int, ...], required: bool) -> Any:
        if not isinstance(value, str):
            return value
        path = Path(value).expanduser()
        path = path if path.is_absolute() else folder / path
        try:
            exists = path.exists()
        except (OSError, ValueError):
            exists = False
        if exists and (required or path.is_file() or (path / "config.json").is_file()):
            return str(path)
        if required:
            faults.append(
                document.fault(loc, f"no file '{value}'", "a file that exists", f"looked for {path}")
            )
        return value

    changed = dict(data)
    if isinstance(changed.get("topology"), str):
        changed["topology"] = absolute(changed["topology"], ("topology",), False)
    if isinstance(changed.get("catalog"), str):
        changed["catalog"] = absolute(changed["catalog"], ("catalog",), True)
    performance = changed.get("performance")
    if isinstance(performance, Mapping) and isinstance(performance.get("path"), str):
        path = absolute(performance["path"], ("performance", "path"), True)
        changed["performance"] = {**performance, "path": path}
    workloads = changed.get("workloads")
    if isinstance(workloads, list):
        changed["workloads"] = [
            _workload_paths(entry, index, absolute) for index, entry in enumerate(workloads)
        ]
    return changed, faults


def _workload_paths(entry: Any, index: int, absolute: Any) -> Any:
    """Make the paths of one workload absolute: its trace and its LLM configs."""
    if not isinstance(entry, Mapping):
        return entry
    changed = dict(entry)
    if "trace" in changed:
        changed["trace"] = absolute(changed["trace"], ("workloads", index, "trace"), True)
    if isinstance(changed.get("llms"), list):
        changed["llms"] = [
            absolute(llm, ("workloads", index, "llms", at), False) for at, llm in enumerate(changed["llms"])
        ]
    return changed
