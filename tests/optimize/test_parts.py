"""Plans by parts on programs large enough for them: they hold, and what they prove holds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.optimize import beside, build, site_plans, two_stage
from planner.optimize.beside import workload_of_replicas
from planner.optimize.build import build_for_search, build_program
from planner.optimize.method import solve_problem
from planner.optimize.problem import Problem
from planner.optimize.program import Floats
from planner.optimize.search import Search
from planner.optimize.solution import Settings
from planner.optimize.solvers import highs
from tests.optimize.test_covers import larger
from tests.optimize.test_merged_groups import exactly, losing


def lossy(seed: int) -> Problem:
    """Return a problem of two sites of which the first may be lost."""
    return losing(larger(seed), 0, 1, 2)


def searched(problem: Problem, **settings: object) -> Search:
    """Return a search of a problem after its linear relaxation."""
    search = Search(
        build_for_search(problem), replace(Settings(time_limit_s=20, workers=1), **settings), None
    )
    search._relax()
    return search


@pytest.fixture
def by_cuts(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let losses be told by cuts and covers however small the program is."""
    monkeypatch.setattr(build, "MOST_COPIED_COLUMNS", -1)


SEEDS = [seed for seed in range(8) if exactly(build_program(lossy(seed))).values is not None]


def test_there_are_problems_to_try() -> None:
    assert len(SEEDS) >= 3


@pytest.mark.parametrize("seed", SEEDS)
def test_a_search_beside_proves_no_more_than_the_optimum(seed: int, by_cuts: None) -> None:
    """Sites of the plan open, all other choices of sites bounded apart: the smaller bound is proven."""
    problem = lossy(seed)
    best = exactly(build_program(problem)).objective
    search = searched(problem, relative_gap=1e-6)
    search._two_stage()
    assert any(stage["stage"] == "other sites" for stage in search.stages) or search._done()
    assert search.bound <= best + 1e-6 * best
    assert search.best is not None
    assert search.objective >= best - 1e-6 * best
    assert search.objective == pytest.approx(best, rel=0.05)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_search_by_workload_proves_no_more_than_the_optimum(
    seed: int, by_cuts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Programs too hard to branch on as a whole: prices prove, deployments are decided one by one."""
    monkeypatch.setattr(beside, "BRANCHED_COLUMNS", -1)
    problem = lossy(seed)
    best = exactly(build_program(problem)).objective
    search = searched(problem, relative_gap=1e-6, reproducible=True)
    search._two_stage()
    assert search.bound <= best + 1e-6 * best
    assert search.best is not None
    assert best - 1e-6 * best <= search.objective <= 1.1 * best
    names = [str(stage["stage"]) for stage in search.stages]
    if not any("rounds of prices" in name for name in names):
        assert search._done()
    elif any("servers counted" in name for name in names):
        assert any("workloads settled" in name for name in names)


def test_some_searches_by_workload_raise_the_bound(by_cuts: None, monkeypatch: pytest.MonkeyPatch) -> None:
    """What prices prove is more than the linear relaxation with whole sites."""
    monkeypatch.setattr(beside, "BRANCHED_COLUMNS", -1)
    raised = 0
    for seed in SEEDS:
        search = searched(lossy(seed), relative_gap=1e-6, reproducible=True)
        search._two_stage()
        before = [stage["bound_usd_per_h"] for stage in search.stages if stage["stage"] == "other sites"]
        raised += bool(before) and search.bound > 1.001e6 * float(str(before[0]))
    assert raised >= 2


@pytest.mark.parametrize("seed", SEEDS)
def test_other_sites_have_a_bound_of_their_own(seed: int, by_cuts: None) -> None:
    """No plan that opens other sites costs less; a site that costs nothing by being open is no other one."""
    problem = lossy(seed)
    search = searched(problem)
    part = search._part()
    arrays = part.arrays
    block = arrays.block("open")
    for opened in ((1.0, 1.0), (0.0, 1.0), (1.0, 0.0)):
        values = np.zeros(len(arrays.cost))
        values[block] = opened
        bound = search._other_sites(arrays, values)
        lower, upper = arrays.column_lower.copy(), arrays.column_upper.copy()
        lower[block.start + 1] = upper[block.start + 1] = 1.0 - opened[1]
        other = highs.solve_linear(replace(arrays, column_lower=lower, column_upper=upper))
        assert other.objective == pytest.approx(bound, rel=1e-3) or other.status == "infeasible"


def test_replicas_are_grouped_by_what_they_serve(by_cuts: None) -> None:
    problem = lossy(1)
    arrays = build_for_search(problem)
    group = workload_of_replicas(arrays)
    replicas = arrays.block("replicas")
    kinds = problem.hostings.pool % 4
    assert (group[replicas.stop :] == -1).all()
    for kind in range(4):
        assert len(set(group[replicas][kinds == kind].tolist())) == 1
    assert len(set(group[replicas].tolist())) == 4


@pytest.mark.parametrize("seed", SEEDS)
def test_counts_grow_until_all_is_served(seed: int, by_cuts: None) -> None:
    """From a third of the relaxation's counts, rounded down: whole counts, every row kept, none smaller."""
    problem = lossy(seed)
    search = searched(problem)
    part = search._part()
    assert search.linear is not None
    assert search.reduced is not None
    search.reduced = np.zeros_like(search.reduced)
    values = search.linear[part.columns]
    counts = site_plans.counted(part.arrays)
    design: Floats = np.where(counts, np.floor(values / 3), 0.0)
    design[part.arrays.block("mixes")] = 0.0
    design[part.arrays.block("open")] = 1.0
    grown = search._regrown(part.arrays, design)
    if grown is None:
        pytest.skip("the racks hold no such growth")
    assert part.arrays.violation(grown) < 1e-3
    assert np.abs(grown[counts] - np.rint(grown[counts])).max() < 1e-6
    kept = counts.copy()
    kept[part.arrays.block("mixes")] = False
    assert (grown[kept] >= design[kept] - 1e-9).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_plans_survive_and_are_within_their_gap(
    seed: int, by_cuts: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where every part is packed site by site and settled by growth."""
    problem = lossy(seed)
    best = exactly(build_program(problem)).objective
    monkeypatch.setattr("planner.optimize.in_use.IN_USE_COLUMNS", 0)
    monkeypatch.setattr(site_plans, "REGROWN_COLUMNS", 0)
    monkeypatch.setattr(two_stage, "BESIDE_COLUMNS", 0)
    found = solve_problem(problem, Settings(relative_gap=0.02, time_limit_s=20, workers=1))
    assert found.status == "optimal"
    assert found.bound <= best * (1 + 1e-9)
    assert best * (1 - 1e-9) <= found.objective <= best * 1.03
