"""Parts of the program set free while the rest stays: the first plan, and better ones around it.

`near` keeps servers, racks and replicas within a step of a solution whose counts are fractional: the few
hundred counts that are not whole already decide a plan in a moment. `around` frees some sites of a plan and
leaves the others as they are.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np

from planner.optimize.problem import Integers
from planner.optimize.program import Arrays, Floats

Answer = TypeVar("Answer")


def near(arrays: Arrays, values: Floats, servers: int, replicas: int) -> Arrays:
    """Return the program with counts between one rounding and the other of `values`, give or take some.

    Sites stay open or closed as they are.

    Args:
        arrays: the program.
        values: (columns,) a solution whose counts may be fractional.
        servers: by how much more servers and mixes may differ.
        replicas: by how much more replicas may differ; 0: what has none gets none.
    """
    lower, upper = arrays.column_lower.copy(), arrays.column_upper.copy()
    block = arrays.block("open")
    lower[block] = upper[block] = np.rint(values[block])
    for kind, more in (("servers", servers), ("mixes", servers), ("replicas", replicas)):
        block = arrays.block(kind)
        lower[block] = np.maximum(lower[block], np.floor(values[block] + 1e-6) - more)
        upper[block] = np.minimum(upper[block], np.ceil(values[block] - 1e-6) + more)
    return replace(arrays, column_lower=lower, column_upper=upper, losses=None)


@dataclass(frozen=True)
class Freed:
    """The program of the free columns: `columns[c]` is the whole's number of its column c."""

    arrays: Arrays
    columns: Integers


def around(arrays: Arrays, values: Floats, free: np.ndarray) -> Freed:
    """Return the program of the columns `free` (mask) with all others at their `values`."""
    columns = np.flatnonzero(free)
    own = arrays.matrix[:, columns].tocsr()
    touched = np.flatnonzero(np.diff(own.indptr))
    own = own[touched]
    # What others use of a row is known to the last unit where their values are whole.
    others = arrays.matrix[touched] @ np.where(free, 0.0, values)
    others = np.where(np.abs(others - np.rint(others)) < 1e-6, np.rint(others), others)
    part = Arrays(
        cost=arrays.cost[columns],
        column_lower=arrays.column_lower[columns],
        column_upper=arrays.column_upper[columns],
        matrix=own,
        row_lower=arrays.row_lower[touched] - others,
        row_upper=arrays.row_upper[touched] - others,
        rows=tuple(arrays.rows[row] for row in touched.tolist()),
        column_kind=(),
    )
    return Freed(part, columns.astype(np.int64))


def in_parallel(tasks: Sequence[Callable[[], Answer]], workers: int) -> list[Answer]:
    """Run solver calls side by side (they leave Python while they search); answers in the tasks' order."""
    if workers <= 1 or len(tasks) <= 1:
        return [task() for task in tasks]
    with ThreadPoolExecutor(workers) as pool:
        return list(pool.map(lambda task: task(), tasks))
