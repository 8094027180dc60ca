"""Replicas fit into the accelerators of powered servers, without splitting a tensor-parallel group.

The sizes of replicas inside one server divide each other. For such sizes, counting the places of each
size per server is necessary and sufficient: 6 + 2 free accelerators are not a place for 8.
"""

from __future__ import annotations

import numpy as np

from planner.optimize.problem import Integers, Problem
from planner.optimize.program import Program, RowInfo
from planner.optimize.variables import Columns

TITLE = "Packing replicas into servers"
EQUATIONS = (
    (
        "packing/{host group}/{size}",
        r"\sum_{p \in P_h,\, g_p \ge g} \frac{g_p}{g}\, \mathrm{replicas}_p"
        r" + \left\lfloor \frac{G_h}{g} \right\rfloor \Big( \sum_{p \in P_h} m_p\, \mathrm{replicas}_p"
        r" - \sum_{j \in J_h} \mathrm{servers}_j \Big) \le 0 \qquad \forall h, g",
        "for each replica size g on host group h: places of that size; a replica that needs more than one "
        "server takes m whole servers of the fabric domain",
    ),
)


def packing_levels(problem: Problem) -> tuple[Integers, Integers]:
    """Return the (host group, size) pairs that need a row: each size that some hosting uses."""
    hostings = problem.hostings
    size = np.where(
        hostings.whole_servers > 0,
        problem.host_groups.accelerators[hostings.host_group],
        hostings.accelerators,
    )
    pairs = np.unique(np.stack([hostings.host_group, size], axis=1), axis=0)
    return pairs[:, 0], pairs[:, 1]


def add_packing_rows(
    program: Program,
    problem: Problem,
    prefix: str,
    columns: Columns,
    kept: Integers,
    only: Integers | None = None,
    scale: int = 1,
) -> tuple[Integers, Integers, Integers]:
    """Add the packing rows over the "replicas" and "servers" columns of `columns`.

    Args:
        kept: (candidates,) 1 where the candidate's servers count, 0 where they are lost.
        only: host groups to write rows for; all when omitted.
        scale: factor of every coefficient, so that fractions of servers can be taken off.

    Returns:
        (row number in the program, host group, places per server) of each row added.
    """
    hostings, groups, candidates = problem.hostings, problem.host_groups, problem.candidates
    group, size = packing_levels(problem)
    if only is not None:
        chosen = np.isin(group, only)
        group, size = group[chosen], size[chosen]
    places = groups.accelerators[group] // size
    level, hosting = _levels_of(group, hostings.host_group)
    across = hostings.whole_servers[hosting] > 0
    places_taken = np.where(
        across,
        places[level] * hostings.whole_servers[hosting],
        hostings.accelerators[hosting] // size[level],
    )
    level, hosting, places_taken = (part[places_taken > 0] for part in (level, hosting, places_taken))
    there = np.flatnonzero(kept > 0)
    at, number = _levels_of(group, candidates.host_group[there])
    parts = [
        (level, columns["replicas"][hosting], scale * places_taken),
        (at, columns["servers"][there[number]], -scale * places[at]),
    ]
    rows = program.add_rows(
        (
            RowInfo(f"{prefix}/{groups.names[h]}/{g}", "packing", "places")
            for h, g in zip(group, size, strict=True)
        ),
        parts,
        upper=0,
    )
    return rows, group, places


def _levels_of(level_group: Integers, of: Integers) -> tuple[Integers, Integers]:
    """Return all pairs (level, thing) of one host group; `level_group` is sorted, `of[thing]` its group."""
    first = np.searchsorted(level_group, of, side="left")
    count = np.searchsorted(level_group, of, side="right") - first
    thing = np.repeat(np.arange(len(of)), count)
    within = np.arange(len(thing)) - np.repeat(np.cumsum(count) - count, count)
    return first[thing] + within, thing


def add_rows(program: Program, problem: Problem, columns: Columns) -> None:
    """Add the rows `packing/...`."""
    everything = np.ones(len(problem.candidates.names), dtype=np.int64)
    add_packing_rows(program, problem, "packing", columns, everything)
