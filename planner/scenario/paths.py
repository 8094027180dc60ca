"""Dotted paths into plain data: `workloads.chat.rate_rps`, list entries by name or index."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Loc = tuple[str | int, ...]


@dataclass(frozen=True)
class Found:
    """Where a path leads: the location of its known part, the value there, and the rest."""

    loc: Loc
    value: Any
    rest: tuple[str, ...]


def split(path: str) -> tuple[str, ...]:
    """Split `a.b[3].c` into ("a", "b", "3", "c")."""
    return tuple(part for part in re.split(r"[.\[\]]+", path) if part)


def find(data: Any, path: str) -> Found:
    """Follow `path` as far as it leads. Names may hold dots: the longest known name wins."""
    parts = split(path)
    loc: list[str | int] = []
    node = data
    at = 0
    while at < len(parts):
        step = _step(node, parts[at:])
        if step is None:
            break
        key, used = step
        loc.append(key)
        node = node[key]
        at += used
    return Found(tuple(loc), node, parts[at:])


def known_names(node: Any) -> list[str]:
    """Return the names that may follow at `node`: keys, or names of list entries."""
    if isinstance(node, Mapping):
        return [str(key) for key in node]
    if isinstance(node, list):
        return [str(e["name"]) for e in node if isinstance(e, Mapping) and "name" in e]
    return []


def _step(node: Any, parts: tuple[str, ...]) -> tuple[str | int, int] | None:
    """Return the key that the first of `parts` (joined as needed) name in `node`, and how many."""
    for used in range(len(parts), 0, -1):
        word = ".".join(parts[:used])
        if isinstance(node, Mapping):
            if word in node:
                return word, used
        elif isinstance(node, list):
            for index, entry in enumerate(node):
                if isinstance(entry, Mapping) and entry.get("name") == word:
                    return index, used
            if used == 1 and word.isdigit() and int(word) < len(node):
                return int(word), 1
    return None
