"""A site that has servers is open, and its fixed cost is paid."""

from __future__ import annotations

import numpy as np

from planner.optimize.problem import Problem
from planner.optimize.program import Program, RowInfo
from planner.optimize.variables import Columns, candidate_upper

TITLE = "Open sites"
EQUATIONS = (
    (
        "open/{candidate}",
        r"\mathrm{servers}_j \le \overline{s}_j\, \mathrm{open}_{s(j)} \quad \forall j : c^{open}_{s(j)} > 0",
        "servers stand at open sites only; written where opening the site costs or uses something",
    ),
)


def add_rows(program: Program, problem: Problem, columns: Columns) -> None:
    """Add the rows `open/...` for the candidates of sites with an opening cost."""
    candidates = problem.candidates
    site = problem.host_groups.site[candidates.host_group]
    counted = problem.sites.open_cost > 0
    for ledger in problem.ledgers:
        if "open" in ledger.entries:
            counted = counted.copy()
            counted[ledger.entries["open"].column] = True
    for goal in problem.goals:
        counted = counted | (goal.amounts.get("open", np.zeros_like(problem.sites.open_cost)) > 0)
    charged = np.flatnonzero(counted[site])
    program.add_rows(
        (RowInfo(f"open/{candidates.names[j]}", "sites") for j in charged),
        [
            (np.arange(len(charged)), columns["servers"][charged], 1),
            (np.arange(len(charged)), columns["open"][site[charged]], -candidate_upper(problem)[charged]),
        ],
        upper=0,
    )
