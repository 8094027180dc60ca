"""From request traces to the `workloads:` of a scenario, as a file to edit."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from planner.files import InputFault, InputFaults, close_matches, write_json_atomic, write_text_atomic
from planner.scenario.presets import workload_presets
from planner.scenario.request_trace import Trace, read_trace
from planner.scenario.trace_workload import TraceWorkload, workload_from_trace

_WIDTH = 110


@dataclass(frozen=True)
class ImportedTrace:
    """A trace file and the workloads it became, short prompts first."""

    path: Path
    trace: Trace
    workloads: tuple[TraceWorkload, ...]

    @property
    def story(self) -> str:
        """What the file is, in a line."""
        trace = self.trace
        words = f"{self.path.name}: {len(trace):,} requests in {_spoken(trace.span_s)} ({trace.format} format"
        words += f", from {trace.start}" if trace.start else ""
        return words + (f"; {trace.failed:,} without an answer left out)" if trace.failed else ")")


def import_traces(
    paths: Sequence[str | Path], *, name: str | None = None, classes: int = 1, window_s: float | None = None
) -> list[ImportedTrace]:
    """Read trace files, each one workload (or one per length class).

    Args:
        paths: the files, in any of the known formats.
        name: of the workload when there is one file; by default the file's name.
        classes: length classes per file.
        window_s: see `workload_from_trace`.

    Raises:
        InputFaults: everything that is wrong with any of the files.
    """
    faults: list[InputFault] = []
    found: list[ImportedTrace] = []
    names: set[str] = set()
    for path in map(Path, paths):
        label = name if name and len(paths) == 1 else _unused(path.name.split(".")[0], names)
        names.add(label)
        try:
            trace = read_trace(path)
            found.append(
                ImportedTrace(path, trace, tuple(workload_from_trace(trace, label, classes, window_s)))
            )
        except InputFaults as error:
            faults += error.faults
        except ValueError as error:
            faults.append(InputFault(str(path), None, "", str(error), "", "ask for fewer classes"))
    if faults:
        raise InputFaults(faults)
    return found


def _unused(name: str, taken: set[str]) -> str:
    number, label = 1, name
    while label in taken:
        number += 1
        label = f"{name}-{number}"
    return label


def workload_entries(
    imported: Sequence[ImportedTrace], llms: Sequence[str] = (), preset: str | None = None
) -> list[dict[str, Any]]:
    """The entries to put under `workloads:`.

    Raises:
        LookupError: there is no such preset.
    """
    if preset is not None and preset not in workload_presets():
        hint = close_matches(preset, list(workload_presets())) or "there are " + ", ".join(workload_presets())
        raise LookupError(f"no preset '{preset}'; {hint}")
    start = {} if preset is None else {"preset": preset}
    entries = []
    for source in imported:
        for workload in source.workloads:
            entry = workload.as_workload(llms)
            entries.append({"name": entry.pop("name"), **start, **entry})
    return entries


def write_workloads(
    path: Path, imported: Sequence[ImportedTrace], llms: Sequence[str] = (), preset: str | None = None
) -> None:
    """Write the entries to a YAML file (or JSON, by its name), whole or not at all."""
    entries = workload_entries(imported, llms, preset)
    path.parent.mkdir(parents=True, exist_ok=True)
    if path.suffix == ".json":
        write_json_atomic(path, {"workloads": entries})
    else:
        write_text_atomic(path, workloads_yaml(imported, llms, preset))


def workloads_yaml(
    imported: Sequence[ImportedTrace], llms: Sequence[str] = (), preset: str | None = None
) -> str:
    """The entries as YAML, with what they were made of and what is still to be said as comments."""
    heading = [f"# {source.story}" for source in imported]
    missing = [] if llms else ["llms (which may answer)"]
    missing += [] if preset else ["slo, or a preset that has one"]
    missing.append("origins (default: users without a round trip)")
    heading.append("# rate_rps is that of the busiest window. Still to be said: " + ", ".join(missing))
    listed = CommentedSeq([_laid_out(entry) for entry in workload_entries(imported, llms, preset)])
    text = StringIO()
    yaml = YAML()
    yaml.width = _WIDTH
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.dump({"workloads": listed}, text)
    return "\n".join(heading) + "\n" + text.getvalue()


def _laid_out(value: Any, outermost: bool = True) -> Any:
    """Plain data with its inner mappings and lists in one line each."""
    if isinstance(value, dict):
        mapping = CommentedMap({key: _laid_out(inner, False) for key, inner in value.items()})
        if not outermost:
            mapping.fa.set_flow_style()
        return mapping
    if isinstance(value, list):
        sequence = CommentedSeq([_laid_out(inner, False) for inner in value])
        sequence.fa.set_flow_style()
        return sequence
    return value


def _spoken(seconds: float) -> str:
    """A span of time for people."""
    for limit, unit, size in ((120.0, "s", 1.0), (7200.0, "min", 60.0), (172_800.0, "h", 3600.0)):
        if seconds < limit:
            return f"{seconds / size:.3g} {unit}"
    return f"{seconds / 86_400:.3g} days"
