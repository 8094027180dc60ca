"""The program cut up by workload: nothing is lost by it, and what prices tell is a bound."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np
import pytest

from planner.optimize.build import build_for_search
from planner.optimize.decomposition import ROOM, Decomposition, Joined, decomposed
from planner.optimize.diving import _keep_whole, _routed
from planner.optimize.lazy import is_traffic
from planner.optimize.program import Arrays
from planner.optimize.rerouting import with_cuts
from planner.optimize.site_packing import of_kind
from planner.optimize.solvers import highs
from planner.optimize.solvers.outcome import Outcome
from tests.optimize.test_covers import larger
from tests.optimize.tiny import one_site


def covered(seed: int) -> Arrays:
    """Return a program of four workloads at two sites with its covers."""
    arrays = build_for_search(larger(seed))
    return with_cuts(arrays, list(arrays.covers))


def solve(arrays: Arrays, whole: np.ndarray, gap: float) -> Outcome:
    return highs.solve_integer(arrays, integer=whole, time_limit_s=20, relative_gap=gap)


def one_by_one(tasks: Sequence[Callable[[], Outcome]]) -> list[Outcome]:
    return [task() for task in tasks]


def cut_up(arrays: Arrays) -> Decomposition:
    parts = decomposed(arrays)
    assert parts is not None
    return parts


def settled(arrays: Arrays, rounds: int = 25) -> Decomposition:
    """Return a program cut up after so many rounds of prices, started from its optimum."""
    parts = cut_up(arrays)
    optimum = solve(arrays, ~is_traffic(arrays), 1e-6)
    assert optimum.values is not None
    for number, block in enumerate(parts.blocks):
        parts.add(number, optimum.values[block.columns])
    parts.price(parts.prices_of(highs.solve_linear(arrays).duals), solve, 1e-6, one_by_one)
    for _ in range(rounds):
        joined = parts.joined()
        assert joined is not None
        if joined.cost <= parts.bound * (1 + 1e-6):
            break
        parts.price((parts.prices + joined.prices) / 2, solve, 1e-6, one_by_one)
    return parts


SEEDS = [
    seed for seed in range(8) if solve(covered(seed), ~is_traffic(covered(seed)), 1e-6).values is not None
]


def test_there_are_programs_to_try() -> None:
    assert len(SEEDS) >= 3


@pytest.mark.parametrize("seed", SEEDS)
def test_every_column_is_of_one_workload_or_shared(seed: int) -> None:
    arrays = covered(seed)
    parts = cut_up(arrays)
    assert len(parts.blocks) == 4
    together = np.concatenate([parts.shared, *(block.columns for block in parts.blocks)])
    assert sorted(together.tolist()) == list(range(len(arrays.cost)))
    for block in parts.blocks:
        outside = np.setdiff1d(np.arange(len(arrays.cost)), block.columns)
        assert arrays.matrix[block.rows][:, outside].nnz == 0


def test_one_workload_is_not_cut() -> None:
    assert decomposed(build_for_search(one_site())) is None


@pytest.mark.parametrize("seed", SEEDS)
def test_prices_of_the_relaxation_prove_at_least_the_relaxation(seed: int) -> None:
    """Whole deployments cost no less than fractional ones at the same prices."""
    arrays = covered(seed)
    parts, linear = cut_up(arrays), highs.solve_linear(arrays)
    parts.price(parts.prices_of(linear.duals), solve, 1e-6, one_by_one)
    assert parts.bound >= linear.objective * (1 - 1e-6)


@pytest.mark.parametrize("seed", SEEDS)
def test_any_prices_prove_a_bound(seed: int) -> None:
    """However far from the best they are: the optimum with whole counts is never below."""
    arrays = covered(seed)
    optimum = solve(arrays, ~is_traffic(arrays), 1e-6).objective
    draw = np.random.default_rng(seed)
    duals = highs.solve_linear(arrays).duals
    for spread in (0.0, 0.1, 1.0):
        parts = cut_up(arrays)
        prices = parts.prices_of(duals) * np.maximum(1 + spread * draw.standard_normal(len(parts.prices)), 0)
        parts.price(prices, solve, 1e-6, one_by_one)
        assert parts.bound <= optimum * (1 + 1e-6)
        assert np.isfinite(parts.bound)


@pytest.mark.parametrize("seed", SEEDS)
def test_joined_deployments_lie_between_the_bound_and_the_optimum(seed: int) -> None:
    """Servers stay fractional in them; counted whole they cost more, never more than the optimum."""
    arrays = covered(seed)
    optimum = solve(arrays, ~is_traffic(arrays), 1e-6).objective
    parts = settled(arrays)
    joined = parts.joined()
    assert joined is not None
    assert parts.bound <= joined.cost * (1 + 1e-6)
    assert joined.cost <= optimum * (1 + 1e-6)
    assert arrays.violation(joined.values) <= 1e-5 * max(1.0, np.abs(joined.values).max())
    assert float(arrays.cost @ joined.values) == pytest.approx(joined.cost)
    outcome, counted = parts.counted(of_kind(arrays, "servers"), solve, 1e-6, {})
    assert counted is not None
    assert joined.cost * (1 - 1e-6) <= outcome.bound * (1 + 1e-6)
    assert counted.cost <= optimum * (1 + 1e-6)
    servers = counted.values[arrays.block("servers")]
    assert servers == pytest.approx(np.rint(servers), abs=1e-5)


def test_whole_deployments_prove_more_than_the_relaxation_somewhere() -> None:
    proven = [settled(covered(seed)).bound / highs.solve_linear(covered(seed)).objective for seed in SEEDS]
    assert max(proven) > 1.005


def test_a_decided_workload_keeps_its_deployment() -> None:
    parts = settled(covered(SEEDS[0]))
    first = next(n for n, one in enumerate(parts.deployments) if one.block == 0)
    joined = parts.joined({0: first})
    assert joined is not None
    assert joined.shares[first] == pytest.approx(1.0)
    others = [n for n, one in enumerate(parts.deployments) if one.block == 0 and n != first]
    assert others
    assert joined.shares[others] == pytest.approx(0.0)


def test_held_servers_stay() -> None:
    parts = settled(covered(SEEDS[0]))
    arrays = parts.arrays
    joined = parts.joined()
    assert joined is not None
    servers = of_kind(arrays, "servers")
    more = np.where(servers, np.ceil(joined.values), np.nan)
    held = parts.joined(counts=more)
    assert held is not None
    assert held.values[servers] == pytest.approx(more[servers])


def test_a_deployment_is_known_once() -> None:
    parts = settled(covered(SEEDS[0]))
    one = parts.deployments[0]
    before = len(parts.deployments)
    assert not parts.add(one.block, one.values)
    assert len(parts.deployments) == before


@pytest.mark.parametrize("seed", SEEDS)
def test_chosen_with_room_traffic_is_whole_on_the_same_replicas(seed: int) -> None:
    """Choices for plans leave units to spare, those for the bound need not."""
    arrays = covered(seed)
    parts = cut_up(arrays)
    parts.price(parts.prices_of(highs.solve_linear(arrays).duals), solve, 1e-6, one_by_one, only=(0, 1, 2, 3))
    assert parts.bound == -np.inf
    assert len(parts.deployments) == 4
    for one in parts.deployments:
        assert parts.is_roomy(one)
        block = parts.blocks[one.block]
        routed = _routed(block, one.values, solve)
        assert routed is not None
        assert (routed == np.rint(routed)).all()
        assert routed[block.whole] == pytest.approx(one.values[block.whole])
    finite = np.isfinite(arrays.row_lower)
    raised = parts.roomy.row_lower[finite] - arrays.row_lower[finite]
    assert set(np.unique(raised).tolist()) == {0.0, ROOM}
    but = parts.roomy_but({0: 0}).row_lower
    first, second = parts.blocks[0].rows, parts.blocks[1].rows
    assert (but[first] == arrays.row_lower[first]).all()
    assert (but[second] == parts.roomy.row_lower[second]).all()


def test_a_deployment_used_up_to_the_last_part_of_a_unit_has_no_whole_traffic() -> None:
    """Two pools of half a unit too little each serve all in fractions only."""
    arrays = covered(SEEDS[0])
    block = cut_up(arrays).blocks[0]
    found = solve(block.program, block.whole, 1e-6)
    assert found.values is not None
    assert _routed(block, found.values, solve) is not None
    demand = [n for n, row in enumerate(block.program.rows) if row.family == "demand"]
    shifted = block.program.row_lower.copy()
    shifted[demand[0]] += 0.5
    upper = np.maximum(block.program.row_upper, shifted)
    upper[demand[0]] = shifted[demand[0]]
    halved = replace(block, program=replace(block.program, row_lower=shifted, row_upper=upper))
    assert _routed(halved, found.values, solve) is None


def test_known_replicas_alone_may_be_chosen() -> None:
    arrays = covered(SEEDS[0])
    parts = settled(arrays)
    used = np.zeros(len(arrays.cost), dtype=bool)
    for one in parts.deployments:
        used[parts.blocks[one.block].columns] |= one.values > 0
    draw = np.random.default_rng(1)
    before, bound = len(parts.deployments), parts.bound
    for _ in range(5):
        prices = parts.prices * (1 + 0.5 * draw.random(len(parts.prices)))
        parts.price(prices, solve, 1e-6, one_by_one, range(4), known=True)
    assert parts.bound == bound
    replicas = of_kind(arrays, "replicas")
    for one in parts.deployments[before:]:
        columns = parts.blocks[one.block].columns
        assert not (one.values[replicas[columns]] > 0)[~used[columns[replicas[columns]]]].any()


def test_whole_shares_are_decided_at_once_else_the_largest() -> None:
    arrays = covered(SEEDS[0])
    parts = cut_up(arrays)
    parts.price(parts.prices_of(highs.solve_linear(arrays).duals), solve, 1e-6, one_by_one, only=(0, 1, 2, 3))

    def shared(*shares: float) -> Joined:
        return Joined(0.0, parts.prices, np.zeros(len(arrays.cost)), np.array(shares))

    assert _keep_whole(parts, shared(1, 0.5, 1, 0.2), {}, 3) == {0: 0, 2: 2}
    assert _keep_whole(parts, shared(1, 1, 1, 1), {}, 2) == {0: 0, 1: 1}
    assert _keep_whole(parts, shared(0.4, 0.5, 0.3, 0.2), {}, 3) == {1: 1}
    assert _keep_whole(parts, shared(0.4, 0.5, 0.3, 0.2), {1: 1}, 3) == {0: 0, 1: 1}
    assert _keep_whole(parts, shared(1, 1, 1, 1), {1: 1, 2: 2}, 2) == {1: 1, 2: 2}
