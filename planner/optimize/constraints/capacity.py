"""A pool carries no more than its replicas can while they keep the SLO."""

from __future__ import annotations

import numpy as np

from planner.optimize.problem import UNLIMITED, Problem
from planner.optimize.program import Program, RowInfo
from planner.optimize.variables import Columns

TITLE = "Pool capacity"
EQUATIONS = (
    (
        "capacity/{pool}",
        r"\sum_{a} \rho_{aq}\, \mathrm{assign}_a \le (1-\eta) L \sum_{p \in P_q} \mathrm{replicas}_p"
        r" \qquad \forall q",
        "the shares of a replica that each unit keeps busy add up to at most its replicas, less the "
        "headroom eta; L is the load of one fully used replica",
    ),
    (
        "replicas/{pool}",
        r"\underline{n}_q \le \sum_{p \in P_q} \mathrm{replicas}_p \le \overline{n}_q \qquad \forall q",
        "stated least and most replicas of a pool",
    ),
)


def add_capacity_rows(
    program: Program, problem: Problem, prefix: str, columns: Columns, usable_load: int
) -> None:
    """Add one row for each pool, over the columns "assign" and "replicas" of `columns`."""
    assignments, hostings = problem.assignments, problem.hostings
    program.add_rows(
        (RowInfo(f"{prefix}/{name}", "capacity", "load") for name in problem.pools.names),
        [
            (assignments.load_pool, columns["assign"][assignments.load_row], assignments.load),
            (hostings.pool, columns["replicas"], -usable_load),
        ],
        upper=0,
    )


def add_rows(program: Program, problem: Problem, columns: Columns) -> None:
    """Add the rows `capacity/...`, and `replicas/...` where a least or most count is stated."""
    add_capacity_rows(program, problem, "capacity", columns, problem.usable_load)
    pools, hostings = problem.pools, problem.hostings
    bounded = np.flatnonzero((pools.minimum > 0) | (pools.maximum < UNLIMITED))
    row_of = np.full(len(pools.names), -1, dtype=np.int64)
    row_of[bounded] = np.arange(len(bounded))
    chosen = row_of[hostings.pool] >= 0
    program.add_rows(
        (RowInfo(f"replicas/{pools.names[q]}", "capacity", "replicas") for q in bounded),
        [(row_of[hostings.pool[chosen]], columns["replicas"][chosen], 1)],
        lower=pools.minimum[bounded],
        upper=pools.maximum[bounded],
    )
