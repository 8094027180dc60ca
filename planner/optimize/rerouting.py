"""Losses that take whole host groups, as cuts: what the replicas elsewhere must be able to carry.

After the loss of a site (or of a feed or loop that stops all servers of some host groups) the replicas on
other host groups all survive. Whether they can carry the promised demand is a linear program over the routing
alone, the same for every such loss but for the right-hand sides. Where it falls short, its dual says what is
missing: an inequality over replicas (and unserved units) that every plan keeps which survives. A few dozen of
them replace a copy of all routing for every loss.

With n_q replicas of pool q left after loss e, and duals y_i of the demands and w_q of the capacities:

    sum_q w_q n_q + sum_i y_i lambda_ei unserved_i >= sum_i y_i lambda_ei u_i - (bounds of the routing)
"""

from __future__ import annotations

import hashlib
from collections.abc import Collection
from dataclasses import replace

import numpy as np
import scipy.sparse

from planner.optimize.loss_copy import copied_columns, with_copy
from planner.optimize.problem import LOAD_SCALE, SHARE_SCALE, Failures, Integers, Problem
from planner.optimize.program import Arrays, Cut, Floats, RowInfo
from planner.optimize.routing_rows import routing_rows
from planner.optimize.solvers.glop import LinearProgram
from planner.optimize.solvers.outcome import SolverFailure

SHORTAGE_TOLERANCE = 1e-4
"""Units that rerouting may miss of what is promised, as in the verifier: what doubles leave."""

COEFFICIENT_SCALE = 100_000_000
"""The largest coefficient of a cut; all are whole numbers, rounded so that the cut stays valid."""


def whole_losses(problem: Problem) -> list[int]:
    """Return the failures that leave every host group either whole or without any server."""
    failures = problem.failures
    if failures is None:
        return []
    group = problem.candidates.host_group
    members = np.bincount(group, minlength=len(problem.host_groups.names))
    found = []
    for event in range(len(failures.names)):
        partly = failures.lost_one_of[event] >= 0 or failures.lost_rack_of[event] >= 0
        if partly or (failures.lost_replica_row == event).any():
            continue
        lost = failures.lost_candidate[failures.lost_candidate_row == event]
        gone = np.bincount(group[lost], minlength=len(members))
        if ((gone == 0) | (gone == members)).all():
            found.append(event)
    return found


def without(failures: Failures, events: list[int]) -> Failures | None:
    """Return the failures but some; None if none is left."""
    kept = np.setdiff1d(np.arange(len(failures.names)), events)
    if not len(kept):
        return None
    number = np.full(len(failures.names), -1, dtype=np.int64)
    number[kept] = np.arange(len(kept))
    candidates = number[failures.lost_candidate_row] >= 0
    replicas = number[failures.lost_replica_row] >= 0
    return Failures(
        names=tuple(failures.names[event] for event in kept.tolist()),
        kept_share=failures.kept_share[kept],
        lost_candidate_row=number[failures.lost_candidate_row[candidates]],
        lost_candidate=failures.lost_candidate[candidates],
        lost_one_of=failures.lost_one_of[kept],
        lost_rack_of=failures.lost_rack_of[kept],
        lost_count=failures.lost_count[kept],
        lost_replica_row=number[failures.lost_replica_row[replicas]],
        lost_hosting=failures.lost_hosting[replicas],
        lost_replicas=failures.lost_replicas[replicas],
        known=failures.known[kept],
        fullest=failures.fullest[kept],
    )


class Rerouting:
    """The routing after a loss as one linear program, asked about plans and losses one after the other."""

    def __init__(self, problem: Problem, events: list[int], replicas: slice, unserved: slice) -> None:
        """Build the program.

        Args:
            problem: the tables.
            events: failures to ask about, of `whole_losses`.
            replicas: columns of the base program that count replicas.
            unserved: its columns that count unserved units.
        """
        assert problem.failures is not None
        self.events = events
        self._hard = list(events)
        self._failures: Failures = problem.failures
        digest = hashlib.sha256(self._failures.kept_share[events].tobytes())
        for event in events:
            lost = self._failures.lost_candidate[self._failures.lost_candidate_row == event]
            digest.update(np.sort(lost).tobytes() + b"|")
        self.key = digest.hexdigest()
        self._problem = problem
        self._replicas, self._unserved = replicas, unserved
        self._survives = {event: self._surviving_hostings(event) for event in events}
        self._rows = routing_rows(problem)
        self._own, self._upper = self._rows.matrix, self._rows.upper
        self._demand_rows, self._lane_rows = self._rows.demands, self._rows.lanes
        self._periods = len(problem.periods)
        self._rows_lower = np.zeros(self._own.shape[0])
        self._rows_lower[self._demand_rows + self._lane_rows :] = -np.inf
        self._programs: tuple[bytes, Integers, LinearProgram] | None = None

    def _surviving_hostings(self, event: int) -> np.ndarray:
        lost = self._failures.lost_candidate[self._failures.lost_candidate_row == event]
        gone = np.isin(self._problem.hostings.host_group, self._problem.candidates.host_group[lost])
        return ~gone

    def lacking(self, values: Floats, tolerance: float = SHORTAGE_TOLERANCE) -> list[Cut]:
        """Return the cuts that a plan breaks, one for each loss that it does not survive.

        Losses that were not survived lately are asked first; the others only when those are. Losses that
        take no replica leave everything as it is.
        """
        touched = self._touched(values)
        hard = [event for event in touched if event in self._hard]
        for events in (hard, [event for event in touched if event not in self._hard]):
            found = {event: self.shortage(event, values, tolerance)[1] for event in events}
            cuts = [cut for cut in found.values() if cut is not None]
            if cuts:
                self._hard = [event for event, cut in found.items() if cut is not None]
                return cuts
        return []

    def _touched(self, values: Floats) -> list[int]:
        """Return the losses that take any replica; all, where none stands at all."""
        replicas = values[self._replicas]
        if not (replicas > 0).any():
            return list(self.events)
        return [event for event in self.events if (replicas[~self._survives[event]] > 0).any()]

    def shortage(
        self, event: int, values: Floats, tolerance: float = SHORTAGE_TOLERANCE
    ) -> tuple[float, Cut | None]:
        """Return the units missing after a loss, and the cut that this plan breaks; (0, None) if none is.

        Args:
            event: the failure.
            values: (columns,) of the base program.
            tolerance: units that may be missing.

        Raises:
            SolverFailure: the program was not solved.
        """
        problem, failures = self._problem, self._failures
        survives = self._survives[event]
        pools = len(problem.pools.names)
        standing = np.bincount(problem.hostings.pool, weights=values[self._replicas], minlength=pools) > 0
        replicas = np.where(survives, values[self._replicas], 0.0)
        left = np.bincount(problem.hostings.pool, weights=replicas, minlength=pools)
        share = failures.kept_share[event] / SHARE_SCALE
        promised = share * np.maximum(problem.demands.units - values[self._unserved], 0.0)
        lower = np.concatenate([promised, self._rows_lower[self._demand_rows :]])
        upper = np.concatenate(
            [np.full(self._demand_rows, np.inf), np.zeros(self._lane_rows), np.repeat(left, self._periods)]
        )
        rows, program = self._routing(standing)
        program.move_rows(lower[rows], upper[rows])
        outcome = program.solve()
        if outcome.status != "optimal":
            raise SolverFailure(f"routing after {failures.names[event]}: GLOP ended {outcome.status}")
        missing = float(outcome.objective) / 1e6
        if missing <= tolerance:
            return 0.0, None
        duals = np.zeros(len(lower))
        duals[rows] = outcome.duals / 1e6
        return missing, self._cut(event, self._completed(duals, standing), share, survives)

    def _routing(self, standing: np.ndarray) -> tuple[Integers, LinearProgram]:
        """Return the routing over pools that stand (mask), of which there are few, and which rows it has.

        The last is kept.
        """
        key = standing.tobytes()
        if self._programs is not None and self._programs[0] == key:
            return self._programs[1:]
        flows, loads = self._problem.flows, self._problem.assignments
        open_path = self._open_paths(standing)
        open_lane = np.zeros(self._lane_rows, dtype=bool)
        open_lane[loads.lane[open_path]] = True
        demands = np.ones(self._demand_rows, dtype=bool)
        columns = np.flatnonzero(np.concatenate([open_lane[flows.lane], open_path, demands]))
        cost = np.concatenate([np.zeros(len(columns) - self._demand_rows), np.full(self._demand_rows, 1e6)])
        own = self._own[:, columns]
        rows = np.flatnonzero(np.diff(own.indptr))  # the others hold without anything in them
        program = LinearProgram(
            Arrays(
                cost=cost,
                column_lower=np.zeros(len(columns)),
                column_upper=self._upper[columns],
                matrix=own[rows],
                row_lower=self._rows_lower[rows],
                row_upper=np.where(rows < self._demand_rows, np.inf, 0.0),
                rows=tuple(RowInfo(str(number), "rerouting") for number in rows.tolist()),
                column_kind=(),
            )
        )
        self._programs = (key, rows, program)
        return rows, program

    def _open_paths(self, standing: np.ndarray) -> np.ndarray:
        """Return (assignments,) which paths lead through pools that all stand."""
        loads = self._problem.assignments
        missing = np.bincount(loads.load_row, weights=~standing[loads.load_pool], minlength=len(loads.lane))
        return np.asarray(missing == 0)

    def _completed(self, duals: Floats, standing: np.ndarray) -> Floats:
        """Return duals of the whole routing from those over the pools that stand.

        Pools without replicas have no capacity, so that their dual costs nothing here: it is what makes
        the paths through them not worth more than they carry.
        """
        problem, duals = self._problem, duals.copy()
        flows, loads = problem.flows, problem.assignments
        demand = np.maximum(duals[: self._demand_rows], 0.0)
        lane = duals[self._demand_rows : self._demand_rows + self._lane_rows]
        capacity = duals[self._demand_rows + self._lane_rows :]
        dearest = np.zeros(self._lane_rows)
        np.maximum.at(dearest, flows.lane, demand[flows.demand])
        open_path = self._open_paths(standing)
        closed = np.ones(self._lane_rows, dtype=bool)
        closed[loads.lane[open_path]] = False
        lane[closed] = -dearest[closed]
        row = loads.load_pool * self._periods + problem.lane_period[loads.lane[loads.load_row]]
        load, stands = loads.load / LOAD_SCALE, standing[loads.load_pool]
        paid = np.where(stands, -np.minimum(capacity[row], 0.0) * load, 0.0)
        count = len(loads.lane)
        owed = -lane[loads.lane] - np.bincount(loads.load_row, weights=paid, minlength=count)
        free = np.bincount(loads.load_row, weights=np.where(stands, 0.0, load), minlength=count)
        price = np.where(free > 0, np.maximum(owed, 0.0) / np.maximum(free, 1e-12), 0.0)
        capacity[row[~stands]] = 0.0
        np.minimum.at(capacity, row[~stands], -price[loads.load_row[~stands]])
        return duals

    def missing(self, values: Floats) -> dict[int, float]:
        """Return the units missing after each loss that a solution does not survive."""
        found = {event: self.shortage(event, values)[0] for event in self._touched(values)}
        return {event: units for event, units in found.items() if units > 0}

    def named(self, names: Collection[str]) -> list[int]:
        """Return the losses with these names."""
        return [event for event in self.events if self._failures.names[event] in names]

    def copied_columns(self, event: int) -> int:
        """Return how many columns a copy of the routing after a loss has."""
        return copied_columns(self._problem, self._survives[event])

    def copied(self, arrays: Arrays, event: int) -> Arrays:
        """Return the program with a copy of the routing after a loss as its last section."""
        columns = self._replicas, self._unserved
        return with_copy(arrays, self._problem, self._rows, event, self._survives[event], columns)

    @property
    def _capacity_rows(self) -> int:
        return int(self._own.shape[0]) - self._demand_rows - self._lane_rows

    def _cut(self, event: int, duals: Floats, share: Floats, survives: np.ndarray) -> Cut:
        """Return the cut of a dual; valid whatever the duals are, by their own reduced costs."""
        demand = np.maximum(duals[: self._demand_rows], 0.0)
        lane = duals[self._demand_rows : self._demand_rows + self._lane_rows]
        capacity = np.minimum(duals[self._demand_rows + self._lane_rows :], 0.0)
        reduced = -(self._own.T @ np.concatenate([demand, lane, capacity]))
        routing = len(reduced) - self._demand_rows
        # What the routing could add to the dual's value at its bounds; 0 for an exact dual.
        slack = float(np.minimum(reduced[:routing], 0.0) @ self._upper[:routing])
        pools = -capacity.reshape(-1, self._periods).sum(axis=1)
        problem = self._problem
        hosting_amount = np.where(survives, pools[problem.hostings.pool], 0.0)
        refusable = problem.demands.unserved_cost >= 0
        unserved_amount = np.where(refusable, demand * share, 0.0)
        lower = float(demand @ (share * problem.demands.units)) + slack
        scale = COEFFICIENT_SCALE / max(float(hosting_amount.max(initial=0.0)), 1e-12)
        columns = np.concatenate(
            [
                np.arange(self._replicas.start, self._replicas.stop),
                np.arange(self._unserved.start, self._unserved.stop),
            ]
        )
        # Variables are not negative: rounding amounts up and the right-hand side down keeps the cut valid.
        amounts = np.ceil(np.concatenate([hosting_amount, unserved_amount]) * scale - 1e-9)
        chosen = amounts > 0
        return Cut(
            self._failures.names[event],
            columns[chosen].astype(np.int64),
            amounts[chosen],
            float(np.floor(lower * scale * (1 - 1e-9))),
        )


def with_cuts(arrays: Arrays, cuts: list[Cut]) -> Arrays:
    """Return the program with cuts as further rows, outside of all sections."""
    if not cuts:
        return arrays
    counts = [len(cut.columns) for cut in cuts]
    matrix = scipy.sparse.csr_matrix(
        (
            np.concatenate([cut.amounts for cut in cuts]),
            (np.repeat(np.arange(len(cuts)), counts), np.concatenate([cut.columns for cut in cuts])),
        ),
        shape=(len(cuts), len(arrays.cost)),
    )
    return replace(
        arrays,
        matrix=scipy.sparse.vstack([arrays.matrix, matrix], format="csr"),
        row_lower=np.append(arrays.row_lower, [cut.lower for cut in cuts]),
        row_upper=np.append(arrays.row_upper, np.full(len(cuts), np.inf)),
        rows=(
            *arrays.rows,
            *(RowInfo(f"{cut.name}/cut/{number}", "reliability") for number, cut in enumerate(cuts)),
        ),
    )
