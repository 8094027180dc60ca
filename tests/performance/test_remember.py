"""What is read of an LLM or a distribution once, and tables that are looked up by place."""

import numpy as np
import pytest

from planner.performance.remember import remembering
from planner.performance.step_table import Axis, bilinear


def test_answers_belong_to_the_thing_and_are_counted():
    """Equal things are told apart by identity, at most so many answers are kept."""
    asked: list[tuple[list[int], int]] = []

    @remembering(2)
    def total(thing: list[int], times: int) -> int:
        asked.append((thing, times))
        return sum(thing) * times

    one, other = [1, 2], [1, 2]
    assert (total(one, 1), total(one, 1), total(other, 1)) == (3, 3, 3)
    assert len(asked) == 2
    one.append(4)
    assert total(one, 1) == 3  # remembered by identity: only for things that do not change
    assert total(one, 2) == 14
    assert len(asked) == 3
    assert total(other, 1) == 3  # the third answer pushed the first two out
    assert len(asked) == 4


@pytest.mark.parametrize("nodes", [[0, 1, 2, 7, 40], [1, 1.5, 2, 3, 4.5, 11], [0, 64, 8192]])
def test_an_axis_finds_the_cell_of_every_value(nodes):
    """Cells by table are those of a search; values outside are clamped."""
    axis = Axis(np.asarray(nodes, dtype=float))
    values = np.concatenate([[-3.0, 1e6], np.arange(0, nodes[-1] + 1), nodes])
    cell, share = axis.locate(values)
    clamped = np.clip(values, nodes[0], nodes[-1])
    expected = np.interp(clamped, nodes, np.arange(len(nodes)))
    whole = clamped == np.floor(clamped)
    np.testing.assert_allclose((cell + share)[whole], expected[whole], atol=1e-12)


def test_interpolation_is_linear_along_both_axes():
    """A table of a bilinear function is read back exactly, for scalars, rows and columns."""
    rows, columns = Axis(np.asarray([0.0, 1, 4, 9])), Axis(np.asarray([0.0, 2, 3, 8]))
    table = (1 + 2 * rows.nodes[:, None]) * (3 - columns.nodes[None, :])
    for row, column in ((2.5, 5.0), (np.arange(9.0)[:, None], np.linspace(0, 8, 5)), (4.0, np.arange(9.0))):
        found = bilinear(rows, columns, table, row, column)
        np.testing.assert_allclose(found, (1 + 2 * np.asarray(row)) * (3 - np.asarray(column)), rtol=1e-12)
