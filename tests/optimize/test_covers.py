"""Covers: every plan keeps them, they cost a relaxation nothing, and whole counts prove more with them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from planner.optimize.build import build_for_search, build_program
from planner.optimize.covers import covers
from planner.optimize.problem import LOAD_SCALE, Assignments, Hostings, Pools, Problem, integers
from planner.optimize.rerouting import whole_losses, with_cuts
from planner.optimize.solvers import highs
from tests.optimize.test_merged_groups import exactly, halls, losing
from tests.optimize.tiny import one_site
from tests.oracle.generator import random_problem


def of(problem: Problem) -> dict[str, tuple[list[int], list[float], float]]:
    """Return the covers of a problem by name: columns, and amounts and lower bound for a lower bound of 1."""
    arrays = build_program(replace(problem, failures=None))
    found = covers(problem, whole_losses(problem), arrays.block("replicas"), arrays.block("unserved"))
    return {
        cut.name: (cut.columns.tolist(), (cut.amounts / cut.lower).tolist(), cut.lower / cut.lower)
        for cut in found
    }


def test_a_cover_counts_what_replicas_serve_at_best() -> None:
    """10 units; a replica of load 1/5 a unit carries 5, with a headroom of a tenth 4.5; or 1 is refused."""
    problem = replace(one_site(units=10), usable_load=LOAD_SCALE * 9 // 10)
    (cut,) = of(problem).values()
    arrays = build_program(problem)
    assert cut[0] == [arrays.block("replicas").start, arrays.block("unserved").start]
    assert cut[1] == pytest.approx([0.45, 0.1], rel=1e-6)


def test_after_a_loss_what_is_left_covers_what_is_promised_and_the_headroom_counts() -> None:
    """Half of each workload's units, by the replicas of the groups that the loss leaves, at full load."""
    problem = replace(losing(halls(1), 0, 1, 2), usable_load=LOAD_SCALE // 2)
    problem = replace(problem, demands=replace(problem.demands, units=10 * problem.demands.units))
    found = of(problem)
    usual, after = found["cover/first/workload1"], found["cover/first/survive/loss/workload1"]
    first = build_program(problem).block("replicas").start
    at = problem.pools.site[problem.hostings.pool]
    replicas = [column for column in after[0] if column < first + len(at)]
    assert {int(at[column - first]) for column in replicas} == {1}
    place = usual[0].index(replicas[0])
    assert after[1][0] == pytest.approx(4 * usual[1][place], rel=1e-6)  # half the units, twice the load


def test_paths_through_two_pools_are_covered_by_each() -> None:
    """Prefill carries 5 units a replica, decode 2: ten units need 2 of the first and 5 of the second."""
    problem = one_site(units=10)
    problem = replace(
        problem,
        pools=Pools(("prefill", "decode"), integers([0, 0]), integers([99, 99]), integers([0, 0])),
        hostings=Hostings(integers([0, 1]), integers([0, 0]), integers([4, 4]), integers([0, 0])),
        assignments=Assignments(
            integers([0]),
            integers([1]),
            integers([0, 0]),
            integers([0, 1]),
            integers([LOAD_SCALE // 5, LOAD_SCALE // 2]),
        ),
    )
    found = of(problem)
    assert found["cover/first/chat"][1] == pytest.approx([0.5, 0.1], rel=1e-6)
    assert found["cover/last/chat"][1] == pytest.approx([0.2, 0.1], rel=1e-6)


@pytest.mark.parametrize("seed", range(30))
def test_the_best_plan_keeps_every_cover(seed: int) -> None:
    """Of random problems with losses, unserved demand and several pools to a path."""
    problem = random_problem(seed, losses=seed % 2 == 0)
    best = exactly(build_program(problem))
    if best.values is None:
        return
    for cut in build_for_search(problem).covers:
        assert cut.amounts @ best.values[cut.columns] >= cut.lower - 1e-6 * abs(cut.lower), cut.name


def larger(seed: int) -> Problem:
    """Return halls in which no replica serves all of a workload: then covers cut nothing off."""
    problem = halls(seed)
    racks = replace(problem.rack_classes, count=6 * problem.rack_classes.count)
    return replace(
        problem,
        demands=replace(problem.demands, units=4 * problem.demands.units + 8),
        rack_classes=racks,
    )


@pytest.mark.parametrize("seed", range(8))
def test_a_relaxation_with_covers_is_the_relaxation(seed: int) -> None:
    """They follow from the other rows where all traffic may go anywhere."""
    arrays = build_for_search(larger(seed))
    plain, covered = highs.solve_linear(arrays), highs.solve_linear(with_cuts(arrays, list(arrays.covers)))
    assert plain.status == covered.status
    if plain.status == "optimal":
        assert covered.objective == pytest.approx(plain.objective, rel=1e-6)


@pytest.mark.parametrize("seed", range(8))
def test_losses_that_no_latency_narrows_are_told_by_covers_alone(seed: int) -> None:
    """The relaxation with covers is as good as the one that holds the routing after the loss."""
    problem = losing(larger(seed), 0, 1, 2)
    told = build_for_search(problem)
    bare = build_program(replace(problem, failures=None))
    routed = highs.solve_linear(build_program(problem))
    covered = highs.solve_linear(with_cuts(bare, list(told.covers)))
    assert covered.status == routed.status
    if routed.status == "optimal":
        assert covered.objective == pytest.approx(routed.objective, rel=1e-6)


def test_there_are_losses_that_cost_something() -> None:
    """Else the comparison above says nothing."""
    dearer = 0
    for seed in range(8):
        problem = losing(larger(seed), 0, 1, 2)
        routed = highs.solve_linear(build_program(problem))
        bare = highs.solve_linear(build_program(replace(problem, failures=None)))
        dearer += routed.objective > bare.objective * 1.001
    assert dearer >= 3
