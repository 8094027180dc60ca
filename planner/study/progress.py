"""What a study says while it runs: the point, the stage of its solve, and how many are done."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from types import TracebackType
from typing import Self

from rich.console import Console

from planner.optimize.solution import Progress as SearchStep
from planner.plan.solve import Hooks
from planner.report.progress import SearchProgress
from planner.study.outcome import Row


@dataclass
class Progress:
    """Hears what a study does; this one keeps the rows and says nothing."""

    rows: list[Row] = field(default_factory=list)
    """Rows finished so far: what is left when a study is interrupted."""
    total: int = 0

    @property
    def hooks(self) -> Hooks:
        """What the solves are told to tell."""
        return Hooks()

    def start(self, total: int) -> None:
        """Hear how many points there are (or will be at most)."""
        self.total = total

    def point(self, number: int, words: str) -> None:
        """Hear which point is solved now."""

    def done(self, row: Row) -> None:
        """Hear that a point is finished."""
        self.rows.append(row)


class ConsoleProgress(Progress):
    """A status line on a terminal; one line per finished point elsewhere."""

    def __init__(self, console: Console, *, enabled: bool = True) -> None:
        super().__init__()
        self.console = console
        self.enabled = enabled
        self._search = SearchProgress(console, enabled=enabled and console.is_terminal)
        self._words = ""
        self._began = time.perf_counter()

    def __enter__(self) -> Self:
        """Show the status line."""
        self._search.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the status line away."""
        self._search.stop()

    @property
    def hooks(self) -> Hooks:
        """What the solves are told to tell."""
        return Hooks(self._stage, self._step)

    def point(self, number: int, words: str) -> None:
        """Show which point is solved now."""
        self._words = f"point {number} of {self.total} ({words}): "
        self._stage("reading the scenario")

    def done(self, row: Row) -> None:
        """Print the row as one line."""
        super().done(row)
        if not self.enabled:
            return
        found = row.figures.get("cost_usd_per_h")
        result = row.reason if found is None else f"{found:,.2f} USD/h, {row.fleet}"
        inputs = ", ".join(f"{path} = {value}" for path, value in row.inputs.items())
        clock = f"[{time.perf_counter() - self._began:6.1f} s]"
        line = f"{clock} {len(self.rows)} of {self.total}: {inputs}: {row.status}, {result}"
        self.console.print(line, highlight=False, markup=False, soft_wrap=True)

    def _stage(self, name: str) -> None:
        self._search.stage(self._words + name)

    def _step(self, step: SearchStep) -> None:
        self._search.search(step)
