"""Progress of a solve on a terminal: the stage, seconds, incumbent, bound and gap."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.status import Status

from planner.optimize.solution import Progress


class SearchProgress:
    """A status line on terminals; one line per stage elsewhere (logs, CI)."""

    def __init__(self, console: Console, *, enabled: bool = True) -> None:
        self.console = console
        self.enabled = enabled
        self._status: Status | None = None
        self._started = time.perf_counter()

    def __enter__(self) -> Self:
        """Start the clock, and the status line on a terminal."""
        self._started = time.perf_counter()
        if self.enabled and self.console.is_terminal:
            self._status = self.console.status("starting")
            self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the status line away."""
        self.stop()

    def stop(self) -> None:
        """Take the status line away; what is printed next stays."""
        if self._status is not None:
            self._status.stop()
            self._status = None

    def stage(self, name: str) -> None:
        """Say what is being done."""
        self._say(name)

    def search(self, progress: Progress) -> None:
        """Say how far the search is, money in USD per hour."""
        incumbent = "none yet" if progress.incumbent is None else f"{progress.incumbent / 1e6:,.2f} USD/h"
        text = f"{progress.stage}: plan {incumbent}, bound {progress.bound / 1e6:,.2f} USD/h"
        if progress.incumbent:
            gap = max(0.0, (progress.incumbent - progress.bound) / progress.incumbent)
            text += f", gap {gap:.2%}"
        self._say(text)

    def _say(self, text: str) -> None:
        seconds = time.perf_counter() - self._started
        if self._status is not None:
            self._status.update(f"[{seconds:6.1f} s] {text}")
        elif self.enabled:
            self.console.print(f"[{seconds:6.1f} s] {text}", highlight=False, markup=False)
