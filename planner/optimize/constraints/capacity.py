"""A pool carries no more than its replicas can while they keep the SLO."""

from __future__ import annotations

import numpy as np

from planner.optimize.problem import UNLIMITED, Integers, Problem
from planner.optimize.program import Program, RowInfo
from planner.optimize.variables import Columns

TITLE = "Pool capacity"
EQUATIONS = (
    (
        "capacity/{pool}/{period}",
        r"\sum_{a \in A_t} (\rho_{aq} + \omega_{aq})\, \mathrm{assign}_a \le (1-\eta) L \sum_{p \in P_q}"
        r" \mathrm{replicas}_p \qquad \forall q, t",
        "the shares of a replica that each unit keeps busy add up to at most its replicas, less the "
        "headroom eta, in every period t of the day; L is the load of one fully used replica, and omega what "
        "must stay free for traffic that rises while a further replica starts (not after a loss)",
    ),
    (
        "replicas/{pool}",
        r"\underline{n}_q \le \sum_{p \in P_q} \mathrm{replicas}_p \le \overline{n}_q \qquad \forall q",
        "stated least and most replicas of a pool",
    ),
)


def add_capacity_rows(
    program: Program,
    problem: Problem,
    prefix: str,
    columns: Columns,
    usable_load: int,
    *,
    warm: bool = False,
) -> Integers:
    """Add one row for each pool and period, over the columns "assign" and "replicas" of `columns`.

    With one period every pool has a row; with several, those through which traffic may go. With `warm`
    room is kept for traffic that rises.

    Returns:
        (pools, periods) row numbers in the program, -1 where there is none.
    """
    load = problem.assignments.load + (problem.assignments.warm if warm else 0)
    assignments, hostings = problem.assignments, problem.hostings
    assign = columns["assign"][assignments.load_row]
    pool, count = assignments.load_pool, len(problem.periods)
    period = problem.lane_period[assignments.lane[assignments.load_row]]
    needed = np.full((len(problem.pools.names), count), count == 1)
    needed[pool[assign >= 0], period[assign >= 0]] = True
    used_pool, used_period = np.nonzero(needed)
    row_of = np.full(needed.shape, -1, dtype=np.int64)
    row_of[used_pool, used_period] = np.arange(len(used_pool))
    first = program.add_rows(
        (
            RowInfo(f"{prefix}/{problem.pools.names[q]}{problem.period_suffix(int(t))}", "capacity", "load")
            for q, t in zip(used_pool, used_period, strict=True)
        ),
        [
            (row_of[pool, period], assign, load),
            *((row_of[hostings.pool, t], columns["replicas"], -usable_load) for t in range(count)),
        ],
        upper=0,
    )
    return np.where(row_of >= 0, first[row_of], -1) if len(first) else row_of


def add_rows(program: Program, problem: Problem, columns: Columns) -> None:
    """Add the rows `capacity/...`, and `replicas/...` where a least or most count is stated."""
    add_capacity_rows(program, problem, "capacity", columns, problem.usable_load, warm=True)
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
