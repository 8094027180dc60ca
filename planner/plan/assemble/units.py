"""How finely traffic is cut: into units small enough for the smallest site."""

from __future__ import annotations

import numpy as np

from planner.optimize.problem import LOAD_SCALE, Problem
from planner.optimize.variables import hosting_upper
from planner.scenario.solving import DEFAULT_UNITS

UNITS_PER_SITE = 4
"""A unit of traffic is at most this part of what the smallest site can serve."""

UNITS_PER_REPLICA = 100
"""Units are at most this part of a replica, where one workload needs many."""

MOST_UNITS = 100_000
"""Units are not made smaller than this: their load would be lost in rounding."""


def units_needed(problem: Problem) -> int:
    """Return how many units traffic is cut into, from a problem with the default number.

    A unit should be at most a quarter of what any site, or the largest pool that could stand there, can
    serve of a workload: otherwise small sites stay empty for no other reason. And it should be a small
    part of a replica: what whole units leave unused of replicas adds up.
    """
    most = np.zeros(len(problem.pools.names), dtype=np.int64)
    np.add.at(most, problem.hostings.pool, hosting_upper(problem))
    a = problem.assignments
    units = most[a.load_pool] * LOAD_SCALE / a.load
    on_path = np.full(len(a.lane), np.inf)
    np.minimum.at(on_path, a.load_row, units)
    in_lane = np.zeros(len(problem.lane_site))
    np.maximum.at(in_lane, a.lane, on_path)
    smallest = float(in_lane[in_lane > 0].min(initial=np.inf))
    wanted = max(DEFAULT_UNITS * UNITS_PER_SITE / smallest, UNITS_PER_REPLICA * _most_replicas(problem))
    finer = next((n for n in FINER_UNITS if n >= wanted), MOST_UNITS)
    return max(DEFAULT_UNITS, finer)


def _most_replicas(problem: Problem) -> float:
    """Return the replicas that the largest workload needs at least, each on the path that takes fewest."""
    a = problem.assignments
    load = np.bincount(a.load_row, weights=a.load, minlength=len(a.lane)) / LOAD_SCALE
    least = np.full(len(problem.workloads), np.inf)
    np.minimum.at(least, problem.lane_workload[a.lane], load)
    demands = problem.demands
    units = np.bincount(demands.workload, weights=demands.units, minlength=len(problem.workloads))
    needed = units * np.where(np.isfinite(least), least, 0.0) / len(problem.periods)
    return float(needed.max(initial=0.0))


FINER_UNITS = (1000, 2000, 5000, 10_000, 20_000, 50_000, MOST_UNITS)
"""Numbers of units that are tried."""
