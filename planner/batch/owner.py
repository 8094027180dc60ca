"""Who works on a job: one run of a batch in one process, and whether it still lives."""

from __future__ import annotations

import os
import socket
import time
import uuid
from dataclasses import dataclass
from functools import cache
from pathlib import Path

LEASE_S = 60.0
"""A run that was not heard of for this long has lost its jobs, wherever it is."""

BEAT_S = 5.0
"""How often a run says that it lives."""

_here: set[str] = set()
"""Runs of this process that have not ended."""


@dataclass(frozen=True)
class Owner:
    """A run. machine: where process numbers mean something; began: start time of the process, in ticks."""

    machine: str
    pid: int
    began: str
    run: str

    @classmethod
    def new(cls) -> Owner:
        """Return this process with a new run, which lives until `end`."""
        owner = cls(_machine(), os.getpid(), _start_of(os.getpid()) or "", uuid.uuid4().hex[:12])
        _here.add(owner.run)
        return owner

    @classmethod
    def parse(cls, text: str) -> Owner:
        """Return the owner that `str` gave."""
        machine, pid, began, run = text.split(" ")
        return cls(machine, int(pid), began, run)

    def __str__(self) -> str:
        """Return the owner as one line."""
        return f"{self.machine} {self.pid} {self.began} {self.run}"

    def end(self) -> None:
        """Say that the run is over."""
        _here.discard(self.run)

    def lives(self, beat_at: float) -> bool:
        """Return whether the run goes on, last heard of at `beat_at` (seconds since 1970).

        On the same machine a process that ended is noticed at once.
        """
        if time.time() - beat_at > LEASE_S:
            return False
        if self.machine != _machine():
            return True
        if self.pid == os.getpid() and self.began == _start_of(self.pid):
            return self.run in _here
        return _start_of(self.pid) == self.began


@cache
def _machine() -> str:
    """Return what tells machines and containers apart: name, boot and space of process numbers."""
    parts = [socket.gethostname().replace(" ", "-")]
    try:
        parts.append(Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()[:8])
        parts.append(str(Path("/proc/self/ns/pid").readlink()).strip("pid:[]"))
    except OSError:
        pass  # not Linux: the host name has to do
    return "/".join(parts)


START_FIELD = 19
"""Position of the start time in /proc/PID/stat, counted after the name of the command."""


def _start_of(pid: int) -> str | None:
    """Return the start time of a process in clock ticks since boot; None if it is not running.

    Where there is no /proc, "running" stands for the time.
    """
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="ascii", errors="replace")
    except OSError:
        if Path("/proc/self").exists():
            return None
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return None
        except PermissionError:
            pass
        return "running"
    fields = stat.rpartition(")")[2].split()
    return None if fields[0] in ("Z", "X") else fields[START_FIELD]
