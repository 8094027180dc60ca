"""Continue a long solve that was interrupted: its best plan and bound, kept while it searches.

A standing belongs to one program, known by its fingerprint. When the question, the catalog or the model of
performance has changed, so has the program, and what was kept of the old one is not used.
"""

from __future__ import annotations

import io
import os
import tempfile
import threading
import zipfile
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

import numpy as np

if TYPE_CHECKING:
    from planner.optimize.solution import Standing
    from planner.plan.solve import Hooks
    from planner.plan.types import Plan
    from planner.topology import Question

MOST_PROGRAMS = 16
"""A solve searches several programs: one for each goal, and again where a failure was not survived."""

EVERY_S = 10.0
"""How often a checkpoint is written while there is something new; what came later dies with the process."""


class Checkpoint:
    """How far the searches of one question have come; a `Keeper` for `planner.plan.solve.Hooks`."""

    def __init__(self, content: bytes | None = None) -> None:
        """Start from what `content()` returned before; what cannot be read counts as nothing."""
        self._lock = threading.Lock()
        self._standings: dict[str, Standing] = {}
        self._changed = False
        if content:
            self._read(content)

    def recall(self, program: str) -> Standing | None:
        """Return how far the search of a program has come."""
        with self._lock:
            return self._standings.get(program)

    def keep(self, standing: Standing) -> None:
        """Remember how far a search has come."""
        with self._lock:
            self._standings.pop(standing.program, None)
            self._standings[standing.program] = standing
            while len(self._standings) > MOST_PROGRAMS:
                del self._standings[next(iter(self._standings))]
            self._changed = True

    def news(self) -> bytes | None:
        """Return the content if there is something new since the last call."""
        with self._lock:
            if not self._changed:
                return None
            self._changed = False
            standings = list(self._standings.values())
        return _written(standings)

    def _read(self, content: bytes) -> None:
        from planner.optimize.solution import Standing

        try:
            with np.load(io.BytesIO(content), allow_pickle=False) as arrays:
                for number, program in enumerate(arrays["programs"].tolist()):
                    objective, bound = arrays[f"numbers{number}"].tolist()
                    values = arrays.get(f"values{number}")
                    self._standings[program] = Standing(program, values, objective, bound)
        except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile):
            self._standings.clear()


def _written(standings: Iterable[Standing]) -> bytes:
    arrays: dict[str, Any] = {}
    programs = []
    for number, standing in enumerate(standings):
        programs.append(standing.program)
        arrays[f"numbers{number}"] = np.array([standing.objective, standing.bound])
        if standing.values is not None:
            arrays[f"values{number}"] = standing.values
    stream = io.BytesIO()
    np.savez_compressed(stream, programs=np.array(programs, dtype=np.str_), **arrays)
    return stream.getvalue()


class CheckpointFile:
    """A checkpoint in a file, written every few seconds while a solve runs."""

    def __init__(self, path: str | Path, every_s: float = EVERY_S) -> None:
        self.path = Path(path)
        self.checkpoint = Checkpoint(self.path.read_bytes() if self.path.is_file() else None)
        self._every_s = every_s
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._write_often, name="checkpoint", daemon=True)

    def __enter__(self) -> Self:
        """Start writing."""
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Write what is new and stop."""
        self._over.set()
        self._thread.join()
        self._write()

    def _write_often(self) -> None:
        while not self._over.wait(self._every_s):
            self._write()

    def _write(self) -> None:
        content = self.checkpoint.news()
        if content is not None:
            write_bytes_atomic(self.path, content)


def solve_with_checkpoint(
    source: str | Path | Mapping[str, Any] | Question,
    checkpoint: str | Path,
    overrides: Iterable[str] = (),
    hooks: Hooks | None = None,
    every_s: float = EVERY_S,
) -> Plan:
    """Solve as `planner.solve` does; started again after an interruption it goes on where it was.

    The file `checkpoint` appears with the first bound and stays until the plan is proven within its gap:
    a solve that ended at its time limit can be continued with another one. Questions with
    `solver.reproducible` start anew each time.

    Raises:
        InputFaults: the scenario is wrong.
        NoPlan: there is no plan, or none was found in time (the checkpoint keeps the bound).
        OSError: the checkpoint cannot be written.
    """
    from planner.plan.solve import Hooks, solve

    with CheckpointFile(checkpoint, every_s) as kept:
        plan = solve(source, overrides, replace(hooks or Hooks(), keeper=kept.checkpoint))
    if plan.status == "optimal":
        kept.path.unlink(missing_ok=True)
    return plan


def write_bytes_atomic(path: Path, content: bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Raises:
        OSError: the folder cannot be written.
    """
    handle, temporary = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(handle, "wb") as stream:
            stream.write(content)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
