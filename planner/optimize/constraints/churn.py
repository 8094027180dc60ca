"""Moves away from the plan in force: replicas that start where none of their pool ran.

Stopping a replica is free; starting one has a price, and the moves may be limited (row `churn/moves`). With
no moves allowed what is left is a part of what runs: that plan is always among those compared.
"""

from __future__ import annotations

import numpy as np

from planner.optimize.problem import Problem
from planner.optimize.program import Program, RowInfo
from planner.optimize.variables import Columns

TITLE = "Churn"
EQUATIONS = (
    (
        "churn/started/{hosting}",
        r"\mathrm{replicas}_{p(c)} - \mathrm{moves}_c \le \mathrm{standing}_c \qquad \forall c",
        "replicas beyond those that run already are moves; where nothing runs each replica is one",
    ),
)


def add_rows(program: Program, problem: Problem, columns: Columns) -> None:
    """Add the rows `churn/started/...`; none where nothing runs already."""
    churn, hostings = problem.churn, problem.hostings
    if churn is None or not len(churn.hosting):
        return
    rows = np.arange(len(churn.hosting))
    program.add_rows(
        (
            RowInfo(
                f"churn/started/{problem.pools.names[hostings.pool[p]]}"
                f"/{problem.host_groups.names[hostings.host_group[p]]}",
                "churn",
                "replicas",
            )
            for p in churn.hosting
        ),
        [(rows, columns["replicas"][churn.hosting], 1), (rows, columns["moves"], -1)],
        upper=churn.standing,
    )
