"""Solving the points of a study one after the other, each with what those before it left."""

from __future__ import annotations

import time
from dataclasses import dataclass, field

from planner.plan.reuse import Reuse
from planner.plan.solve import Hooks, NoPlan, solve
from planner.plan.types import Plan
from planner.study.outcome import Outcome
from planner.topology import Question

DIAGNOSIS_S = 10.0
"""Time to look for the reason why a point has no plan; `planner solve` looks longer."""


@dataclass
class Solver:
    """Solves questions that resemble each other: shapes are timed once, plans start from earlier ones.

    hooks: told what is going on. reuse: what the solves so far left.
    """

    hooks: Hooks = field(default_factory=Hooks)
    reuse: Reuse = field(default_factory=Reuse)

    def solve(
        self, question: Question, start: Plan | None = None, diagnosis_s: float = DIAGNOSIS_S
    ) -> Outcome:
        """Return what becomes of a question, started from `start` or else the latest plan.

        diagnosis_s: longest search for the reason where there is no plan; 0: only whether there is one.
        """
        self.reuse.plan = start or self.reuse.plan
        began = time.perf_counter()
        try:
            plan = solve(question, (), self.hooks, self.reuse, diagnosis_s)
        except NoPlan as no_plan:
            seconds = time.perf_counter() - began
            found = no_plan.infeasible
            if found is None:
                return Outcome("stopped", None, "no plan was found in time", seconds)
            words = "; ".join(row.text for row in found.conflict)
            return Outcome("infeasible", None, words or "the promises collide", seconds, found)
        return Outcome(plan.status, plan, "", time.perf_counter() - began)
