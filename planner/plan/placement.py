"""The best replicas for servers that stand: each server a host group of its own, every loss as it is.

The program counts servers of a kind and tells of the loss of one of them what it takes on average; which
replicas share a server is left to unfolding. Where the plan does not survive as placed, its servers are kept
and the replicas are decided once more, server by server: then each loss takes whole host groups, and
surviving is decided exactly. The program is small, because everything that is not in the racks is gone.
"""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, replace

import numpy as np

from planner.optimize.forcing import amounts_of
from planner.optimize.method import solve_problem
from planner.optimize.problem import (
    Candidates,
    Counts,
    Entries,
    Goal,
    HostGroups,
    Hostings,
    Integers,
    Ledger,
    Problem,
    RackMixes,
    integers,
)
from planner.optimize.solution import Settings, Solution
from planner.plan.assemble import Assembly
from planner.plan.lookup import offers_of
from planner.plan.survival import losses_of
from planner.plan.types import Plan
from planner.plan.unfold import Standing

MOST_SERVERS = 24
"""Plans with more servers are not placed anew: each of them is a host group with a loss of its own."""

MOST_HOSTINGS = 600
"""More pools on servers than this are cut down to the pools that the plan uses."""


@dataclass(frozen=True)
class Placed:
    """A solution of the question, and which replicas stand on each server of its plan."""

    solution: Solution
    standing: Standing


def placed(assembly: Assembly, solution: Solution, plan: Plan, settings: Settings) -> Placed | None:
    """Return the cheapest replicas on the plan's servers that survive every loss, None if none is found.

    Args:
        assembly: the question.
        solution: in numbers.
        plan: its plan, which does not survive as placed.
        settings: how long and how hard to search.
    """
    problem = assembly.problem
    offer_of = offers_of(plan, assembly)
    names = [server.name for server in plan.servers]
    if (
        problem.failures is None
        or problem.churn is not None
        or any(goal.lost is not None for goal in problem.goals)
        or len(names) > MOST_SERVERS
        or any(name not in offer_of for name in names)
    ):
        return None
    offers = integers([offer_of[name] for name in names])
    group = problem.candidates.host_group[offers]
    hostings = problem.hostings
    usable = hostings.accelerators > 0
    if (solution.values["replicas"][~usable] > 0).any():
        return None  # replicas that span servers
    pairs = _pairs(group, hostings, usable)
    if len(pairs) > MOST_HOSTINGS:
        in_use = np.bincount(hostings.pool, weights=solution.values["replicas"]) > 0
        pairs = _pairs(group, hostings, usable & in_use[hostings.pool])
    if not pairs:
        return None
    server_of, base = (integers(part) for part in zip(*pairs, strict=True))
    small = _on_servers(problem, solution, names, group, server_of, base)
    small = replace(small, failures=losses_of(plan, assembly))
    found = solve_problem(small, settings)
    if not found.values:
        return None
    replicas = np.zeros(len(hostings.pool), dtype=np.int64)
    np.add.at(replicas, base, found.values["replicas"])
    values = {**solution.values, "replicas": replicas}
    for kind in ("flow", "assign", "unserved"):
        values[kind] = found.values[kind]
    goals = tuple(
        replace(reached, value=amounts_of(problem, values, goal))
        for reached, goal in zip(solution.goals, problem.goals or (None,), strict=True)
    )
    standing: dict[str, dict[int, int]] = defaultdict(dict)
    for server, p, count in zip(server_of, base, found.values["replicas"], strict=True):
        if count:
            standing[names[server]][int(p)] = int(count)
    return Placed(replace(solution, values=values, objective=goals[0].value, goals=goals), standing)


def _pairs(group: Integers, hostings: Hostings, usable: np.ndarray) -> list[tuple[int, int]]:
    """Return (server, hosting) for every usable hosting on the host group of every server."""
    on_group: dict[int, list[int]] = defaultdict(list)
    for p in np.flatnonzero(usable).tolist():
        on_group[int(hostings.host_group[p])].append(p)
    return [(s, p) for s, h in enumerate(group.tolist()) for p in on_group[h]]


def _on_servers(
    problem: Problem,
    solution: Solution,
    names: list[str],
    group: Integers,
    server_of: Integers,
    base: Integers,
) -> Problem:
    """Return the problem in which the servers stand and cost nothing more, each a host group.

    Args:
        problem: of the question.
        solution: its servers, mixes, sites and spares stay as they are.
        names: of the servers.
        group: their host groups.
        server_of: server of each hosting of the new problem.
        base: its hosting in the question.
    """
    nothing = np.zeros(len(names), dtype=np.int64)
    hostings = problem.hostings
    return replace(
        problem,
        sites=replace(problem.sites, open_cost=np.zeros_like(problem.sites.open_cost)),
        mixes=RackMixes(*(integers([]) for _ in range(5))),
        rack_classes=replace(problem.rack_classes, count=np.zeros_like(problem.rack_classes.count)),
        host_groups=HostGroups(
            tuple(names), problem.host_groups.site[group], problem.host_groups.accelerators[group]
        ),
        candidates=Candidates(
            tuple(names), np.arange(len(names)), np.full(len(names), -1), np.ones_like(nothing), nothing
        ),
        hostings=Hostings(
            hostings.pool[base],
            server_of,
            hostings.accelerators[base],
            hostings.whole_servers[base],
            hostings.cost[base] if len(hostings.cost) else hostings.cost,
        ),
        counts=_moved_counts(problem.counts, base),
        ledgers=tuple(_moved_ledger(ledger, solution, base) for ledger in problem.ledgers),
        spares=None,
        goals=tuple(_moved_goal(goal, problem, base) for goal in problem.goals),
    )


FIXED = ("servers", "mixes", "open", "spares")
"""Kinds of variables that stay as the solution has them."""


def _moved_counts(counts: Counts, base: Integers) -> Counts:
    """Return stated numbers of replicas over the new hostings."""
    return replace(counts, entries=_moved(counts.entries, base))


def _moved(entries: Entries, base: Integers) -> Entries:
    """Return entries over hostings, each for all hostings that stand for the same one."""
    new = [np.flatnonzero(base == column) for column in entries.column.tolist()]
    times = integers([len(columns) for columns in new])
    column = np.concatenate(new) if new else integers([])
    return Entries(np.repeat(entries.row, times), column, np.repeat(entries.amount, times))


def _moved_ledger(ledger: Ledger, solution: Solution, base: Integers) -> Ledger:
    """Return a limit less what servers, racks, sites and spares use of it."""
    limit = ledger.limit.copy()
    entries: dict[str, Entries] = {}
    for kind, use in ledger.entries.items():
        if kind in FIXED:
            np.subtract.at(limit, use.row, use.amount * solution.values[kind][use.column])
        else:
            entries[kind] = _moved(use, base) if kind == "replicas" else use
    return replace(ledger, limit=limit, entries=entries)


def _moved_goal(goal: Goal, problem: Problem, base: Integers) -> Goal:
    """Return a goal over what is still to be decided."""
    kept = {kind: amounts for kind, amounts in goal.amounts.items() if kind not in FIXED}
    if "replicas" in kept:
        kept["replicas"] = kept["replicas"][base]
    return replace(goal, amounts=kept)
