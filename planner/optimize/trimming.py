"""Plans without what nothing needs: racks retrofitted for no server, sites opened for none.

Such columns cost something and hold nothing; solvers that stop at a gap, and rounding, leave some. A plan
does not show them, so that it would cost less than its search says.
"""

from __future__ import annotations

import numpy as np

from planner.optimize.program import Arrays, Floats

TRIMMED = ("mixes", "open")
"""Kinds of columns that are lowered."""

HELD = 1e-9
"""What a quotient may lack of a whole number to count as it."""


def trimmed(arrays: Arrays, values: Floats) -> Floats:
    """Return a plan with each rack mix and open site that costs something as low as every row allows.

    The dearest come first. Rows that the plan breaks are not broken further.

    Args:
        arrays: the program.
        values: (columns,) a plan.
    """
    lowered = values.copy()
    spare = np.zeros(len(values), dtype=bool)
    for kind in TRIMMED:
        spare[arrays.block(kind)] = True
    columns = np.flatnonzero(spare & (arrays.cost > 0) & (values >= arrays.column_lower + 1))
    own = arrays.matrix[:, columns].tocsc()
    activity = arrays.matrix @ values
    for place in np.argsort(-arrays.cost[columns], kind="stable").tolist():
        column = columns[place]
        entries = slice(own.indptr[place], own.indptr[place + 1])
        rows, amounts = own.indices[entries], own.data[entries]
        room = np.where(
            amounts > 0, activity[rows] - arrays.row_lower[rows], arrays.row_upper[rows] - activity[rows]
        )
        most = min(
            float((room / np.abs(amounts)).min(initial=np.inf)),
            float(lowered[column] - arrays.column_lower[column]),
        )
        down = np.floor(max(most, 0.0) + HELD)
        lowered[column] -= down
        activity[rows] -= down * amounts
    return lowered
