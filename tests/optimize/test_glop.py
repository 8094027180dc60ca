"""The kept linear program: after any change it is what a new one would be."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse

from planner.optimize.build import build_program
from planner.optimize.program import Arrays
from planner.optimize.solvers import highs
from planner.optimize.solvers.glop import LinearProgram
from tests.optimize.test_covers import larger


def changed(arrays: Arrays, draw: np.random.Generator) -> tuple[Arrays, tuple[np.ndarray, np.ndarray, float]]:
    """Return a program with some bounds and costs moved and a row more, and that row."""
    limited = np.isneginf(arrays.row_lower) & np.isfinite(arrays.row_upper) & (arrays.row_upper > 0)
    row_upper = np.where(limited, arrays.row_upper * draw.uniform(0.9, 1.1, len(limited)), arrays.row_upper)
    column_upper = np.where(draw.random(len(arrays.cost)) < 0.03, 0.0, arrays.column_upper)
    cost = arrays.cost * draw.uniform(0.8, 1.25, len(arrays.cost))
    replicas = arrays.block("replicas")
    columns = np.arange(replicas.start, replicas.stop)[::-1]
    amounts = draw.uniform(1.0, 3.0, len(columns))
    least = 1.2 * float(amounts @ highs.solve_linear(arrays).values[columns])
    row = scipy.sparse.csr_matrix((amounts, (np.zeros(len(columns)), columns)), shape=(1, len(cost)))
    moved = replace(
        arrays,
        cost=cost,
        column_upper=column_upper,
        matrix=scipy.sparse.vstack([arrays.matrix, row], format="csr"),
        row_lower=np.append(arrays.row_lower, least),
        row_upper=np.append(row_upper, np.inf),
        rows=(*arrays.rows, arrays.rows[0]),
    )
    return moved, (columns, amounts, least)


@pytest.mark.parametrize("presolved", [True, False])
@pytest.mark.parametrize("seed", range(4))
def test_a_kept_program_follows_its_changes(seed: int, presolved: bool) -> None:
    arrays = build_program(larger(seed))
    kept = LinearProgram(arrays, presolved=presolved)
    assert kept.solve().objective == pytest.approx(highs.solve_linear(arrays).objective)
    moved, row = changed(arrays, np.random.default_rng(seed))
    kept.add_row(*row)
    kept.price(moved.cost)
    kept.move_columns(moved.column_lower, moved.column_upper)
    kept.move_rows(moved.row_lower[:-1], moved.row_upper[:-1])
    found, anew = kept.solve(), highs.solve_linear(moved)
    assert found.status == anew.status == "optimal"
    assert found.objective == pytest.approx(anew.objective)
    assert moved.violation(found.values) < 1e-4
    # Duals and reduced costs belong to the changed program: they account for its costs.
    assert found.duals @ moved.matrix + found.reduced_costs == pytest.approx(moved.cost, abs=1e-3)
    # A row that is there can be moved like the others, and back.
    kept.move_rows(np.append(arrays.row_lower, -np.inf), np.append(arrays.row_upper, np.inf))
    kept.price(arrays.cost)
    kept.move_columns(arrays.column_lower, arrays.column_upper)
    assert kept.solve().objective == pytest.approx(highs.solve_linear(arrays).objective)


def test_duals_of_some_rows_are_those_of_all() -> None:
    arrays = build_program(larger(1))
    kept = LinearProgram(arrays)
    everything = kept.solve()
    rows = np.flatnonzero(everything.duals)[::-2].tolist()
    assert rows
    some = kept.solve(duals_of=rows)
    assert some.duals[rows] == pytest.approx(everything.duals[rows])
    assert np.count_nonzero(some.duals) == len(rows)
    assert some.objective == pytest.approx(everything.objective)
    assert not len(some.values)


def test_a_program_without_a_solution_says_so_and_recovers() -> None:
    arrays = build_program(larger(1))
    kept = LinearProgram(arrays)
    least = kept.solve().objective
    kept.move_columns(arrays.column_lower, np.zeros(len(arrays.cost)))
    assert kept.solve().status == "infeasible"
    kept.move_columns(arrays.column_lower, arrays.column_upper)
    assert kept.solve().objective == pytest.approx(least)
