"""The decisions of every moment, and what each of them pays when.

| decision | one for | meaning |
|---|---|---|
| `servers` | moment, offer | servers that run there (owned or rented) |
| `mixes` | moment, rack mix | racks that hold the mix |
| `liquid` | moment, class of racks | racks turned to liquid so far |
| `flow`, `use` | moment, flow / use | traffic sent to a site / served there by a type, units |
| `unserved` | moment, demand | units left unserved, where that is allowed |
| `order` | moment, type | servers ordered, in all |
| `tier`, `chosen` | moment, discount | servers ordered at a discount, and whether it is taken |
| `retire` | moment, type, order | servers of an earlier order sold |
| `rent` | moment, offer, term | rented units whose term begins |
| `installed`, `moved` | moment, type and site / type | servers put in place; those taken from another site |
| `open` | moment, site | 1 if anything runs there, where an open site costs |
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from planner.optimize.problem import Integers
from planner.optimize.program import Floats, Program
from planner.study.procure.tree import Tree

CONTINUOUS = frozenset({"flow", "use", "unserved", "installed", "moved"})
"""Kinds that need not be whole."""

PARTS = (
    "servers",
    "retrofit",
    "installation",
    "resale",
    "rent",
    "electricity",
    "maintenance",
    "infrastructure",
    "network",
    "sites",
    "unserved",
    "remaining value",
)
"""Parts of the cash flow; resale and remaining value are income."""

CAPITAL = ("servers", "retrofit", "installation")
"""Parts that a budget pays for."""

MICRO = 1e6
ROOT = -1
"""Number of the order that stands for the servers that stood there at the start."""


@dataclass
class Payments:
    """What a variable pays at which moment: undiscounted USD for one of it, by part of the cash flow.

    late: at the end of the last period instead of the moment's beginning.
    """

    part: list[str] = field(default_factory=list)
    moment: list[int] = field(default_factory=list)
    column: list[int] = field(default_factory=list)
    usd: list[float] = field(default_factory=list)
    late: list[bool] = field(default_factory=list)

    def add(self, part: str, moment: int, column: int, usd: float, *, late: bool = False) -> None:
        """Say that one of a variable pays an amount (negative: brings it in)."""
        if usd:
            self.part.append(part)
            self.moment.append(moment)
            self.column.append(column)
            self.usd.append(usd)
            self.late.append(late)

    def amounts(self, discount: Floats, end: float) -> Floats:
        """Return (entries,) every amount discounted. discount: (moments,); end: of late payments."""
        late = np.array(self.late, dtype=bool)
        weights = np.where(late, end, discount[np.array(self.moment, dtype=np.int64)])
        amounts: Floats = weights * np.array(self.usd)
        return amounts

    def per_moment(self, columns: int, discount: Floats, end: float) -> Floats:
        """Return (moments, columns) discounted USD that one of each variable pays at each moment."""
        table = np.zeros((len(discount), columns))
        np.add.at(table, (np.array(self.moment), np.array(self.column)), self.amounts(discount, end))
        return table


class Decisions:
    """Column numbers by kind and moment; adds the columns to a program."""

    def __init__(self, program: Program, tree: Tree) -> None:
        self.program = program
        self.tree = tree
        self._of: dict[tuple[str, int], Integers] = {}
        self.integer: list[NDArray[np.bool_]] = []

    def add(self, kind: str, moment: int, upper: Sequence[float]) -> Integers:
        """Add the columns of a kind at a moment and return their numbers."""
        columns = self.program.add_columns(f"{kind}@{self.tree.moments[moment].name}", list(upper))
        self.integer.append(np.full(len(upper), kind not in CONTINUOUS))
        self._of[kind, moment] = columns
        return columns

    def __call__(self, kind: str, moment: int) -> Integers:
        """Return the columns of a kind at a moment."""
        return self._of[kind, moment]

    @property
    def kinds(self) -> list[str]:
        """The kinds of decisions, each once."""
        return list(dict.fromkeys(kind for kind, _ in self._of))

    @property
    def mask(self) -> NDArray[np.bool_]:
        """(columns,) which columns are whole numbers."""
        return np.concatenate(self.integer)
