"""One worker process seen from outside: give it jobs, hear what it says, end it when it must be ended.

A job that crashes its process, uses too much memory or takes too long ends with an error of its own; the
jobs waiting behind it go to a fresh process.
"""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import socket
import subprocess
import sys
import tempfile
import time
from collections import deque
from multiprocessing.connection import Connection
from pathlib import Path
from typing import IO

import planner
from planner.batch.limits import BYTES_PER_GB
from planner.batch.messages import Ended, Event, Started, Task

SOLVER = "planner.batch.solving:solve_task"
"""The function that a worker process calls for each job."""

MOST_FALSE_STARTS = 3
"""A worker process that ends this many times in a row before it begins a job cannot work here."""

LONGEST_START_S = 300.0
"""A process that did not begin with its next job after this time is replaced."""

SHOWN_OUTPUT = 2000
"""Characters of what a process printed last that go into the error of its job."""

MEANING_OF_SIGNALS = {
    signal.SIGSEGV: "it crashed inside a solver or library",
    signal.SIGABRT: "a solver or library gave up",
    signal.SIGKILL: "killed from outside, probably by the kernel for memory",
}
"""What the signals that end a process usually mean."""


class CannotWork(RuntimeError):
    """Worker processes do not start on this machine."""


class WorkerProcess:
    """A worker process with the jobs that were given to it, the first of them being solved."""

    def __init__(self, *, threads: int = 1, memory_gb: float | None = None, solver: str = SOLVER) -> None:
        self.threads = threads
        self.memory_gb = memory_gb
        self._solver = solver
        self._tasks: deque[Task] = deque()
        self._dropped: set[str] = set()
        self._began: float | None = None
        self._idle_since = time.monotonic()
        self._false_starts = 0
        self._process: subprocess.Popen[bytes] | None = None
        self._connection: Connection | None = None
        self._output: IO[bytes] | None = None

    @property
    def tasks(self) -> tuple[Task, ...]:
        """Jobs given, not ended and not dropped."""
        return tuple(task for task in self._tasks if task.key not in self._dropped)

    @property
    def connection(self) -> Connection | None:
        """What becomes readable when there is news; None while no process runs."""
        return self._connection

    def give(self, task: Task) -> None:
        """Add a job to those the process has."""
        if self._process is None:
            self.start()
        self._tasks.append(task)
        self._send(task)

    def events(self) -> list[Event]:
        """Return what happened since the last call, limits enforced; never waits.

        Raises:
            CannotWork: the process does not start.
        """
        found: list[Event] = []
        closed = False
        connection = self._connection
        while connection is not None and not closed:
            try:
                if not connection.poll():
                    break
                event: Event = connection.recv()
            except (EOFError, OSError):
                closed = True
                break
            if isinstance(event, Started) and event.key in self._dropped:
                self._tasks.popleft()
                self._dropped.discard(event.key)
                self._restart()
                connection = self._connection
                continue
            self._note(event)
            found.append(event)
        if closed:
            found += self._after_death()
        elif self._tasks and self._process is not None:
            found += self._over_limits()
        return found

    def drop(self, key: str) -> bool:
        """Take a job away, ending the process if it is the one being solved; False if it is not here."""
        if not any(task.key == key for task in self.tasks):
            return False
        if self._tasks[0].key == key:
            self._tasks.popleft()
            self._restart()
        else:  # the one before it is not disturbed: this one ends as soon as it begins
            self._dropped.add(key)
        return True

    def stop(self) -> None:
        """End the process; its jobs are forgotten."""
        self._tasks.clear()
        self._end()

    def _note(self, event: Event) -> None:
        if isinstance(event, Started):
            self._began = time.monotonic()
            self._false_starts = 0
        elif isinstance(event, Ended):
            self._began, self._idle_since = None, time.monotonic()
            self._tasks.popleft()

    def start(self) -> None:
        """Start the process if none runs, with the jobs that wait for it."""
        if self._process is not None:
            return
        ours, theirs = socket.socketpair()
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - lives as long as the process
        limit_bytes = 0.0 if self.memory_gb is None else self.memory_gb * BYTES_PER_GB
        command = [sys.executable, "-m", "planner.batch.worker", str(theirs.fileno())]
        command += [str(limit_bytes), self._solver]
        self._process = subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            pass_fds=(theirs.fileno(),),
            env=_environment(self.threads),
            start_new_session=True,  # an interrupt typed at the terminal is for the starter alone
        )
        theirs.close()
        self._connection = Connection(ours.detach())
        self._began, self._idle_since = None, time.monotonic()
        for task in self._tasks:
            self._send(task)

    def _send(self, task: Task) -> None:
        if self._connection is not None:
            with contextlib.suppress(OSError):  # a process that just died is noticed in events()
                self._connection.send(task)

    def _end(self) -> int:
        """Kill what runs and return its exit code."""
        code = 0
        if self._process is not None:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
            code = self._process.wait()
        if self._connection is not None:
            self._connection.close()
        if self._output is not None:
            self._output.close()
        self._process, self._connection, self._output, self._began = None, None, None, None
        return code

    def _restart(self) -> None:
        """Put a fresh process in place of this one, if there is work left for it."""
        self._end()
        if self._tasks:
            self.start()

    def _after_death(self) -> list[Event]:
        """Blame the job that was being solved, if there was one, and go on with the others."""
        assert self._process is not None
        code = self._process.wait()
        said = self._last_words()
        began = self._began
        events: list[Event] = []
        if began is not None:
            seconds = time.monotonic() - began
            task = self._tasks.popleft()
            events.append(Ended(task.key, "failed", seconds, _cause(code, said)))
        elif self._tasks and code != 0:
            self._false_start(_cause(code, said))
        self._restart()
        return events

    def _false_start(self, cause: str) -> None:
        self._false_starts += 1
        if self._false_starts >= MOST_FALSE_STARTS:
            self._end()
            raise CannotWork(f"a worker process does not start: {cause}")

    def _over_limits(self) -> list[Event]:
        """End a job that uses too much memory or takes too long."""
        task, began = self._tasks[0], self._began
        if began is None:
            if time.monotonic() - self._idle_since > LONGEST_START_S:
                self._false_start(f"it did not begin its job within {LONGEST_START_S:.0f} s")
                self._restart()
            return []
        seconds = time.monotonic() - began
        limit_s = task.limits.kill_after_s
        used_gb = self._resident_gb()
        if limit_s is not None and seconds > limit_s:
            reason = f"hung: killed after {seconds:.0f} s, limit {limit_s:.0f} s"
        elif self.memory_gb is not None and used_gb > self.memory_gb:
            reason = f"out of memory: killed at {used_gb:.2f} GB, limit {self.memory_gb:.2f} GB"
        else:
            return []
        self._tasks.popleft()
        self._restart()
        return [Ended(task.key, "failed", seconds, reason, peak_memory_gb=round(used_gb, 3))]

    def _resident_gb(self) -> float:
        assert self._process is not None
        try:
            pages = Path(f"/proc/{self._process.pid}/statm").read_text(encoding="ascii").split()[1]
        except (OSError, IndexError):
            return 0.0
        return int(pages) * resource.getpagesize() / BYTES_PER_GB

    def _last_words(self) -> str:
        if self._output is None:
            return ""
        size = self._output.seek(0, os.SEEK_END)
        self._output.seek(max(0, size - SHOWN_OUTPUT))
        return self._output.read().decode("utf-8", errors="replace").strip()


def _environment(threads: int) -> dict[str, str]:
    """Return the environment of a worker: this package first, libraries with the stated threads."""
    home = str(Path(planner.__file__).resolve().parents[1])
    paths = [home, *filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))]
    count = str(threads)
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        **dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), count),
    }


def _cause(code: int, said: str) -> str:
    """Return why a process ended, in words, with what it said last."""
    if "bad_alloc" in said or "MemoryError" in said:
        cause = "out of memory: an allocation failed"
    elif code < 0:
        try:
            number = signal.Signals(-code)
            name, meaning = number.name, MEANING_OF_SIGNALS.get(number, "")
        except ValueError:
            name, meaning = f"signal {-code}", ""
        cause = f"crashed: {name}" + (f" ({meaning})" if meaning else "")
    else:
        cause = f"crashed: its process ended with code {code}"
    return f"{cause}\n{said}" if said else cause
