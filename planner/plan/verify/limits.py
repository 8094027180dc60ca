"""Limits: no row of the ledgers that follow from the plan's content uses more than it may.

The rows are computed from the content, whatever the plan's own ledgers say. Breakers are checked once
more, without this bookkeeping, in `power`.
"""

from __future__ import annotations

from collections.abc import Iterator

from planner.plan.types import Ledgers
from planner.plan.verify.violation import Violation, exceeds

FAMILIES = ("power", "grid", "heat", "network", "budget", "quota")


def check(ledgers: Ledgers) -> Iterator[Violation]:
    """Yield the rows that use more than their limit."""
    for family in FAMILIES:
        for row in getattr(ledgers, family):
            if row.limit is not None and exceeds(row.used, row.limit):
                text = f"uses {row.used:g} {row.unit} of {row.limit:g} {row.unit}"
                yield Violation(row.name, family, text, row.used, row.limit, row.unit)
