"""Random tiny problems made richer: periods, batch work, least shares, counted replicas, warm spares.

A problem of the first generator is kept as it is and gets a random choice of these on top.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planner.optimize.problem import (
    SHARE_SCALE,
    UNLIMITED,
    Assignments,
    Counts,
    Entries,
    Flows,
    Goal,
    Ledger,
    Problem,
    integers,
)
from tests.oracle.generator import random_problem

FAMILIES = ("periods", "least", "counts", "warm", "quota", "goals")


def rich_problem(seed: int, *, losses: bool = False) -> tuple[Problem, frozenset[str]]:
    """Return the richer problem of a seed, and which families it has on."""
    rng = np.random.default_rng([seed, int(losses), 7])
    problem = _smaller(random_problem(seed, losses=losses))
    on = frozenset(family for family in FAMILIES if rng.random() < (0.3 if losses else 0.5))
    if "periods" in on:
        problem = _with_periods(rng, problem)
    if "least" in on:
        problem = _with_least(rng, problem)
    if "counts" in on:
        problem = _with_counts(rng, problem)
    if "warm" in on:
        warm = integers(problem.assignments.load * rng.uniform(0.0, 0.6))
        problem = replace(problem, assignments=replace(problem.assignments, warm=warm))
    if "quota" in on:
        problem = _with_quota(rng, problem)
    if "goals" in on:
        problem = _with_goals(rng, problem)
    return problem, on


def _smaller(problem: Problem) -> Problem:
    """Return the problem with at most three units of each demand, so that periods leave it small."""
    demands = problem.demands
    return replace(problem, demands=replace(demands, units=np.minimum(demands.units, 3)))


def _with_periods(rng: np.random.Generator, problem: Problem) -> Problem:
    """Return the problem in two periods: interactive demands in one of them, batch work in either.

    Lanes, paths and their loads are there once for each period; what a path costs differs.
    """
    lanes = len(problem.lane_site)
    paths = len(problem.assignments.lane)
    count = len(problem.demands.names)
    batch = rng.random(count) < 0.4
    period = rng.integers(0, 2, size=count)
    flow_rows = []
    amounts: dict[str, list[int]] = {"flow": [], "assign": []}
    for f, (demand, lane, cost) in enumerate(
        zip(problem.flows.demand, problem.flows.lane, problem.flows.cost, strict=True)
    ):
        for t in (0, 1) if batch[demand] else (int(period[demand]),):
            flow_rows.append((demand, lane + t * lanes, cost))
            amounts["flow"].append(f)
    table = np.array(flow_rows, dtype=np.int64).reshape(-1, 3)
    a = problem.assignments
    stretched = rng.integers(1, 4, size=2)  # batch work in a shorter period keeps more replicas busy
    amounts["assign"] = [*range(paths), *range(paths)]
    assignments = Assignments(
        lane=np.concatenate([a.lane, a.lane + lanes]),
        cost=np.concatenate([a.cost, a.cost + int(rng.integers(0, 9))]),
        load_row=np.concatenate([a.load_row, a.load_row + paths]),
        load_pool=np.concatenate([a.load_pool, a.load_pool]),
        load=np.concatenate([a.load * stretched[0] // 2, a.load * stretched[1] // 2]),
    )
    return replace(
        problem,
        periods=("day", "night"),
        lane_workload=np.tile(problem.lane_workload, 2),
        lane_site=np.tile(problem.lane_site, 2),
        lane_period=np.repeat([0, 1], lanes),
        flows=Flows(table[:, 0], table[:, 1], table[:, 2]),
        assignments=assignments,
        ledgers=tuple(_again(ledger, amounts) for ledger in problem.ledgers),
    )


def _again(ledger: Ledger, columns: dict[str, list[int]]) -> Ledger:
    """Return a ledger over variables that are copies of others: copy n uses what `columns[kind][n]` did."""
    entries = dict(ledger.entries)
    for kind, origin in columns.items():
        if kind not in entries:
            continue
        old = entries[kind]
        parts = [
            (row, n, amount)
            for n, first in enumerate(origin)
            for row, column, amount in zip(old.row, old.column, old.amount, strict=True)
            if column == first
        ]
        array = np.array(parts, dtype=np.int64).reshape(-1, 3)
        entries[kind] = Entries(array[:, 0], array[:, 1], array[:, 2])
    return replace(ledger, entries=entries)


def _with_least(rng: np.random.Generator, problem: Problem) -> Problem:
    """Return the problem with refusals allowed more often, down to a stated number of units."""
    demands = problem.demands
    cost = np.where(
        (demands.unserved_cost < 0) & (rng.random(len(demands.units)) < 0.6),
        rng.integers(0, 300, size=len(demands.units)),
        demands.unserved_cost,
    )
    least = integers(rng.integers(0, demands.units + 1))
    return replace(problem, demands=replace(demands, unserved_cost=cost, least=least))


def _with_counts(rng: np.random.Generator, problem: Problem) -> Problem:
    """Return the problem with one or two stated numbers: replicas of some hostings, slots on others."""
    rows: list[tuple[int, int, int]] = []
    least, most = [], []
    for number in range(int(rng.integers(1, 3))):
        slots = int(rng.integers(1, 4))
        chosen = np.flatnonzero(rng.random(len(problem.hostings.pool)) < 0.7)
        rows += [(number, int(p), slots) for p in chosen]
        low = int(rng.integers(0, 3)) * slots
        least.append(low)
        most.append(low + int(rng.integers(0, 3)) if rng.random() < 0.5 else UNLIMITED)
    array = np.array(rows, dtype=np.int64).reshape(-1, 3)
    counts = Counts(
        tuple(f"replicas/at_least/{n}" for n in range(len(least))),
        integers(least),
        integers(most),
        ("replicas",) * len(least),
        ("replicas",) * len(least),
        Entries(array[:, 0], array[:, 1], array[:, 2]),
    )
    return replace(problem, counts=counts)


def _with_quota(rng: np.random.Generator, problem: Problem) -> Problem:
    """Return the problem with a tenant's limit on what the traffic of a workload keeps busy in a period."""
    workload = int(rng.integers(0, len(problem.workloads)))
    period = int(rng.integers(0, len(problem.periods)))
    a = problem.assignments
    mine = (problem.lane_workload[a.lane] == workload) & (problem.lane_period[a.lane] == period)
    chosen = np.flatnonzero(mine[a.load_row])
    if not len(chosen):
        return problem
    use = Entries(np.zeros_like(chosen), a.load_row[chosen], a.load[chosen])
    limit = integers([int(a.load.max() * rng.uniform(0.5, 5.0))])
    name = "quota/team/accelerators"
    ledger = Ledger("quota", (name,), limit, "load", (name,), {"assign": use})
    return replace(problem, ledgers=(*problem.ledgers, ledger))


def _with_goals(rng: np.random.Generator, problem: Problem) -> Problem:
    """Return the problem with served demand first, in order of priority, then cost; refusals allowed."""
    count = len(problem.demands.names)
    demands = replace(problem.demands, unserved_cost=np.maximum(problem.demands.unserved_cost, 0))
    level = rng.integers(1, 3, size=count)
    goals = [
        Goal(f"served/priority-{priority}", "units unserved", {"unserved": integers(level == priority)})
        for priority in sorted(set(level.tolist()))
    ]
    return replace(problem, demands=demands, goals=(*goals, Goal("cost", "micro-USD/h", {})))


def loosened(problem: Problem) -> list[tuple[str, Problem]]:
    """Return the problem with each of the stated numbers of these families a little looser."""
    found = []
    if problem.demands.least.any():
        less = replace(problem.demands, least=np.maximum(problem.demands.least - 1, 0))
        found.append(("least", replace(problem, demands=less)))
    counts = problem.counts
    if counts.names:
        fewer = replace(counts, least=np.maximum(counts.least - 1, 0))
        found.append(("counts.least", replace(problem, counts=fewer)))
        more = replace(counts, most=np.minimum(counts.most + 1, UNLIMITED))
        found.append(("counts.most", replace(problem, counts=more)))
    if problem.assignments.warm.any():
        colder = replace(problem.assignments, warm=problem.assignments.warm // 2)
        found.append(("warm", replace(problem, assignments=colder)))
    for n, ledger in enumerate(problem.ledgers):
        if ledger.family == "quota":
            roomy = replace(ledger, limit=ledger.limit * 5 // 4)
            ledgers = (*problem.ledgers[:n], roomy, *problem.ledgers[n + 1 :])
            found.append(("quota", replace(problem, ledgers=ledgers)))
    failures = problem.failures
    if failures is not None:
        half = replace(failures, kept_share=failures.kept_share - SHARE_SCALE // 4)
        half = replace(half, kept_share=np.maximum(half.kept_share, 0))
        found.append(("level", replace(problem, failures=half)))
    return found
