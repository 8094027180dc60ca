"""Merged host groups: the same optimum, plans of the real groups, and nothing merged that differs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from planner.optimize.build import build_program
from planner.optimize.merged_groups import merge_groups
from planner.optimize.method import solve_problem
from planner.optimize.problem import (
    LOAD_SCALE,
    SHARE_SCALE,
    UNLIMITED,
    Assignments,
    Candidates,
    Churn,
    Demands,
    Entries,
    Failures,
    Flows,
    HostGroups,
    Hostings,
    Ledger,
    Pools,
    Problem,
    RackClasses,
    RackMixes,
    Sites,
    integers,
)
from planner.optimize.program import Arrays
from planner.optimize.solution import Settings
from planner.optimize.solvers import highs
from planner.optimize.solvers.outcome import Outcome
from tests.optimize.tiny import surviving_one_server

SITES, HALLS = 2, 3


def halls(seed: int) -> Problem:
    """Return two sites of three halls with one kind of server; replicas of 1, 4 and 5 places, or two servers.

    Each replica size serves a workload of its own, at either site. Halls differ in what a server costs and
    in how many they hold, not in what they offer.
    """
    draw = np.random.default_rng(seed)
    accelerators, sizes = (8, (1, 4, 8, 0)) if seed % 2 else (9, (1, 2, 4, 0))
    kinds = len(sizes)
    groups = SITES * HALLS
    one = integers(range(groups))
    pool = [(site, kind) for site in range(SITES) for kind in range(kinds)]
    hosting = [(p, site * HALLS + hall) for p, (site, _) in enumerate(pool) for hall in range(HALLS)]
    lanes = [(kind, site) for kind in range(kinds) for site in range(SITES)]
    of_pool = [pool.index((site, kind)) for kind, site in lanes]
    size = np.array([sizes[pool[p][1]] for p, _ in hosting])
    everywhere = Entries(integers([0] * len(hosting)), integers(range(len(hosting))), integers(size + 1))
    load = draw.integers(LOAD_SCALE // 4, LOAD_SCALE // 2, kinds)
    return Problem(
        workloads=tuple(f"workload{kind}" for kind in range(kinds)),
        demands=Demands(
            tuple(f"workload{kind}/west" for kind in range(kinds)),
            integers(range(kinds)),
            integers(draw.integers(3, 12, kinds)),
            integers([-1] * kinds),
            ("rate",) * kinds,
        ),
        sites=Sites(("ams", "fra"), integers([0, 500])),
        rack_classes=RackClasses(
            tuple(f"hall{n}" for n in range(groups)),
            integers(draw.integers(1, 4, groups)),
            ("racks",) * groups,
        ),
        mixes=RackMixes(one, integers([0] * groups), one, one, integers([2] * groups)),
        host_groups=HostGroups(
            tuple(f"hall{n}/box" for n in range(groups)),
            integers([n // HALLS for n in range(groups)]),
            integers([accelerators] * groups),
        ),
        candidates=Candidates(
            tuple(f"buy/box/{n}" for n in range(groups)),
            integers(range(groups)),
            integers(range(groups)),
            integers([10**6] * groups),
            integers(draw.integers(800, 1200, groups)),
        ),
        pools=Pools(
            tuple(f"pool{site}{kind}" for site, kind in pool),
            integers([site for site, _ in pool]),
            integers([UNLIMITED] * len(pool)),
            integers([0] * len(pool)),
        ),
        hostings=Hostings(
            integers([p for p, _ in hosting]),
            integers([group for _, group in hosting]),
            integers(size),
            integers(np.where(size == 0, 2, 0)),
            integers([pool[p][1] + 3 for p, _ in hosting]),
        ),
        lane_workload=integers([kind for kind, _ in lanes]),
        lane_site=integers([site for _, site in lanes]),
        flows=Flows(
            integers([kind for kind, _ in lanes]),
            integers(range(len(lanes))),
            integers(draw.integers(0, 9, len(lanes))),
        ),
        assignments=Assignments(
            integers(range(len(lanes))),
            integers([1] * len(lanes)),
            integers(range(len(lanes))),
            integers(of_pool),
            integers([load[kind] for kind, _ in lanes]),
        ),
        ledgers=(
            Ledger(
                "carbon", ("carbon/total",), integers([10**6]), "g", ("limits",), {"replicas": everywhere}
            ),
        ),
    )


def exactly(arrays: Arrays) -> Outcome:
    """Return the optimum with every column whole."""
    whole = np.ones(len(arrays.cost), dtype=bool)
    return highs.solve_integer(arrays, integer=whole, time_limit_s=30, relative_gap=0.0)


@pytest.mark.parametrize("seed", range(12))
def test_the_optimum_is_the_same_and_dealt_out_to_the_real_groups(seed: int) -> None:
    problem = halls(seed)
    merging = merge_groups(problem)
    assert len(merging.problem.host_groups.names) == SITES
    small, real = build_program(merging.problem), build_program(problem)
    best, found = exactly(real), exactly(small)
    assert found.status == best.status
    if best.values is None or found.values is None:
        return
    assert found.objective == pytest.approx(best.objective)
    kinds = {
        kind: found.values[small.block(kind)].round().astype(np.int64) for kind, _, _ in small.column_kind
    }
    back = merging.original_values(kinds)
    values = np.concatenate([back[kind] for kind, _, _ in real.column_kind]).astype(float)
    assert real.violation(values) <= 0
    assert real.cost @ values == pytest.approx(best.objective)
    assert (merging.merged(back)["replicas"] == kinds["replicas"]).all()


def test_there_are_plans_with_replicas_of_every_size() -> None:
    """The optima above use what the merging is about."""
    used = np.zeros(4)
    for seed in range(12):
        values = solve_problem(halls(seed), Settings(relative_gap=0.0, time_limit_s=20, workers=1)).values
        if values:
            used += np.bincount(halls(seed).hostings.pool % 4, weights=values["replicas"], minlength=4)
    assert (used > 0).all()


def losing(problem: Problem, *groups: int) -> Problem:
    """Return the problem with a loss that takes all servers of some host groups."""
    lost = [j for j, group in enumerate(problem.candidates.host_group.tolist()) if group in groups]
    return replace(
        problem,
        failures=Failures(
            ("survive/loss",),
            np.full((1, len(problem.demands.names)), SHARE_SCALE // 2),
            integers([0] * len(lost)),
            integers(lost),
            integers([-1]),
            integers([-1]),
            integers([1]),
        ),
    )


def test_groups_that_a_loss_takes_stay_apart_from_those_that_it_leaves() -> None:
    assert len(merge_groups(losing(halls(1), 0)).problem.host_groups.names) == SITES + 1
    assert len(merge_groups(losing(halls(1), 0, 1, 2)).problem.host_groups.names) == SITES


@pytest.mark.parametrize("what", ["cost", "carbon", "accelerators", "pool"])
def test_a_group_that_differs_in_anything_stays_by_itself(what: str) -> None:
    problem = halls(1)
    hostings = problem.hostings
    if what == "cost":
        changed = replace(
            problem, hostings=replace(hostings, cost=hostings.cost + (hostings.host_group == 1))
        )
    elif what == "carbon":
        entries = problem.ledgers[0].entries["replicas"]
        amount = entries.amount + (hostings.host_group == 1)
        ledger = replace(problem.ledgers[0], entries={"replicas": replace(entries, amount=amount)})
        changed = replace(problem, ledgers=(ledger,))
    elif what == "accelerators":
        groups = problem.host_groups
        changed = replace(
            problem, host_groups=replace(groups, accelerators=groups.accelerators + (groups.site == 9))
        )
        changed.host_groups.accelerators[1] = 16
    else:
        kept = ~((hostings.host_group == 1) & (hostings.pool == 0))
        hostings = replace(
            hostings,
            pool=hostings.pool[kept],
            host_group=hostings.host_group[kept],
            accelerators=hostings.accelerators[kept],
            whole_servers=hostings.whole_servers[kept],
            cost=hostings.cost[kept],
        )
        changed = replace(problem, hostings=hostings, ledgers=())
    assert len(merge_groups(changed).problem.host_groups.names) == SITES + 1


def test_nothing_is_merged_where_single_servers_are_lost_or_replicas_stand() -> None:
    problem = halls(1)
    single = surviving_one_server(problem)
    standing = replace(problem, churn=Churn(integers([0]), integers([1]), integers([5])))
    for kept in (single, standing):
        assert merge_groups(kept).problem is kept


def test_a_plan_that_does_not_fit_is_refused() -> None:
    merging = merge_groups(halls(1))
    replicas = np.zeros(len(merging.problem.hostings.pool), dtype=np.int64)
    replicas[0] = 1
    servers = np.zeros(len(merging.problem.candidates.names), dtype=np.int64)
    with pytest.raises(ValueError, match="left over"):
        merging.original_values({"replicas": replicas, "servers": servers})
