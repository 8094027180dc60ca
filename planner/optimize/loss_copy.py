"""A copy of the routing after a loss, as the last section of a program that is being searched.

Only losses that matter get one: with a copy for each site the programs of large fleets would be a hundred
times as large.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse

from planner.optimize.problem import LOAD_SCALE, SHARE_SCALE, Problem
from planner.optimize.program import Arrays, RowInfo, Section
from planner.optimize.routing_rows import RoutingRows


def surviving_sites(problem: Problem, survives: np.ndarray) -> np.ndarray:
    """Return (sites,) where some hosting survives; `survives` says which (hostings,) do."""
    sites = np.zeros(len(problem.sites.names), dtype=bool)
    sites[problem.pools.site[problem.hostings.pool[survives]]] = True
    return sites


def copied_columns(problem: Problem, survives: np.ndarray) -> int:
    """Return how many columns the copy has."""
    lanes = surviving_sites(problem, survives)[problem.lane_site]
    return int(lanes[problem.flows.lane].sum() + lanes[problem.assignments.lane].sum())


def with_copy(
    arrays: Arrays,
    problem: Problem,
    routing: RoutingRows,
    event: int,
    survives: np.ndarray,
    columns: tuple[slice, slice],
) -> Arrays:
    """Return the program with the routing after a loss: the rows of `constraints/reliability`.

    Args:
        arrays: the program.
        problem: its tables.
        routing: their routing.
        event: the failure.
        survives: (hostings,) which replicas survive, all of a hosting or none.
        columns: the program's columns that count replicas, and unserved units.
    """
    failures = problem.failures
    assert failures is not None
    replicas, unserved = columns
    flows, assignments, periods = problem.flows, problem.assignments, len(problem.periods)
    lanes = surviving_sites(problem, survives)[problem.lane_site]
    flow, path = np.flatnonzero(lanes[flows.lane]), np.flatnonzero(lanes[assignments.lane])
    own = routing.matrix[:, np.concatenate([flow, len(flows.demand) + path])].tocsr()
    first_capacity = routing.demands + routing.lanes
    promised = failures.kept_share[event] > 0
    needed = np.diff(own.indptr) > 0
    needed[: routing.demands] = promised
    rows = np.flatnonzero(needed)
    demand, capacity = rows < routing.demands, rows >= first_capacity
    asked = rows[demand]
    # Whole numbers, as everywhere: a promise of 7/10 is counted in tenths of units.
    common = np.gcd(failures.kept_share[event], SHARE_SCALE)
    part, whole = failures.kept_share[event] // common, SHARE_SCALE // common
    scale = np.where(capacity, float(LOAD_SCALE), 1.0)
    scale[demand] = whole[asked]
    place = np.full(routing.matrix.shape[0], -1, dtype=np.int64)
    place[rows] = np.arange(len(rows))
    refusable = asked[problem.demands.unserved_cost[asked] >= 0]
    entries = [(place[refusable], unserved.start + refusable, part[refusable].astype(np.float64))]
    stands = np.flatnonzero(survives)
    for period in range(periods):
        at = place[first_capacity + problem.hostings.pool[stands] * periods + period]
        there = at >= 0
        entries.append(
            (at[there], replicas.start + stands[there], np.full(int(there.sum()), -float(LOAD_SCALE)))
        )
    row, column, value = (np.concatenate(parts) for parts in zip(*entries, strict=True))
    base: Any = scipy.sparse.csr_matrix((value, (row, column)), shape=(len(rows), len(arrays.cost)))
    scaled: Any = scipy.sparse.diags_array(scale) @ own[rows]
    scaled.data = np.rint(scaled.data)
    nothing = scipy.sparse.csr_matrix((arrays.matrix.shape[0], own.shape[1]))
    matrix: Any = scipy.sparse.bmat([[arrays.matrix, nothing], [base, scaled]], format="csr")
    lower = np.where(capacity, -np.inf, 0.0)
    lower[demand] = (part * problem.demands.units)[asked]
    name, (first_row, first_column), count = failures.names[event], arrays.matrix.shape, own.shape[1]
    families = np.where(demand, "demand", np.where(capacity, "capacity", "lane"))
    site = arrays.column_site
    if site is not None:
        sites = problem.lane_site[flows.lane[flow]], problem.lane_site[assignments.lane[path]]
        site = np.concatenate([site, *sites])
    return replace(
        arrays,
        cost=np.append(arrays.cost, np.zeros(count)),
        column_lower=np.append(arrays.column_lower, np.zeros(count)),
        column_upper=np.concatenate(
            [arrays.column_upper, routing.upper[flow], routing.upper[len(flows.demand) + path]]
        ),
        matrix=scipy.sparse.csr_matrix(matrix),
        row_lower=np.append(arrays.row_lower, lower),
        row_upper=np.append(arrays.row_upper, np.where(demand, np.inf, 0.0)),
        rows=(
            *arrays.rows,
            *(
                RowInfo(f"{name}/{family}/{number}", "reliability")
                for family, number in zip(families.tolist(), rows.tolist(), strict=True)
            ),
        ),
        column_kind=(
            *arrays.column_kind,
            (f"{name}/flow", first_column, len(flow)),
            (f"{name}/assign", first_column + len(flow), len(path)),
        ),
        sections=(
            *arrays.sections,
            Section(name, first_row, first_row + len(rows), first_column, first_column + count),
        ),
        column_site=site,
    )
