"""Failures one by one: only those that a plan does not survive by itself are part of the program.

A program without some failures is a relaxation: its bound is a bound of the whole. Whether a plan
survives a failure is a small linear program over the routing after it, with the plan fixed.
"""

from __future__ import annotations

import bisect
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np

from planner.optimize.problem import Integers
from planner.optimize.program import Arrays, Floats, Section
from planner.optimize.solvers import highs

REROUTING_TOLERANCE = 1e-4
"""By how much rerouted units may miss what is promised, as in the verifier: what doubles leave."""


REROUTING_S = 30.0
"""Time for one rerouting; a failure not decided in it counts as not survived."""

TRAFFIC = ("flow", "assign", "unserved", "share", "beyond", "servers-beyond")
"""Kinds of columns that count units of traffic, or shares of what averages of losses take: not whole."""


def is_traffic(arrays: Arrays) -> np.ndarray:
    """Return (columns,) which columns may be split in any parts, those after failures included."""
    mask = np.zeros(len(arrays.cost), dtype=bool)
    for kind, first, count in arrays.column_kind:
        if kind.rsplit("/", 1)[-1] in TRAFFIC:
            mask[first : first + count] = True
    return mask


@dataclass(frozen=True)
class Part:
    """A program of some columns of the whole: `columns[c]` is the whole's number of its column c."""

    arrays: Arrays
    columns: Integers

    def lift(self, values: Floats, into: Floats) -> Floats:
        """Return the whole vector `into` with this part's values laid over it."""
        whole = into.copy()
        whole[self.columns] = values
        return whole


def part_with(arrays: Arrays, active: Sequence[int]) -> Part:
    """Return the program with the base rows and those of the active sections (failures) only."""
    rows = np.ones(len(arrays.rows), dtype=bool)
    columns = np.ones(len(arrays.cost), dtype=bool)
    chosen = set(active)
    for number, section in enumerate(arrays.sections):
        if number not in chosen:
            rows[section.first_row : section.last_row] = False
            columns[section.first_column : section.last_column] = False
    return Part(_cut(arrays, rows, columns), np.flatnonzero(columns))


def _cut(arrays: Arrays, rows: np.ndarray, columns: np.ndarray) -> Arrays:
    """Return the program of the chosen rows and columns (masks); blocks of columns keep their names."""
    kinds = []
    position = np.append(np.cumsum(columns) - columns, columns.sum())
    for kind, first, count in arrays.column_kind:
        if count == 0 or columns[first : first + count].any():
            kinds.append((kind, int(position[first]), count))
    return Arrays(
        cost=arrays.cost[columns],
        column_lower=arrays.column_lower[columns],
        column_upper=arrays.column_upper[columns],
        matrix=arrays.matrix[rows][:, columns],
        row_lower=arrays.row_lower[rows],
        row_upper=arrays.row_upper[rows],
        rows=tuple(row for row, kept in zip(arrays.rows, rows, strict=True) if kept),
        column_kind=tuple(kinds),
        column_site=None if arrays.column_site is None else arrays.column_site[columns],
    )


def rerouted(arrays: Arrays, number: int, values: Floats, *, whole: bool = True) -> Floats | None:
    """Return values for the columns of a failure with everything else fixed, None if it is not survived.

    Args:
        arrays: the whole program.
        number: the section of the failure.
        values: (columns,) of the whole; those of the failure itself do not matter.
        whole: surviving replicas are whole; traffic may be split freely in any case.
    """
    section = arrays.sections[number]
    rows = slice(section.first_row, section.last_row)
    own = slice(section.first_column, section.last_column)
    fixed = values.copy()
    fixed[own] = 0.0
    matrix = arrays.matrix[rows]
    as_before = _as_before(arrays, section, values)
    fixed[own] = as_before
    activity = matrix @ fixed
    if (activity >= arrays.row_lower[rows] - REROUTING_TOLERANCE).all() and (
        activity <= arrays.row_upper[rows] + REROUTING_TOLERANCE
    ).all():
        return as_before  # nothing that carries traffic is lost
    fixed[own] = 0.0
    given = matrix @ fixed
    small = replace(
        arrays,
        cost=np.zeros(section.last_column - section.first_column),
        column_lower=arrays.column_lower[own],
        column_upper=arrays.column_upper[own],
        matrix=matrix[:, own],
        row_lower=arrays.row_lower[rows] - given - REROUTING_TOLERANCE,
        row_upper=arrays.row_upper[rows] - given + REROUTING_TOLERANCE,
        rows=arrays.rows[rows],
        column_kind=tuple(
            (kind, first - section.first_column, count) for kind, first, count in _blocks(arrays, section)
        ),
        sections=(),
    )
    linear = highs.solve_linear(small)
    if linear.status != "optimal":
        return None
    integer = ~is_traffic(small)
    if not whole or np.allclose(linear.values[integer], np.rint(linear.values[integer]), atol=1e-9):
        return linear.values
    outcome = highs.solve_integer(
        small, integer=integer, time_limit_s=REROUTING_S, relative_gap=1.0, node_limit=None
    )
    return outcome.values


def _blocks(arrays: Arrays, section: Section) -> Sequence[tuple[str, int, int]]:
    """Return the blocks of columns of a failure; blocks are in the order of their columns."""
    low = bisect.bisect_left(arrays.column_kind, section.first_column, key=lambda block: block[1])
    high = bisect.bisect_left(arrays.column_kind, section.last_column, key=lambda block: block[1])
    return arrays.column_kind[low:high]


def _as_before(arrays: Arrays, section: Section, values: Floats) -> Floats:
    """Return values for the columns of a failure: all traffic stays where it is and nothing is lost."""
    own = np.zeros(section.last_column - section.first_column)
    for kind, first, count in _blocks(arrays, section):
        name = kind.rsplit("/", 1)[-1]
        if name in ("flow", "assign"):
            before = values[arrays.block(name)]
            if len(before) == count:  # else some demands need no routing of their own
                own[first - section.first_column : first - section.first_column + count] = before
    return own


def survived(
    arrays: Arrays, values: Floats, numbers: Sequence[int], *, whole: bool = True
) -> tuple[Floats, list[int]]:
    """Return `values` with every rerouting filled in, and the failures among `numbers` not survived."""
    filled = values.copy()
    lost: list[int] = []
    for number in numbers:
        routing = rerouted(arrays, number, values, whole=whole)
        section = arrays.sections[number]
        if routing is None:
            lost.append(number)
        else:
            filled[section.first_column : section.last_column] = routing
    return filled, lost
