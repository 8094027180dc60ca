"""The program behind a plan: put together again from what plan.json holds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np

from planner.optimize.build import build_program
from planner.optimize.problem import Problem
from planner.optimize.program import Arrays, Floats
from planner.plan.assemble import Assembly, assemble
from planner.plan.diagnosis.levers import offered_rows
from planner.plan.reuse import start_values
from planner.plan.types import Plan
from planner.plan.verify.context import read_context
from planner.shapes import Timings
from planner.topology import Question, Topology

MICRO = 1e6
"""micro-USD in a USD."""


@dataclass(frozen=True)
class Rebuilt:
    """A plan with its question, put together.

    timings: shapes timed for it; questions that differ little need no more.
    """

    plan: Plan
    assembly: Assembly
    timings: Timings

    @property
    def question(self) -> Question:
        """The question that the plan answers."""
        return self.assembly.question

    @property
    def problem(self) -> Problem:
        """Its tables."""
        return self.assembly.problem

    @cached_property
    def arrays(self) -> Arrays:
        """The program, the first goal as its objective."""
        return aimed(build_program(self.problem), self.problem)

    @cached_property
    def values(self) -> Floats:
        """(columns,) the decisions of the plan; routings after failures are left at 0."""
        vector = np.zeros(len(self.arrays.cost))
        for kind, amounts in start_values(self.plan, self.assembly).items():
            vector[self.arrays.block(kind)] = amounts
        return vector

    @property
    def goal(self) -> tuple[str, str, float]:
        """Name of the first goal, its unit for people, and how many of the program's units make one."""
        goals = self.problem.goals
        if not goals or goals[0].name == "cost":
            return "cost", "USD/h", MICRO
        people = {"mW": ("kW", 1e6), "mg CO2/h": ("kg CO2/h", 1e6)}
        unit, divisor = people.get(goals[0].unit, (goals[0].unit, 1.0))
        return goals[0].name, unit, divisor

    @property
    def offered(self) -> Sequence[tuple[str, Sequence[int], int]]:
        """What can be rented: row name, candidates, most."""
        return [
            (name, [candidate for candidate, _ in members], members[0][1])
            for name, members in offered_rows(self.assembly).items()
        ]


def question_of(plan: Plan) -> Question:
    """Return the question inside a plan.

    Raises:
        ValueError: the scenario or topology inside cannot be read.
    """
    setting = read_context(plan).setting
    return Question(setting.scenario, Topology.model_validate(plan.topology), setting.catalog)


def rebuild(plan: Plan) -> Rebuilt:
    """Return the program of a plan.

    Raises:
        ValueError: the scenario or topology inside the plan cannot be read.
    """
    timings = Timings()
    return Rebuilt(plan, assemble(question_of(plan), timings), timings)


def aimed(arrays: Arrays, problem: Problem) -> Arrays:
    """Return the program with the amounts of the first goal for costs."""
    if not problem.goals or problem.goals[0].name == "cost":
        return arrays
    cost = np.zeros_like(arrays.cost)
    for kind, amounts in problem.goals[0].amounts.items():
        cost[arrays.block(kind)] = amounts
    return replace(arrays, cost=cost)
