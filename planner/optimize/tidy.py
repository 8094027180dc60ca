"""Among plans that cost the same, the one that is simplest to run: fewest pools, then fewest replicas.

Powered servers cost what they cost; how their accelerators are cut into replicas often makes no
difference to money. Without this step a plan would scatter odd shapes over what is left.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse

from planner.optimize.problem import Problem
from planner.optimize.program import Arrays, Floats, RowInfo
from planner.optimize.solvers import cp_sat
from planner.optimize.variables import hosting_upper

MOST_COLUMNS = 20_000
"""Larger programs are left as they are: looking for a simpler plan would take longer than finding one."""

POOL_WEIGHT = 1000
"""One pool less is worth this many replicas."""


def tidied(
    problem: Problem,
    arrays: Arrays,
    values: Floats,
    budget: int,
    *,
    time_limit_s: float,
    workers: int,
    seed: int,
    deterministic_limit: float | None = None,
) -> Floats:
    """Return the simplest plan found that costs at most `budget`; `values` if none is simpler.

    Args:
        problem: the tables.
        arrays: their program, goals reached before included.
        values: (columns,) the plan.
        budget: micro-USD/h (or the unit of the goal that `arrays` minimizes).
        time_limit_s: wall-clock limit.
        workers: parallel workers of CP-SAT.
        seed: its seed.
        deterministic_limit: deterministic limit instead of the clock, for reproducible runs.
    """
    pools, columns = len(problem.pools.names), len(arrays.cost)
    if columns > MOST_COLUMNS or not pools:
        return values
    hostings = problem.hostings
    count = len(hostings.pool)
    replicas = np.arange(columns)[arrays.block("replicas")]
    upper = hosting_upper(problem)
    links = scipy.sparse.csr_matrix(
        (
            np.concatenate([np.ones(count), -upper.astype(np.float64)]),
            (
                np.concatenate([np.arange(count), np.arange(count)]),
                np.concatenate([replicas, columns + hostings.pool]),
            ),
        ),
        shape=(count, columns + pools),
    )
    wider = scipy.sparse.hstack(
        [arrays.matrix, scipy.sparse.csr_matrix((len(arrays.rows), pools))], format="csr"
    )
    spent: Any = scipy.sparse.csr_matrix(np.append(arrays.cost, np.zeros(pools)).reshape(1, -1))
    effort = np.zeros(columns + pools)
    effort[replicas] = 1.0
    effort[columns:] = POOL_WEIGHT
    program = replace(
        arrays,
        cost=effort,
        column_lower=np.append(arrays.column_lower, np.zeros(pools)),
        column_upper=np.append(arrays.column_upper, np.ones(pools)),
        matrix=scipy.sparse.vstack([wider, links, spent], format="csr"),
        row_lower=np.concatenate([arrays.row_lower, np.full(count + 1, -np.inf)]),
        row_upper=np.concatenate([arrays.row_upper, np.zeros(count), [float(budget)]]),
        rows=(
            *arrays.rows,
            *(RowInfo(f"tidy/{p}", "tidy") for p in range(count)),
            RowInfo("tidy/budget", "tidy"),
        ),
    )
    used = np.zeros(pools)
    used[hostings.pool[values[replicas] > 0]] = 1.0
    outcome = cp_sat.solve(
        program,
        time_limit_s=time_limit_s,
        seed=seed,
        workers=workers,
        hint=np.append(values, used),
        deterministic_limit=deterministic_limit,
    )
    if outcome.values is None:
        return values
    simpler = outcome.values[:columns]
    return simpler if arrays.violation(simpler) <= 0 and arrays.cost @ simpler <= budget else values
