"""What the worst of several equal things holds at least: cases small enough for the head."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.optimize.method import solve_problem
from planner.optimize.problem import LOAD_SCALE, Problem, integers
from planner.optimize.solution import Settings
from tests.optimize.tiny import one_site, surviving_one_server

EXACT = Settings(time_limit_s=30, relative_gap=0.0, workers=1)


def losing_one(problem: Problem, known: int = 4, **fields: int) -> Problem:
    """Ask that the loss of one server (or what `fields` say) be survived; an awake replica costs 50."""
    asked = surviving_one_server(problem)
    assert asked.failures is not None
    changes = {name: integers([value]) for name, value in fields.items()}
    failures = replace(asked.failures, known=integers([known]), **changes)
    return replace(asked, failures=failures, hostings=replace(asked.hostings, cost=integers([50])))


def answer(problem: Problem) -> tuple[int, int]:
    """Return how many servers and replicas the optimum has."""
    solution = solve_problem(problem, EXACT)
    assert solution.status == "optimal"
    assert solution.bound == solution.objective
    return int(solution.values["servers"].sum()), int(solution.values["replicas"].sum())


@pytest.mark.parametrize(
    ("known", "expected"), [(0, (2, 1)), (1, (2, 1)), (2, (2, 2)), (4, (2, 2))], ids="known {}".format
)
def test_one_of_two_servers_holds_at_least_half(known: int, expected: tuple[int, int]) -> None:
    """One replica carries all; places alone find it one elsewhere, the average leaves half of it."""
    assert answer(losing_one(one_site(units=5), known)) == expected


def test_with_three_servers_a_third_is_lost() -> None:
    """30 units need 6 replicas of 2 to a server after a loss: 3 of 4 servers, 8 of 8 replicas."""
    assert answer(losing_one(one_site(units=30))) == (4, 8)
    assert answer(losing_one(one_site(units=15))) == (3, 5)  # 5 less a third are 3.3


def test_more_servers_than_known_hold_what_fits() -> None:
    """35 units need 7 replicas after a loss: of 5 servers four hold at least what is not on the fifth."""
    assert answer(losing_one(one_site(units=35), known=4)) == (5, 9)
    assert answer(losing_one(one_site(units=35), known=0)) == (5, 7)


def test_the_fullest_holds_the_average_rounded_up() -> None:
    """1.5 replicas must be left: three leave that on average, but one of two servers holds two of them."""
    problem = one_site(units=3, load=LOAD_SCALE // 2)
    assert answer(losing_one(problem)) == (2, 3)
    assert answer(losing_one(problem, fullest=0)) == (2, 4)


def test_a_single_rack_in_use_is_lost_whole() -> None:
    """One server in one of three racks: on average a third of it is lost, but it stands in that rack."""
    fields = {"lost_one_of": -1, "lost_rack_of": 0}
    assert answer(losing_one(one_site(units=5), 0, **fields)) == (1, 1)
    assert answer(losing_one(one_site(units=5), 4, **fields)) == (2, 2)


def test_batches_of_an_upgrade_are_lost_one_after_the_other() -> None:
    """Three servers are two batches of two at most: half of the replicas is lost."""
    assert answer(losing_one(one_site(units=5), 0, lost_count=2)) == (3, 1)
    assert answer(losing_one(one_site(units=5), 4, lost_count=2)) == (3, 2)


def test_a_replica_on_two_servers_is_lost_with_either() -> None:
    """Three servers, one replica on two of them: two losses of three take it, so a second one must stand."""
    problem = one_site(units=5)
    across = replace(problem.hostings, accelerators=integers([0]), whole_servers=integers([2]))
    assert answer(losing_one(replace(problem, hostings=across), 4)) == (4, 2)
    assert answer(losing_one(replace(problem, hostings=across), 0)) == (3, 1)


def test_the_rack_with_most_servers_holds_their_average_rounded_up() -> None:
    """Three servers in two racks: 6 replicas are 3 a rack on average, but one rack has two servers."""
    problem = one_site(units=15, racks=2, per_rack=2)
    assert answer(losing_one(problem, 4, lost_one_of=-1, lost_rack_of=0)) == (3, 6)
    assert answer(losing_one(problem, 0, lost_rack_of=0)) == (4, 3)
