"""The answer of the program, in the tables' own numbering."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Literal, Protocol

from planner.optimize.problem import VARIABLE_KINDS, Integers
from planner.optimize.program import Arrays, Floats

Method = Literal["auto", "monolith", "two-stage"]


@dataclass(frozen=True)
class Settings:
    """How long and how hard to search.

    time_limit_s: wall clock for the whole solve. relative_gap: stop at this proven gap.
    reproducible: same answer on every run; deterministic limits replace the clock.
    method: `two-stage` rounds a relaxation near its counts and improves site by site; `monolith` gives the
    whole program to the solvers at once; `auto` does the first, then the second with the time left.
    """

    time_limit_s: float = 60.0
    relative_gap: float = 0.01
    seed: int = 0
    workers: int = 2
    reproducible: bool = False
    method: Method = "auto"


@dataclass(frozen=True)
class Progress:
    """One line of the search: stage, seconds since the start, incumbent and bound (micro-USD/h)."""

    stage: str
    seconds: float
    incumbent: float | None
    bound: float


Listener = Callable[[Progress], None]


@dataclass(frozen=True)
class Standing:
    """How far the search of one program has come: enough to continue it.

    program: fingerprint of the program, see `Arrays.fingerprint`. values: (columns,) the best plan, None
    before the first; objective: what it costs, infinite without one. bound: proven.
    """

    program: str
    values: Floats | None
    objective: float
    bound: float


class Keeper(Protocol):
    """Remembers how far searches have come, so that an interrupted one continues from there."""

    def recall(self, program: str) -> Standing | None:
        """Return what was kept of a program, None if nothing was."""

    def keep(self, standing: Standing) -> None:
        """Remember a better plan or bound. Called from the solver's threads; must be quick."""


@dataclass(frozen=True)
class Reached:
    """What a goal of the list reached, in its unit, with a bound that is valid given the goals before."""

    name: str
    unit: str
    value: int
    bound: int


@dataclass(frozen=True)
class Solution:
    """A plan in numbers, or the finding that there is none.

    status: `optimal` (proven within the gap asked for), `feasible` (stopped before), `infeasible`,
    `unknown` (stopped without a plan). objective, bound: of the first goal, integer micro-USD/h for cost;
    bound is a proven lower bound of the whole program. values: kind of variable -> (variables of the
    kind,) integers. goals: what each goal reached, in order. stages: seconds and result of each stage.
    mattered: names of the failures that were part of the program.
    """

    status: str
    objective: int
    bound: int
    values: Mapping[str, Integers]
    stages: tuple[Mapping[str, object], ...] = field(default=())
    goals: tuple[Reached, ...] = ()
    mattered: tuple[str, ...] = ()

    @property
    def gap(self) -> float:
        """(objective - bound) / objective, 0 for a free plan."""
        return relative_gap(self.objective, self.bound)


def relative_gap(objective: float, bound: float) -> float:
    """Return (objective - bound) / objective, never below 0."""
    return max(0.0, (objective - bound) / max(abs(objective), 1.0))


def values_by_kind(arrays: Arrays, values: Floats) -> dict[str, Integers]:
    """Split a vector of column values into the seven kinds of variables, rounded to integers."""
    return {kind: values[arrays.block(kind)].round().astype("int64") for kind in VARIABLE_KINDS}
