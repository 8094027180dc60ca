"""What a node of a cluster does with a job: give it to a worker process of its own and watch over it."""

from __future__ import annotations

import os
import platform
from multiprocessing import connection
from typing import Any

from planner import __version__
from planner.batch.limits import memory_for_each_gb
from planner.batch.messages import Ended, Task
from planner.batch.process import WorkerProcess

WATCH_S = 0.1
"""How often the limits of the job are checked."""

_workers: dict[tuple[int, float, str], WorkerProcess] = {}
"""The worker process of this process: the next job finds it warm."""


def solve_on_node(task: Task, solver: str, version: str, mailbox: Any) -> Ended:
    """Solve a job here and return what became of it; news on the way go to the `mailbox` actor."""
    if version != __version__:
        found = f"planner {__version__} on {platform.node()}, {version} where the batch was started"
        return Ended(task.key, "failed", 0.0, f"{found}: install the same version on every node")
    worker = _worker(task, solver)
    worker.give(task)
    while True:
        for event in worker.events():
            if isinstance(event, Ended):
                return event
            mailbox.post.remote(event)
        if worker.connection is not None:
            connection.wait([worker.connection], WATCH_S)


def _worker(task: Task, solver: str) -> WorkerProcess:
    """Return the idle worker process for jobs with such limits."""
    limits = task.limits
    share_gb = memory_for_each_gb(max(1, (os.cpu_count() or 1) // limits.threads))
    key = (limits.threads, limits.memory_gb or 0.0, solver)
    if key not in _workers or _workers[key].tasks:
        for old in _workers.values():  # other limits than before, or a job that was left in the middle
            old.stop()
        _workers.clear()
        _workers[key] = WorkerProcess(
            threads=limits.threads, memory_gb=limits.memory_gb or share_gb, solver=solver
        )
    return _workers[key]
