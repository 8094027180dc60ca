"""A YAML or JSON file as plain data that remembers its lines."""

import datetime
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.error import MarkedYAMLError, YAMLError

from planner.files.faults import InputFault, InputFaults, close_matches

Loc = tuple[str | int, ...]

MOST_VALUES = 500_000
"""Values one file may hold once its aliases are written out; the largest shipped file has 3,000."""

DEEPEST = 100
"""How many mappings and lists may stand inside one another."""


@dataclass(frozen=True)
class Document:
    """Plain data (dict, list, str, int, float, bool, None), where it came from, and its lines.

    `path` is None for data that was handed over in memory; `name` is what messages call it.
    """

    data: Any
    path: Path | None = None
    name: str = "input"
    lines: Mapping[Loc, int] = field(default_factory=dict, repr=False)

    def line(self, loc: Sequence[str | int]) -> int | None:
        """Return the line (from 1) of `loc`, or of the nearest enclosing value that has one."""
        parts = tuple(loc)
        for length in range(len(parts), -1, -1):
            found = self.lines.get(parts[:length])
            if found is not None:
                return found
        return None

    def walk(self, loc: Sequence[str | int]) -> tuple[Loc, Any]:
        """Follow `loc` into the data as far as it goes, skipping parts that are not in it.

        Pydantic puts the names of union members into its locations; they are skipped here.
        """
        node: Any = self.data
        real: list[str | int] = []
        for part in loc:
            if isinstance(node, list):
                if not isinstance(part, int) or not 0 <= part < len(node):
                    continue
                node = node[part]
            elif isinstance(node, Mapping) and part in node:
                node = node[part]
            else:
                continue
            real.append(part)
        return tuple(real), node

    def field_name(self, loc: Sequence[str | int]) -> str:
        """Return the path a person reads: `workloads.chat.rate_rps`, `racks[3]` without a name."""
        node = self.data
        words = ""
        for part in loc:
            child = None
            if isinstance(node, Mapping):
                child = node.get(part)
            elif isinstance(node, list) and isinstance(part, int) and 0 <= part < len(node):
                child = node[part]
            if isinstance(part, int):
                named = child.get("name") if isinstance(child, Mapping) else None
                words += f".{named}" if isinstance(named, str) else f"[{part}]"
            else:
                words += f".{part}"
            node = child
        return words.lstrip(".")

    def fault(self, loc: Sequence[str | int], found: str, allowed: str, advice: str = "") -> InputFault:
        """Return the fault of the field at `loc`, with its line."""
        return InputFault(self.name, self.line(loc), self.field_name(loc), found, allowed, advice)

    def part(self, *loc: str | int) -> "Document":
        """Return the value at `loc` as a document of its own that keeps file and lines.

        Raises:
            KeyError, IndexError: there is nothing at `loc`.
        """
        node = self.data
        for step in loc:
            node = node[step]
        depth = len(loc)
        inner = {at[depth:]: line for at, line in self.lines.items() if at[:depth] == loc}
        return Document(node, self.path, self.name, inner)

    def with_data(self, data: Any) -> "Document":
        """Return the same file and lines around changed data (for overrides)."""
        return Document(data, self.path, self.name, self.lines)


def read_document(path: str | Path) -> Document:
    """Read a YAML or JSON file.

    Raises:
        InputFaults: the file is missing, unreadable, or not YAML/JSON; with the line of the typo.
    """
    path = Path(path)
    name = str(path)
    try:
        text = path.read_text(encoding="utf-8-sig")  # Windows editors begin files with a mark
    except FileNotFoundError:
        folder = path.parent
        siblings = [p.name for p in folder.iterdir() if p.is_file()] if folder.is_dir() else []
        advice = close_matches(path.name, siblings) if folder.is_dir() else f"{folder} does not exist"
        fault = InputFault(name, None, "", "no such file", "a YAML or JSON file", advice)
        raise InputFaults([fault]) from None
    except IsADirectoryError:
        fault = InputFault(name, None, "", "a folder", "a YAML or JSON file")
        raise InputFaults([fault]) from None
    except UnicodeDecodeError as error:
        fault = InputFault(name, None, "", f"bytes that are not UTF-8 ({error.reason})", "UTF-8")
        raise InputFaults([fault]) from None
    except OSError as error:
        fault = InputFault(name, None, "", error.strerror or str(error), "a readable YAML or JSON file")
        raise InputFaults([fault]) from None
    return parse_document(text, name=name, path=path)


def parse_document(text: str, name: str = "input", path: Path | None = None) -> Document:
    """Parse YAML or JSON text (JSON is read as the YAML it is, to keep the lines).

    Raises:
        InputFaults: the text is not YAML/JSON, with the line of the typo; or it is nested too deeply, or
            grows beyond measure once its aliases are written out.
    """
    text = text.removeprefix("\ufeff")
    if path is not None and path.suffix.lower() == ".json":
        try:
            json.loads(text)
        except json.JSONDecodeError as error:
            fault = InputFault(name, error.lineno, "", f"{error.msg}", "valid JSON")
            raise InputFaults([fault]) from None
        except RecursionError:
            raise InputFaults([_too_deep(name, None)]) from None
    yaml = YAML(typ="rt")
    try:
        loaded = yaml.load(text)
    except MarkedYAMLError as error:
        raise InputFaults([_typo(name, text, error)]) from None
    except (YAMLError, ValueError, TypeError) as error:
        message = str(error).splitlines()[0]
        raise InputFaults([InputFault(name, _line_of_no_date(text), "", message, "valid YAML")]) from None
    except RecursionError:
        raise InputFaults([_too_deep(name, None)]) from None
    writer = _Writer(name)
    data = writer.plain(loaded, ())
    return Document(data, path, name, writer.lines)


_DATE_LIKE = re.compile(r"\b\d{4}-\d\d-\d\d\b")


def _line_of_no_date(text: str) -> int | None:
    """Return the line of the first date that no calendar has (YAML reads 2026-02-30 as a date)."""
    for number, row in enumerate(text.splitlines(), start=1):
        for word in _DATE_LIKE.findall(row):
            try:
                datetime.date.fromisoformat(word)
            except ValueError:
                return number
    return None


def _too_deep(name: str, line: int | None) -> InputFault:
    """Return the fault of a file with too many levels."""
    return InputFault(
        name, line, "", f"more than {DEEPEST} levels of mappings and lists", f"at most {DEEPEST}"
    )


def _typo(name: str, text: str, error: MarkedYAMLError) -> InputFault:
    """Say where a YAML typo is and show the line."""
    mark = error.problem_mark or error.context_mark
    line = None if mark is None else int(mark.line) + 1
    rows = text.splitlines()
    shown = rows[line - 1].strip() if line is not None and 0 < line <= len(rows) else ""
    what = " ".join(str(part) for part in (error.problem, error.context) if part)
    found = f"{what.splitlines()[0] if what else 'a typo'}" + (f" at '{shown}'" if shown else "")
    advice = "check indentation, colons, quotes and brackets here and on the line above"
    if "duplicate key" in what:
        advice = "remove or rename one of the two"
    return InputFault(name, line, "", found, "valid YAML", advice)


class _Writer:
    """Turns ruamel's values into plain Python and notes the line of every value.

    Aliases are written out, so a few lines can stand for more values than any memory holds: both the
    number of values and the levels are bounded.
    """

    def __init__(self, name: str):
        self.name = name
        self.lines: dict[Loc, int] = {(): 1}
        self.values = 0

    def plain(self, node: Any, loc: Loc) -> Any:
        """Return the value at `loc` as dict, list, str, int, float, bool or None.

        Raises:
            InputFaults: there are too many values or levels.
        """
        self.values += 1
        if self.values > MOST_VALUES:
            found = f"more than {MOST_VALUES:,} values once aliases (*name) are written out"
            fault = InputFault(self.name, self.lines.get(loc[:1]), "", found, f"at most {MOST_VALUES:,}")
            raise InputFaults([fault])
        if len(loc) > DEEPEST:
            raise InputFaults([_too_deep(self.name, self.lines.get(loc[:1]))])
        if isinstance(node, CommentedMap):
            return self.mapping(node, loc)
        if isinstance(node, CommentedSeq):
            return self.sequence(node, loc)
        if node is None or isinstance(node, bool):
            return node
        if isinstance(node, int):
            # ruamel's ScalarBoolean is an int that is not a bool; an anchored `true` becomes one.
            return bool(node) if type(node).__name__ == "ScalarBoolean" else int(node)
        if isinstance(node, float):
            return float(node)
        if isinstance(node, datetime.date):  # datetime included
            return node.isoformat()
        return str(node)

    def mapping(self, node: CommentedMap, loc: Loc) -> dict[str, Any]:
        """Return a mapping with text for keys."""
        positions = node.lc.data or {}
        out: dict[str, Any] = {}
        for key, value in node.items():
            # YAML reads `5: x` and `on: x` as number and boolean keys; fields are text.
            word = str(key)
            here = (*loc, word)
            if key in positions:
                self.lines[here] = int(positions[key][0]) + 1
            out[word] = self.plain(value, here)
        return out

    def sequence(self, node: CommentedSeq, loc: Loc) -> list[Any]:
        """Return a list."""
        rows = node.lc.data or {}
        items = []
        for index, value in enumerate(node):
            here = (*loc, index)
            if index in rows:
                self.lines[here] = int(rows[index][0]) + 1
            items.append(self.plain(value, here))
        return items
