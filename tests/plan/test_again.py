"""A question solved again after a change: the same answer as from nothing, with less work."""

from __future__ import annotations

import numpy as np
import pytest

import planner
from planner.optimize.method import solve_problem
from planner.optimize.solution import Settings
from planner.performance import latency
from planner.plan import remembered
from planner.plan.reuse import Reuse
from planner.plan.solve import solve
from tests.oracle.generator import random_problem
from tests.plan.questions import changed

EXACT = Settings(relative_gap=0.0, time_limit_s=20, workers=1)


def losing() -> list[int]:
    """Seeds of random problems with losses that have a plan."""
    return [seed for seed in range(40) if solve_problem(random_problem(seed, losses=True), EXACT).values][:8]


def test_failures_that_mattered_before_change_no_answer() -> None:
    """Started from its own plan and failures, or from every failure there is, a problem keeps its optimum."""
    seeds = losing()
    assert len(seeds) == 8
    told = 0
    for seed in seeds:
        problem = random_problem(seed, losses=True)
        alone = solve_problem(problem, EXACT)
        assert problem.failures is not None
        told += bool(alone.mattered)
        assert set(alone.mattered) <= set(problem.failures.names)
        for mattered in (alone.mattered, problem.failures.names, ("no such failure",)):
            again = solve_problem(problem, EXACT, start=alone.values, mattered=mattered)
            assert again.status == alone.status
            assert again.objective == alone.objective
            assert set(mattered) & set(problem.failures.names) <= set(again.mattered)
    assert told


def test_a_failure_that_mattered_is_in_the_program_from_the_start() -> None:
    """A start that is no plan at all: the answer is that of a search from nothing."""
    for seed in losing()[:4]:
        problem = random_problem(seed, losses=True)
        alone = solve_problem(problem, EXACT)
        nothing = {kind: np.zeros_like(values) for kind, values in alone.values.items()}
        again = solve_problem(problem, EXACT, start=nothing, mattered=alone.mattered)
        assert again.objective == alone.objective


def test_the_next_question_knows_which_failures_mattered() -> None:
    reuse = Reuse()
    source = changed(reliability={"survive": ["server"]}, workload={"rate_rps": 200})
    solve(source, reuse=reuse)
    assert reuse.mattered
    more = changed(reliability={"survive": ["server"]}, workload={"rate_rps": 205})
    again = solve(more, reuse=reuse)
    alone = planner.solve(more)
    assert planner.verify(again) == []
    assert again.objective <= alone.objective / (1 - 0.011)
    assert again.bound <= alone.objective


def test_a_second_plan_of_a_process_predicts_nothing_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    """Books and verifier work a replica out once; another catalog entry is another replica."""
    plan = planner.solve(changed())
    assert planner.verify(plan) == []
    looked: list[object] = []
    predict = latency.load_model

    def counted(*given: object) -> object:
        looked.append(given)
        return predict(*given)  # type: ignore[arg-type]

    monkeypatch.setattr(latency, "load_model", counted)
    assert planner.verify(plan) == []
    assert not looked
    remembered._known.clear()
    assert planner.verify(plan) == []
    assert looked


def test_a_replica_made_from_something_else_is_made_anew() -> None:
    made: list[str] = []

    def make(name: str) -> remembered.Known:
        return remembered.known("same key", (name,), lambda: made.append(name))  # type: ignore[arg-type, func-returns-value]

    first = make("llm")
    assert make("llm") is first
    assert make("another llm of that name") is not first
    assert made == ["llm", "another llm of that name"]
    remembered._known.pop("same key")


def test_what_was_not_asked_for_longest_is_forgotten() -> None:
    entries = remembered.OrderedDict((number, number) for number in range(3))
    remembered._keep(entries, 0, 0, 3)
    remembered._keep(entries, 9, 9, 3)
    assert list(entries) == [2, 0, 9]
