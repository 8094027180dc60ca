"""What runs, engines and workers tell each other. Plain data: it crosses processes and machines."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from planner.batch.limits import Limits

ANSWERED = ("optimal", "feasible", "infeasible")
"""States of a job that was answered: a proven plan, a plan, or the proof that there is none."""

UNANSWERED = ("stopped", "failed", "cancelled", "invalid")
"""States of a job that ended otherwise: no plan in time; crashed, killed or hung; cancelled; wrong input."""

FINAL = (*ANSWERED, *UNANSWERED)


@dataclass(frozen=True)
class Task:
    """A job on its way to a worker. checkpoint: how far an earlier attempt came (see `Checkpoint`)."""

    key: str
    document: str
    limits: Limits
    checkpoint: bytes | None = None


@dataclass(frozen=True)
class Started:
    """A worker began with a job. where: host and process, for people."""

    key: str
    where: str


@dataclass(frozen=True)
class Progressed:
    """How far the search is. incumbent, bound: in the unit of the first goal (USD/h for cost)."""

    key: str
    stage: str
    seconds: float
    incumbent: float | None = None
    bound: float | None = None

    @property
    def gap(self) -> float | None:
        """(incumbent - bound) / incumbent, None without both."""
        if self.incumbent is None or self.bound is None:
            return None
        return max(0.0, (self.incumbent - self.bound) / max(abs(self.incumbent), 1e-9))


@dataclass(frozen=True)
class Checkpointed:
    """What a search needs to be continued."""

    key: str
    content: bytes


@dataclass(frozen=True)
class Ended:
    """What became of a job.

    status: one of FINAL. answer: JSON text of plan.json or infeasible.json. figures: of the plan, by
    column of the table. seconds: that the job took; peak_memory_gb: that its process used.
    """

    key: str
    status: str
    seconds: float
    error: str = ""
    objective: float | None = None
    bound: float | None = None
    gap: float | None = None
    figures: Mapping[str, Any] = field(default_factory=dict)
    answer: str | None = None
    peak_memory_gb: float | None = None


Event = Started | Progressed | Checkpointed | Ended
