"""A study file with many jobs in it: one scenario, and a grid or a list of changes to it, or a sweep."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import Field, model_validator

from planner.files import Document, FieldProblem, FileModel, InputFault, InputFaults, validate

KINDS = ("batch", "sweep")
"""Kinds of studies whose points are solved one by one, none needing the answer of another."""

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


def kind_of(document: Document) -> str:
    """Return the kind of study that a file says it is; batch where it says nothing."""
    data = document.data
    stated = data.get("study") if isinstance(data, Mapping) else None
    if stated is None and isinstance(data, Mapping) and "vary" in data:
        return "sweep"
    return "batch" if stated is None else str(stated)


def sweep_points_of(path: Path) -> list[Point]:
    """Return the points of a sweep (`planner sweep`), in its order; each is a job.

    Raises:
        InputFaults: everything that is wrong in the study, or a path in it that leads nowhere.
    """
    from planner.study.inputs import Inputs, input_fault
    from planner.study.study_file import open_study
    from planner.study.sweep import SweepStudy, sweep_points

    opened = open_study(SweepStudy, path)
    inputs = Inputs(opened.question())
    scenario = str(opened.scenario) if isinstance(opened.scenario, Path) else opened.scenario
    found: list[Point] = []
    faults: list[InputFault] = []
    for change in sweep_points(opened):
        try:
            changes = [text for at, value in change.items() for text in inputs.overrides(at, value)]
            overrides = (*opened.study.changes, *changes)
            found.append(Point(_label(change), scenario, overrides, str(opened.folder)))
        except LookupError as error:
            faults.append(input_fault(opened.document, ("vary",), error))
    if faults:
        raise InputFaults(faults)
    return found


def points_of(document: Document, path: Path) -> list[Point]:
    """Return the variants of a study file, the grid's before the list's.

    Raises:
        InputFaults: a field is wrong, the scenario's file is missing, or it is a study of another kind.
    """
    kind = kind_of(document)
    if kind != "batch":
        raise InputFaults(
            [document.fault(("study",), f"'{kind}'", " or ".join(KINDS), f"run `planner {kind}` on it")]
        )
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
