"""Whole counts from fractional ones without a search: kinds of counts are rounded one after the other.

The relaxation is solved with room: limits leave what rounding up will add, and a little more is asked for
than is needed. Then one kind of counts after the other is rounded: down, and up again in the order of what
is cut off, as long as every limit holds. After each kind a linear program moves what is left to what stands.
What is asked for may be missed at a price, so that each of them has a solution; the last says whether any is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import scipy.sparse

from planner.optimize.program import Arrays, Floats
from planner.optimize.solvers.glop import LinearProgram

MISSING_PRICE, MISSING_STEP = 3.0, 1e-3
"""Price of all that a row asks for, against the whole cost; and the part of it that one column counts, so
that its amounts are like those of others."""

WHOLE, HELD = 1e-6, 1e-9
"""What counts as a whole number; by what share of its bound a row may be passed by rounding."""

MISSED = 1e-6
"""Share of a row that counts as kept: what doubles leave."""


class Rounding:
    """The program of the columns in use, and its linear program kept from kind to kind."""

    def __init__(self, arrays: Arrays, needs: np.ndarray, whole_cost: float) -> None:
        """Prepare.

        Args:
            arrays: the program; what it asks for at least are its rows `needs` (mask).
            needs: (rows,) which may be missed at a price.
            whole_cost: what a plan costs, about.
        """
        self._arrays, self._needs = arrays, needs
        asked = np.flatnonzero(needs)
        whole = np.maximum(np.abs(arrays.row_lower[asked]), 1.0)
        steps = np.maximum(whole * MISSING_STEP, 1.0)
        count = len(asked)
        missing: scipy.sparse.csr_matrix = scipy.sparse.csr_matrix(
            (steps, (asked, np.arange(count))), shape=(len(arrays.rows), count)
        )
        price = (
            MISSING_PRICE * max(whole_cost, 1.0) * steps / np.maximum(np.abs(arrays.row_lower[asked]), 1.0)
        )
        self._none, self._any = np.zeros(count), np.full(count, np.inf)
        elastic = replace(
            arrays,
            cost=np.append(arrays.cost, price),
            column_lower=np.append(arrays.column_lower, self._none),
            column_upper=np.append(arrays.column_upper, self._any),
            matrix=scipy.sparse.hstack([arrays.matrix, missing], format="csr"),
            column_kind=(),
        )
        self._program = LinearProgram(elastic, presolved=False)
        self._by_column = arrays.matrix.tocsc()

    def rounded(
        self,
        kinds: Sequence[np.ndarray],
        room: Floats,
        more: float,
        whole: Callable[[Floats], Floats],
        bounds: tuple[Floats, Floats] | None = None,
    ) -> Floats | None:
        """Return (columns,) values with whole counts that keep every row; None if something is missing.

        Args:
            kinds: (columns,) masks of counts, in the order in which they are rounded.
            room: (rows,) what each limit leaves at first.
            more: share by which more is asked for at first.
            whole: gives (rows,) what limits are to leave for whole traffic, from values.
            bounds: of the columns; None: their own.
        """
        arrays = self._arrays
        same = self._needs & (arrays.row_lower == arrays.row_upper)
        asked = np.where(self._needs, arrays.row_lower * (1.0 + more), arrays.row_lower)
        limits = np.where(same, asked, arrays.row_upper)
        lower, upper = (part.copy() for part in bounds or (arrays.column_lower, arrays.column_upper))
        values = self._moved(lower, upper, asked, limits - room)
        for kind in kinds:
            if values is None:
                return None
            fixed = self._up_where_held(values, kind, upper)
            lower[kind] = upper[kind] = fixed[kind]
            if kind is kinds[-1]:
                values = self._moved(lower, upper, arrays.row_lower, arrays.row_upper - whole(fixed))
            else:
                # What comes last is not rounded up where a limit is in the way: it needs no room.
                values = self._moved(lower, upper, asked, limits - (0.0 if kind is kinds[-2] else room))
        if values is None:
            return None
        least = arrays.row_lower[self._needs]
        lacks = least - (arrays.matrix @ values)[self._needs]
        return None if (lacks > MISSED * np.maximum(np.abs(least), 1.0)).any() else values

    def _moved(self, lower: Floats, upper: Floats, row_lower: Floats, row_upper: Floats) -> Floats | None:
        """Return (columns,) the solution of the linear program with other bounds; None if it has none."""
        self._program.move_columns(np.append(lower, self._none), np.append(upper, self._any))
        self._program.move_rows(row_lower, row_upper)
        outcome = self._program.solve()
        return outcome.values[: len(lower)] if outcome.status == "optimal" else None

    def _up_where_held(self, values: Floats, kind: np.ndarray, most: Floats) -> Floats:
        """Return values with a kind of counts rounded: up where rows and `most` (columns,) hold it.

        The one that most was cut off comes first.
        """
        arrays, matrix = self._arrays, self._by_column
        rounded = np.where(kind & (np.abs(values - np.rint(values)) <= WHOLE), np.rint(values), values)
        part = np.flatnonzero(kind & (np.abs(values - np.rint(values)) > WHOLE))
        rounded[part] = np.floor(values[part])
        activity = arrays.matrix @ rounded
        bound = arrays.row_upper + HELD * np.abs(arrays.row_upper) + HELD
        for column in part[np.argsort(np.floor(values[part]) - values[part], kind="stable")].tolist():
            entries = slice(matrix.indptr[column], matrix.indptr[column + 1])
            rows, amounts = matrix.indices[entries], matrix.data[entries]
            uses = amounts > 0
            held = (activity[rows[uses]] + amounts[uses] <= bound[rows[uses]]).all()
            if held and rounded[column] + 1 <= most[column]:
                rounded[column] += 1
                activity[rows] += amounts
        return rounded
