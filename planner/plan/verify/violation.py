"""One thing in a plan that does not hold."""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Violation:
    """A row of the plan that does not hold.

    row: what was checked (`power/feed/ams1-A`, `demand/chat/westeurope`, `cost/rent`). family: the kind
    of rule. text: one sentence for people. used, limit, unit: the two numbers that disagree, if there
    are two.
    """

    row: str
    family: str
    text: str
    used: float | None = None
    limit: float | None = None
    unit: str = ""

    def __str__(self) -> str:
        return f"{self.row}: {self.text}"


RELATIVE_TOLERANCE = 1e-9
"""Rounding of sums of doubles: what is nearer than this is equal, what exceeds by less holds."""


def same(found: float, expected: float) -> bool:
    """Return whether two figures of a plan are the same but for rounding of doubles."""
    if not (math.isfinite(found) and math.isfinite(expected)):
        return found == expected
    return abs(found - expected) <= RELATIVE_TOLERANCE * max(1.0, abs(found), abs(expected))


def exceeds(used: float, limit: float) -> bool:
    """Return whether `used` is more than `limit` (or no number), rounding of doubles aside."""
    return not used <= limit and not same(used, limit)
