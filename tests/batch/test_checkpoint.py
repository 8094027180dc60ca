"""A long solve that was interrupted goes on from its best plan and bound."""

from __future__ import annotations

import math

import numpy as np
import pytest

from planner.batch.checkpoint import Checkpoint, CheckpointFile, solve_with_checkpoint
from planner.optimize.method import solve_problem
from planner.optimize.solution import Settings, Standing
from planner.plan.assemble import assemble
from planner.plan.solve import Hooks
from planner.topology import load_question
from tests.plan.questions import SMALL, changed


class Interrupted(Exception):
    """Stands for the end of the process."""


class DiesWithAPlan(Checkpoint):
    """A checkpoint whose process dies once a plan is kept."""

    def keep(self, standing):
        super().keep(standing)
        if standing.values is not None:
            raise Interrupted


@pytest.fixture(scope="module")
def problem():
    """The program of the small question."""
    return assemble(load_question(SMALL)).problem


EXACT = Settings(time_limit_s=20, relative_gap=0.0, workers=1)


def test_a_checkpoint_survives_being_written():
    """Plans, bounds and the absence of a plan come back as they were."""
    first = Checkpoint()
    first.keep(Standing("one", np.array([1.0, 0.5, 3.0]), 40.0, 30.0))
    first.keep(Standing("two", None, math.inf, 7.0))
    again = Checkpoint(first.news())
    assert again.recall("one").values.tolist() == [1.0, 0.5, 3.0]
    assert (again.recall("one").objective, again.recall("one").bound) == (40.0, 30.0)
    assert again.recall("two") == Standing("two", None, math.inf, 7.0)
    assert again.recall("three") is None
    assert again.news() is None


@pytest.mark.parametrize("content", [b"", b"half a fi", b"PK\x03\x04 cut short"])
def test_what_cannot_be_read_counts_as_nothing(content):
    """A damaged checkpoint costs time, not the job."""
    assert Checkpoint(content).recall("one") is None


def test_an_interrupted_search_goes_on_from_its_plan_and_bound(problem):
    """The first news of the second search are the plan of the first; the answer is the optimum."""
    kept, told = Checkpoint(), []
    solution = solve_problem(problem, EXACT, keeper=kept)
    (standing,) = kept._standings.values()
    weaker = Standing(standing.program, standing.values, standing.objective, standing.bound * 0.9)
    kept.keep(weaker)
    again = solve_problem(problem, EXACT, told.append, keeper=Checkpoint(kept.news()))
    plans = [progress for progress in told if progress.incumbent is not None]
    assert plans[0].stage == "continued"
    assert plans[0].incumbent == standing.objective
    assert plans[0].bound >= weaker.bound
    assert (again.objective, again.bound) == (solution.objective, solution.bound)


def test_the_checkpoint_of_another_question_is_not_used(problem):
    """A program with other numbers has another fingerprint."""
    kept, told = Checkpoint(), []
    solve_problem(problem, EXACT, keeper=kept)
    other = assemble(load_question(changed(workload={"rate_rps": 480}))).problem
    solve_problem(other, EXACT, told.append, keeper=kept)
    assert "continued" not in {progress.stage for progress in told}


def test_reproducible_searches_start_anew(problem):
    """What was kept depends on when it was interrupted, and the answer must not."""
    kept = Checkpoint()
    solve_problem(
        problem, Settings(time_limit_s=5, relative_gap=0.0, workers=1, reproducible=True), keeper=kept
    )
    assert kept.news() is None


def test_a_file_keeps_what_a_dying_solve_had(tmp_path, monkeypatch):
    """It is there after the interruption, is used by the next solve, and goes when the plan is proven."""
    path = tmp_path / "long.npz"
    large = changed(reliability={"survive": ["site"], "level": 0.5}, workload={"rate_rps": 200})
    with pytest.raises(Interrupted):
        dying_solve(large, path)
    (standing,) = Checkpoint(path.read_bytes())._standings.values()
    stages = []
    plan = solve_with_checkpoint(large, path, hooks=Hooks(search=lambda news: stages.append(news.stage)))
    assert "continued" in stages
    assert plan.status == "optimal"
    assert plan.objective <= standing.objective / 1e6 + 1e-6
    assert not path.exists()


def dying_solve(source, path):
    """Solve with a checkpoint file until there is a plan, then die."""
    with CheckpointFile(path) as kept:
        kept.checkpoint = DiesWithAPlan()
        solve_problem(assemble(load_question(source)).problem, EXACT, keeper=kept.checkpoint)
