"""What the run of a batch needs from whatever solves its jobs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol

from planner.batch.messages import Event, Task


class Engine(Protocol):
    """Solves jobs somewhere else: in processes of this machine, or on a cluster.

    An engine keeps nothing: what it was given and did not end is given again by the next run.
    """

    name: str

    def prepare(self) -> None:
        """Get ready: there is work."""

    def room(self) -> int:
        """Return how many more jobs it would take now."""

    def give(self, task: Task) -> None:
        """Take a job; its end comes out of `events` once."""

    def events(self, timeout_s: float) -> Sequence[Event]:
        """Return what happened, waiting up to `timeout_s` for the first news.

        Raises:
            CannotWork: nothing can be solved here, whatever the job.
        """

    def drop(self, key: str) -> None:
        """Stop working on a job; nothing more is heard of it."""

    def close(self) -> None:
        """Stop everything at once."""
