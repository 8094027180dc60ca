"""Cuts instead of copies, parts instead of the whole: the answers stay right, and the same on every run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.optimize import build
from planner.optimize.build import build_for_search, build_program
from planner.optimize.lazy import survived
from planner.optimize.method import solve_problem
from planner.optimize.neighbourhood import around, near
from planner.optimize.problem import Problem
from planner.optimize.rerouting import SHORTAGE_TOLERANCE, Rerouting, whole_losses, without
from planner.optimize.solution import Settings, Solution
from planner.optimize.solvers import highs
from tests.optimize.test_merged_groups import halls
from tests.optimize.tiny import one_site
from tests.oracle.generator import random_problem


def with_whole_losses() -> list[Problem]:
    """Return random problems that have a plan and lose whole host groups."""
    problems = (random_problem(seed, losses=True) for seed in range(60))
    return [problem for problem in problems if whole_losses(problem)][:12]


def laid_out(problem: Problem, solution: Solution) -> np.ndarray:
    """Return a solution over the columns of the program with a section for every failure."""
    arrays = build_program(problem)
    values = np.zeros(len(arrays.cost))
    for kind, amounts in solution.values.items():
        values[arrays.block(kind)] = amounts
    failures = problem.failures
    assert failures is not None
    single = failures.lost_one_of[(failures.lost_one_of >= 0) & (failures.lost_count == 1)]
    groups = np.unique(single)
    servers = np.bincount(
        problem.candidates.host_group,
        weights=solution.values["servers"],
        minlength=len(problem.host_groups.names),
    )
    values[arrays.block("survive/used")] = servers[groups] > 0
    return values


def test_there_are_problems_to_try() -> None:
    assert len(with_whole_losses()) == 12


@pytest.mark.parametrize("number", range(12))
def test_plans_found_with_cuts_survive_every_loss(number: int, monkeypatch: pytest.MonkeyPatch) -> None:
    problem = with_whole_losses()[number]
    exact = Settings(relative_gap=0.0, time_limit_s=20, workers=1)
    copied = solve_problem(problem, exact)
    monkeypatch.setattr(build, "MOST_COPIED_COLUMNS", -1)
    assert build_for_search(problem).losses is not None
    cut = solve_problem(problem, exact)
    assert (cut.status == "infeasible") <= (copied.status == "infeasible")
    if cut.status == "infeasible":
        return
    arrays = build_program(problem)
    _, lost = survived(arrays, laid_out(problem, cut), range(len(arrays.sections)))
    assert lost == []
    if copied.status == "optimal":  # whole units after a loss are a little stricter than split ones
        assert cut.objective <= copied.objective
        assert cut.bound <= copied.objective


@pytest.mark.parametrize("number", range(12))
def test_a_plan_that_survives_breaks_no_cut(number: int) -> None:
    problem = with_whole_losses()[number]
    arrays = build_program(problem)
    rerouting = Rerouting(problem, whole_losses(problem), arrays.block("replicas"), arrays.block("unserved"))
    solution = solve_problem(problem, Settings(relative_gap=0.0, time_limit_s=20, workers=1))
    cuts = rerouting.lacking(np.zeros(len(arrays.cost)), SHORTAGE_TOLERANCE)
    assert cuts  # nothing at all survives nothing
    if solution.status == "infeasible":
        return
    values = laid_out(problem, solution)
    for cut in cuts:
        assert cut.amounts @ values[cut.columns] >= cut.lower - 1e-6 * abs(cut.lower)


def test_failures_left_out_leave_the_others_as_they_were() -> None:
    problem = with_whole_losses()[0]
    failures = problem.failures
    assert failures is not None
    events = whole_losses(problem)
    rest = without(failures, events)
    kept = [name for event, name in enumerate(failures.names) if event not in events]
    assert (rest is None and not kept) or (rest is not None and list(rest.names) == kept)
    assert without(failures, list(range(len(failures.names)))) is None


def test_counts_near_a_relaxation_are_between_its_roundings() -> None:
    arrays = build_program(random_problem(3, losses=False))
    relaxed = highs.solve_linear(arrays)
    program = near(arrays, relaxed.values, 0, 0)
    block = arrays.block("replicas")
    assert (program.column_lower[block] <= relaxed.values[block] + 1e-6).all()
    assert (program.column_upper[block] - program.column_lower[block] <= 1).all()


def test_around_a_plan_the_rest_stays() -> None:
    problem = random_problem(3, losses=False)
    solution = solve_problem(problem, Settings(relative_gap=0.0, workers=1))
    arrays = build_program(problem)
    values = np.zeros(len(arrays.cost))
    for kind, amounts in solution.values.items():
        values[arrays.block(kind)] = amounts
    free = np.zeros(len(values), dtype=bool)
    free[arrays.block("servers")] = True
    part = around(arrays, values, free)
    assert part.arrays.violation(values[part.columns]) <= 0
    outcome = highs.solve_integer(
        part.arrays, integer=np.ones(len(part.columns), dtype=bool), time_limit_s=5, relative_gap=0.0
    )
    whole = values.copy()
    whole[part.columns] = np.rint(outcome.values)
    assert arrays.violation(whole) <= 0


@pytest.mark.parametrize("method", ["auto", "monolith", "two-stage"])
def test_every_method_gives_the_same_plan_twice(method: str) -> None:
    problem = random_problem(11, losses=True)
    settings = Settings(relative_gap=0.0, reproducible=True, workers=2, seed=4, method=method)  # type: ignore[arg-type]
    first, second = solve_problem(problem, settings), solve_problem(problem, settings)
    assert (first.status, first.objective, first.bound) == (second.status, second.objective, second.bound)
    assert all((first.values[kind] == second.values[kind]).all() for kind in first.values)


def test_an_optimum_is_proven_to_the_last_unit() -> None:
    """Of a bound of thousands of USD/h what doubles lose is some units: CP-SAT proves the rest."""
    problem = one_site(units=23, server_cost=3_000_000_007)
    found = solve_problem(problem, Settings(relative_gap=0.0, time_limit_s=20, workers=1))
    assert found.status == "optimal"
    assert found.bound == found.objective == 3 * 3_000_000_007 + 23


def test_the_bound_in_a_log_is_in_units_of_the_costs() -> None:
    """The solver has the objective scaled, and logs it so."""
    arrays = build_program(halls(1))
    arrays = replace(arrays, cost=arrays.cost * 1e7)
    heard: list[float] = []

    def hear(line: str) -> None:
        bound = highs.logged_bound(line, arrays)
        heard.extend([] if bound is None else [bound])

    whole = np.ones(len(arrays.cost), dtype=bool)
    outcome = highs.solve_integer(arrays, integer=whole, time_limit_s=20, relative_gap=0.0, on_line=hear)
    assert max(heard) == pytest.approx(outcome.objective, rel=0.05)
    assert highs.logged_bound("Presolving model", arrays) is None
