"""Further families in random tiny problems, against trying everything: several servers lost at a time."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.optimize.problem import Problem, integers
from tests.oracle.generator import random_problem
from tests.oracle.test_oracle import BLOCK, blocks, brute_force, optimum


def several_lost(seed: int) -> Problem:
    """Return the problem of a seed in which one to three servers of a group are lost at a time."""
    problem = random_problem(seed, losses=True)
    assert problem.failures is not None
    rng = np.random.default_rng([seed, 7])
    counts = np.where(problem.failures.lost_one_of >= 0, rng.integers(1, 4, len(problem.failures.names)), 1)
    return replace(problem, failures=replace(problem.failures, lost_count=integers(counts)))


@pytest.mark.parametrize("first", blocks(0, 100))
def test_losing_several_servers_at_once_agrees_with_trying_everything(first: int) -> None:
    """100 random problems, to the last micro-dollar."""
    for seed in range(first, first + BLOCK):
        problem = several_lost(seed)
        answer = brute_force(problem)
        assert optimum(problem) == (None if answer is None else answer.cost), seed
