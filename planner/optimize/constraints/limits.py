"""Ledgers: what is used of a stated limit (power, heat, network, money, carbon, stock) stays within it.

What a server, a rack, a unit of traffic uses of each limit is physics and bookkeeping, known to the
rooms above; here a ledger is only rows of integers.
"""

from __future__ import annotations

from planner.optimize.problem import Problem
from planner.optimize.program import Program, RowInfo
from planner.optimize.variables import Columns

TITLE = "Limits: power, heat, network, budget, carbon, stock"
EQUATIONS = (
    (
        "{family}/{kind}/{name}",
        r"\sum_{v} a_{rv}\, x_v \le b_r \qquad \forall r",
        "the amounts of limit r that servers, racks, replicas and traffic use add up to at most the limit",
    ),
)


def add_rows(program: Program, problem: Problem, columns: Columns) -> None:
    """Add the rows of every ledger of the problem."""
    for ledger in problem.ledgers:
        program.add_rows(
            (
                RowInfo(name, ledger.family, ledger.unit, source)
                for name, source in zip(ledger.names, ledger.source, strict=True)
            ),
            [
                (entries.row, columns[kind][entries.column], entries.amount)
                for kind, entries in ledger.entries.items()
            ],
            upper=ledger.limit,
        )
