"""Work in a thread of its own, so that Ctrl-C is heard while a solver runs."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import TypeVar

T = TypeVar("T")

CHECK_S = 0.2
"""How often the waiting thread looks for Ctrl-C."""


def in_background(work: Callable[[], T]) -> T:
    """Return what `work` returns (or raise what it raises).

    A solver in the main thread would hear Ctrl-C only when it is done. Interrupted, the work is left
    behind: its thread ends with the program.

    Raises:
        KeyboardInterrupt: Ctrl-C was pressed.
    """
    results: list[T] = []
    errors: list[BaseException] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:  # handed on to the waiting thread
            errors.append(error)

    thread = threading.Thread(target=run, name="study", daemon=True)
    thread.start()
    while thread.is_alive():
        thread.join(CHECK_S)
    if errors:
        raise errors[0]
    return results[0]
