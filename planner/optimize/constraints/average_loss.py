"""What the loss of one of several equal things takes at least: the average of them all.

Servers of a host group, batches of them that are upgraded one after the other, racks of a class: one of them
is lost, and a plan has to survive the loss of each. What is left after the average loss is the average of
what is left after each, and the routing after a loss is linear: so every plan that survives each loss
survives their average, whatever stands where. The one that holds most replicas of a pool holds at least the
average rounded up.

How many things there are is decided by the plan. So the first few (`Failures.known`) are counted by 0/1
columns; for each number n of them, replicas beyond what n of them hold must find places on the others:

    n lost_p + beyond_p >= replicas_p,    beyond packed into the servers that n things leave over

With n things or fewer nothing is left over, and lost_p is at least the n-th part.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from planner.optimize.constraints.packing import packing_levels
from planner.optimize.problem import LOAD_SCALE, Failures, Integers, Problem, integers
from planner.optimize.program import Program, RowInfo
from planner.optimize.variables import Columns, host_group_upper, hosting_upper

SHARES = 10_000
"""Parts of a replica in which averages are counted; every column stays a whole number."""

EQUATIONS = (
    (
        "survive/{failure}/average/{n}/{hosting}",
        r"n\, \mathrm{lost}^e_p + \mathrm{beyond}^{en}_p \ge \mathrm{replicas}_p \qquad \forall n \le \kappa",
        "the loss of one of several equal things (servers of a host group, batches of an upgrade, racks of a "
        "class) takes at least their average: a plan that survives each survives the average; beyond is what "
        "n of them do not hold (written in 1/10,000 replicas, rounded so that the row stays valid; a replica "
        "on m servers is lost with each of them)",
    ),
    (
        "survive/{failure}/beyond/{n}/{host group}/{size}",
        r"\sum_{p \in P_h,\, g_p \ge g} \frac{g_p}{g}\, \mathrm{beyond}^{en}_p \le "
        r"\left\lfloor \frac{G_h}{g} \right\rfloor \Big( \sum_{j \in J_h} \mathrm{servers}_j - "
        r"\sum_{i \le n} \mathrm{known}_{hi} \Big)",
        "what n servers do not hold is packed into the others; known_i = 1 if the group has i servers (for "
        "racks: the servers that n racks of the class leave over, at most the share of the other racks)",
    ),
    (
        "survive/{failure}/fullest/{n}",
        r"n\, \mathrm{lost}^e_p + \mathrm{beyond}^{en}_p \ge \mathrm{replicas}_p, \quad"
        r"\mathrm{lost}^e_p,\ \mathrm{beyond}^{en}_p \in \mathbb{Z}",
        "the one that holds most replicas of one hosting p holds at least the average rounded up; stated for "
        "hostings of which a plan did not survive the loss as placed",
    ),
)


@dataclass(frozen=True)
class Known:
    """Things counted one by one: columns of how many servers each has (0 or 1 for a single server).

    size: servers of one. full: columns that are 1 if a thing is complete.
    """

    held: Integers
    full: Integers


class AverageLosses:
    """Adds the rows of average losses; shares the columns that count servers between failures."""

    def __init__(self, program: Program, problem: Problem, columns: Columns, used: dict[int, int]) -> None:
        """Add the columns of all failures with `known`.

        Args:
            program: grows.
            problem: the tables.
            columns: of the base program.
            used: for each host group that may lose one server, its column that is 1 if it has any.
        """
        assert problem.failures is not None
        self.program, self.problem, self.columns = program, problem, columns
        self._used = used
        self._levels_of = packing_levels(problem)
        self._servers_upper, self._replicas_upper = host_group_upper(problem), hosting_upper(problem)
        self._servers: dict[tuple[int, int], Known] = {}
        failures = problem.failures
        for event in np.flatnonzero(failures.known > 0).tolist():
            key = (int(failures.lost_one_of[event]), int(failures.lost_count[event]))
            if key[0] >= 0 and key not in self._servers:
                self._servers[key] = self._count_servers(*key, int(failures.known[event]))

    def _members(self, group: int) -> Integers:
        return np.flatnonzero(self.problem.candidates.host_group == group)

    def _count_servers(self, group: int, size: int, known: int) -> Known:
        """Add columns of the servers in the first things of `size` servers; the first are complete first."""
        most = int(self._servers_upper[group])
        count = min(known, -(-most // size))
        name = f"survive/known/{self.problem.host_groups.names[group]}" + (f"/{size}" if size > 1 else "")
        if size == 1:
            later = self.program.add_columns(name, np.ones(max(count - 1, 0)))
            held = np.append(integers([self._used[group]]), later)[:count]
            full = held
        else:
            held = self.program.add_columns(name, np.full(count, size))
            full = self.program.add_columns(f"{name}/full", np.ones(count))
            both = np.arange(count)
            self.program.add_rows(
                (RowInfo(f"{name}/full/{i}", "reliability") for i in both),
                [(both, held, 1), (both, full, -size)],
                lower=0,
            )
        order = np.arange(max(count - 1, 0))
        self.program.add_rows(
            (RowInfo(f"{name}/order/{i}", "reliability") for i in order),
            [(order, held[1:], 1), (order, full[:-1], -size)],
            upper=0,
        )
        members = self._members(group)
        servers = (np.zeros_like(members), self.columns["servers"][members], 1)
        self.program.add_rows(
            [RowInfo(f"{name}/least", "reliability", "servers")],
            [servers, (np.zeros(count), held, -1)],
            lower=0,
        )
        rest = max(most - size * count, 0)
        self.program.add_rows(
            [RowInfo(f"{name}/most", "reliability", "servers")],
            [servers, (np.zeros(count), held, -1), (np.zeros(min(count, 1)), full[-1:], -rest)],
            upper=0,
        )
        return Known(held, full)

    def _count_racks(self, name: str, rack_class: int, known: int) -> Integers:
        """Add 0/1 columns of racks in use to a failure: the plan may use as many as it has servers for.

        Those of servers follow from their number and belong to the plan; how many racks hold them is free.
        """
        count = min(known, int(self.problem.rack_classes.count[rack_class]))
        name = f"{name}/known"
        held = self.program.add_columns(name, np.ones(count))
        order = np.arange(max(count - 1, 0))
        self.program.add_rows(
            (RowInfo(f"{name}/order/{i}", "reliability") for i in order),
            [(order, held[1:], 1), (order, held[:-1], -1)],
            upper=0,
        )
        members = np.flatnonzero(self.problem.candidates.rack_class == rack_class)
        self.program.add_rows(
            [RowInfo(f"{name}/least", "reliability", "servers")],
            [
                (np.zeros_like(members), self.columns["servers"][members], 1),
                (np.zeros(count), held, -1),
            ],
            lower=0,
        )
        return held

    def hit(self, failures: Failures, event: int) -> Integers:
        """Return the hostings that a failure may take replicas of."""
        hostings, candidates = self.problem.hostings, self.problem.candidates
        if failures.fullest[event] >= 0:
            return integers([failures.fullest[event]])
        groups = integers([failures.lost_one_of[event]])
        if failures.lost_rack_of[event] >= 0:
            groups = candidates.host_group[candidates.rack_class == failures.lost_rack_of[event]]
        return np.flatnonzero(np.isin(hostings.host_group, groups))

    def add(self, failures: Failures, event: int, capacity: Integers) -> None:
        """Take what is lost from the capacity rows of a failure.

        Args:
            failures: the table.
            event: the failure.
            capacity: (pools, periods) its capacity rows, written over all replicas; -1: none.
        """
        problem, program, name = self.problem, self.program, failures.names[event]
        chosen = self.hit(failures, event)
        rounded = failures.fullest[event] >= 0
        scale = 1 if rounded else SHARES
        most = self._replicas_upper[chosen]
        lost = program.add_columns(f"{name}/{'lost' if rounded else 'share'}", scale * most)
        for t in range(capacity.shape[1]):
            rows = capacity[problem.hostings.pool[chosen], t]
            there = rows >= 0
            amounts = np.full(int(there.sum()), LOAD_SCALE // scale)
            program.extend_rows(rows[there], lost[there], amounts)
        group = int(failures.lost_one_of[event])
        single = group >= 0 and int(failures.lost_count[event]) == 1 and not rounded
        # A replica on m servers is lost with each of them.
        times = np.where(single, np.maximum(problem.hostings.whole_servers[chosen], 1), 1)
        if group >= 0:
            known = self._servers[group, int(failures.lost_count[event])].held
            total = len(known) * int(failures.lost_count[event]) >= int(self._servers_upper[group])
        else:
            rack_class = int(failures.lost_rack_of[event])
            known = self._count_racks(name, rack_class, int(failures.known[event]))
            total = len(known) >= int(problem.rack_classes.count[rack_class])
        for n in range(1, len(known) + 1):
            parts: list[tuple[object, object, object]] = [
                (np.arange(len(chosen)), lost, n),
                (np.arange(len(chosen)), self.columns["replicas"][chosen], -scale * times),
            ]
            slack = np.zeros(len(chosen)) if rounded else np.full(len(chosen), n)
            if n < len(known) or not total:
                beyond = program.add_columns(
                    f"{name}/{n}/{'left' if rounded else 'beyond'}", scale * times * most
                )
                parts.append((np.arange(len(chosen)), beyond, 1))
                if group >= 0:
                    self._pack_servers(f"{name}/beyond/{n}", group, known[:n], chosen, times, beyond, scale)
                else:
                    self._pack_racks(f"{name}/beyond/{n}", rack_class, known, n, chosen, beyond, scale)
                    slack = slack + problem.host_groups.accelerators[problem.hostings.host_group[chosen]]
            kind = "fullest" if rounded else "average"
            program.add_rows(
                (RowInfo(f"{name}/{kind}/{n}/{p}", "reliability", "replicas") for p in chosen),
                parts,
                lower=-slack if not rounded else 0,
            )

    def _levels(self, group: int) -> tuple[Integers, Integers]:
        """Return sizes of replicas on a host group, and the places of each size per server."""
        groups, sizes = self._levels_of
        size = sizes[groups == group]
        return size, self.problem.host_groups.accelerators[group] // size

    def _weights(self, group: int, chosen: Integers, times: Integers, size: int, places: int) -> Integers:
        """Return the places of a size that one replica beyond takes; 0 for smaller ones and other groups."""
        hostings = self.problem.hostings
        inside = hostings.accelerators[chosen] // size
        across = places * hostings.whole_servers[chosen] // times
        weight = np.where(hostings.whole_servers[chosen] > 0, across, inside)
        smaller = (hostings.whole_servers[chosen] == 0) & (hostings.accelerators[chosen] < size)
        return np.where(smaller | (hostings.host_group[chosen] != group), 0, weight)

    def _pack_servers(
        self,
        name: str,
        group: int,
        known: Integers,
        chosen: Integers,
        times: Integers,
        beyond: Integers,
        scale: int,
    ) -> None:
        """Add rows: `beyond` fits into the servers of the group that are not among the known ones."""
        members = self._members(group)
        for size, places in zip(*(part.tolist() for part in self._levels(group)), strict=True):
            weight = self._weights(group, chosen, times, size, places)
            self.program.add_rows(
                [RowInfo(f"{name}/{self.problem.host_groups.names[group]}/{size}", "reliability", "places")],
                [
                    (np.zeros_like(chosen), beyond, weight),
                    (np.zeros_like(members), self.columns["servers"][members], -scale * places),
                    (np.zeros_like(known), known, scale * places),
                ],
                upper=0,
            )

    def _pack_racks(
        self,
        name: str,
        rack_class: int,
        known: Integers,
        n: int,
        chosen: Integers,
        beyond: Integers,
        scale: int,
    ) -> None:
        """Add rows: `beyond` fits into the servers that n racks of the class leave over."""
        problem, program, servers = self.problem, self.program, self.columns["servers"]
        candidates = problem.candidates
        racks = int(problem.rack_classes.count[rack_class])
        members = np.flatnonzero(candidates.rack_class == rack_class)
        groups = np.unique(candidates.host_group[members])
        upper = self._servers_upper[groups]
        over = program.add_columns(f"{name}/servers-beyond", SHARES * upper)
        each = np.arange(len(groups))
        number = np.searchsorted(groups, candidates.host_group[members])
        program.add_rows(
            (RowInfo(f"{name}/share/{problem.host_groups.names[h]}", "reliability") for h in groups),
            [(each, over, racks), (number, servers[members], -SHARES * (racks - n))],
            upper=0,
        )
        program.add_rows(
            [RowInfo(f"{name}/one-each", "reliability", "servers")],
            [
                (np.zeros_like(each), over, 1),
                (np.zeros_like(members), servers[members], -SHARES),
                (np.zeros(n), known[:n], SHARES),
            ],
            upper=0,
        )
        # Only where more racks are in use is anything left over.
        further = known[n] if n < len(known) else known[n - 1]
        program.add_rows(
            (RowInfo(f"{name}/in-use/{problem.host_groups.names[h]}", "reliability") for h in groups),
            [(each, over, 1), (each, np.full(len(groups), further), -SHARES * upper)],
            upper=0,
        )
        times = np.ones_like(chosen)
        for i, h in enumerate(groups.tolist()):
            for size, places in zip(*(part.tolist() for part in self._levels(h)), strict=True):
                weight = self._weights(h, chosen, times, size, places)
                program.add_rows(
                    [RowInfo(f"{name}/{problem.host_groups.names[h]}/{size}", "reliability", "places")],
                    [
                        (np.zeros_like(chosen), beyond, weight * (SHARES // scale)),
                        ([0], over[i : i + 1], -places),
                    ],
                    upper=0.0 if scale > 1 else float(places),
                )
