"""The answer of the program, in the tables' own numbering."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from planner.optimize.problem import VARIABLE_KINDS, Integers
from planner.optimize.program import Arrays, Floats


@dataclass(frozen=True)
class Settings:
    """How long and how hard to search.

    time_limit_s: wall clock for the whole solve. relative_gap: stop at this proven gap.
    reproducible: same answer on every run; deterministic limits replace the clock.
    """

    time_limit_s: float = 60.0
    relative_gap: float = 0.01
    seed: int = 0
    workers: int = 2
    reproducible: bool = False


@dataclass(frozen=True)
class Progress:
    """One line of the search: stage, seconds since the start, incumbent and bound (micro-USD/h)."""

    stage: str
    seconds: float
    incumbent: float | None
    bound: float


Listener = Callable[[Progress], None]


@dataclass(frozen=True)
class Solution:
    """A plan in numbers, or the finding that there is none.

    status: `optimal` (proven within the gap asked for), `feasible` (stopped before), `infeasible`,
    `unknown` (stopped without a plan). objective, bound: integer micro-USD/h; bound is a proven lower
    bound of the whole program. values: kind of variable -> (variables of the kind,) integers.
    stages: seconds and result of each stage, for the log.
    """

    status: str
    objective: int
    bound: int
    values: Mapping[str, Integers]
    stages: tuple[Mapping[str, object], ...] = field(default=())

    @property
    def gap(self) -> float:
        """(objective - bound) / objective, 0 for a free plan."""
        return 0.0 if self.objective == 0 else max(0.0, (self.objective - self.bound) / abs(self.objective))


def values_by_kind(arrays: Arrays, values: Floats) -> dict[str, Integers]:
    """Split a vector of column values into the seven kinds of variables, rounded to integers."""
    return {kind: values[arrays.block(kind)].round().astype("int64") for kind in VARIABLE_KINDS}
