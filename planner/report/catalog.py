"""The catalog and the shipped topologies as tables on the terminal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from planner.catalog import KINDS, UnknownEntry, catalog_entry, catalog_rows, load_catalog
from planner.catalog.rows import kind_of
from planner.files import close_matches, nearest
from planner.report.topology import print_tree, topology_record
from planner.report.wide import print_wide, wide_table
from planner.scenario.presets import Preset, workload_presets
from planner.topology import build_graph, load_topology, topology_names
from planner.topology.tree import TreeRow

TOPOLOGIES = "topologies"
PRESETS = "presets"


def catalog_table(kind: str, extra: Path | None = None) -> list[dict[str, Any]]:
    """Return one row per entry of a kind (`accelerators`, `llms`, `topologies` ...).

    Raises:
        LookupError: there is no such kind.
        InputFaults: the user's own entries (`extra`) are wrong.
    """
    if _is_topologies(kind):
        return [_topology_row(name) for name in topology_names()]
    if _is_presets(kind):
        return [_preset_row(name, preset) for name, preset in workload_presets().items()]
    catalog = load_catalog(extra)
    try:
        return catalog_rows(catalog, kind)
    except UnknownEntry:
        raise LookupError(_no_such_kind(kind)) from None


def catalog_kinds(extra: Path | None = None) -> list[dict[str, Any]]:
    """Return one row per kind: how many entries it has, and how to list them.

    Raises:
        InputFaults: the user's own entries (`extra`) are wrong.
    """
    catalog = load_catalog(extra)
    counts = {
        "accelerators": len(catalog.accelerators),
        "servers": len(catalog.servers),
        "llms": len(catalog.llm_ids()),
        "engines": len(catalog.engines),
        "instances": len(catalog.instances),
        "regions": len(catalog.regions.entries),
        "sources": len(catalog.sources),
        TOPOLOGIES: len(topology_names()),
        PRESETS: len(workload_presets()),
    }
    return [
        {"id": kind, "entries": count, "command": f"planner catalog list {kind}"}
        for kind, count in counts.items()
    ]


def catalog_record(kind: str, name: str, extra: Path | None = None) -> dict[str, Any]:
    """Return everything about one entry, with the source of each value.

    Raises:
        LookupError: there is no such kind or entry.
        InputFaults: the user's own entries (`extra`) are wrong.
    """
    catalog = load_catalog(extra)
    if _is_topologies(kind):
        return topology_record(name, extra)
    if _is_presets(kind):
        return _preset_record(name)
    try:
        known = kind_of(kind)
    except UnknownEntry:
        raise LookupError(_no_such_kind(kind)) from None
    return catalog_entry(catalog, known, name)


def _is_topologies(kind: str) -> bool:
    return kind in (TOPOLOGIES, "topology")


def _is_presets(kind: str) -> bool:
    return kind in (PRESETS, "preset")


def _preset_row(name: str, preset: Preset) -> dict[str, Any]:
    """A workload to start from, without its source (`planner catalog show presets NAME`)."""
    use = preset.use
    row: dict[str, Any] = {"id": name, "title": preset.title}
    for side, tokens in (("in", use.input_tokens), ("out", use.output_tokens)):
        row |= {f"{side}_mean": round(tokens.mean), f"{side}_p99": round(float(tokens.quantile(0.99)))}
    return row | {
        "prefix_hit_rate": use.prefix_hit_rate,
        "burstiness_cv": use.burstiness_cv,
        "ttft_ms": use.slo.ttft_ms,
        "tpot_ms": use.slo.tpot_ms,
        "percentile": use.slo.percentile,
        "confidence": preset.confidence,
    }


def _preset_record(name: str) -> dict[str, Any]:
    presets = workload_presets()
    if name not in presets:
        raise LookupError(
            f"no preset '{name}'; there are {', '.join(presets)} ({close_matches(name, presets)})"
        )
    preset = presets[name]
    about = {"id": name, "title": preset.title, "confidence": preset.confidence, "source": preset.source}
    return about | {key: value for key, value in preset.as_workload(name).items() if key != "name"}


def _no_such_kind(kind: str) -> str:
    kinds = [*KINDS, TOPOLOGIES, PRESETS]
    hint = nearest(kind, kinds)
    return f"no catalog kind '{kind}'; there are {', '.join(kinds)}" + (f" ({hint})" if hint else "")


def _topology_row(name: str) -> dict[str, Any]:
    topology = load_topology(name)
    graph = build_graph(topology, load_catalog())
    kinds = [about["kind"] for _, about in graph.nodes(data=True)]
    return {
        "id": name,
        "sites": kinds.count("site"),
        "racks": kinds.count("rack"),
        "servers": kinds.count("server"),
        "description": " ".join(topology.description.split()),
    }


PROSE = ("description", "notes", "title")
"""Columns of prose; all others stay on one line, however wide the table becomes."""


def print_rows(rows: Sequence[Mapping[str, Any]], console: Console) -> None:
    """Print rows as a table, one line each (but for prose): wide, and good for grep."""
    if not rows:
        console.print("none")
        return
    table = wide_table("", *rows[0], prose=PROSE)
    for row in rows:
        table.add_row(*(_shown(value) for value in row.values()))
    print_wide(table, console)


def print_record(record: Mapping[str, Any], console: Console) -> None:
    """Print one entry: value by value with source, date and confidence where they are known."""
    values = record.get("values")
    if "tree" in record:
        print_tree(record["topology"], [TreeRow(**row) for row in record["tree"]], console)
        return
    if not isinstance(values, Mapping):
        for name, value in record.items():
            console.print(f"{name}: {_shown(value)}", highlight=False, markup=False)
        return
    table = Table(title=f"{record['kind']} {record['id']}", title_justify="left", header_style="bold")
    for heading in ("value", "", "confidence", "as of", "source"):
        table.add_column(heading, overflow="fold")
    provenance = record.get("provenance", {})
    for name, value in values.items():
        source = provenance.get(name, {})
        table.add_row(
            name,
            _shown(value),
            str(source.get("confidence", "")),
            str(source.get("as_of", "")),
            str(source.get("source", "")),
        )
    console.print(table)
    console.print("planner catalog show sources KEY says what a source is", style="dim", highlight=False)


def _shown(value: Any) -> str:
    if value is None:
        return "-"
    if isinstance(value, float):
        return f"{value:g}" if abs(value) < 1e6 else f"{value:,.0f}"
    if isinstance(value, Mapping):
        return ", ".join(f"{key} {_shown(inner)}" for key, inner in value.items())
    if isinstance(value, list | tuple | set | frozenset):
        return "; ".join(_shown(inner) for inner in value)
    return str(value)
