"""A study file with many jobs in it: one scenario, and a grid or a list of changes to it."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from planner.files import Document, FieldProblem, FileModel, InputFaults, validate

MOST_POINTS = 100_000
"""More points than this in one grid are taken for a mistake."""


class GridFile(FileModel):
    """Many variants of one scenario."""

    study: Literal["batch"] = Field(default="batch", description="Kind of the study; may be left out.")
    name: str = Field(default="", description="Name in reports. Default: the file's name.")
    scenario: str | Mapping[str, Any] = Field(
        description="A path relative to this file, or the scenario itself."
    )
    changes: list[str] = Field(
        default_factory=list, description="Changes in every job, each `path=value` as for --set."
    )
    grid: dict[str, list[Any]] = Field(
        default_factory=dict, description="Path -> values: a job for every combination."
    )
    list_: list[dict[str, Any]] = Field(
        default_factory=list, alias="list", description="Jobs one by one, each path -> value."
    )

    @model_validator(mode="after")
    def _has_points(self) -> Self:
        if not self.grid and not self.list_:
            raise FieldProblem("neither", "a `grid` or a `list` of changes", at=("grid",))
        empty = [path for path, values in self.grid.items() if not values]
        if empty:
            raise FieldProblem("no values", "at least one value", at=("grid", empty[0]))
        count = 1
        for values in self.grid.values():
            count *= len(values)
        if count > MOST_POINTS:
            raise FieldProblem(f"{count:,} combinations", f"at most {MOST_POINTS:,}", at=("grid",))
        return self


@dataclass(frozen=True)
class Point:
    """One variant: `name` says what changes, "" for the scenario as it is."""

    name: str
    scenario: str | Mapping[str, Any]
    overrides: tuple[str, ...]
    folder: str


def points_of(document: Document, path: Path) -> list[Point]:
    """Return the variants of a study file, the grid's before the list's.

    Raises:
        InputFaults: a field is wrong, the scenario's file is missing, or it is a study of another kind.
    """
    data = document.data
    kind = data.get("study", "batch")
    if kind != "batch":
        advice = f"run `planner {kind}` on it" if isinstance(kind, str) else ""
        raise InputFaults([document.fault(("study",), f"'{kind}'", "batch", advice)])
    file = validate(GridFile, document)
    scenario: str | Mapping[str, Any] = file.scenario
    if isinstance(scenario, str):
        found = path.parent / Path(scenario).expanduser()
        if not found.is_file():
            fault = document.fault(("scenario",), f"no file '{scenario}'", "a file", f"looked for {found}")
            raise InputFaults([fault])
        scenario = str(found)
    return [
        Point(_label(change), scenario, (*file.changes, *_overrides(change)), str(path.parent))
        for change in _changes(file)
    ]


def _changes(file: GridFile) -> Iterator[Mapping[str, Any]]:
    if file.grid:
        for values in itertools.product(*file.grid.values()):
            yield dict(zip(file.grid, values, strict=True))
    yield from file.list_


def _overrides(change: Mapping[str, Any]) -> list[str]:
    """Return a change as `path=value` texts; `*0.9` and `+10` stay what they are."""
    return [f"{path}={_value(value)}" for path, value in change.items()]


def _value(value: Any) -> str:
    if isinstance(value, str) and value[:1] in ("*", "+"):
        return value
    return json.dumps(value, ensure_ascii=False)


def _label(change: Mapping[str, Any]) -> str:
    return ", ".join(f"{path}={value}" for path, value in change.items())
