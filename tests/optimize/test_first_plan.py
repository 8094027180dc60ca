"""The first plan by rounding: a plan in every respect, and what it rests on."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.optimize import build, first_plan
from planner.optimize.build import build_for_search, build_program
from planner.optimize.first_plan import limit_room
from planner.optimize.folding import fold
from planner.optimize.lazy import part_with
from planner.optimize.method import solve_problem
from planner.optimize.problem import Problem
from planner.optimize.program import Arrays
from planner.optimize.relaxation import Relaxation
from planner.optimize.rerouting import with_cuts
from planner.optimize.rounding import Rounding
from planner.optimize.search import Search
from planner.optimize.site_packing import of_kind
from planner.optimize.solution import Listener, Progress, Settings
from planner.optimize.solvers import highs
from tests.optimize.test_covers import larger
from tests.optimize.test_merged_groups import exactly, losing

SEEDS = range(8)
KINDS = ("mixes", "servers", "replicas")


def lossy(seed: int) -> Problem:
    """Return a problem of two sites of which the first may be lost."""
    return losing(larger(seed), 0, 1, 2)


def many(seed: int) -> Problem:
    """Return the same of thirty times the size: rounding is for counts that are large."""
    problem = lossy(seed)
    candidates, racks, demands = problem.candidates, problem.rack_classes, problem.demands
    return replace(
        problem,
        candidates=replace(candidates, maximum=30 * candidates.maximum),
        rack_classes=replace(racks, count=30 * racks.count),
        demands=replace(demands, units=30 * demands.units),
        ledgers=tuple(replace(ledger, limit=30 * ledger.limit) for ledger in problem.ledgers),
    )


@pytest.fixture(autouse=True)
def as_if_large(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "MOST_COPIED_COLUMNS", -1)
    monkeypatch.setattr(first_plan, "ROUNDED_COLUMNS", 0)


def relaxed(problem: Problem, listener: Listener | None = None, gap: float = 0.01) -> Search:
    settings = Settings(time_limit_s=20, workers=1, relative_gap=gap)
    search = Search(build_for_search(problem), settings, listener)
    assert search._relax() == "optimal"
    return search


def test_rounded_relaxations_are_plans() -> None:
    """Whole, within every row, surviving; and not all questions defeat it."""
    found = 0
    for seed in SEEDS:
        problem = many(seed)
        search = relaxed(problem)
        if not search._plan_by_rounding(np.ones(len(problem.sites.names))):
            assert search.best is None
            continue
        found += 1
        assert search.best is not None
        base = part_with(search.arrays, []).arrays
        assert base.violation(search.best) <= 0
        assert (search.best == np.rint(search.best)).all()
        assert search.arrays.losses is not None
        assert not search.arrays.losses.lacking(search.best, 1e-4)
        best = exactly(build_program(problem)).objective
        assert best * (1 - 1e-9) <= search.objective <= 1.5 * best
    assert found >= 6


def test_one_solver_betters_the_rounded_plan() -> None:
    """From where it stands, and never past what is proven."""
    better = 0
    for seed in SEEDS:
        heard: list[Progress] = []
        search = relaxed(many(seed), heard.append, gap=1e-4)
        if not search._plan_by_rounding(np.ones(2)):
            continue
        plans = {one.stage: one.incumbent for one in heard if one.stage != "bound"}
        first, last = plans["rounded"], plans.get("counts from there")
        assert first is not None
        assert search.objective >= search.bound
        assert search.objective == (first if last is None else last) <= first
        better += last is not None
        assert search.best is not None
        assert part_with(search.arrays, []).arrays.violation(search.best) <= 0
    assert better >= 4


@pytest.mark.parametrize("seed", SEEDS)
def test_questions_answered_that_way_keep_their_gap(seed: int) -> None:
    problem = many(seed)
    found = solve_problem(problem, Settings(relative_gap=0.03, time_limit_s=20, workers=1))
    best = exactly(build_program(problem))
    assert found.status == "optimal"
    assert found.bound <= best.objective * (1 + 1e-6)
    assert found.objective <= best.objective * 1.035
    assert found.objective >= best.bound * (1 - 1e-6)


def test_rounding_is_left_to_large_programs_without_a_plan(monkeypatch: pytest.MonkeyPatch) -> None:
    problem = next(many(seed) for seed in SEEDS if relaxed(many(seed))._plan_by_rounding(np.ones(2)))
    opened = np.ones(2)
    search = relaxed(problem)
    assert search._plan_by_rounding(opened)
    assert not search._plan_by_rounding(opened)
    monkeypatch.setattr(first_plan, "ROUNDED_COLUMNS", len(search.arrays.cost))
    assert not relaxed(problem)._plan_by_rounding(opened)


def rounding(arrays: Arrays) -> tuple[Rounding, list[np.ndarray], np.ndarray]:
    """Return the rounding of a whole program, its kinds, and no room at all."""
    needs = np.isfinite(arrays.row_lower) & (arrays.row_lower > 0)
    kinds = [of_kind(arrays, kind) for kind in KINDS]
    return Rounding(arrays, needs, 1e6), kinds, np.zeros(len(arrays.rows))


@pytest.mark.parametrize("seed", SEEDS)
def test_rounding_keeps_rows_and_says_when_it_cannot(seed: int) -> None:
    arrays = build_program(replace(many(seed), failures=None))
    block = arrays.block("open")
    lower = arrays.column_lower.copy()
    lower[block] = 1.0
    arrays = replace(arrays, column_lower=lower)
    one, kinds, none = rounding(arrays)
    values = one.rounded(
        kinds, limit_room(arrays, highs.solve_linear(arrays).values, 1.0), 0.01, lambda _: none
    )
    assert values is not None
    assert arrays.violation(values) < 1e-3
    counts = kinds[0] | kinds[1] | kinds[2]
    assert (values[counts] == np.rint(values[counts])).all()
    # With a tenth of the servers there is no such plan.
    upper = arrays.column_upper.copy()
    upper[kinds[1]] = np.floor(0.1 * values[kinds[1]])
    one, kinds, none = rounding(replace(arrays, column_upper=upper))
    assert one.rounded(kinds, none, 0.0, lambda _: none) is None


def test_limits_leave_room_and_rows_of_logic_do_not() -> None:
    arrays = build_for_search(many(1))
    values = highs.solve_linear(arrays).values
    room = limit_room(arrays, values, 1.0)
    assert (room >= 0).all()
    assert (room > 0).any()
    limits = np.isneginf(arrays.row_lower) & (arrays.row_upper > 0)
    assert (room[~limits] == 0).all()
    assert (room <= 0.1 * np.maximum(arrays.row_upper, 0.0)).all()
    counts = of_kind(arrays, "servers") | of_kind(arrays, "replicas")
    up = np.where(counts, np.ceil(values - 1e-6) - values, 0.0)
    added = arrays.matrix @ up
    held = (
        limits
        & (added > 0)
        & (added < 0.1 * arrays.row_upper)
        & (np.asarray(arrays.matrix.min(axis=1).todense()).reshape(-1) >= 0)
    )
    assert held.any()
    assert (room[held] >= added[held] * (1 - 1e-9)).all()


@pytest.mark.parametrize("seed", SEEDS)
def test_a_kept_relaxation_is_that_of_all_cuts(seed: int) -> None:
    """Also with sites fixed, with more asked for, with further cuts, and as it was at first."""
    arrays = build_for_search(lossy(seed))
    folding = fold(arrays)
    kept, cuts = Relaxation(folding), list(arrays.covers)

    def anew(lower: np.ndarray, upper: np.ndarray, more: float) -> highs.LinearOutcome:
        asked = [replace(cut, lower=cut.lower * (1 + more)) for cut in map(folding.cut, cuts)]
        moved = replace(folding.arrays, column_lower=lower, column_upper=upper)
        return highs.solve_linear(with_cuts(moved, asked))

    own = folding.arrays.column_lower, folding.arrays.column_upper
    block = folding.arrays.block("open")
    opened = own[0].copy(), own[1].copy()
    opened[0][block] = opened[1][block]
    first = kept.solve(cuts, 20.0)
    assert first.objective == pytest.approx(anew(*own, 0.0).objective)
    for columns, more in ((opened, 0.0), (opened, 0.2), (own, 0.0)):
        found, expected = kept.solve(cuts, 20.0, columns, None, more), anew(*columns, more)
        assert found.status == expected.status
        if found.status == "optimal":
            assert found.objective == pytest.approx(expected.objective)
    replicas = arrays.block("replicas")
    further = replace(
        cuts[0],
        columns=np.arange(replicas.start, replicas.stop),
        amounts=np.ones(replicas.stop - replicas.start),
        lower=1.5 * first.values[folding.arrays.block("replicas")].sum(),
    )
    cuts.append(further)
    found, expected = kept.solve(cuts, 20.0), anew(*own, 0.0)
    assert found.status == expected.status
    if found.status == "optimal":
        assert found.objective == pytest.approx(expected.objective)
        assert found.objective > first.objective
