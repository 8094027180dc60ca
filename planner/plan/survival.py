"""From a plan that does not survive as placed to rows that say what its losses really take.

The program knows what the average loss takes, not which replicas share a server. Where the verifier finds a
loss that a plan does not survive, the loss is stated once more for the server (rack) that holds most
replicas of a pool, of every pool that it took: that one holds at least the average rounded up. Such rows
hold for every plan, and the bound stays valid. Where they are not enough, the loss is stated with all the
replicas it took in this plan: another placement might have lost others, so from then on the bound of the
last valid program is kept.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from planner.optimize.problem import Failures, Problem, integers
from planner.plan.assemble import Assembly
from planner.plan.content import Setting
from planner.plan.lookup import offers_of, standing_replicas
from planner.plan.types import Plan
from planner.plan.verify.context import Context
from planner.plan.verify.reliability import Failure, failures
from planner.plan.verify.violation import Violation


@dataclass(frozen=True)
class NamedLoss:
    """A loss takes what holds most replicas of a pool on a host group: by names, not numbers."""

    failure: str
    pool: str
    host_group: str


@dataclass(frozen=True)
class Stated:
    """A failure of the question, stated again: for the fullest of one hosting, or with replicas it took."""

    event: int
    fullest: int = -1
    taken: Mapping[int, int] = field(default_factory=dict)


@dataclass
class Losses:
    """Failures stated again, by name.

    valid: whether every plan that survives keeps all of them, so that bounds remain bounds.
    """

    stated: dict[str, Stated] = field(default_factory=dict)
    valid: bool = True

    def add_from(self, plan: Plan, assembly: Assembly, violations: Sequence[Violation]) -> bool:
        """State the losses behind violated reliability rows; False if all were stated before."""
        base = assembly.problem.failures
        if base is None:
            return False
        lost_servers = {failure.row: failure.servers for failure in _losses(plan, assembly)}
        offer_of = offers_of(plan, assembly)
        standing = list(standing_replicas(plan, assembly, offer_of))
        before = len(self.stated)
        for violation in violations:
            lost = lost_servers.get(violation.row, frozenset())
            event = _base_event(violation.row, base, _groups(lost, offer_of, assembly))
            taken = Counter(p for p, servers in standing if servers & lost)
            if event is None or not taken:
                continue
            for p, name in _fullest(event, taken, assembly):
                self.stated.setdefault(name, Stated(event, fullest=p))
        if len(self.stated) > before:
            return True
        for violation in violations:
            lost = lost_servers.get(violation.row, frozenset())
            event = _base_event(violation.row, base, _groups(lost, offer_of, assembly))
            taken = Counter(p for p, servers in standing if servers & lost)
            if event is not None and taken:
                key = "+".join(f"{hosting}x{count}" for hosting, count in sorted(taken.items()))
                self.stated.setdefault(f"{base.names[event]}/taking/{key}", Stated(event, taken=dict(taken)))
        self.valid = self.valid and len(self.stated) == before
        return len(self.stated) > before

    def named(self, assembly: Assembly) -> frozenset[NamedLoss]:
        """Return the losses that hold for every plan, by name."""
        base = assembly.problem.failures
        if base is None:
            return frozenset()
        hostings = assembly.problem.hostings
        return frozenset(
            NamedLoss(
                base.names[stated.event],
                assembly.pools[int(hostings.pool[stated.fullest])].name,
                assembly.problem.host_groups.names[int(hostings.host_group[stated.fullest])],
            )
            for stated in self.stated.values()
            if stated.fullest >= 0
        )

    def state(self, losses: Iterable[NamedLoss], assembly: Assembly) -> None:
        """State losses that another question had to state, as far as this one has their failures."""
        base = assembly.problem.failures
        if base is None:
            return
        hostings = assembly.problem.hostings
        events = {name: e for e, name in enumerate(base.names)}
        numbers = {
            (assembly.pools[int(q)].name, assembly.problem.host_groups.names[int(h)]): p
            for p, (q, h) in enumerate(zip(hostings.pool, hostings.host_group, strict=True))
        }
        for loss in sorted(losses, key=lambda loss: (loss.failure, loss.pool, loss.host_group)):
            event, p = events.get(loss.failure), numbers.get((loss.pool, loss.host_group))
            if event is not None and p is not None:
                for hosting, name in _fullest(event, [p], assembly):
                    self.stated.setdefault(name, Stated(event, fullest=hosting))


def _fullest(event: int, taken: Iterable[int], assembly: Assembly) -> list[tuple[int, str]]:
    """Return the hostings of which a failure can be stated for what holds most of them, with its name."""
    base, problem = assembly.problem.failures, assembly.problem
    assert base is not None
    if base.known[event] == 0:
        return []
    groups = {int(base.lost_one_of[event])}
    if base.lost_rack_of[event] >= 0:
        in_class = problem.candidates.rack_class == base.lost_rack_of[event]
        groups = set(problem.candidates.host_group[in_class].tolist())
    return [
        (p, f"{base.names[event]}/fullest/{p}")
        for p in sorted(taken)
        if problem.hostings.accelerators[p] > 0 and int(problem.hostings.host_group[p]) in groups
    ]


def _losses(plan: Plan, assembly: Assembly) -> list[Failure]:
    """Return every loss asked for, on the servers of a plan."""
    question = assembly.question
    setting = Setting(question.scenario, assembly.graph, question.catalog, assembly.day)
    return list(failures(Context(plan, setting)))


def losses_of(plan: Plan, assembly: Assembly) -> Failures:
    """Return the losses on the servers of a plan, each server a candidate, in the plan's order."""
    base = assembly.problem.failures
    assert base is not None
    offer_of = offers_of(plan, assembly)
    number = {server.name: s for s, server in enumerate(plan.servers)}
    found: dict[tuple[frozenset[str], bytes], tuple[str, int]] = {}
    for failure in _losses(plan, assembly):
        event = _base_event(failure.row, base, _groups(failure.servers, offer_of, assembly))
        if event is None:  # a batch of servers that feeds or loops tell apart
            event = next((e for e, name in enumerate(base.names) if name.split("/")[1] == failure.kind), None)
        if event is None:
            continue
        found.setdefault((failure.servers, base.kept_share[event].tobytes()), (failure.row, event))
    # What survives more servers lost survives fewer of them.
    kept = [
        (servers, name, event)
        for (servers, share), (name, event) in found.items()
        if not any(servers < other and share == same for other, same in found)
    ]
    pairs = [(n, number[server]) for n, (servers, _, _) in enumerate(kept) for server in sorted(servers)]
    table = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    none = np.full(len(kept), -1, dtype=np.int64)
    return Failures(
        names=tuple(name for _, name, _ in kept),
        kept_share=base.kept_share[integers([event for _, _, event in kept])],
        lost_candidate_row=table[:, 0],
        lost_candidate=table[:, 1],
        lost_one_of=none,
        lost_rack_of=none,
        lost_count=np.ones_like(none),
    )


def _groups(servers: Iterable[str], offer_of: Mapping[str, int], assembly: Assembly) -> set[int]:
    """Return the host groups of some servers."""
    return {int(assembly.problem.candidates.host_group[offer_of[name]]) for name in servers}


def _base_event(row: str, base: Failures, groups: set[int]) -> int | None:
    """Return the failure of the problem that a row of the verifier belongs to.

    groups: host groups of the servers that it takes; the verifier does not tell zones apart.
    """
    kind = "/".join(row.split("/")[:2])
    for event, name in enumerate(base.names):
        single = int(base.lost_one_of[event])
        if single >= 0 and int(base.lost_rack_of[event]) >= 0:
            continue
        if single >= 0 and name.startswith(f"{kind}/") and groups == {single}:
            return event
        if single < 0 and (row == name or row.startswith(f"{name}/")):
            return event
    return None


def with_losses(problem: Problem, losses: Losses) -> Problem:
    """Return the problem with the stated losses as further failures."""
    base = problem.failures
    if base is None or not losses.stated:
        return problem
    events = [stated.event for stated in losses.stated.values()]
    first = len(base.names)
    pairs = [
        (first + n, int(candidate))
        for n, event in enumerate(events)
        for candidate in base.lost_candidate[base.lost_candidate_row == event]
    ]
    triples = [
        (first + n, hosting, count)
        for n, stated in enumerate(losses.stated.values())
        for hosting, count in stated.taken.items()
    ]
    fullest = integers([stated.fullest for stated in losses.stated.values()])
    pair_table = np.array(pairs, dtype=np.int64).reshape(-1, 2)
    triple_table = np.array(triples, dtype=np.int64).reshape(-1, 3)
    chosen = integers(events)
    extended = Failures(
        names=(*base.names, *losses.stated),
        kept_share=np.concatenate([base.kept_share, base.kept_share[chosen]]),
        lost_candidate_row=np.concatenate([base.lost_candidate_row, pair_table[:, 0]]),
        lost_candidate=np.concatenate([base.lost_candidate, pair_table[:, 1]]),
        lost_one_of=np.concatenate([base.lost_one_of, base.lost_one_of[chosen]]),
        lost_rack_of=np.concatenate([base.lost_rack_of, base.lost_rack_of[chosen]]),
        lost_count=np.concatenate([base.lost_count, base.lost_count[chosen]]),
        lost_replica_row=np.concatenate([base.lost_replica_row, triple_table[:, 0]]),
        lost_hosting=np.concatenate([base.lost_hosting, triple_table[:, 1]]),
        lost_replicas=np.concatenate([base.lost_replicas, triple_table[:, 2]]),
        known=np.concatenate([base.known, np.where(fullest >= 0, base.known[chosen], 0)]),
        fullest=np.concatenate([base.fullest, fullest]),
    )
    return replace(problem, failures=extended)
