"""Bounds of single counts that follow from single rows: what a limit holds of one thing, in whole numbers.

A feed that holds 2.9 racks of a kind holds 2. Relaxations fill every feed with the 0.9 as well, row after row
of racks: tens of percents of the capacity of a site that no plan has.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planner.optimize.program import Arrays

WHOLE_KINDS = ("servers", "mixes", "replicas", "moves")
"""Kinds of columns whose bounds are rounded."""

ROUNDING = 1e-9
"""What a quotient may lack of a whole number to count as it."""


def tightened(arrays: Arrays) -> Arrays:
    """Return the program with the largest count that each row allows of each column by itself as its bound.

    Only rows that are limits count: without negative coefficients, over columns that are never negative.
    """
    matrix = arrays.matrix.tocsr()
    entries = np.diff(matrix.indptr)
    row = np.repeat(np.arange(len(entries)), entries)
    limit = np.isfinite(arrays.row_upper)
    limit[row[(matrix.data < 0) | (arrays.column_lower[matrix.indices] < 0)]] = False
    whole = np.zeros(len(arrays.cost), dtype=bool)
    for kind in WHOLE_KINDS:
        whole[arrays.block(kind)] = True
    chosen = limit[row] & whole[matrix.indices] & (matrix.data > 0)
    most = np.floor(arrays.row_upper[row[chosen]] / matrix.data[chosen] + ROUNDING)
    upper = arrays.column_upper.copy()
    np.minimum.at(upper, matrix.indices[chosen], most)
    return replace(arrays, column_upper=np.maximum(upper, arrays.column_lower))
