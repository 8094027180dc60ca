"""Servers stand in racks: every rack takes one mix, and every server is part of its rack's mix."""

from __future__ import annotations

import numpy as np

from planner.optimize.problem import Problem
from planner.optimize.program import Program, RowInfo
from planner.optimize.variables import Columns

TITLE = "Racks"
EQUATIONS = (
    (
        "racks/{rack class}",
        r"\sum_{m \in M_k} \mathrm{mixes}_m \le N_k \qquad \forall k",
        "each of the N racks of class k takes at most one mix (a maximal set of servers within all limits "
        "of one rack: height, weight, power, air, liquid, ports)",
    ),
    (
        "space/{candidate}",
        r"\mathrm{servers}_j \le \sum_{m} s_{mj}\, \mathrm{mixes}_m \qquad \forall j \text{ in a rack}",
        "servers are part of the mixes of their racks",
    ),
)


def add_rows(program: Program, problem: Problem, columns: Columns) -> None:
    """Add the rows `racks/...` and `space/...`."""
    classes, mixes, candidates = problem.rack_classes, problem.mixes, problem.candidates
    program.add_rows(
        (
            RowInfo(f"racks/{name}", "racks", "racks", source)
            for name, source in zip(classes.names, classes.source, strict=True)
        ),
        [(mixes.rack_class, columns["mixes"], 1)],
        upper=classes.count,
    )
    placed = np.flatnonzero(candidates.rack_class >= 0)
    row_of = np.full(len(candidates.names), -1, dtype=np.int64)
    row_of[placed] = np.arange(len(placed))
    program.add_rows(
        (RowInfo(f"space/{candidates.names[j]}", "racks", "servers") for j in placed),
        [
            (np.arange(len(placed)), columns["servers"][placed], 1),
            (row_of[mixes.candidate], columns["mixes"][mixes.row], -mixes.servers),
        ],
        upper=0,
    )
