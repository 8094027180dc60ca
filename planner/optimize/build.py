"""Problem -> program: variables first, then each constraint family adds its rows."""

from __future__ import annotations

from dataclasses import replace
from types import ModuleType

import numpy as np

from planner.optimize.constraints import (
    capacity,
    churn,
    counts,
    demand,
    limits,
    packing,
    racks,
    reliability,
    sites,
    spares,
)
from planner.optimize.covers import covers
from planner.optimize.problem import Problem
from planner.optimize.program import Arrays, Program
from planner.optimize.rerouting import Rerouting, whole_losses, without
from planner.optimize.tightening import tightened
from planner.optimize.variables import add_variables

FAMILIES: tuple[ModuleType, ...] = (
    demand,
    capacity,
    counts,
    packing,
    racks,
    limits,
    sites,
    spares,
    churn,
    reliability,
)
"""Every constraint family, in the order of the formulation page."""


def build_program(problem: Problem) -> Arrays:
    """Return the whole program of `problem`."""
    program = Program()
    columns = add_variables(program, problem)
    for family in FAMILIES:
        family.add_rows(program, problem, columns)
    return program.finish()


MOST_COPIED_COLUMNS = 4_000
"""Up to so many columns for the routing after losses of whole host groups, a copy for each loss is better
than cuts: solvers see what integer designs must leave for it."""


def build_for_search(problem: Problem) -> Arrays:
    """Return the program with the losses of whole host groups (sites, say) told by cuts where copies of
    the routing would be many.
    """
    events = whole_losses(problem)
    routing = len(problem.flows.demand) + len(problem.assignments.lane)
    if problem.failures is None or len(events) * routing <= MOST_COPIED_COLUMNS:
        arrays, losses = build_program(problem), None
    else:
        arrays = build_program(replace(problem, failures=without(problem.failures, events)))
        losses = Rerouting(problem, events, arrays.block("replicas"), arrays.block("unserved"))
    known = covers(problem, events, arrays.block("replicas"), arrays.block("unserved"))
    return with_sites(problem, tightened(replace(arrays, losses=losses, covers=known)))


def with_sites(problem: Problem, arrays: Arrays) -> Arrays:
    """Return the program with the site of each column."""
    site = np.full(len(arrays.cost), -1, dtype=np.int64)
    candidate_site = problem.host_groups.site[problem.candidates.host_group]
    class_site = np.full(len(problem.rack_classes.names), -1, dtype=np.int64)
    placed = problem.candidates.rack_class >= 0
    class_site[problem.candidates.rack_class[placed]] = candidate_site[placed]
    site[arrays.block("servers")] = candidate_site
    site[arrays.block("mixes")] = class_site[problem.mixes.rack_class]
    site[arrays.block("replicas")] = problem.pools.site[problem.hostings.pool]
    site[arrays.block("flow")] = problem.lane_site[problem.flows.lane]
    site[arrays.block("assign")] = problem.lane_site[problem.assignments.lane]
    site[arrays.block("open")] = np.arange(len(problem.sites.names))
    return replace(arrays, column_site=site)
