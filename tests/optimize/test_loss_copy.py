"""Losses that join a search with a copy of the routing say the same as those written into the program."""

from dataclasses import replace

import numpy as np
import pytest

from planner.optimize.build import build_program
from planner.optimize.rerouting import Rerouting, whole_losses, without
from planner.optimize.solvers import highs
from tests.oracle.generator import random_problem


def questions():
    """Return problems whose losses take whole host groups."""
    found = []
    for seed in range(400):
        problem = random_problem(seed, losses=True)
        if problem.failures is not None and whole_losses(problem):
            found.append((seed, problem))
    return found[:25]


@pytest.mark.parametrize(("seed", "problem"), questions())
def test_a_copy_has_the_optimum_of_the_program_that_holds_the_loss(seed, problem):
    """Both relaxations and both whole-count optima agree, for all such losses at once."""
    events = whole_losses(problem)
    failures = problem.failures
    others = [event for event in range(len(failures.names)) if event not in events]
    alone = replace(problem, failures=without(failures, others))
    direct = build_program(alone)
    arrays = build_program(replace(problem, failures=None))
    losses = Rerouting(alone, list(range(len(events))), arrays.block("replicas"), arrays.block("unserved"))
    for event in range(len(events)):
        before = len(arrays.cost)
        arrays = losses.copied(arrays, event)
        assert len(arrays.cost) - before == losses.copied_columns(event)
    one, other = highs.solve_linear(direct), highs.solve_linear(arrays)
    assert one.status == other.status
    if one.status == "optimal":
        assert other.objective == pytest.approx(one.objective, rel=1e-7, abs=1e-3)
    integer = [
        np.array([not _split(program, c) for c in range(len(program.cost))]) for program in (direct, arrays)
    ]
    outcomes = [
        highs.solve_integer(program, integer=whole, time_limit_s=20, relative_gap=0.0)
        for program, whole in zip((direct, arrays), integer, strict=True)
    ]
    assert outcomes[0].status == outcomes[1].status
    if outcomes[0].values is not None:
        assert outcomes[1].objective == pytest.approx(outcomes[0].objective, rel=1e-6, abs=1.0)


def _split(arrays, column):
    """Say whether a column counts traffic, which may be split in any parts here."""
    for kind, first, count in arrays.column_kind:
        if first <= column < first + count:
            return kind.rsplit("/", 1)[-1] in ("flow", "assign", "unserved")
    return False
