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
        self._lower = np.append(arrays.column_lower, np.zeros(count))
        self._upper = np.append(arrays.column_upper, np.full(count, np.inf))
        self._elastic = replace(
            arrays,
            cost=np.append(arrays.cost, price),
            column_lower=self._lower,
            column_upper=self._upper,
            matrix=scipy.sparse.hstack([arrays.matrix, missing], format="csr"),
            column_kind=(),
        )
        self._by_column = arrays.matrix.tocsc()

    def rounded(
        self, kinds: Sequence[np.ndarray], room: Floats, more: float, whole: Callable[[Floats], Floats]
    ) -> Floats | None:
        """Return (columns,) values with whole counts that keep every row; None if something is missing.

        Args:
            kinds: (columns,) masks of counts, in the order in which they are rounded.
            room: (rows,) what each limit leaves at first.
            more: share by which more is asked for at first.
            whole: gives (rows,) what limits are to leave for whole traffic, from values.
        """
        arrays = self._arrays
        count = len(arrays.cost)
        same = self._needs & (arrays.row_lower == arrays.row_upper)
        lower = np.where(self._needs, arrays.row_lower * (1.0 + more), arrays.row_lower)
        upper = np.where(same, lower, arrays.row_upper)
        program = LinearProgram(
            replace(self._elastic, row_lower=lower, row_upper=upper - room), presolved=False
        )
        values = program.solve().values[:count]
        for kind in kinds:
            if not len(values):
                return None
            fixed = self._up_where_held(values, kind)
            self._lower[:count][kind] = self._upper[:count][kind] = fixed[kind]
            program.move_columns(self._lower, self._upper)
            if kind is kinds[-2]:
                program.move_rows(lower, upper)  # what follows is not rounded up where a limit is in the way
            if kind is kinds[-1]:
                program.move_rows(arrays.row_lower, arrays.row_upper - whole(fixed))
            values = program.solve().values[:count]
        if not len(values):
            return None
        asked = np.abs(arrays.row_lower[self._needs])
        lacks = arrays.row_lower[self._needs] - (arrays.matrix @ values)[self._needs]
        return None if (lacks > MISSED * np.maximum(asked, 1.0)).any() else values

    def _up_where_held(self, values: Floats, kind: np.ndarray) -> Floats:
        """Return values with a kind of counts rounded: up, the most cut off first, where its rows hold it."""
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
            if held and rounded[column] + 1 <= arrays.column_upper[column]:
                rounded[column] += 1
                activity[rows] += amounts
        return rounded
