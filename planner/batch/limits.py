"""What one job may use: threads, time to search, time in all, memory."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

BYTES_PER_GB = 1e9

ROUNDS = 3
"""A job that takes longer than this many search limits, and the allowance below, hangs: a solve may search
again where its first placement does not survive a failure."""

ALLOWANCE_S = 600.0
"""Time beyond the search for timing shapes, placing, verifying, and finding out why there is no plan."""

REPRODUCIBLE_FACTOR = 100
"""A reproducible search stops by deterministic work, which may take this much longer than its limit."""

MEMORY_SHARE = 0.9
"""Share of the free memory that the jobs of one machine may use together, where nothing is stated."""

LEAST_MEMORY_GB = 0.5
"""The planner with its solvers alone takes 0.3 GB."""


@dataclass(frozen=True)
class Limits:
    """Limits of each job.

    threads: of the solver. time_limit_s: longest search; None: what the scenario says. kill_after_s: a job
    that takes longer in all is killed; None: well above its search limit. memory_gb: a job that uses more
    is killed; None: an equal share of the machine's free memory.
    """

    threads: int = 1
    time_limit_s: float | None = None
    kill_after_s: float | None = None
    memory_gb: float | None = None

    def __post_init__(self) -> None:
        """Refuse limits under which nothing can run.

        Raises:
            ValueError: with every limit that is wrong.
        """
        wrong = []
        if self.threads < 1:
            wrong.append(f"threads: found {self.threads}; allowed: 1 or more")
        for name in ("time_limit_s", "kill_after_s"):
            value = getattr(self, name)
            if value is not None and not value > 0:
                wrong.append(f"{name}: found {value}; allowed: a number above 0")
        if self.memory_gb is not None and not self.memory_gb >= LEAST_MEMORY_GB:
            allowed = f"{LEAST_MEMORY_GB} or more, the solvers alone take 0.3"
            wrong.append(f"memory_gb: found {self.memory_gb}; allowed: {allowed}")
        if wrong:
            raise ValueError("\n".join(wrong))

    def search_s(self, solver: Mapping[str, Any]) -> float:
        """Return how long a job may search, given `solver` of its scenario."""
        stated = float(solver["time_limit_s"])
        return stated if self.time_limit_s is None else min(stated, self.time_limit_s)

    def longest_s(self, solver: Mapping[str, Any]) -> float:
        """Return after how long a job is killed, given `solver` of its scenario."""
        if self.kill_after_s is not None:
            return self.kill_after_s
        factor = REPRODUCIBLE_FACTOR if solver["reproducible"] else 1
        return ROUNDS * factor * self.search_s(solver) + ALLOWANCE_S


def memory_for_each_gb(workers: int) -> float:
    """Return the memory that each of some workers of this machine may use, GB."""
    return max(LEAST_MEMORY_GB, MEMORY_SHARE * available_bytes() / BYTES_PER_GB / workers)


def available_bytes() -> float:
    """Return the memory that is free on this machine, within the limit of its container."""
    free = float(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"))
    meminfo = Path("/proc/meminfo")
    if meminfo.is_file():
        for line in meminfo.read_text(encoding="ascii").splitlines():
            if line.startswith("MemAvailable:"):
                free = float(line.split()[1]) * 1024
    group = Path("/sys/fs/cgroup")
    try:
        limit = (group / "memory.max").read_text(encoding="ascii").strip()
        used = float((group / "memory.current").read_text(encoding="ascii"))
        return min(free, float(limit) - used) if limit != "max" else free
    except (OSError, ValueError):
        return free
