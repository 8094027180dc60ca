"""Bounds of single counts: what a limit holds in whole numbers, and nothing that a plan may have is lost."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.optimize.build import build_program
from planner.optimize.tightening import tightened
from tests.optimize.test_merged_groups import exactly, halls
from tests.optimize.tiny import one_site, with_limit
from tests.oracle.generator import random_problem


def test_a_feed_that_holds_two_and_nine_tenths_of_a_server_holds_two() -> None:
    problem = with_limit(one_site(), "power/feed/a", limit=2900, amount=1000)
    arrays = build_program(problem)
    assert tightened(arrays).column_upper[arrays.block("servers")].tolist() == [2]
    exact = build_program(with_limit(one_site(), "power/feed/a", limit=3000, amount=1000))
    assert tightened(exact).column_upper[exact.block("servers")].tolist() == [3]


def test_rows_in_which_something_gives_room_bound_nothing() -> None:
    """Space comes from mixes, places from servers: such rows have negative coefficients."""
    arrays = build_program(one_site())
    assert (tightened(arrays).column_upper == np.minimum(arrays.column_upper, 6)).sum() >= 1
    loose = replace(arrays, row_upper=np.where(arrays.row_upper == 3, np.inf, arrays.row_upper))
    assert (tightened(loose).column_upper == loose.column_upper).all()


@pytest.mark.parametrize("seed", range(30))
def test_the_best_plan_stays(seed: int) -> None:
    arrays = build_program(random_problem(seed) if seed % 2 else halls(seed))
    best, within = exactly(arrays), exactly(tightened(arrays))
    assert within.status == best.status
    if best.values is not None:
        assert within.objective == pytest.approx(best.objective)
