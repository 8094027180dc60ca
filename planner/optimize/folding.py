"""Columns and rows that are alike, folded into one: colour refinement on the program.

Rows of a hall that were built thirty times, racks on like feeds, servers that differ in nothing: their
columns stand in the same places of the program. Colour refinement finds the coarsest partition of rows and
columns in which any two columns of a class meet each class of rows with the same amounts, and the other way
round (an equitable partition). One column for each class, counting the sum of its columns, then gives a
linear program with the same optimum: a solution of the folded one, shared out equally, keeps every row of the
real one (Grohe, Kersting, Mladenov, Selman: Dimension Reduction via Colour Refinement, ESA 2014). With whole
counts the folded program is a relaxation, so its bounds hold for the real one; how counts are spread over
real racks is decided afterwards (`site_packing`).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from planner.optimize.problem import Integers
from planner.optimize.program import Arrays, Cut, Floats

Hashes = NDArray[np.uint64]

MOST_ROUNDS = 50
"""Rounds of refinement; programs of this kind need about ten."""


@dataclass(frozen=True)
class Folded:
    """A program of classes: `arrays`; its column c is the sum of the real columns with `column_class` c."""

    arrays: Arrays
    column_class: Integers
    row_class: Integers

    @property
    def sizes(self) -> Integers:
        """Return (classes,) how many real columns each class has."""
        return np.bincount(self.column_class, minlength=len(self.arrays.cost))

    def unfolded(self, values: Floats) -> Floats:
        """Return (real columns,) the values of classes, shared out equally."""
        return (values / self.sizes)[self.column_class]

    def folded(self, values: Floats) -> Floats:
        """Return (classes,) the sums of real columns."""
        return _summed(self.column_class, values, len(self.arrays.cost))

    def cut(self, cut: Cut) -> Cut:
        """Return a cut over classes that every plan keeps which keeps `cut`.

        Columns are not negative: the largest amount of a class stands for all of it.
        """
        amounts = np.zeros(len(self.arrays.cost))
        np.maximum.at(amounts, self.column_class[cut.columns], cut.amounts)
        columns = np.flatnonzero(amounts).astype(np.int64)
        return Cut(cut.name, columns, amounts[columns], cut.lower)


def fold(arrays: Arrays) -> Folded:
    """Return the folded program; where nothing is alike it is as large as the real one.

    Columns of different kinds or sites are never folded into one.
    """
    row_class, column_class = _refined(arrays)
    folded = _of_classes(arrays, row_class, column_class)
    if folded is None:  # two different patterns had one hash: never seen, but a bound must not rest on it
        rows, columns = arrays.matrix.shape
        return Folded(arrays, np.arange(columns, dtype=np.int64), np.arange(rows, dtype=np.int64))
    return folded


def _refined(arrays: Arrays) -> tuple[Integers, Integers]:
    """Return the classes of rows and of columns, numbered by their first members."""
    matrix = arrays.matrix
    count_rows, count_columns = matrix.shape
    kind = np.zeros(count_columns, dtype=np.uint64)
    for number, (_, first, count) in enumerate(arrays.column_kind):
        kind[first : first + count] = number + 1
    site = arrays.column_site if arrays.column_site is not None else np.zeros(count_columns, dtype=np.int64)
    columns = _hash(
        kind, site.astype(np.uint64), *map(_bits, (arrays.cost, arrays.column_lower, arrays.column_upper))
    )
    rows = _hash(*map(_bits, (arrays.row_lower, arrays.row_upper)))
    row_of = np.repeat(np.arange(count_rows), np.diff(matrix.indptr))
    column_of = matrix.indices.astype(np.int64)
    amounts = _mixed(_bits(matrix.data))
    classes = 0
    for _ in range(MOST_ROUNDS):
        rows = _hash(rows, _sums(row_of, _mixed(columns[column_of] ^ amounts), count_rows))
        columns = _hash(columns, _sums(column_of, _mixed(rows[row_of] ^ amounts), count_columns))
        found = len(np.unique(rows)) + len(np.unique(columns))
        if found == classes:
            break
        classes = found
    return _numbered(rows), _numbered(columns)


def _of_classes(arrays: Arrays, row_class: Integers, column_class: Integers) -> Folded | None:
    """Return the program of classes; None if the partition is not equitable."""
    matrix = arrays.matrix
    many_rows, many_columns = int(row_class.max(initial=-1)) + 1, int(column_class.max(initial=-1)) + 1
    _, first_row = np.unique(row_class, return_index=True)
    _, first_column = np.unique(column_class, return_index=True)
    same = [
        (arrays.cost[first_column][column_class], arrays.cost),
        (arrays.column_lower[first_column][column_class], arrays.column_lower),
        (arrays.column_upper[first_column][column_class], arrays.column_upper),
        (arrays.row_lower[first_row][row_class], arrays.row_lower),
        (arrays.row_upper[first_row][row_class], arrays.row_upper),
    ]
    if not all(np.array_equal(one, other) for one, other in same):
        return None
    of_row = _members(row_class, many_rows)
    of_column = _members(column_class, many_columns)
    # What the rows of each class hold of one column together: equal for all columns of a class.
    by_rows = (of_row.T @ matrix).tocsc()
    own = by_rows[:, first_column]
    if not _equal(by_rows, own[:, column_class]):
        return None
    by_columns = (matrix @ of_column).tocsr()
    if not _equal(by_columns, by_columns[first_row][row_class]):
        return None
    kinds = []
    for name, first, count in arrays.column_kind:
        held = np.unique(column_class[first : first + count])
        kinds.append((name, int(held[0]) if len(held) else 0, len(held)))
    sizes = np.bincount(column_class, minlength=many_columns)
    return Folded(
        replace(
            arrays,
            cost=arrays.cost[first_column],
            column_lower=arrays.column_lower[first_column] * sizes,
            column_upper=arrays.column_upper[first_column] * sizes,
            matrix=own.tocsr(),
            row_lower=_summed(row_class, arrays.row_lower, many_rows),
            row_upper=_summed(row_class, arrays.row_upper, many_rows),
            rows=tuple(arrays.rows[row] for row in first_row.tolist()),
            column_kind=tuple(kinds),
            sections=(),
            losses=None,
            column_site=None if arrays.column_site is None else arrays.column_site[first_column],
        ),
        column_class,
        row_class,
    )


def _summed(classes: Integers, values: Floats, many: int) -> Floats:
    """Return (classes,) the sums of values by class; infinite bounds stay infinite."""
    return np.bincount(classes, weights=values, minlength=many).astype(np.float64)


def _members(classes: Integers, many: int) -> scipy.sparse.csr_matrix:
    """Return the 0/1 matrix things x classes."""
    count = len(classes)
    return scipy.sparse.csr_matrix((np.ones(count), (np.arange(count), classes)), shape=(count, many))


def _equal(one: Any, other: Any) -> bool:
    """Say whether two matrices are equal to the last bit: sums of whole numbers are exact."""
    return bool((one != other).nnz == 0)


def _numbered(hashes: Hashes) -> Integers:
    """Return class numbers in the order in which classes first appear."""
    _, first, inverse = np.unique(hashes, return_index=True, return_inverse=True)
    order = np.empty(len(first), dtype=np.int64)
    order[np.argsort(first)] = np.arange(len(first))
    return order[inverse.reshape(-1)]


def _bits(values: Floats) -> Hashes:
    """Return the bits of doubles; 0 and -0 are the same."""
    return (np.asarray(values, dtype=np.float64) + 0.0).view(np.uint64)


def _mixed(values: Hashes) -> Hashes:
    """Return well-mixed hashes (the finalizer of SplitMix64)."""
    values = (values ^ (values >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    values = (values ^ (values >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    return values ^ (values >> np.uint64(31))


def _hash(*parts: Hashes) -> Hashes:
    """Return one hash for each row of several arrays."""
    combined = np.zeros(len(parts[0]), dtype=np.uint64)
    for part in parts:
        combined = _mixed(combined * np.uint64(0x9E3779B97F4A7C15) + part + np.uint64(1))
    return combined


def _sums(place: Integers, values: Hashes, count: int) -> Hashes:
    """Return (count,) the sums of hashes by place, modulo 2^64: the order of entries does not matter."""
    sums = np.zeros(count, dtype=np.uint64)
    np.add.at(sums, place, values)
    return sums
