"""Host groups that are alike for the replicas on them, as one: fewer places to choose from, the same plans.

A replica inside one server does not see in which row of racks the server stands. Groups of one site that
offer the same pools on the same terms, and that every loss takes together, become one group; how many servers
stand in which racks is still decided for each of them. A replica over several servers stays in the fabric of
its group: it keeps a hosting of its own, and a row that its group has the servers for it.

No plan is lost and none is added: sizes inside one server divide each other, so that what fits into the
servers of all groups together, less those that larger replicas take whole, can be dealt out to them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

import numpy as np

from planner.optimize.problem import Counts, Entries, Goal, Integers, Ledger, Problem, integers
from planner.optimize.rerouting import whole_losses
from planner.optimize.variables import hosting_cost

WHOLE = "packing/whole"
"""Prefix of the rows that hold the servers of replicas over several servers."""


@dataclass(frozen=True)
class MergedGroups:
    """A problem with merged host groups, and the way back.

    problem: the smaller one. original: the question itself. hosting: (hostings of the original,) the hosting
    of `problem` that each became.
    """

    problem: Problem
    original: Problem
    hosting: Integers

    def merged(self, values: Mapping[str, Integers]) -> dict[str, Integers]:
        """Return decisions of the original as decisions of the smaller problem."""
        replicas = np.zeros(len(self.problem.hostings.pool), dtype=np.int64)
        np.add.at(replicas, self.hosting, values["replicas"])
        return {**values, "replicas": replicas}

    def original_values(self, values: Mapping[str, Integers]) -> dict[str, Integers]:
        """Return decisions of the smaller problem as decisions of the original.

        Replicas of a merged group are dealt out to its groups, the largest first, pool by pool, so that few
        pools are on several groups.

        Raises:
            ValueError: the replicas do not fit into the servers; `values` is no plan of the problem.
        """
        if self.problem is self.original:
            return dict(values)
        hostings, small = self.original.hostings, self.problem.hostings
        servers = np.zeros(len(self.original.host_groups.names), dtype=np.int64)
        np.add.at(servers, self.original.candidates.host_group, values["servers"])
        replicas = np.zeros(len(hostings.pool), dtype=np.int64)
        across = hostings.whole_servers > 0
        replicas[across] = values["replicas"][self.hosting[across]]
        np.subtract.at(servers, hostings.host_group[across], (replicas * hostings.whole_servers)[across])
        inside = np.flatnonzero((values["replicas"] > 0) & (small.whole_servers == 0))
        order = np.lexsort((-values["replicas"][inside], -small.accelerators[inside]))
        members = np.argsort(self.hosting, kind="stable")
        first = np.searchsorted(self.hosting[members], np.arange(len(small.pool) + 1))
        room = _Room(self.original.host_groups.accelerators, servers)
        for number in inside[order].tolist():
            left = int(values["replicas"][number])
            for hosting in members[first[number] : first[number + 1]].tolist():
                taken = room.take(int(hostings.host_group[hosting]), int(small.accelerators[number]), left)
                replicas[hosting] = taken
                left -= taken
            if left:
                raise ValueError(
                    f"{left} replicas of {self.problem.pools.names[small.pool[number]]} left over"
                )
        return {**values, "replicas": replicas}


class _Room:
    """Free places in the servers of host groups; sizes are asked for from the largest down."""

    def __init__(self, accelerators: Integers, servers: Integers) -> None:
        self._accelerators, self._servers = accelerators, servers
        self._used: dict[int, list[tuple[int, int]]] = {}

    def take(self, group: int, size: int, most: int) -> int:
        """Return for how many replicas of a size a group has places, at most so many, and take them."""
        used = self._used.setdefault(group, [])
        places = int(self._accelerators[group]) // size * int(self._servers[group])
        taken = max(0, min(most, places - sum(larger // size * count for larger, count in used)))
        if taken:
            used.append((size, taken))
        return taken


def merge_groups(problem: Problem) -> MergedGroups:
    """Return the problem with groups merged that are alike.

    Losses that take single servers or racks, and replicas that run already, are counted group by group:
    then everything stays as it is.
    """
    hostings = problem.hostings
    as_it_is = MergedGroups(problem, problem, np.arange(len(hostings.pool), dtype=np.int64))
    losses = 0 if problem.failures is None else len(problem.failures.names)
    if problem.churn is not None or len(whole_losses(problem)) < losses:
        return as_it_is
    terms = _terms(problem)
    group = _alike(problem, terms)
    if len(np.unique(group)) == len(group):
        return as_it_is
    # Larger replicas stay apart by their own group.
    apart = np.where(hostings.whole_servers > 0, hostings.host_group, -1)
    key = np.stack([group[hostings.host_group], hostings.pool, apart], axis=1)
    _, first, hosting = np.unique(key, axis=0, return_index=True, return_inverse=True)
    hosting = hosting.reshape(-1).astype(np.int64)
    return MergedGroups(_smaller(problem, group, first.astype(np.int64), hosting), problem, hosting)


def _refined(labels: Integers, *columns: Integers) -> Integers:
    """Return labels that differ where the labels or any of the columns do."""
    keys = np.stack([labels, *columns], axis=1)
    return np.unique(keys, axis=0, return_inverse=True)[1].reshape(-1).astype(np.int64)


def _terms(problem: Problem) -> Integers:
    """Return (hostings,) labels: equal for equal pools, sizes, costs and uses of every limit and goal."""
    hostings = problem.hostings
    labels = _refined(hostings.pool, hostings.accelerators, hostings.whole_servers, hosting_cost(problem))
    for goal in problem.goals:
        if "replicas" in goal.amounts:
            labels = _refined(labels, goal.amounts["replicas"])
    tables = [ledger.entries["replicas"] for ledger in problem.ledgers if "replicas" in ledger.entries]
    for entries in (*tables, problem.counts.entries):
        labels = _with_entries(labels, entries.column, entries.row, entries.amount)
    return labels


def _with_entries(labels: Integers, of: Integers, *parts: Integers) -> Integers:
    """Return labels refined by the entries of each thing: `of[n]` has the values `parts[...][n]`."""
    order = np.lexsort((*reversed(parts), of))
    of, parts = of[order], tuple(part[order] for part in parts)
    first = np.searchsorted(of, np.arange(len(labels) + 1))
    count = np.diff(first)
    for place in range(int(count.max(initial=0))):
        there = count > place
        at = first[:-1][there] + place
        columns = [np.full(len(labels), -1, dtype=np.int64) for _ in parts]
        for column, part in zip(columns, parts, strict=True):
            column[there] = part[at]
        labels = _refined(labels, there.astype(np.int64), *columns)
    return labels


def _alike(problem: Problem, terms: Integers) -> Integers:
    """Return (host groups,) numbers of the merged groups, in the order of their first members."""
    groups, hostings, failures = problem.host_groups, problem.hostings, problem.failures
    labels = _refined(groups.site, groups.accelerators)
    inside = np.flatnonzero(hostings.whole_servers == 0)
    labels = _with_entries(labels, hostings.host_group[inside], terms[inside])
    if failures is not None:
        group = problem.candidates.host_group[failures.lost_candidate]
        pairs = np.unique(np.stack([group, failures.lost_candidate_row], axis=1), axis=0)
        labels = _with_entries(labels, pairs[:, 0], pairs[:, 1])
    # Groups that host larger replicas only have nothing to share.
    alone = np.bincount(hostings.host_group[inside], minlength=len(labels)) == 0
    labels = np.where(alone, labels.max(initial=0) + 1 + np.arange(len(labels)), labels)
    _, first, inverse = np.unique(labels, return_index=True, return_inverse=True)
    rank = np.argsort(np.argsort(first))
    return np.asarray(rank[inverse.reshape(-1)], dtype=np.int64)


def _smaller(problem: Problem, group: Integers, first: Integers, hosting: Integers) -> Problem:
    """Return the problem over merged groups.

    Args:
        problem: the original.
        group: (host groups,) the merged group of each.
        first: (merged hostings,) an original hosting of each.
        hosting: (hostings,) the merged hosting of each.
    """
    groups, hostings, candidates = problem.host_groups, problem.hostings, problem.candidates
    _, member = np.unique(group, return_index=True)
    kept = np.zeros(len(hosting), dtype=bool)
    kept[first] = True
    return replace(
        problem,
        host_groups=replace(
            groups,
            names=tuple(groups.names[number] for number in member.tolist()),
            site=groups.site[member],
            accelerators=groups.accelerators[member],
        ),
        candidates=replace(candidates, host_group=group[candidates.host_group]),
        hostings=replace(
            hostings,
            pool=hostings.pool[first],
            host_group=group[hostings.host_group[first]],
            accelerators=hostings.accelerators[first],
            whole_servers=hostings.whole_servers[first],
            cost=hosting_cost(problem)[first],
        ),
        ledgers=(*(_ledger(ledger, kept, hosting) for ledger in problem.ledgers), _whole(problem, hosting)),
        counts=_counts(problem.counts, kept, hosting),
        goals=tuple(_goal(goal, first) for goal in problem.goals),
    )


def _entries(entries: Entries, kept: np.ndarray, hosting: Integers) -> Entries:
    """Return the entries of the hostings that stand for all they were merged with."""
    chosen = kept[entries.column]
    return Entries(entries.row[chosen], hosting[entries.column[chosen]], entries.amount[chosen])


def _ledger(ledger: Ledger, kept: np.ndarray, hosting: Integers) -> Ledger:
    if "replicas" not in ledger.entries:
        return ledger
    replicas = _entries(ledger.entries["replicas"], kept, hosting)
    return replace(ledger, entries={**ledger.entries, "replicas": replicas})


def _counts(counts: Counts, kept: np.ndarray, hosting: Integers) -> Counts:
    return replace(counts, entries=_entries(counts.entries, kept, hosting))


def _goal(goal: Goal, first: Integers) -> Goal:
    if "replicas" not in goal.amounts:
        return goal
    return replace(goal, amounts={**goal.amounts, "replicas": goal.amounts["replicas"][first]})


def _whole(problem: Problem, hosting: Integers) -> Ledger:
    """Return the rows that give replicas over several servers whole servers of their own group."""
    hostings, candidates = problem.hostings, problem.candidates
    across = np.flatnonzero(hostings.whole_servers > 0)
    group = np.unique(hostings.host_group[across])
    row = np.full(len(problem.host_groups.names), -1, dtype=np.int64)
    row[group] = np.arange(len(group))
    there = np.flatnonzero(row[candidates.host_group] >= 0)
    return Ledger(
        family="packing",
        names=tuple(f"{WHOLE}/{problem.host_groups.names[number]}" for number in group.tolist()),
        limit=integers(np.zeros(len(group))),
        unit="servers",
        source=("",) * len(group),
        entries={
            "replicas": Entries(
                row[hostings.host_group[across]], hosting[across], hostings.whole_servers[across]
            ),
            "servers": Entries(
                row[candidates.host_group[there]],
                there.astype(np.int64),
                np.full(len(there), -1, dtype=np.int64),
            ),
        },
    )
