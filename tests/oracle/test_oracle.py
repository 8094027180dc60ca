"""The program's optimum is the true one: trying everything gives the same integer cost.

Problems are random and tiny, with demand, capacity, packing, racks, power, heat, money, carbon, stock,
rent, retrofits, open sites and losses to survive mixed at random; about half of them have no answer,
and then both say so.
"""

import ast
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from planner.optimize.method import solve_problem
from planner.optimize.problem import LOAD_SCALE, UNLIMITED, Problem, integers
from planner.optimize.solution import Settings
from tests.optimize.tiny import one_site, surviving_one_server, with_limit
from tests.oracle import brute_force as oracle
from tests.oracle.generator import random_problem

EXACT = Settings(time_limit_s=30, relative_gap=0.0, workers=1)

BLOCK = 20
"""Problems in one test."""


def brute_force(problem: Problem) -> oracle.Optimum | None:
    """Return the answer of trying everything; after a loss traffic may be split in any parts."""
    return oracle.brute_force(problem, LOAD_SCALE, split_freely=True)


def optimum(problem: Problem) -> int | None:
    """Return the program's optimal cost, None if it finds the problem infeasible."""
    solution = solve_problem(problem, EXACT)
    if solution.status == "infeasible":
        return None
    assert solution.status == "optimal"
    assert solution.bound == solution.objective
    return solution.objective


def disagreements(seeds: range, *, losses: bool) -> list[tuple[int, int | None, int | None]]:
    """Return (seed, program, brute force) where the two differ."""
    found = []
    for seed in seeds:
        problem = random_problem(seed, losses=losses)
        answer = brute_force(problem)
        expected = None if answer is None else answer.cost
        got = optimum(problem)
        if got != expected:
            found.append((seed, got, expected))
    return found


def blocks(first: int, count: int) -> list[int]:
    """Return the first seeds of the blocks that hold `count` problems from `first` on."""
    return list(range(first, first + count, BLOCK))


@pytest.mark.parametrize("first", blocks(0, 300))
def test_the_optimum_is_that_of_trying_everything(first):
    """300 random problems, to the last micro-dollar."""
    assert disagreements(range(first, first + BLOCK), losses=False) == []


@pytest.mark.parametrize("first", blocks(0, 300))
def test_the_optimum_that_survives_losses_is_that_of_trying_everything(first):
    """300 random problems that ask for survival of single servers and of all that hangs on a feed."""
    assert disagreements(range(first, first + BLOCK), losses=True) == []


@pytest.mark.slow
@pytest.mark.parametrize("first", blocks(1000, 1000))
def test_a_thousand_more_optima(first):
    """Further random problems."""
    assert disagreements(range(first, first + BLOCK), losses=False) == []


@pytest.mark.slow
@pytest.mark.parametrize("first", blocks(1000, 1000))
def test_a_thousand_more_optima_that_survive_losses(first):
    """Further random problems with losses."""
    assert disagreements(range(first, first + BLOCK), losses=True) == []


def tightened(problem: Problem) -> list[tuple[str, Problem]]:
    """Return the problem with each of its limits a little tighter, and which one it is."""
    changed = []
    for number, ledger in enumerate(problem.ledgers):
        tighter = replace(ledger, limit=(ledger.limit * 4) // 5)
        ledgers = (*problem.ledgers[:number], tighter, *problem.ledgers[number + 1 :])
        changed.append((ledger.names[0], replace(problem, ledgers=ledgers)))
    for field, table, less in (
        ("rack_classes", "count", 1),
        ("candidates", "maximum", 1),
    ):
        rows = getattr(getattr(problem, field), table)
        for row in np.flatnonzero((rows > 0) & (rows < UNLIMITED)):
            fewer = rows.copy()
            fewer[row] -= less
            part = replace(getattr(problem, field), **{table: fewer})
            changed.append((f"{field} {row}", replace(problem, **{field: part})))
    changed.append(("headroom", replace(problem, usable_load=problem.usable_load * 9 // 10)))
    more = replace(problem.demands, units=problem.demands.units + integers(problem.demands.unserved_cost < 0))
    changed.append(("demand", replace(problem, demands=more)))
    return changed


@pytest.mark.parametrize("seed", range(40))
def test_tightening_any_limit_never_lowers_the_cost(seed):
    """Less power, heat, money, carbon, stock, space, capacity, or more to serve: never cheaper."""
    problem = random_problem(seed)
    before = optimum(problem)
    for name, tighter in tightened(problem):
        after = optimum(tighter)
        if before is None:
            assert after is None, name
        else:
            assert after is None or after >= before, name


def test_trying_everything_finds_what_is_known_by_hand():
    """10 units at a fifth of a replica each need 2 replicas: one server for 1000, and 10 units at 1."""
    answer = brute_force(one_site(racks=2))
    assert answer is not None
    assert (answer.cost, answer.servers) == (1010, (1,))


def test_trying_everything_respects_servers_limits_and_losses():
    """Six and two free are not eight; a watt short is too short; a lost server needs a second one."""
    split = brute_force(one_site(racks=2, accelerators=6))
    assert split is not None
    assert split.servers == (2,)
    assert brute_force(with_limit(one_site(racks=2), "power/feed/A", 999, 1000)) is None
    spared = brute_force(surviving_one_server(one_site(racks=2)))
    assert spared is not None
    assert spared.servers == (2,)


def test_trying_everything_spreads_servers_over_racks_before_one_is_lost():
    """20 units need two servers; one in each of three racks, any rack may be lost and two are left."""
    problem = surviving_one_server(one_site(units=20))
    assert problem.failures is not None
    losing_a_rack = replace(problem.failures, lost_one_of=integers([-1]), lost_rack_of=integers([0]))
    answer = brute_force(replace(problem, failures=losing_a_rack))
    assert answer is not None
    assert (answer.servers, answer.mixes) == ((3,), (3,))


def test_what_servers_hold_is_what_can_be_placed():
    """Two servers of 8: replicas of 4 and 2 inside, or one replica across both."""
    held = oracle._held(8, (4, 2, 0), (0, 0, 2), 2)
    assert max(vector[0] for vector in held) == 4
    assert (3, 2, 0) in held
    assert (3, 3, 0) not in held
    assert [vector for vector in held if vector[2]] == [(0, 0, 1)]


def test_the_oracle_shares_no_code_with_the_program():
    """Trying everything imports nothing from the planner."""
    tree = ast.parse(Path(oracle.__file__).read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom):
            assert not (node.module or "").startswith("planner")
        elif isinstance(node, ast.Import):
            assert not any(alias.name.startswith("planner") for alias in node.names)


def test_the_random_problems_are_not_all_alike():
    """Among 60 problems there are answers and refusals, limits of every family, and unserved demand."""
    problems = [random_problem(seed) for seed in range(60)]
    families = {ledger.family for problem in problems for ledger in problem.ledgers}
    assert families == {"power", "heat", "budget", "carbon", "stock"}
    solutions = [solve_problem(problem, EXACT) for problem in problems]
    answered = [solution for solution in solutions if solution.values]
    assert 20 <= len(answered) <= 50
    assert any(solution.values["unserved"].any() for solution in answered)
    assert any(solution.values["servers"].sum() > 2 for solution in answered)
