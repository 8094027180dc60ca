"""Many solves: a store that loses nothing, and engines that work on it, on one machine or many.

    for result in planner.batch("scenarios/", "out/night"):
        print(result.job, result.status, result.objective)

The names below are imported when they are first used: the command line must start quickly.
"""

from __future__ import annotations

import importlib
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from planner.batch.api import run_batch
    from planner.batch.checkpoint import CheckpointFile, solve_with_checkpoint
    from planner.batch.database import StoreFailure
    from planner.batch.entries import Entry
    from planner.batch.limits import Limits
    from planner.batch.process import CannotWork
    from planner.batch.results import JobResult
    from planner.batch.run import Incumbent

__all__ = [
    "CannotWork",
    "CheckpointFile",
    "Entry",
    "Incumbent",
    "JobResult",
    "Limits",
    "StoreFailure",
    "run_batch",
    "solve_with_checkpoint",
]

_HOMES = {
    "CannotWork": "process",
    "CheckpointFile": "checkpoint",
    "Entry": "entries",
    "Incumbent": "run",
    "JobResult": "results",
    "Limits": "limits",
    "StoreFailure": "database",
    "run_batch": "api",
    "solve_with_checkpoint": "checkpoint",
}


class _Room(ModuleType):
    """The package itself can be called: `planner.batch(...)` is `run_batch(...)`."""

    def __call__(self, jobs: Any, folder: Any, **options: Any) -> Iterator[JobResult]:
        """See `run_batch`."""
        from planner.batch.api import run_batch

        return run_batch(jobs, folder, **options)


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(f"planner.batch.{_HOMES[name]}"), name)
    raise AttributeError(f"module 'planner.batch' has no attribute {name!r}")


sys.modules[__name__].__class__ = _Room
