"""Fill a disk under a batch, make room, resume; run by `test_disk` on a disk of its own.

    python full_disk.py FOLDER STUDY tmpfs|limit

`tmpfs`: FOLDER is a small file system, filled with ballast. `limit`: no file may grow beyond a size, which is
what a full disk looks like where file systems cannot be mounted.
"""

from __future__ import annotations

import resource
import signal
import sqlite3
import sys
from pathlib import Path

from planner.batch import StoreFailure, run_batch
from planner.batch.engines.local import LocalEngine

LEFT_BYTES = 1_200_000
"""Room for a database and some answers, not for all."""


class Ballast:
    """Fills the file system but for a little."""

    def __init__(self, folder: Path) -> None:
        self.file = folder / "ballast"
        with self.file.open("wb") as stream:
            try:
                while True:
                    stream.write(bytes(50_000))
                    stream.flush()
            except OSError:
                pass
        with self.file.open("r+b") as stream:
            stream.truncate(self.file.stat().st_size - LEFT_BYTES)

    def remove(self) -> None:
        """Make room."""
        self.file.unlink()


class SizeLimit:
    """Lets no file grow further than `LEFT_BYTES`."""

    def __init__(self) -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        self._before = resource.getrlimit(resource.RLIMIT_FSIZE)
        resource.setrlimit(resource.RLIMIT_FSIZE, (LEFT_BYTES, self._before[1]))

    def remove(self) -> None:
        """Make room."""
        resource.setrlimit(resource.RLIMIT_FSIZE, self._before)


def run(study: str | None, folder: Path) -> int:
    """Return how many results there are."""
    engine = LocalEngine(1, solver="tests.batch.solvers:solve_at_length")
    return len(list(run_batch(study, folder, engine=engine)))


def main() -> None:
    """Print what happened, line by line."""
    place, study, kind = Path(sys.argv[1]), sys.argv[2], sys.argv[3]
    folder = place / "night"
    full = Ballast(place) if kind == "tmpfs" else SizeLimit()
    try:
        run(study, folder)
        print("no failure")
    except StoreFailure as failure:
        print("failure:", failure)
    full.remove()
    with sqlite3.connect(folder / "batch.sqlite") as database:
        print("integrity:", database.execute("PRAGMA integrity_check").fetchone()[0])
        query = "SELECT count(*) FROM jobs WHERE status = 'optimal'"
        done = database.execute(query).fetchone()[0]
        print("answered:", done, len(list(folder.glob("answers/*/plan.json"))))
    print("leftovers:", len(list(folder.glob("answers/*/.plan*"))))
    print("resumed:", run(None, folder))


main()
