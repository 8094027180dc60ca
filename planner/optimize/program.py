"""The program as arrays: named integer columns, named rows, integer coefficients.

Every constraint family adds rows here; every solver reads from here. A row keeps its name, family,
unit and the field of the question that states it, so that duals, conflicts and ledgers come back in
the user's words.
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import scipy.sparse
from numpy.typing import NDArray

from planner.optimize.problem import UNLIMITED, Integers, integers

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class RowInfo:
    """What a row means to a person.

    family: constraint family (`power`, `demand` ...). unit: of its limit. source: the field of the
    scenario or topology that states the limit, empty for rows of logic that nobody can loosen.
    """

    name: str
    family: str
    unit: str = ""
    source: str = ""

    @property
    def is_promise(self) -> bool:
        """True for rows that a person stated and could loosen."""
        return bool(self.source)


@dataclass(frozen=True)
class Section:
    """Rows and columns of one failure: half-open ranges. What stands in no section is the base program."""

    name: str
    first_row: int
    last_row: int
    first_column: int
    last_column: int


@dataclass(frozen=True)
class Cut:
    """`amounts @ x[columns] >= lower` over columns of the base program; whole numbers, but for covers."""

    name: str
    columns: Integers
    amounts: Floats
    lower: float


class Losses(Protocol):
    """Losses to survive that are kept out of the program: each solution is asked what it lacks."""

    @property
    def key(self) -> str:
        """Equal losses, equal keys."""

    def lacking(self, values: Floats, tolerance: float) -> list[Cut]:
        """Return cuts that `values` (columns,) break; none if every loss is survived.

        tolerance: units of traffic that may be missing.
        """

    def missing(self, values: Floats) -> dict[int, float]:
        """Return the units missing after each loss that `values` (columns,) do not survive."""

    def named(self, names: Collection[str]) -> list[int]:
        """Return the losses with these names."""

    def copied_columns(self, event: int) -> int:
        """Return how many columns a copy of the routing after a loss has."""

    def copied(self, arrays: Arrays, event: int) -> Arrays:
        """Return the program with the routing after a loss as its last section, columns at the end."""


@dataclass(frozen=True)
class Arrays:
    """The finished program: minimize cost @ x, row_lower <= matrix @ x <= row_upper, x integer.

    cost: (columns,) micro-USD/h. matrix: CSR (rows x columns). Every column is integer in the real
    program; a solver may relax some of them to get a bound.
    """

    cost: Floats
    column_lower: Floats
    column_upper: Floats
    matrix: scipy.sparse.csr_matrix
    row_lower: Floats
    row_upper: Floats
    rows: tuple[RowInfo, ...]
    column_kind: tuple[tuple[str, int, int], ...]
    """Blocks of columns: (kind, first column, count)."""
    sections: tuple[Section, ...] = ()
    losses: Losses | None = None
    """Losses that every solution must survive and that are no section: told by cuts (see `Losses`)."""
    covers: tuple[Cut, ...] = ()
    """Rows that follow from the others and help solvers of whole counts; their amounts are fractions."""
    column_site: Integers | None = None
    """(columns,) the site each column belongs to, -1 for none; None where it is not known."""

    def block(self, kind: str) -> slice:
        """Return the columns of one kind of variable.

        Raises:
            KeyError: no such kind.
        """
        for name, first, count in self.column_kind:
            if name == kind:
                return slice(first, first + count)
        raise KeyError(kind)

    def violation(self, values: Floats) -> float:
        """Return the largest amount by which `values` breaks a row or a bound."""
        activity = self.matrix @ values
        parts = (
            self.row_lower - activity,
            activity - self.row_upper,
            self.column_lower - values,
            values - self.column_upper,
        )
        return float(max((part.max() for part in parts if part.size), default=0.0))

    def fingerprint(self) -> str:
        """Return the SHA-256 of all numbers of the program: equal programs, equal fingerprints."""
        digest = hashlib.sha256()
        numbers = (self.cost, self.column_lower, self.column_upper, self.row_lower, self.row_upper)
        structure = (self.matrix.indptr, self.matrix.indices, self.matrix.data)
        for array in (*numbers, *structure):
            digest.update(np.ascontiguousarray(array, dtype=np.float64).tobytes())
            digest.update(b"|")
        if self.losses is not None:
            digest.update(self.losses.key.encode())
        return digest.hexdigest()


class Program:
    """Collects columns and rows; `finish()` returns the immutable arrays."""

    def __init__(self) -> None:
        self._cost: list[Floats] = []
        self._lower: list[Floats] = []
        self._upper: list[Floats] = []
        self._blocks: list[tuple[str, int, int]] = []
        self._columns = 0
        self._rows: list[RowInfo] = []
        self._row_lower: list[Floats] = []
        self._row_upper: list[Floats] = []
        self._entries: list[tuple[Integers, Integers, Integers]] = []
        self._sections: list[Section] = []

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """Mark the rows and columns added inside as those of one failure."""
        rows, columns = len(self._rows), self._columns
        yield
        self._sections.append(Section(name, rows, len(self._rows), columns, self._columns))

    def add_columns(
        self, kind: str, upper: object, cost: object | None = None, lower: object | None = None
    ) -> Integers:
        """Add one block of integer columns and return their column numbers.

        Args:
            kind: name of the block, unique.
            upper: (n,) upper bounds.
            cost: (n,) micro-USD/h each, 0 when omitted.
            lower: (n,) lower bounds, 0 when omitted.
        """
        high = np.asarray(upper, dtype=np.float64).reshape(-1)
        count = len(high)
        zero = np.zeros(count)
        self._upper.append(high)
        self._cost.append(zero if cost is None else np.asarray(cost, dtype=np.float64))
        self._lower.append(zero if lower is None else np.asarray(lower, dtype=np.float64))
        self._blocks.append((kind, self._columns, count))
        columns = np.arange(self._columns, self._columns + count, dtype=np.int64)
        self._columns += count
        return columns

    def add_rows(
        self,
        rows: Iterable[RowInfo],
        entries: Sequence[tuple[object, object, object]],
        *,
        lower: object | None = None,
        upper: object | None = None,
    ) -> Integers:
        """Add rows and return their row numbers.

        Args:
            rows: what each row means; names are unique in the program.
            entries: parts (row number within this call, column, coefficient), arrays of equal length
                or with a scalar coefficient. Entries of a row or column -1 are left out.
            lower: (rows,) or scalar lower bounds, none when omitted.
            upper: (rows,) or scalar upper bounds, none when omitted.
        """
        infos = list(rows)
        first = len(self._rows)
        self._rows.extend(infos)
        self._row_lower.append(_bounds(lower, len(infos), -np.inf))
        self._row_upper.append(_bounds(upper, len(infos), np.inf))
        for row, column, coefficient in entries:
            row_numbers, columns = integers(row), integers(column)
            values = np.broadcast_to(np.asarray(coefficient, dtype=np.int64), columns.shape)
            there = (row_numbers >= 0) & (columns >= 0)
            if there.any():
                self._entries.append((row_numbers[there] + first, columns[there], values[there]))
        return np.arange(first, first + len(infos), dtype=np.int64)

    def extend_rows(self, rows: Integers, columns: object, coefficients: object) -> None:
        """Add further entries to rows that exist (row numbers as returned by `add_rows`)."""
        self._entries.append((integers(rows), integers(columns), integers(coefficients)))

    def finish(self) -> Arrays:
        """Return the program as arrays; entries for the same row and column are summed.

        Raises:
            ValueError: two rows share a name.
        """
        names = [row.name for row in self._rows]
        if len(set(names)) != len(names):
            seen: set[str] = set()
            twice = next(name for name in names if name in seen or seen.add(name))  # type: ignore[func-returns-value]
            raise ValueError(f"two rows are named {twice!r}")
        if self._entries:
            row, column, value = (np.concatenate(part) for part in zip(*self._entries, strict=True))
        else:
            row = column = value = integers([])
        shape = (len(self._rows), self._columns)
        matrix = scipy.sparse.csr_matrix((value.astype(np.float64), (row, column)), shape=shape)
        matrix.sum_duplicates()
        matrix.eliminate_zeros()
        return Arrays(
            cost=_joined(self._cost),
            column_lower=_joined(self._lower),
            column_upper=_joined(self._upper),
            matrix=matrix,
            row_lower=_joined(self._row_lower),
            row_upper=_joined(self._row_upper),
            rows=tuple(self._rows),
            column_kind=tuple(self._blocks),
            sections=tuple(self._sections),
        )


def _bounds(value: object | None, count: int, default: float) -> Floats:
    """Return (rows,) bounds; one that never binds is infinite.

    HiGHS takes 2**52 at its word: with such a bound it proves optima that are twice the true one.
    """
    bounds = np.broadcast_to(
        np.asarray(default if value is None else value, dtype=np.float64), (count,)
    ).copy()
    bounds[np.abs(bounds) >= UNLIMITED] = default
    return bounds


def _joined(parts: list[Floats]) -> Floats:
    return np.concatenate(parts) if parts else np.zeros(0)
