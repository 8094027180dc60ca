"""From a plan that does not survive as placed to rows that say what its failures really take.

The program counts places: it does not see which replicas stood on the server that is lost. Where the
verifier finds a loss that a plan does not survive, the failure is stated once more with replicas that it
takes.

The first time, for the loss of one server: some server holds a replica of each pool that exists, so its
loss takes at least one. Such rows hold for every plan, and the bound stays valid. Where that is not
enough, the failure is stated with all the replicas it took in this plan: another placement might have
lost others, so from then on the bound of the last valid program is kept.
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
from planner.plan.verify.reliability import failures
from planner.plan.verify.violation import Violation


@dataclass(frozen=True)
class NamedLoss:
    """A failure of a single server takes a replica of a pool on a host group: by names, not numbers."""

    failure: str
    pool: str
    host_group: str


@dataclass
class Losses:
    """Failures stated with the replicas they take: (base failure, {hosting: replicas}).

    valid: whether every plan that survives keeps all of them, so that bounds remain bounds.
    """

    stated: dict[str, tuple[int, dict[int, int]]] = field(default_factory=dict)
    valid: bool = True

    def add_from(self, plan: Plan, assembly: Assembly, violations: Sequence[Violation]) -> bool:
        """State the losses behind violated reliability rows; False if all were stated before."""
        base = assembly.problem.failures
        if base is None:
            return False
        lost_servers = _servers_by_row(plan, assembly)
        offer_of = offers_of(plan, assembly)
        standing = list(standing_replicas(plan, assembly, offer_of))
        before = len(self.stated)
        for violation in violations:
            lost = lost_servers.get(violation.row, frozenset())
            groups = {int(assembly.problem.candidates.host_group[offer_of[name]]) for name in lost}
            event = _base_event(violation.row, base, groups)
            taken = Counter(p for p, servers in standing if servers & lost)
            if event is None or not taken:
                continue
            single = int(base.lost_one_of[event]) >= 0
            names = {hosting: f"{base.names[event]}/taking/{hosting}" for hosting in taken}
            if single and any(name not in self.stated for name in names.values()):
                for hosting, name in names.items():
                    self.stated.setdefault(name, (event, {hosting: 1}))
            else:
                key = "+".join(f"{hosting}x{count}" for hosting, count in sorted(taken.items()))
                if f"{base.names[event]}/taking/{key}" not in self.stated:
                    self.stated[f"{base.names[event]}/taking/{key}"] = (event, dict(taken))
                    self.valid = False
        return len(self.stated) > before

    def named(self, assembly: Assembly) -> frozenset[NamedLoss]:
        """Return the losses that hold for every plan, by name."""
        base = assembly.problem.failures
        if base is None:
            return frozenset()
        hostings = assembly.problem.hostings
        return frozenset(
            NamedLoss(
                base.names[event],
                assembly.pools[int(hostings.pool[p])].name,
                assembly.problem.host_groups.names[int(hostings.host_group[p])],
            )
            for event, taken in self.stated.values()
            if int(base.lost_one_of[event]) >= 0 and set(taken.values()) == {1} and len(taken) == 1
            for p in taken
        )

    def state(self, losses: Iterable[NamedLoss], assembly: Assembly) -> None:
        """State losses that another question had to state, as far as this one has their failures."""
        base = assembly.problem.failures
        if base is None:
            return
        hostings = assembly.problem.hostings
        events = {name: e for e, name in enumerate(base.names) if int(base.lost_one_of[e]) >= 0}
        numbers = {
            (assembly.pools[int(q)].name, assembly.problem.host_groups.names[int(h)]): p
            for p, (q, h) in enumerate(zip(hostings.pool, hostings.host_group, strict=True))
        }
        for loss in sorted(losses, key=lambda loss: (loss.failure, loss.pool, loss.host_group)):
            event, p = events.get(loss.failure), numbers.get((loss.pool, loss.host_group))
            if event is not None and p is not None:
                self.stated.setdefault(f"{loss.failure}/taking/{p}", (event, {p: 1}))


def _servers_by_row(plan: Plan, assembly: Assembly) -> Mapping[str, frozenset[str]]:
    question = assembly.question
    context = Context(plan, Setting(question.scenario, assembly.graph, question.catalog, assembly.day))
    return {failure.row: failure.servers for failure in failures(context)}


def _base_event(row: str, base: Failures, groups: set[int]) -> int | None:
    """Return the failure of the problem that a row of the verifier belongs to.

    groups: host groups of the servers that it takes; the verifier does not tell zones apart.
    """
    kind = "/".join(row.split("/")[:2])
    for event, name in enumerate(base.names):
        single = int(base.lost_one_of[event])
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
    events = [event for event, _ in losses.stated.values()]
    first = len(base.names)
    pairs = [
        (first + n, int(candidate))
        for n, event in enumerate(events)
        for candidate in base.lost_candidate[base.lost_candidate_row == event]
    ]
    triples = [
        (first + n, hosting, count)
        for n, (_, taken) in enumerate(losses.stated.values())
        for hosting, count in taken.items()
    ]
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
    )
    return replace(problem, failures=extended)
