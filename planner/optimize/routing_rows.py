"""The routing of traffic as rows of its own: demands to lanes, lanes to paths, paths within capacities.

What is left after a loss is asked of these rows alone, as a linear program of its own (`rerouting`) or as a
copy inside the whole program (`loss_copy`).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse

from planner.optimize.problem import LOAD_SCALE, Problem
from planner.optimize.program import Floats
from planner.optimize.variables import lane_units


@dataclass(frozen=True)
class RoutingRows:
    """Rows: demands, lanes, then capacities (pool x period). Columns: flows, assignments, missing units.

    matrix: (rows, columns); capacities count replicas (a load of 1 is one replica kept busy). upper:
    (columns,) the most units of each. demands, lanes: numbers of rows.
    """

    matrix: scipy.sparse.csr_matrix
    upper: Floats
    demands: int
    lanes: int


def routing_rows(problem: Problem) -> RoutingRows:
    """Return the rows of a problem's routing."""
    demands, flows, assignments = problem.demands, problem.flows, problem.assignments
    periods = len(problem.periods)
    demand_rows, lane_rows = len(demands.names), len(problem.lane_site)
    flow_columns, assign_columns = len(flows.demand), len(assignments.lane)
    loads = assignments.load_row
    capacity = assignments.load_pool * periods + problem.lane_period[assignments.lane[loads]]
    row = np.concatenate(
        [
            flows.demand,
            np.arange(demand_rows),
            demand_rows + flows.lane,
            demand_rows + assignments.lane,
            demand_rows + lane_rows + capacity,
        ]
    )
    column = np.concatenate(
        [
            np.arange(flow_columns),
            flow_columns + assign_columns + np.arange(demand_rows),
            np.arange(flow_columns),
            flow_columns + np.arange(assign_columns),
            flow_columns + loads,
        ]
    )
    value = np.concatenate(
        [
            np.ones(flow_columns),
            np.ones(demand_rows),
            np.ones(flow_columns),
            -np.ones(assign_columns),
            assignments.load / LOAD_SCALE,
        ]
    )
    rows = demand_rows + lane_rows + len(problem.pools.names) * periods
    columns = flow_columns + assign_columns + demand_rows
    upper = np.concatenate(
        [demands.units[flows.demand], lane_units(problem)[assignments.lane], demands.units]
    ).astype(np.float64)
    matrix: scipy.sparse.csr_matrix = scipy.sparse.csr_matrix((value, (row, column)), shape=(rows, columns))
    return RoutingRows(matrix, upper, demand_rows, lane_rows)
