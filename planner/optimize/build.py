"""Problem -> program: variables first, then each constraint family adds its rows."""

from __future__ import annotations

from types import ModuleType

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
from planner.optimize.problem import Problem
from planner.optimize.program import Arrays, Program
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
