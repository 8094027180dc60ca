"""Folded programs: the same linear optimum, bounds that hold, and nothing folded that differs."""

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse

from planner.optimize.folding import fold
from planner.optimize.program import Arrays, Cut, RowInfo
from planner.optimize.solvers import highs
from planner.optimize.solvers.glop import LinearProgram


def rows_of_racks(halls: int, seed: int) -> Arrays:
    """Return a program: equal halls, each with a feed and two kinds of servers; one demand over all."""
    draw = np.random.default_rng(seed)
    watts, work = draw.integers(5, 15, 2), draw.integers(2, 9, 2)
    columns = 2 * halls
    row, column, value = [], [], []
    for hall in range(halls):
        for kind in range(2):
            row.append(hall)
            column.append(kind * halls + hall)
            value.append(float(watts[kind]))
            row.append(halls)
            column.append(kind * halls + hall)
            value.append(float(work[kind]))
    matrix = scipy.sparse.csr_matrix((value, (row, column)), shape=(halls + 1, columns))
    return Arrays(
        cost=np.repeat(draw.integers(10, 30, 2).astype(float), halls),
        column_lower=np.zeros(columns),
        column_upper=np.full(columns, 6.0),
        matrix=matrix,
        row_lower=np.append(np.full(halls, -np.inf), float(7 * halls)),
        row_upper=np.append(np.full(halls, 40.0), np.inf),
        rows=tuple(RowInfo(f"row/{number}", "power") for number in range(halls + 1)),
        column_kind=(("servers", 0, columns),),
        column_site=np.zeros(columns, dtype=np.int64),
    )


@pytest.mark.parametrize("seed", range(8))
def test_equal_halls_become_one_with_the_same_linear_optimum(seed):
    """Two columns and two rows are left; the solution shared out keeps every row of the real program."""
    arrays = rows_of_racks(7, seed)
    folded = fold(arrays)
    assert folded.arrays.matrix.shape == (2, 2)
    whole, small = highs.solve_linear(arrays), LinearProgram(folded.arrays).solve()
    assert small.objective == pytest.approx(whole.objective, rel=1e-9)
    assert arrays.violation(folded.unfolded(small.values)) < 1e-6
    assert folded.folded(folded.unfolded(small.values)) == pytest.approx(small.values)


@pytest.mark.parametrize("seed", range(8))
def test_whole_counts_of_the_folded_program_bound_those_of_the_real_one(seed):
    """It is a relaxation: never dearer."""
    arrays = rows_of_racks(5, seed)
    small = fold(arrays).arrays
    every = [np.ones(len(program.cost), dtype=bool) for program in (arrays, small)]
    whole = highs.solve_integer(arrays, integer=every[0], time_limit_s=20, relative_gap=0.0)
    folded = highs.solve_integer(small, integer=every[1], time_limit_s=20, relative_gap=0.0)
    assert folded.objective <= whole.objective + 1e-6


@pytest.mark.parametrize("what", ["cost", "limit", "amount", "site"])
def test_what_differs_in_anything_is_not_folded(what):
    """One hall with another price, another feed, another draw or at another site stays by itself."""
    arrays = rows_of_racks(4, 0)
    if what == "cost":
        arrays.cost[0] += 1
    elif what == "limit":
        arrays.row_upper[0] -= 1
    elif what == "amount":
        arrays.matrix[0, 0] += 1
    elif what == "site" and arrays.column_site is not None:
        arrays.column_site[0] = 1
    folded = fold(arrays)
    assert folded.arrays.matrix.shape[1] > 2
    same = replace(arrays)
    assert LinearProgram(folded.arrays).solve().objective == pytest.approx(highs.solve_linear(same).objective)


def test_a_cut_over_real_columns_stays_valid_over_classes():
    """The largest amount of a class stands for all: whatever keeps the cut keeps the folded one."""
    arrays = rows_of_racks(3, 1)
    folded = fold(arrays)
    cut = Cut("cut", np.array([0, 1, 4]), np.array([2.0, 5.0, 1.0]), 6.0)
    small = folded.cut(cut)
    draw = np.random.default_rng(0)
    for _ in range(50):
        values = draw.integers(0, 4, len(arrays.cost)).astype(float)
        if cut.amounts @ values[cut.columns] >= cut.lower:
            assert small.amounts @ folded.folded(values)[small.columns] >= small.lower
