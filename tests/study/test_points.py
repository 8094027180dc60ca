"""Points of a sweep: every combination, side by side, at random, from a table."""

from __future__ import annotations

import pytest

from planner.files import InputFaults
from planner.study import points
from planner.study.study_file import Span

VARY = {"a": [1, 2], "b": Span(low=0.5, high=1.5, steps=2, relative=True)}


def test_a_grid_has_every_combination_the_last_input_fastest():
    """Two values each make four points; factors are written as such."""
    assert points.grid(VARY) == [
        {"a": 1, "b": "*0.5"},
        {"a": 1, "b": "*1.5"},
        {"a": 2, "b": "*0.5"},
        {"a": 2, "b": "*1.5"},
    ]


def test_lists_go_side_by_side():
    """The first values together, then the second ones."""
    assert points.side_by_side(VARY) == [{"a": 1, "b": "*0.5"}, {"a": 2, "b": "*1.5"}]


def test_random_points_cover_each_input_evenly_and_repeat():
    """Ten samples fall into ten equal parts of the span, and the same seed gives the same points."""
    vary = {"x": Span(low=0, high=10), "y": ["p", "q"]}
    found = points.at_random(vary, 10, seed=3)
    assert sorted(int(point["x"]) for point in found) == list(range(10))
    assert sorted(point["y"] for point in found) == ["p"] * 5 + ["q"] * 5
    assert found == points.at_random(vary, 10, seed=3)
    assert found != points.at_random(vary, 10, seed=4)


def test_a_table_gives_a_point_per_row_and_empty_cells_change_nothing(tmp_path):
    """Cells are YAML: numbers, lists, factors."""
    path = tmp_path / "points.csv"
    path.write_text('workloads.chat.rate_rps,fleet.buy\n20,"[dgx-h100]"\n*0.5,\n')
    assert points.from_table(path) == [
        {"workloads.chat.rate_rps": 20, "fleet.buy": ["dgx-h100"]},
        {"workloads.chat.rate_rps": "*0.5"},
    ]


@pytest.mark.parametrize("text", ["", "a,b\n"])
def test_a_table_without_points_is_refused(tmp_path, text):
    """An empty file, and a header alone."""
    path = tmp_path / "points.csv"
    path.write_text(text)
    with pytest.raises(InputFaults):
        points.from_table(path)
