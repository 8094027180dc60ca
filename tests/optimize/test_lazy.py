"""Losses that take nothing in use are survived without a search; what is survived stays the same."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.optimize import lazy
from planner.optimize.build import build_program
from planner.optimize.lazy import rerouted
from planner.optimize.method import solve_problem
from planner.optimize.program import Arrays, Floats
from planner.optimize.solution import Settings
from tests.oracle.generator import random_problem

EXACT = Settings(time_limit_s=30, relative_gap=0.0, workers=1)


def plans() -> list[tuple[Arrays, Floats]]:
    """Return programs with losses, and plans that were made without thinking of them."""
    found = []
    for seed in range(40):
        problem = random_problem(seed, losses=True)
        solution = solve_problem(replace(problem, failures=None), EXACT)
        if not solution.values:
            continue
        arrays = build_program(problem)
        values = np.zeros(len(arrays.cost))
        for kind, amounts in solution.values.items():
            values[arrays.block(kind)] = amounts
        values[arrays.block("survive/used")] = 1.0
        found.append((arrays, values))
    return found


def test_staying_as_before_is_found_without_a_solver_and_is_a_routing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """Both kinds are among 40 random problems, and agree with what the solver finds."""
    cases = [(arrays, values, n) for arrays, values in plans() for n in range(len(arrays.sections))]
    calls: list[int] = []
    solve = lazy.highs.solve_linear

    def counted(*args: object) -> object:
        calls.append(1)
        return solve(*args)  # type: ignore[arg-type]

    monkeypatch.setattr(lazy.highs, "solve_linear", counted)
    quick = [rerouted(arrays, n, values) for arrays, values, n in cases]
    asked = len(calls)
    assert 0 < asked < len(cases)
    for (arrays, values, n), routing in zip(cases, quick, strict=True):
        if routing is None:
            continue
        section = arrays.sections[n]
        filled = values.copy()
        filled[section.first_column : section.last_column] = routing
        rows = slice(section.first_row, section.last_row)
        activity = arrays.matrix[rows] @ filled
        assert (activity >= arrays.row_lower[rows] - 1e-2).all()
        assert (activity <= arrays.row_upper[rows] + 1e-2).all()
    monkeypatch.setattr(lazy, "_as_before", lambda arrays, section, values: np.full(
        section.last_column - section.first_column, -1e9
    ))  # fmt: skip
    slow = [rerouted(arrays, n, values) for arrays, values, n in cases]
    assert [routing is None for routing in slow] == [routing is None for routing in quick]
