"""Spare servers by failure rate: enough that a spare is at hand for every server in repair.

Servers fail independently and are replaced from the spares at once, so the number in repair is Poisson with
mean (servers) x (repair time) / (time between failures) (Palm's theorem). How many servers s spares are
enough for grows faster than s: each step covers more than the one before, and the steps are taken in order.
"""

from __future__ import annotations

import numpy as np

from planner.optimize.problem import Problem
from planner.optimize.program import Program, RowInfo
from planner.optimize.variables import Columns

TITLE = "Spares"
EQUATIONS = (
    (
        "spares/{site}/{server}",
        r"\sum_{j \in J_g} \mathrm{servers}_j - \sum_{z \in Z_g} \Delta_z\, \mathrm{spares}_z \le n^0_g"
        r" \qquad \forall g",
        "n0 servers need no spare; with each spare more the group may have Delta servers more, where "
        "P(Poisson(n T / MTBF) <= s) reaches the availability asked for",
    ),
    (
        "spares/{site}/{server}/order/{z}",
        r"\mathrm{spares}_{z+1} \le \mathrm{spares}_z \qquad \forall z",
        "the first spare comes before the second",
    ),
)


def add_rows(program: Program, problem: Problem, columns: Columns) -> None:
    """Add the rows `spares/...`; none where no spares are asked for."""
    spares = problem.spares
    if spares is None or not spares.names:
        return
    program.add_rows(
        (
            RowInfo(name, "reliability", "servers", source)
            for name, source in zip(spares.names, spares.source, strict=True)
        ),
        [
            (spares.member_group, columns["servers"][spares.member], 1),
            (spares.group, columns["spares"], -spares.step),
        ],
        upper=spares.base,
    )
    follows = np.flatnonzero(spares.group[1:] == spares.group[:-1]) + 1
    rows = np.arange(len(follows))
    program.add_rows(
        (RowInfo(f"{spares.names[spares.group[z]]}/order/{z}", "reliability") for z in follows),
        [(rows, columns["spares"][follows], 1), (rows, columns["spares"][follows - 1], -1)],
        upper=0,
    )
