"""A topology as a tree on the terminal, as data, and as a picture."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.tree import Tree

from planner.catalog import load_catalog
from planner.files import write_text_atomic
from planner.topology import build_graph, load_topology
from planner.topology.nodes import Graph
from planner.topology.picture import topology_picture
from planner.topology.tree import TreeRow, topology_tree


def _graph(name: str, extra: Path | None) -> Graph:
    """Expand a topology, with the user's own catalog entries (`extra`) laid over the shipped ones."""
    catalog = load_catalog(extra)
    return build_graph(load_topology(name, catalog), catalog)


def topology_record(name: str, extra: Path | None = None) -> dict[str, Any]:
    """Return the tree of a topology as data.

    Raises:
        InputFaults: there is no such topology, or it is not sound.
    """
    return {"topology": name, "tree": [asdict(row) for row in topology_tree(_graph(name, extra))]}


def print_topology(name: str, console: Console, extra: Path | None = None) -> None:
    """Print the tree of a topology with capacities and counts.

    Raises:
        InputFaults: there is no such topology, or it is not sound.
    """
    print_tree(name, topology_tree(_graph(name, extra)), console)


def print_tree(name: str, rows: Sequence[TreeRow], console: Console) -> None:
    """Print the rows of a topology as a tree."""
    root = Tree(f"[bold]{escape(name)}[/bold]")
    branches: list[Tree] = [root]
    for row in rows:
        count = f" x {row.count}" if row.count > 1 else ""
        text = (
            f"[bold]{escape(row.name)}[/bold]{count}  [dim]{escape(row.kind)}[/dim]  {escape(row.capacity)}"
        )
        if row.contents:
            text += f"  [dim]{escape(row.contents)}[/dim]"
        del branches[row.depth + 1 :]
        branches.append(branches[row.depth].add(text))
    console.print(root, highlight=False)


def draw_topology(name: str, path: Path, extra: Path | None = None) -> None:
    """Write the picture of a topology: an .svg file, or an .html page around it.

    Raises:
        InputFaults: there is no such topology, or it is not sound.
        ValueError: the ending is neither .svg nor .html.
    """
    if path.suffix not in (".svg", ".html"):
        raise ValueError(f"{path}: a picture ends in .svg or .html")
    picture = topology_picture(_graph(name, extra))
    if path.suffix == ".html":
        title = html.escape(name)
        head = f"<head><meta charset='utf-8'><title>{title}</title></head>"
        picture = f"<!doctype html><html>{head}<body>{picture}</body></html>"
    write_text_atomic(path, picture)
