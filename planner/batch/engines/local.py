"""Jobs in processes of this machine."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from multiprocessing import connection

from planner.batch.limits import Limits, memory_for_each_gb
from planner.batch.messages import Ended, Event, Task
from planner.batch.process import SOLVER, WorkerProcess

WATCH_S = 0.1
"""How often limits are checked. An allocation may go beyond the memory limit for this long."""

SHORT_S = 2.0
"""Jobs shorter than this wait in line at the workers, so that none idles while results are written."""


class LocalEngine:
    """Processes of this machine, one job each at a time."""

    name = "local"

    def __init__(
        self, workers: int | None = None, limits: Limits | None = None, solver: str = SOLVER
    ) -> None:
        """Prepare `workers` processes; None: as many as the cores carry with the threads of each job."""
        limits = limits or Limits()
        count = workers or max(1, (os.cpu_count() or 1) // limits.threads)
        memory_gb = limits.memory_gb or memory_for_each_gb(count)
        self._workers = [
            WorkerProcess(threads=limits.threads, memory_gb=memory_gb, solver=solver) for _ in range(count)
        ]
        self._seconds: float | None = None

    def prepare(self) -> None:
        """Start the processes: they take seconds to load the solvers."""
        for worker in self._workers:
            worker.start()

    def room(self) -> int:
        """Return how many jobs it would take: one each, and one in line behind short ones."""
        depth = 2 if self._seconds is not None and self._seconds < SHORT_S else 1
        return sum(max(0, depth - len(worker.tasks)) for worker in self._workers)

    def give(self, task: Task) -> None:
        """Give a job to the worker with the fewest."""
        min(self._workers, key=lambda worker: len(worker.tasks)).give(task)

    def events(self, timeout_s: float) -> Sequence[Event]:
        """Return what happened, waiting up to `timeout_s` for news."""
        deadline = time.monotonic() + timeout_s
        while True:
            found = [event for worker in self._workers for event in worker.events()]
            left = deadline - time.monotonic()
            if found or left <= 0:
                self._learn(found)
                return found
            readable = [worker.connection for worker in self._workers if worker.connection is not None]
            if readable:
                connection.wait(readable, min(left, WATCH_S))
            else:
                time.sleep(min(left, WATCH_S))

    def drop(self, key: str) -> None:
        """Stop working on a job."""
        for worker in self._workers:
            if worker.drop(key):
                return

    def close(self) -> None:
        """End all processes."""
        for worker in self._workers:
            worker.stop()

    def _learn(self, events: Sequence[Event]) -> None:
        """Follow how long jobs take, the latest counting most."""
        for event in events:
            if isinstance(event, Ended):
                latest = event.seconds
                self._seconds = latest if self._seconds is None else 0.7 * self._seconds + 0.3 * latest
