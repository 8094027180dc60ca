"""The points of a sweep: every combination, value by value, at random, or from a table."""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
from scipy.stats import qmc

from planner.files import InputFault, InputFaults
from planner.files.document import parse_document
from planner.study.study_file import Span

Point = dict[str, Any]
"""Path of an input -> its value."""


def written_values(values: Sequence[Any] | Span) -> list[Any]:
    """Return the values of an input, in order; factors are written `*0.9`."""
    if isinstance(values, Span):
        return [f"*{value!r}" if values.relative else value for value in values.values()]
    return list(values)


def grid(vary: Mapping[str, Sequence[Any] | Span]) -> list[Point]:
    """Return every combination of the values; the last input changes fastest."""
    columns = [written_values(values) for values in vary.values()]
    return [dict(zip(vary, row, strict=True)) for row in itertools.product(*columns)]


def side_by_side(vary: Mapping[str, Sequence[Any] | Span]) -> list[Point]:
    """Return the first values together, then the second ones, and so on; lists are equally long."""
    columns = [written_values(values) for values in vary.values()]
    return [dict(zip(vary, row, strict=True)) for row in zip(*columns, strict=True)]


def at_random(vary: Mapping[str, Sequence[Any] | Span], samples: int, seed: int) -> list[Point]:
    """Return random points, spread evenly over each input (Latin hypercube)."""
    shares = qmc.LatinHypercube(d=len(vary), seed=seed).random(samples)
    points: list[Point] = []
    for row in shares:
        point: Point = {}
        for (path, values), share in zip(vary.items(), row, strict=True):
            if isinstance(values, Span):
                value = float(f"{values.at(float(share)):.6g}")
                point[path] = f"*{value!r}" if values.relative else value
            else:
                point[path] = values[min(int(share * len(values)), len(values) - 1)]
        points.append(point)
    return points


def from_table(path: Path) -> list[Point]:
    """Return the rows of a CSV file whose columns are named by paths; empty cells change nothing.

    Raises:
        InputFaults: it cannot be read, or has no rows.
    """
    try:
        table = pd.read_csv(path, dtype=str, keep_default_na=False)
    except (OSError, ValueError) as error:
        raise InputFaults([InputFault(str(path), None, "", str(error), "a CSV file of points")]) from None
    if table.empty:
        fault = InputFault(str(path), None, "", "no rows", "a header of paths and a row for each point")
        raise InputFaults([fault])
    points = []
    for row in table.to_dict(orient="records"):
        points.append({str(path): cell_value(text) for path, text in row.items() if text.strip()})
    return points


def cell_value(text: str) -> Any:
    """Return the value that a cell of a table says: YAML, or a factor or shift (`*0.9`, `+10`)."""
    stripped = text.strip()
    return stripped if stripped[0] in "*+" else parse_document(stripped, name="cell").data
