"""Covers: how many replicas a workload needs at least, over all its pools at once.

Each follows from the rows of demand, routing and capacity of one workload added up, so that the linear
relaxation is none the worse for it; but replicas are whole, and in a row of replicas alone solvers see what
that means (three pools that need 8.8 replicas each are 27 or another kind, never 26.4). With c_q units that a
replica of pool q serves at best, in normal operation and after every loss e of whole host groups:

    sum_q c_q n_q + unserved >= u            sum_{q left by e} c^e_q n_q + lambda unserved >= lambda u

Over traffic that no latency keeps from any site they say all that a loss asks for: then no routing after it
is needed in the program.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from planner.optimize.problem import LOAD_SCALE, SHARE_SCALE, Integers, Problem
from planner.optimize.program import Cut, Floats


def covers(problem: Problem, losses: Sequence[int], replicas: slice, unserved: slice) -> tuple[Cut, ...]:
    """Return the covers of every workload and period.

    Args:
        problem: the tables.
        losses: failures that leave every host group whole or without any server.
        replicas: columns that count replicas.
        unserved: columns that count unserved units.
    """
    period = _period_of_demands(problem)
    left = {event: _left(problem, event) for event in losses}
    found = []
    for workload in range(len(problem.workloads)):
        for number in range(len(problem.periods)):
            demands = np.flatnonzero((problem.demands.workload == workload) & (period == number))
            lanes = (problem.lane_workload == workload) & (problem.lane_period == number)
            name = f"{problem.workloads[workload]}{problem.period_suffix(number)}"
            for event, case, units, share in _cases(problem, lanes, demands, left):
                if event is not None:
                    units = np.where(left[event], units, 0.0)
                found.append(_cut(problem, f"{case}/{name}", units, demands, share, (replicas, unserved)))
    return tuple(cut for cut in found if cut is not None)


def _cases(
    problem: Problem, lanes: np.ndarray, demands: Integers, left: dict[int, np.ndarray]
) -> Iterator[tuple[int | None, str, Floats, Floats]]:
    """Yield (loss or None, its name, units of a replica of each hosting, share of each demand promised).

    Paths through two pools are counted once by the first and once by the last of them.
    """
    failures = problem.failures
    for which in ("first", "last"):
        usual = _units(problem, lanes, problem.usable_load, which, warm=True)
        if usual is None:
            return
        yield None, f"cover/{which}", usual, np.ones(len(demands))
        after = _units(problem, lanes, LOAD_SCALE, which, warm=False)
        for event in left:
            assert failures is not None
            assert after is not None
            share = failures.kept_share[event][demands] / SHARE_SCALE
            yield event, f"cover/{which}/{failures.names[event]}", after, share
        if len(problem.assignments.load_row) == len(problem.assignments.lane):
            return


def _period_of_demands(problem: Problem) -> Integers:
    """Return (demands,) the only period in which each may be served, -1 where there are several."""
    period = problem.lane_period[problem.flows.lane]
    first = np.full(len(problem.demands.names), len(problem.periods), dtype=np.int64)
    last = np.full(len(problem.demands.names), -1, dtype=np.int64)
    np.minimum.at(first, problem.flows.demand, period)
    np.maximum.at(last, problem.flows.demand, period)
    return np.where(first == last, first, -1)


def _left(problem: Problem, event: int) -> np.ndarray:
    """Return (hostings,) which of them a loss leaves."""
    assert problem.failures is not None
    lost = problem.failures.lost_candidate[problem.failures.lost_candidate_row == event]
    return ~np.isin(problem.hostings.host_group, problem.candidates.host_group[lost])


def _units(problem: Problem, lanes: np.ndarray, usable: int, which: str, *, warm: bool) -> Floats | None:
    """Return (hostings,) the most units of some lanes that a replica serves; None if a path has no pool.

    Args:
        problem: the tables.
        lanes: (lanes,) which of them count.
        usable: the load that a replica may carry.
        which: the pool that a path is counted by, its `first` or its `last`.
        warm: whether what must stay free for rising traffic counts.
    """
    assignments = problem.assignments
    paths = np.flatnonzero(lanes[assignments.lane])
    entry = np.full(len(assignments.lane), -1, dtype=np.int64)
    order = np.arange(len(assignments.load_row))
    order = order[::-1] if which == "first" else order
    entry[assignments.load_row[order]] = order
    entry = entry[paths]
    if (entry < 0).any():
        return None
    load = assignments.load[entry] + (assignments.warm[entry] if warm else 0)
    units = np.zeros(len(problem.pools.names))
    np.maximum.at(
        units, assignments.load_pool[entry], np.where(load > 0, usable / np.maximum(load, 1), np.inf)
    )
    return units[problem.hostings.pool]


def _cut(
    problem: Problem, name: str, units: Floats, demands: Integers, share: Floats, blocks: tuple[slice, slice]
) -> Cut | None:
    """Return the row of what is promised of some demands; None if that is nothing.

    Amounts are not rounded: a row that follows from others exactly is tight where they are, and solvers round
    tight rows only. Counting no more for a replica than all that is promised keeps it valid.
    """
    promised = share * problem.demands.units[demands]
    needed = float(promised.sum())
    if needed <= 0:
        return None
    refused = np.zeros(len(problem.demands.names))
    refused[demands] = share
    amounts = np.concatenate([np.minimum(units, needed), refused])
    columns = np.concatenate([np.arange(block.start, block.stop) for block in blocks])
    there = amounts > 0
    return Cut(name, columns[there].astype(np.int64), amounts[there], needed)
