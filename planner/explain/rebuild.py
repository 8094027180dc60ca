"""The program behind a plan: put together again from what plan.json holds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Any

import numpy as np

from planner.catalog import Accelerator, Server
from planner.catalog.llm import LLM
from planner.optimize.build import build_program
from planner.optimize.forcing import first_goal
from planner.optimize.problem import Problem
from planner.optimize.program import Arrays, Floats
from planner.plan.assemble import Assembly, assemble
from planner.plan.diagnosis.levers import offered_rows
from planner.plan.objective import PEOPLE_UNITS
from planner.plan.reuse import start_values
from planner.plan.types import Plan
from planner.plan.verify.context import read_context
from planner.shapes import Enumeration, KeptTimings, Timings
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
        """Name of the goal that is explained, its unit for people, and how many of the program's make one.

        It is the first of the scenario; cost, where that is a ratio.
        """
        goal = first_goal(self.problem)
        divisor, unit = PEOPLE_UNITS.get(goal.unit, (1.0, goal.unit))
        return goal.name, unit, divisor

    @cached_property
    def objective(self) -> float:
        """What the plan amounts to in the goal that is explained, in its unit."""
        return float(self.arrays.cost @ self.values) / self.goal[2]

    @property
    def bound(self) -> float:
        """The proven bound of that goal: the plan's, or none (minus infinity) where it is of another goal."""
        stated = self.plan.bound
        same = not self.problem.goals or self.problem.goals[0] is first_goal(self.problem)
        return min(stated, self.objective) if same else -math.inf

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


def rebuild(plan: Plan, *, every_shape: bool = True, timings: KeptTimings | None = None) -> Rebuilt:
    """Return the program of a plan.

    Args:
        plan: the plan.
        every_shape: False: only shapes that the plan uses; where no timings are kept, timing the others takes
            most of the time.
        timings: what was timed for it already; None: nothing.

    Raises:
        ValueError: the scenario or topology inside the plan cannot be read.
    """
    timings = timings or KeptTimings()
    timings = timings if every_shape else UsedTimings(plan, timings)
    return Rebuilt(plan, assemble(question_of(plan), timings), timings)


class UsedTimings(KeptTimings):
    """Timings of the shapes that a plan uses, each on the servers where it does."""

    def __init__(self, plan: Plan, kept: KeptTimings) -> None:
        super().__init__(kept.known)
        self._used = {(group.server, group.shape.shape()) for group in plan.replicas}

    def shapes(self, llm: LLM, server: Server, accelerator: Accelerator, **asked: Any) -> Enumeration:
        """Return the shapes of `llm` on `server` that the plan uses (see `Timings.shapes`)."""
        found = super().shapes(llm, server, accelerator, **asked)
        kept = [
            replica
            for replica in found.replicas
            if any(shape == replica.shape and _host(name) == server.id for name, shape in self._used)
        ]
        return Enumeration(kept, found.refused)


def _host(name: str) -> str:
    """Return the server of a host's name, without its power cap."""
    return name.partition("@")[0]


def aimed(arrays: Arrays, problem: Problem) -> Arrays:
    """Return the program with the amounts of the goal that is explained for costs."""
    goal = first_goal(problem)
    cost = goal.cost_factor * arrays.cost
    for kind, amounts in goal.amounts.items():
        cost[arrays.block(kind)] += amounts
    return replace(arrays, cost=cost)
