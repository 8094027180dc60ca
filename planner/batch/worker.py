"""A worker process: takes jobs from a socket, solves one at a time, says how it goes.

Started by `planner.batch.process.WorkerProcess` as `python -m planner.batch.worker FD LIMIT SOLVER`. It
keeps nothing that matters: it may be killed at any moment. When the socket closes, because its starter
ended or died, it ends at once.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import queue
import resource
import socket
import sys
import threading
import time
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

from planner.batch.checkpoint import EVERY_S, Checkpoint
from planner.batch.limits import BYTES_PER_GB
from planner.batch.messages import Checkpointed, Ended, Event, Progressed, Started, Task

SolveTask = Callable[[Task, Callable[[Progressed], None], Checkpoint], Ended]

BEAT_S = 0.5
"""How often news of the search are sent."""

FIRST_CHECKPOINT_S = 2.0
"""When the first checkpoint of a job is sent; the others follow every `EVERY_S`."""

SLACK = 1.25
"""RLIMIT_DATA stands this far above the limit that the starter watches: it counts memory that was asked for
and not yet used. Measured: 70 MB more than what is resident with one thread, 160 MB with eight."""

SLACK_BYTES = 256e6

RETIRE_SHARE = 0.5
"""A process that still uses more than this share of its limit after a job ends, to make room for the next."""

OUT_OF_MEMORY = 3
"""Exit code after a MemoryError."""


class Worker:
    """One process at work."""

    def __init__(self, connection: Connection, limit_bytes: float, solve: SolveTask) -> None:
        self._connection = connection
        self._limit_bytes = limit_bytes
        self._solve = solve
        self._tasks: queue.SimpleQueue[Task] = queue.SimpleQueue()
        self._sending = threading.Lock()
        self._news: Progressed | None = None
        self._next_checkpoint = 0.0
        self._checkpoint: tuple[str, Checkpoint] | None = None

    def run(self) -> None:
        """Work until the starter closes the socket."""
        threading.Thread(target=self._receive, daemon=True).start()
        threading.Thread(target=self._beat, daemon=True).start()
        where = f"{socket.gethostname()}:{os.getpid()}"
        while True:
            task = self._tasks.get()
            _forget_peak()
            checkpoint = Checkpoint(task.checkpoint)
            self._send(Started(task.key, where))
            self._next_checkpoint = time.monotonic() + FIRST_CHECKPOINT_S
            self._checkpoint = (task.key, checkpoint)
            try:
                ended = self._solve(task, self._tell, checkpoint)
            except MemoryError:
                limit = f"the limit of {self._limit_bytes / BYTES_PER_GB:.3g} GB"
                self._finish(Ended(task.key, "failed", 0.0, f"out of memory: {limit} was not enough"))
                os._exit(OUT_OF_MEMORY)
            self._finish(ended)
            if 0 < self._limit_bytes * RETIRE_SHARE < _resident_bytes():
                os._exit(0)

    def _finish(self, ended: Ended) -> None:
        """Send what is left of a job's news, and its end; a checkpoint only where there is more to search."""
        self._send_news(with_checkpoint=ended.status in ("feasible", "stopped"))
        self._checkpoint = None
        peak = _peak_bytes() / BYTES_PER_GB
        self._send(Ended(**{**ended.__dict__, "peak_memory_gb": round(peak, 3)}))

    def _tell(self, progress: Progressed) -> None:
        self._news = progress

    def _receive(self) -> None:
        with contextlib.suppress(EOFError, OSError):
            while True:
                self._tasks.put(self._connection.recv())
        os._exit(0)

    def _beat(self) -> None:
        """Send news while the solver runs: it leaves the interpreter to other threads."""
        pause = threading.Event()
        while not pause.wait(BEAT_S):
            self._send_news(with_checkpoint=time.monotonic() >= self._next_checkpoint)

    def _send_news(self, with_checkpoint: bool) -> None:
        news, self._news = self._news, None
        if news is not None:
            self._send(news)
        current = self._checkpoint
        if with_checkpoint and current is not None:
            content = current[1].news()
            if content is not None:
                self._next_checkpoint = time.monotonic() + EVERY_S
                self._send(Checkpointed(current[0], content))

    def _send(self, event: Event) -> None:
        with self._sending:
            try:
                self._connection.send(event)
            except OSError:
                os._exit(0)


def limit_memory(limit_bytes: float) -> None:
    """Let allocations far beyond the limit fail, as a second line behind the starter's watch.

    The limit is on data, not on address space: solvers reserve several times what they use.
    """
    if limit_bytes > 0:
        most = int(limit_bytes * SLACK + SLACK_BYTES)
        _, hard = resource.getrlimit(resource.RLIMIT_DATA)
        most = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(resource.RLIMIT_DATA, (most, hard))


def _forget_peak() -> None:
    """Start the measurement of the highest memory anew (Linux)."""
    with contextlib.suppress(OSError):
        Path("/proc/self/clear_refs").write_text("5", encoding="ascii")


def _peak_bytes() -> float:
    """Return the highest memory since `_forget_peak`, of the whole process where that is not known."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/self/status").read_text(encoding="ascii").splitlines():
            if line.startswith("VmHWM:"):
                return float(line.split()[1]) * 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024.0


def _resident_bytes() -> float:
    with contextlib.suppress(OSError):
        pages = Path("/proc/self/statm").read_text(encoding="ascii").split()[1]
        return float(pages) * resource.getpagesize()
    return 0.0


def main() -> None:
    """Work for the process that started this one."""
    handle, limit_bytes, solver = int(sys.argv[1]), float(sys.argv[2]), sys.argv[3]
    limit_memory(limit_bytes)
    module, _, name = solver.partition(":")
    solve: SolveTask = getattr(importlib.import_module(module), name)
    Worker(Connection(handle), limit_bytes, solve).run()


if __name__ == "__main__":
    main()
