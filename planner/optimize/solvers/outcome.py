"""What a solver run returns, whichever solver it was."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from planner.optimize.program import Floats

Status = Literal["optimal", "feasible", "infeasible", "unknown"]


@dataclass(frozen=True)
class Outcome:
    """Result of one run.

    status: `optimal` within the run's own gap limit, `feasible` stopped with a solution, `infeasible`
    proven, `unknown` stopped without a solution. values: (columns,) or None. objective and bound in
    micro-USD/h (bound: proven lower bound of the program this run was given; -inf if none).
    """

    status: Status
    values: Floats | None
    objective: float
    bound: float
    seconds: float


class SolverFailure(RuntimeError):
    """A solver broke down (not: found nothing). The message says which one and what it printed."""
