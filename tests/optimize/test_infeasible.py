"""Dropping and loosening promises of tiny problems whose answers can be worked out by hand."""

from __future__ import annotations

import numpy as np
import pytest

from planner.optimize.infeasible import Group, has_solution, in_the_proof, least_change, loosenable, without
from planner.optimize.method import solve_problem
from planner.optimize.problem import Problem, integers
from planner.optimize.program import Arrays
from planner.optimize.solution import Settings
from tests.optimize.tiny import one_site, with_limit

EXACT = Settings(time_limit_s=20, relative_gap=0.0, workers=1)


def promises(problem: Problem) -> tuple[Arrays, dict[str, Group]]:
    """Return the program and a group for each promised row, in the unit of the row."""
    arrays = loosenable(problem)
    groups = {}
    for r, row in enumerate(arrays.rows):
        if row.is_promise:
            floor = arrays.row_lower[r] > 0
            bound = arrays.row_lower[r] if floor else arrays.row_upper[r]
            most = bound if floor else 1e6
            groups[row.name] = Group(integers([r]), np.ones(1), most, True, 1.0 / bound)
    return arrays, groups


def least(arrays: Arrays, group: Group) -> int | None:
    """Return the bound of one promise that would do, None if none does."""
    found = least_change(arrays, [group], 20)
    if found is None:
        return None
    row = int(group.rows[0])
    floor = arrays.row_lower[row] > 0
    return round(arrays.row_lower[row] - found[0] if floor else arrays.row_upper[row] + found[0])


def conflicting(arrays: Arrays, groups: dict[str, Group]) -> set[str]:
    """Return the promises whose loss alone leaves a solution."""
    return {name for name, group in groups.items() if has_solution(without(arrays, [group]), 20, 1)}


def test_racks_can_be_too_few():
    """61 units need a seventh server: a fourth rack of two would do, or one unit less."""
    arrays, groups = promises(one_site(units=61))
    assert has_solution(arrays, 20, 1) is False
    assert conflicting(arrays, groups) == {"demand/chat/west", "racks/racks"}
    assert least(arrays, groups["racks/racks"]) == 4
    assert least(arrays, groups["demand/chat/west"]) == 60


def test_the_proof_names_the_two_promises_and_the_least_change():
    """20 units need 2000 W; with 1500 W the demand and the feed collide, 2000 W or 10 units help."""
    problem = with_limit(with_limit(one_site(units=20), "power/feed/A", 1500, 1000), "heat/air/x", 9000, 1000)
    arrays, groups = promises(problem)
    proof = in_the_proof(arrays, list(groups.values()))
    assert proof is not None
    assert {list(groups)[n] for n in proof} == {"demand/chat/west", "power/feed/A"}
    assert conflicting(arrays, groups) == {"demand/chat/west", "power/feed/A"}
    assert least(arrays, groups["power/feed/A"]) == 2000
    assert least(arrays, groups["demand/chat/west"]) == 10
    assert least(arrays, groups["heat/air/x"]) is None


def test_a_conflict_of_integers_only_is_found_as_well():
    """1500 W would do for 15 units if servers could be halved: only integrality forbids it."""
    problem = with_limit(one_site(units=15), "power/feed/A", 1500, 1000)
    assert solve_problem(problem, EXACT).status == "infeasible"
    arrays, groups = promises(problem)
    assert in_the_proof(arrays, list(groups.values())) is None
    assert conflicting(arrays, groups) == {"demand/chat/west", "power/feed/A"}
    assert least(arrays, groups["power/feed/A"]) == 2000
    assert least(arrays, groups["demand/chat/west"]) == 10


def test_two_promises_share_a_change_at_the_least_price():
    """2000 W are needed of both feeds, which have 1000 and 1500: each gives what it lacks."""
    problem = with_limit(
        with_limit(one_site(units=20), "power/feed/A", 1000, 1000), "power/feed/B", 1500, 1000
    )
    arrays, groups = promises(problem)
    assert least(arrays, groups["power/feed/A"]) is None
    both = [groups["power/feed/A"], groups["power/feed/B"]]
    assert least_change(arrays, both, 20) == pytest.approx([1000, 500])
