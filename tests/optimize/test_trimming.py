"""What nothing needs is left out of plans."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.optimize.build import build_program
from planner.optimize.trimming import trimmed
from tests.optimize.test_covers import larger
from tests.optimize.test_merged_groups import exactly


@pytest.mark.parametrize("seed", range(4))
def test_racks_and_sites_without_servers_are_left_out(seed: int) -> None:
    arrays = build_program(larger(seed))
    mixes, opened = arrays.block("mixes"), arrays.block("open")
    cost = arrays.cost.copy()
    cost[mixes] = 7.0
    arrays = replace(arrays, cost=cost)
    best = exactly(arrays).values
    assert best is not None
    best = np.rint(best)
    assert (trimmed(arrays, best) == best).all()
    # As many more as the racks hold, and every site open.
    more = best.copy()
    for column in range(mixes.start, mixes.stop):
        while arrays.violation(more + (np.arange(len(more)) == column)) <= 0:
            more[column] += 1
    more[opened] = 1.0
    assert more[mixes].sum() > best[mixes].sum()
    less = trimmed(arrays, more)
    assert arrays.violation(less) <= 0
    assert (less <= more).all()
    changed = less != more
    changed[mixes] = changed[opened] = False
    assert not changed.any()
    assert arrays.cost @ less == arrays.cost @ best
    # What costs nothing stays: it is in nobody's way.
    free = replace(arrays, cost=np.where(arrays.cost == 7.0, 0.0, arrays.cost))
    assert (trimmed(free, more)[mixes] == more[mixes]).all()


def test_bounds_are_kept() -> None:
    arrays = build_program(larger(1))
    opened = arrays.block("open")
    lower = arrays.column_lower.copy()
    lower[opened] = 1.0
    best = exactly(replace(arrays, column_lower=lower)).values
    assert best is not None
    assert (trimmed(replace(arrays, column_lower=lower), np.rint(best))[opened] == 1.0).all()
