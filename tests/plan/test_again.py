"""A question solved again after a change: the same answer as from nothing, with less work."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

import planner
from planner.optimize.method import solve_problem
from planner.optimize.solution import Settings
from planner.performance import latency
from planner.plan import remembered
from planner.plan.reuse import Reuse
from planner.plan.solve import NoPlan, solve
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


GAP = 0.02

CHANGES: dict[str, dict[str, Any]] = {
    "more to serve": {"workload": {"rate_rps": 220}},
    "less to serve": {"workload": {"rate_rps": 180}},
    "faster tokens": {"workload": {"slo": {"ttft_ms": 1000, "tpot_ms": 20, "percentile": 95}}},
    "dearer servers": {"fleet": {"buy": ["dgx-h100"], "prices_usd": {"dgx-h100": 400_000}}},
    "less money": {"limits": {"capex_usd": 5.4e6}},
    "one server too many": {"limits": {"servers": 2}, "reliability": {"survive": []}},
    "one server too few": {"limits": {"servers": 2}},
    "more than fits": {"workload": {"rate_rps": 40_000}},
}
"""Changes of a question that survives the loss of any server."""


@pytest.fixture(scope="module")
def before() -> Reuse:
    """What solving the question before any change leaves."""
    reuse = Reuse()
    solve(asked(), reuse=reuse)
    assert reuse.plan is not None
    assert len(reuse.plan.servers) == 3
    return reuse


def asked(**fields: Any) -> dict[str, Any]:
    """Return the question with changes."""
    given = {"reliability": {"survive": ["server"]}, **fields}
    given["workload"] = {"rate_rps": 200, **given.get("workload", {})}
    return changed(**given, solver={"relative_gap": GAP})


@pytest.mark.parametrize("name", CHANGES)
def test_a_changed_question_is_answered_as_from_nothing(name: str, before: Reuse) -> None:
    """From the earlier plan: verified, within the gap, and no bound above what a search from nothing has."""
    question = asked(**CHANGES[name])
    reuse = replace(before)
    try:
        exact = solve({**question, "solver": {**question["solver"], "relative_gap": 0.0}})
    except NoPlan:
        with pytest.raises(NoPlan):
            solve(question, reuse=reuse, diagnosis_s=0.0)
        assert name in ("more than fits", "one server too few")
        return
    plan = solve(question, reuse=reuse)
    assert planner.verify(plan) == []
    assert plan.bound <= exact.objective + 1e-6
    assert plan.objective >= exact.bound - 1e-6
    assert plan.gap <= GAP


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
