"""The menu: shapes with what each can promise, per workload and latency budget.

A promise is a workload together with a network round trip: the round trip is taken out of the TTFT, and
what is left decides how much traffic a replica may take. Shapes that another shape beats everywhere are
taken off the menu, and the reason is kept for explanation.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from planner.performance.handover import side_objective
from planner.performance.service import LatencyObjective, RequestProfile, ServiceColumn, service_columns
from planner.performance.shape import Role, Shape
from planner.performance.types import ReplicaModel
from planner.scenario.workload import Workload
from planner.shapes.first_look import Beaten, saturated_rps, time_in_waves
from planner.shapes.prune import Dominance, find_dominated

Timer = Callable[
    [Sequence[ReplicaModel], RequestProfile, Sequence[LatencyObjective]], list[list[ServiceColumn]]
]
"""Computes service columns, `[replica][objective]`."""

Saturator = Callable[[Sequence[ReplicaModel], RequestProfile], list[float]]
"""Computes the rate at which each replica has no time left, requests/s."""


def _saturations(replicas: Sequence[ReplicaModel], profile: RequestProfile) -> list[float]:
    return [saturated_rps(replica, profile) for replica in replicas]


@dataclass(frozen=True)
class Promise:
    """A workload whose requests spend `rtt_ms` of their TTFT on the network.

    For a prefill pool the handover of the cache is part of it.
    """

    workload: str
    rtt_ms: float


@dataclass(frozen=True)
class MenuEntry:
    """One shape on one server type, and its column for each promise it can keep.

    whole_servers: servers it takes whole, 0 if it stays inside one.
    columns: promise -> what one replica does; promises it cannot keep are absent.
    best: promise -> the column even where its rate is 0 (for "the best reachable is ...").
    """

    shape: Shape
    server: str
    whole_servers: int
    replica: ReplicaModel | None
    columns: Mapping[Promise, ServiceColumn]
    best: Mapping[Promise, ServiceColumn]


@dataclass
class Menu:
    """Entries to choose from, and what was taken off with the reason.

    useless: keep no promise. beaten: those of `dominated` that were timed: they carry less, perhaps faster.
    """

    entries: list[MenuEntry] = field(default_factory=list)
    useless: list[MenuEntry] = field(default_factory=list)
    beaten: list[MenuEntry] = field(default_factory=list)
    dominated: list[Dominance] = field(default_factory=list)


def request_profile(workload: Workload) -> RequestProfile:
    """Return the statistics of a workload's requests as the performance room wants them."""
    return RequestProfile(
        input_tokens=workload.input_tokens,
        output_tokens=workload.output_tokens,
        prefix_hit_rate=workload.prefix_hit_rate,
        burstiness_cv=workload.burstiness_cv,
    )


def may_play(workload: Workload, role: Role) -> bool:
    """Return whether a workload allows pools of a role."""
    return ("aggregated" if role == "aggregated" else "split") in workload.serving


def latency_objective(
    workload: Workload, rtt_ms: float, role: Role = "aggregated"
) -> LatencyObjective | None:
    """Return what a role must keep after the round trip, None when the network alone breaks it.

    None as well for a side of a split that cannot promise its part (see `side_objective`).
    """
    slo = workload.slo
    if slo is None:
        return LatencyObjective(ttft_ms=None, tpot_ms=None, e2e_ms=None, percentile=None)
    ttft = None if slo.ttft_ms is None else slo.ttft_ms - rtt_ms
    e2e = None if slo.e2e_ms is None else slo.e2e_ms - rtt_ms
    if (ttft is not None and ttft <= 0) or (e2e is not None and e2e <= 0):
        return None
    percentile = None if slo.percentile == "mean" else float(slo.percentile)
    whole = LatencyObjective(ttft_ms=ttft, tpot_ms=slo.tpot_ms, e2e_ms=e2e, percentile=percentile)
    return side_objective(whole, role)


ROLES: tuple[Role, ...] = ("aggregated", "prefill", "decode")


def prefill_promises(promises: Iterable[Promise], allowances_ms: Iterable[float]) -> list[Promise]:
    """Return the promises of prefill pools: every round trip with every allowance for the handover."""
    steps = list(allowances_ms)
    longer = (Promise(p.workload, p.rtt_ms + step) for p in promises for step in steps)
    return list(dict.fromkeys(longer))


def build_menu(
    candidates: Sequence[tuple[ReplicaModel, str, int]],
    workloads: Sequence[Workload],
    promises: Sequence[Promise],
    allowed: Mapping[str, Sequence[tuple[str, str]]],
    *,
    derate: Mapping[str, float] | None = None,
    refinement: Callable[[str, str], float] = lambda workload, shape: 1.0,
    timed: Timer = service_columns,
    saturations: Saturator = _saturations,
    allowances_ms: Mapping[str, Sequence[float]] | None = None,
    wire_rps: Callable[[int, Workload], float] | None = None,
    skip_beaten: bool = False,
    prune: bool = True,
) -> Menu:
    """Time every candidate against every promise and drop the dominated.

    Args:
        candidates: (replica, server id, accelerators of one server).
        workloads: all workloads.
        promises: the (workload, round trip) pairs that can occur.
        allowed: workload -> (LLM id, weight precision) pairs that may serve it.
        derate: workload -> share of the predicted rate that is used; 1 where it is not listed.
        refinement: factor on the predicted rate of a workload on a shape (by name).
        timed: computes service columns, or remembers them (`Timings.columns`).
        saturations: computes saturated rates, or remembers them (`Timings.saturated_rps`).
        allowances_ms: workload -> times a prefill pool may have to leave for handing the cache over; each
            makes a promise of its own, with a longer round trip.
        prune: drop shapes that another one beats everywhere; not where the number of replicas matters.
        wire_rps: (number of the candidate, workload) -> requests whose cache its links can carry; asked
            for the sides of a split.
        skip_beaten: do not time shapes that another beats whatever they could serve (`first_look`); their
            energy per request is not looked at.
    """

    def factor(name: str, shape: Shape) -> float:
        return (derate or {}).get(name, 1.0) * refinement(name, shape.name)

    timing = _Timing(candidates, workloads, promises, allowed, factor, timed, allowances_ms or {}, wire_rps)
    menu = Menu()
    everyone = list(range(len(candidates)))
    skipped: set[int] = set()
    if skip_beaten:
        for found in timing.time_but_beaten(saturations):
            skipped.add(found.loser)
            loser, winner = candidates[found.loser][0].shape, candidates[found.winner][0].shape
            menu.dominated.append(Dominance(loser, winner, found.copies, found.ratio, timed=False))
        everyone = [index for index in everyone if index not in timing.done and index not in skipped]
    timing.time(everyone)
    columns = timing.columns
    for index, ((replica, server, box), best) in enumerate(zip(candidates, columns, strict=True)):
        if index in skipped:
            continue
        servers = replica.shape.accelerators // box if replica.shape.accelerators > box else 0
        useful = {promise: column for promise, column in best.items() if column.rate_rps > 0}
        entry = MenuEntry(replica.shape, server, servers, replica, useful, best)
        (menu.entries if useful else menu.useless).append(entry)
    everything = dict.fromkeys(promise for entry in menu.entries for promise in entry.columns)
    if prune:
        _drop_dominated(menu, list(everything))
    return menu


class _Timing:
    """Fills the columns of candidates, workload by workload and role by role."""

    def __init__(
        self,
        candidates: Sequence[tuple[ReplicaModel, str, int]],
        workloads: Sequence[Workload],
        promises: Sequence[Promise],
        allowed: Mapping[str, Sequence[tuple[str, str]]],
        factor: Callable[[str, Shape], float],
        timed: Timer,
        allowances_ms: Mapping[str, Sequence[float]],
        wire_rps: Callable[[int, Workload], float] | None,
    ) -> None:
        self.candidates, self.timed, self.wire_rps = candidates, timed, wire_rps
        self.factor, self.allowances_ms = factor, allowances_ms
        self.columns: list[dict[Promise, ServiceColumn]] = [{} for _ in candidates]
        self.done: set[int] = set()
        self.by_name = {workload.name: workload for workload in workloads}
        self.pairs = {name: set(pairs) for name, pairs in allowed.items()}
        self.wanted: dict[str, list[Promise]] = defaultdict(list)
        for promise in promises:
            self.wanted[promise.workload].append(promise)

    def reachable(self, name: str, role: Role) -> list[tuple[Promise, LatencyObjective]]:
        """Return the promises of a workload that the network leaves time for."""
        workload, kept = self.by_name[name], self.wanted[name]
        if role == "prefill":
            kept = prefill_promises(kept, self.allowances_ms.get(name, ()))
        return [
            (promise, objective)
            for promise in kept
            if (objective := latency_objective(workload, promise.rtt_ms, role)) is not None
        ]

    def time(self, indices: Sequence[int]) -> None:
        """Time some candidates for every workload that they may serve."""
        self.done.update(indices)
        for name in self.wanted:
            workload = self.by_name[name]
            for role in ROLES:
                chosen = [
                    index
                    for index in indices
                    if (shape := self.candidates[index][0].shape).role == role
                    and (shape.llm, shape.weights) in self.pairs[name]
                ]
                reachable = self.reachable(name, role)
                if not chosen or not reachable or not may_play(workload, role):
                    continue
                table = self.timed(
                    [self.candidates[index][0] for index in chosen],
                    request_profile(workload),
                    [objective for _, objective in reachable],
                )
                for index, row in zip(chosen, table, strict=True):
                    most = float("inf")
                    if role != "aggregated" and self.wire_rps is not None:
                        most = self.wire_rps(index, workload)
                    used = self.factor(name, self.candidates[index][0].shape)
                    for (promise, _), column in zip(reachable, row, strict=True):
                        rate = min(column.rate_rps * used, most)
                        self.columns[index][promise] = replace(column, rate_rps=rate)

    def time_but_beaten(self, saturations: Saturator) -> list[Beaten]:
        """Time the aggregated candidates that could be of use; return the others."""
        ceilings: list[dict[str, float]] = [{} for _ in self.candidates]
        groups: dict[Hashable, list[int]] = defaultdict(list)
        strict: dict[str, list[Promise]] = {}
        for name in self.wanted:
            workload, reachable = self.by_name[name], self.reachable(name, "aggregated")
            strict[name] = [promise for promise, _ in reachable]
            if not reachable or not may_play(workload, "aggregated"):
                continue
            profile = request_profile(workload)
            chosen = [
                index
                for index, (replica, _, _) in enumerate(self.candidates)
                if (shape := replica.shape).role == "aggregated"
                and (shape.llm, shape.weights) in self.pairs[name]
            ]
            rates = saturations([self.candidates[index][0] for index in chosen], profile)
            for index, rate in zip(chosen, rates, strict=True):
                ceilings[index][name] = rate * self.factor(name, self.candidates[index][0].shape)
        for index, (replica, server, _) in enumerate(self.candidates):
            if ceilings[index]:
                key = (server, replica.shape.power_cap_w, frozenset(ceilings[index]))
                groups[key].append(index)

        def sure_rps(index: int, name: str) -> float:
            return min((self.columns[index][promise].rate_rps for promise in strict[name]), default=0.0)

        sizes = [replica.shape.accelerators for replica, _, _ in self.candidates]
        return time_in_waves(groups, sizes, ceilings, lambda wave: self.time(wave), sure_rps)


def _drop_dominated(menu: Menu, promises: Sequence[Promise]) -> None:
    """Move entries that another entry beats everywhere from the menu to its `dominated` list."""
    groups: dict[tuple[str, float | None, int], list[MenuEntry]] = defaultdict(list)
    for entry in menu.entries:
        # the sides of a split are compared only where as many links carry the cache
        links = 0 if entry.shape.role == "aggregated" else entry.shape.tp * entry.shape.pp
        groups[entry.server, entry.shape.power_cap_w, links].append(entry)
    kept: list[MenuEntry] = []
    for members in groups.values():
        rates = np.array([[_rate(entry, promise) for promise in promises] for entry in members])
        energy = np.array([[_energy(entry, promise) for promise in promises] for entry in members])
        sizes = np.array([entry.shape.accelerators for entry in members])
        roles = [entry.shape.role for entry in members]
        beaten = find_dominated([entry.shape for entry in members], roles, sizes, rates, energy)
        menu.dominated.extend(beaten.values())
        for index, entry in enumerate(members):
            (menu.beaten if index in beaten else kept).append(entry)
    menu.entries = kept


def _rate(entry: MenuEntry, promise: Promise) -> float:
    column = entry.columns.get(promise)
    return 0.0 if column is None else column.rate_rps


def _energy(entry: MenuEntry, promise: Promise) -> float:
    column = entry.columns.get(promise)
    return np.inf if column is None else column.joules_per_request
