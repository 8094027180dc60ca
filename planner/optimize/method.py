"""The solution method: relax, round, prove.

1. The linear relaxation gives a first bound, and shows most infeasible questions at once.
2. HiGHS solves the program with integer servers, racks and replicas but continuous traffic: a bound for
   the real program, and the design of a plan.
3. CP-SAT makes the traffic whole around that design (replicas may grow a little, nothing shrinks).
4. CP-SAT searches the whole program from that plan while time and gap are left; programs that are small
   start here.
5. Among plans of (nearly) the same cost the simplest is kept: fewest pools, fewest replicas.

The bound is the best of all stages; it always belongs to the real program.
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse

from planner.optimize.build import build_program
from planner.optimize.problem import Goal, Problem
from planner.optimize.program import Arrays, Floats, RowInfo
from planner.optimize.solution import (
    Listener,
    Progress,
    Reached,
    Settings,
    Solution,
    relative_gap,
    values_by_kind,
)
from planner.optimize.solvers import cp_sat, highs
from planner.optimize.solvers.outcome import Outcome
from planner.optimize.tidy import tidied

SMALL_COLUMNS = 400
"""Programs up to this many columns go to CP-SAT at once (measured in benchmarks/methods.py)."""

LARGE_COLUMNS = 10_000
"""Larger programs skip the linear relaxation of their own: the next stage solves it again at its root."""

DETERMINISTIC_UNITS_PER_S = 1.0
"""CP-SAT's deterministic time passes at about this rate per second of one worker."""

_TRAFFIC = ("flow", "assign", "unserved")


def solve_problem(
    problem: Problem, settings: Settings | None = None, listener: Listener | None = None
) -> Solution:
    """Solve `problem` and return the plan in numbers with its proven bound.

    Several goals are reached one after the other: each keeps what those before it reached.
    """
    settings = settings or Settings()
    arrays = build_program(problem)
    goals = problem.goals or (COST,)
    deadline = time.perf_counter() + settings.time_limit_s
    solution: Solution | None = None
    first: Solution | None = None
    reached: list[Reached] = []
    stages: list[Mapping[str, object]] = []
    start: Floats | None = None
    for number, goal in enumerate(goals):
        aimed = _aim(arrays, goal)
        left = max(deadline - time.perf_counter(), 0.0) / (len(goals) - number)
        search = _Search(aimed, replace(settings, time_limit_s=max(left, LEAST_SECONDS)), listener, start)
        found = search.run()
        if found.status in ("infeasible", "unknown"):
            break
        solution, start = found, search.best
        first = first or found
        stages += found.stages
        reached.append(Reached(goal.name, goal.unit, found.objective, found.bound))
        arrays = _keep(arrays, aimed.cost, found.objective, goal.name)
    if solution is None or first is None or start is None:
        return found
    tidy = _tidied(problem, aimed, start, reached[-1], settings, deadline - time.perf_counter())
    solution = replace(solution, values=values_by_kind(aimed, tidy))
    value = round(float(aimed.cost @ tidy))
    reached[-1] = replace(reached[-1], value=value)
    if len(reached) == 1:
        first = replace(first, objective=value)
    return replace(
        solution,
        status=first.status,
        objective=first.objective,
        bound=first.bound,
        goals=tuple(reached),
        stages=tuple(stages),
    )


TIDY_SHARE = 0.001
"""What a simpler plan may cost more, where the gap asked for allows it."""

TIDY_SECONDS = 5.0
"""Time to look for a simpler plan of the same cost, at most a fifth of the time limit."""


def _tidied(
    problem: Problem, aimed: Arrays, values: Floats, reached: Reached, settings: Settings, left_s: float
) -> Floats:
    """Return the simplest plan within what the last goal's gap leaves."""
    allowed = math.floor(reached.bound / (1 - settings.relative_gap)) if settings.relative_gap < 1 else 0
    budget = max(reached.value, min(allowed, math.floor(reached.value * (1 + TIDY_SHARE))))
    seconds = min(TIDY_SECONDS, 0.2 * settings.time_limit_s)
    return tidied(
        problem,
        aimed,
        values,
        budget,
        time_limit_s=min(seconds, max(left_s, 0.5)) if not settings.reproducible else 100 * seconds,
        workers=settings.workers,
        seed=settings.seed,
        deterministic_limit=seconds * DETERMINISTIC_UNITS_PER_S if settings.reproducible else None,
    )


COST = Goal("cost", "micro-USD/h", {})
"""The goal of a problem that states none."""

LEAST_SECONDS = 1.0
"""Time that each goal gets at least."""


def _aim(arrays: Arrays, goal: Goal) -> Arrays:
    """Return the program with the goal's amounts for costs."""
    if goal.name == COST.name:
        return arrays
    cost = np.zeros_like(arrays.cost)
    for kind, amounts in goal.amounts.items():
        cost[arrays.block(kind)] = amounts
    return replace(arrays, cost=cost)


def _keep(arrays: Arrays, cost: Floats, value: int, name: str) -> Arrays:
    """Return the program with a row that keeps a goal at the value it reached."""
    row: Any = scipy.sparse.csr_matrix(cost.reshape(1, -1))
    return replace(
        arrays,
        matrix=scipy.sparse.vstack([arrays.matrix, row], format="csr"),
        row_lower=np.append(arrays.row_lower, -np.inf),
        row_upper=np.append(arrays.row_upper, float(value)),
        rows=(*arrays.rows, RowInfo(f"goal/{name}", "goal")),
    )


class _Search:
    """One solve: keeps the best plan, the best bound and the clock."""

    def __init__(
        self, arrays: Arrays, settings: Settings, listener: Listener | None, start: Floats | None = None
    ) -> None:
        self.arrays = arrays
        self.settings = settings
        self.listener = listener
        self.started = time.perf_counter()
        self.best: Floats | None = None
        self.objective = math.inf
        self.bound = -math.inf
        self.stages: list[Mapping[str, object]] = []
        if start is not None:
            self._offer(start, "start")

    def run(self) -> Solution:
        arrays = self.arrays
        if len(arrays.cost) <= LARGE_COLUMNS:
            relaxation = highs.solve_linear(arrays, self.settings.time_limit_s)
            if relaxation.status == "infeasible":
                return self._infeasible()
            if relaxation.status == "optimal":
                self._raise_bound(relaxation.objective)
            self._record("linear relaxation", self._elapsed(), relaxation.status)
        if len(arrays.cost) > SMALL_COLUMNS and not self._done():
            outcome = self._relaxed_traffic()
            if outcome.status == "infeasible":
                return self._infeasible()
            if outcome.values is not None and not self._done():
                self._whole_traffic(outcome.values)
        if not self._done():
            outcome = self._whole_program()
            if outcome.status == "infeasible" and self.best is None:
                return self._infeasible()
        return self._solution()

    def _relaxed_traffic(self) -> Outcome:
        """Stage 2: integer design, continuous traffic."""
        arrays, settings = self.arrays, self.settings
        integer = np.ones(len(arrays.cost), dtype=bool)
        for kind, first, count in arrays.column_kind:
            if kind in _TRAFFIC or kind.rsplit("/", 1)[-1] in _TRAFFIC:
                integer[first : first + count] = False
        outcome = highs.solve_integer(
            arrays,
            integer=integer,
            time_limit_s=self._remaining() * 0.6 if not settings.reproducible else settings.time_limit_s,
            relative_gap=settings.relative_gap / 2,
            seed=settings.seed,
        )
        self._raise_bound(outcome.bound)
        self._record("relaxed traffic", outcome.seconds, outcome.status)
        if outcome.values is not None:
            self._offer(np.rint(outcome.values), "relaxed traffic")
        return outcome

    def _whole_traffic(self, design: Floats) -> None:
        """Stage 3: keep the design as a floor and make the traffic integer."""
        arrays = self.arrays
        lower = arrays.column_lower.copy()
        upper = arrays.column_upper.copy()
        for kind in ("servers", "mixes", "replicas", "open"):
            block = arrays.block(kind)
            fixed = np.rint(design[block])
            lower[block] = fixed
            slack = 1 if kind in ("servers", "replicas", "mixes") else 0
            upper[block] = np.minimum(upper[block], fixed + slack)
        near = replace(arrays, column_lower=lower, column_upper=upper)
        outcome = self._cp_sat(near, np.rint(design), min(self._remaining() * 0.5, 30.0))
        self._record("whole traffic", outcome.seconds, outcome.status)
        if outcome.values is not None:
            self._offer(outcome.values, "whole traffic")

    def _whole_program(self) -> Outcome:
        """Stage 4: CP-SAT on everything, from the best plan known."""
        outcome = self._cp_sat(self.arrays, self.best, self._remaining())
        if outcome.status != "infeasible":
            self._raise_bound(outcome.bound)
        self._record("whole program", outcome.seconds, outcome.status)
        if outcome.values is not None:
            self._offer(outcome.values, "whole program")
        return outcome

    def _cp_sat(self, arrays: Arrays, hint: Floats | None, seconds: float) -> Outcome:
        settings = self.settings
        return cp_sat.solve(
            arrays,
            time_limit_s=seconds if not settings.reproducible else 100 * settings.time_limit_s,
            relative_gap=settings.relative_gap,
            seed=settings.seed,
            workers=settings.workers,
            hint=hint,
            deterministic_limit=(
                settings.time_limit_s * DETERMINISTIC_UNITS_PER_S if settings.reproducible else None
            ),
            on_incumbent=self._tell_incumbent,
        )

    def _tell_incumbent(self, objective: float, bound: float) -> None:
        if self.listener and objective < self.objective:
            self.listener(Progress("search", self._elapsed(), objective, max(bound, self.bound)))

    def _offer(self, values: Floats, stage: str) -> None:
        """Take `values` as the incumbent if it is feasible, to the last unit, and better."""
        if self.arrays.violation(values) > 0:
            return
        objective = float(self.arrays.cost @ values)
        if objective < self.objective:
            self.best, self.objective = values, objective
            if self.listener:
                self.listener(Progress(stage, self._elapsed(), objective, self.bound))

    def _raise_bound(self, bound: float) -> None:
        if bound > self.bound:
            self.bound = bound
            if self.listener:
                incumbent = self.objective if math.isfinite(self.objective) else None
                self.listener(Progress("bound", self._elapsed(), incumbent, bound))

    def _record(self, stage: str, seconds: float, status: str) -> None:
        self.stages.append(
            {
                "stage": stage,
                "seconds": round(seconds, 3),
                "status": status,
                "incumbent_usd_per_h": self.objective / 1e6 if math.isfinite(self.objective) else None,
                "bound_usd_per_h": self.bound / 1e6 if math.isfinite(self.bound) else None,
            }
        )

    def _done(self) -> bool:
        if not math.isfinite(self.objective):
            return self._remaining() <= 0 and not self.settings.reproducible
        small_enough = relative_gap(self.objective, self.bound) <= self.settings.relative_gap
        return small_enough or (self._remaining() <= 0 and not self.settings.reproducible)

    def _elapsed(self) -> float:
        return time.perf_counter() - self.started

    def _remaining(self) -> float:
        return self.settings.time_limit_s - self._elapsed()

    def _infeasible(self) -> Solution:
        return Solution("infeasible", 0, 0, {}, tuple(self.stages))

    def _solution(self) -> Solution:
        # Objective coefficients are integers: a bound can be rounded up, less what doubles lose.
        slack = 1e-9 * abs(self.bound) + 1e-3 if math.isfinite(self.bound) else 0.0
        bound = math.ceil(self.bound - slack) if math.isfinite(self.bound) else 0
        if self.best is None:
            return Solution("unknown", 0, bound, {}, tuple(self.stages))
        objective = round(self.objective)
        bound = min(bound, objective)
        proven = relative_gap(objective, bound) <= self.settings.relative_gap
        status = "optimal" if proven else "feasible"
        values = values_by_kind(self.arrays, self.best)
        return Solution(status, objective, bound, values, tuple(self.stages))
