"""The terminal while a batch runs: a live table on terminals, a line now and then elsewhere."""

from __future__ import annotations

import threading
import time
from collections import Counter
from pathlib import Path
from types import TracebackType
from typing import Self

from rich.console import Console
from rich.live import Live

from planner.batch.console import counts_line, status_view
from planner.batch.messages import ANSWERED
from planner.batch.overview import overview
from planner.batch.results import JobResult
from planner.batch.store import Store, StoreFailure

DRAW_S = 1.0
LINE_S = 30.0
"""How often the table is drawn on a terminal, and a line printed where there is none."""


class RunView:
    """Shows how the run in a folder stands, and every entry that ends without an answer."""

    def __init__(self, folder: Path, console: Console, *, enabled: bool = True) -> None:
        self.statuses: Counter[str] = Counter()
        self._folder = folder
        self._console = console
        self._enabled = enabled
        self._over = threading.Event()
        self._live: Live | None = None
        self._thread = threading.Thread(target=self._draw, name="view", daemon=True)

    @property
    def unanswered(self) -> int:
        """How many entries ended without an answer."""
        return sum(count for status, count in self.statuses.items() if status not in ANSWERED)

    def __enter__(self) -> Self:
        """Begin to draw."""
        if self._enabled:
            if self._console.is_terminal:
                self._live = Live(console=self._console, auto_refresh=False, transient=True)
                self._live.start()
            self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the table away."""
        self._over.set()
        if self._enabled:
            self._thread.join()
        if self._live is not None:
            self._live.stop()

    def add(self, result: JobResult) -> None:
        """Count a result; say what is wrong with those that have no answer."""
        self.statuses[result.status] += 1
        if result.status in ANSWERED:
            return
        text = result.error if result.status == "invalid" else result.error.partition("\n")[0]
        line = f"{result.status}: {result.job}: {text}"
        self._console.print(line, style="red", highlight=False, markup=False, soft_wrap=True)

    def summary(self, console: Console | None) -> None:
        """Say in one line what became of the batch."""
        if console is None:
            return
        words = ", ".join(f"{count} {status}" for status, count in sorted(self.statuses.items()))
        console.print(
            f"{self.statuses.total()} jobs: {words}; answers in {self._folder}/answers", highlight=False
        )

    def _draw(self) -> None:
        pause = DRAW_S if self._live is not None else LINE_S
        store: Store | None = None
        while not self._over.wait(pause if store is not None else DRAW_S):
            try:
                store = store or Store(self._folder, to_read=True)
                state = overview(store)
            except StoreFailure:
                continue  # not made yet, or failing: the run itself says what is wrong
            if self._live is not None:
                self._live.update(status_view(state), refresh=True)
            else:
                eta = "" if state.eta_s is None else f", ETA {state.eta_s:.0f} s"
                line = (
                    f"[{time.strftime('%H:%M:%S')}] {state.done} of {state.total}: {counts_line(state)}{eta}"
                )
                self._console.print(line, highlight=False, markup=False)
        if store is not None:
            store.close()
