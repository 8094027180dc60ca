"""The store of a batch: a folder with one SQLite database, and the answers as files beside it.

    DIR/batch.sqlite            entries, jobs, attempts, leases
    DIR/answers/KEY/plan.json   or infeasible.json
    DIR/checkpoints/KEY.npz     how far an unfinished solve has come

Several processes may use it at once. A job belongs to whoever holds its lease; a result is only taken from
the holder, together with its file, so that there is exactly one result whoever is killed when.
"""

from __future__ import annotations

import json
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from planner import __version__
from planner.batch.checkpoint import write_bytes_atomic
from planner.batch.database import StoreFailure, in_words, open_database, transaction
from planner.batch.entries import Entry
from planner.batch.messages import ANSWERED, FINAL, Ended, Progressed
from planner.batch.owner import Owner
from planner.files import close_matches, write_text_atomic

if TYPE_CHECKING:
    from planner.batch.job import Job

ANSWER_FILES = {"infeasible": "infeasible.json"}
"""File of an answer by status; of the others it is plan.json."""

_FINAL = ", ".join(f"'{status}'" for status in FINAL)

_WANTED = "EXISTS (SELECT 1 FROM entries WHERE entries.key = jobs.key AND entries.state = 'read')"


@dataclass(frozen=True)
class Reading:
    """What an entry turned out to be: a job, or an error."""

    name: str
    job: Job | None
    error: str = ""


@dataclass(frozen=True)
class Leased:
    """A job that this run may solve. attempt: number of the try, which a result has to name."""

    key: str
    document: str
    attempt: int


class Store:
    """The folder of a batch, opened by one thread."""

    def __init__(self, folder: str | Path, *, create: bool = False, to_read: bool = False) -> None:
        """Open the store; `create` makes it where it is missing, `to_read` needs no permission to write.

        Raises:
            StoreFailure: there is none, or the folder cannot be used.
        """
        self.folder = Path(folder)
        self.database: sqlite3.Connection = open_database(self.folder, create=create, to_read=to_read)

    def close(self) -> None:
        """Close the database."""
        self.database.close()

    @contextmanager
    def _writing(self) -> Iterator[sqlite3.Connection]:
        with in_words(self.folder), transaction(self.database):
            yield self.database

    def read(self, query: str, values: Sequence[object] = ()) -> list[sqlite3.Row]:
        """Return the rows of a query."""
        with in_words(self.folder):
            return self.database.execute(query, values).fetchall()

    # Entries: what the user asked for.

    def add(self, entries: Iterable[Entry]) -> None:
        """Add entries, to be read; those known by name are read again, as their files may have changed."""
        with self._writing() as database:
            last = database.execute("SELECT coalesce(max(number), 0) FROM entries").fetchone()[0]
            rows = [(entry.name, last + n, entry.stored()) for n, entry in enumerate(entries, 1)]
            database.executemany(
                "INSERT INTO entries (name, number, source, state) VALUES (?, ?, ?, 'unread')"
                " ON CONFLICT (name) DO UPDATE SET source = excluded.source, state = 'unread', error = '',"
                " news = NULL",
                rows,
            )

    def unread(self, count: int, skip: int = 0) -> list[Entry]:
        """Return some entries that are not read yet."""
        rows = self.read(
            "SELECT name, source FROM entries WHERE state = 'unread' ORDER BY number LIMIT ? OFFSET ?",
            (count, skip),
        )
        return [Entry.restored(row["name"], row["source"]) for row in rows]

    def settle(self, found: Iterable[Reading]) -> None:
        """Say what entries turned out to be: jobs, new or known, or nothing that can be solved."""
        with self._writing() as database:
            for reading in found:
                if reading.job is None:
                    self._refuse(database, reading)
                else:
                    self._link(database, reading.name, reading.job)

    def _link(self, database: sqlite3.Connection, name: str, job: Job) -> None:
        row = database.execute(
            "SELECT number FROM entries WHERE name = ? AND state = 'unread'", (name,)
        ).fetchone()
        if row is None:
            return  # another process was faster, or it was cancelled
        database.execute(
            "INSERT INTO jobs (key, number, planner, document, status) VALUES (?, ?, ?, ?, 'waiting')"
            " ON CONFLICT (key) DO NOTHING",
            (job.key, row["number"], __version__, zlib.compress(job.document.encode("utf-8"), 1)),
        )
        database.execute("UPDATE entries SET state = 'read', key = ? WHERE name = ?", (job.key, name))
        status = database.execute("SELECT status FROM jobs WHERE key = ?", (job.key,)).fetchone()[0]
        if status in FINAL:
            self._announce(database, "name = ?", name)

    def _refuse(self, database: sqlite3.Connection, reading: Reading) -> None:
        database.execute(
            "UPDATE entries SET state = 'invalid', key = NULL, error = ? WHERE name = ? AND state = 'unread'",
            (reading.error, reading.name),
        )
        self._announce(database, "name = ? AND state = 'invalid'", reading.name)

    @staticmethod
    def _announce(database: sqlite3.Connection, which: str, value: str) -> None:
        """Number the entries that have their final state, so that everyone can tell what is new."""
        database.execute("UPDATE meta SET value = value + 1 WHERE name = 'news'")
        database.execute(
            "UPDATE entries SET news = (SELECT CAST(value AS INTEGER) FROM meta WHERE name = 'news')"
            f" WHERE {which}",
            (value,),
        )

    # Jobs: leases, results.

    def take(self, owner: Owner, engine: str, count: int) -> list[Leased]:
        """Lease up to `count` waiting jobs, the first of the list first."""
        waiting = (
            f"SELECT key FROM jobs WHERE status = 'waiting' AND planner = ? AND {_WANTED}"
            " ORDER BY number LIMIT ?"
        )
        if not self.read(waiting, (__version__, 1)):
            return []
        leased = []
        with self._writing() as database:
            for row in database.execute(waiting, (__version__, count)).fetchall():
                key, now = row["key"], time.time()
                attempt = database.execute(
                    "INSERT INTO attempts (key, owner, engine, began_at) VALUES (?, ?, ?, ?)",
                    (key, str(owner), engine, now),
                ).lastrowid
                database.execute(
                    "INSERT INTO leases (key, attempt, owner, beat_at) VALUES (?, ?, ?, ?)",
                    (key, attempt, str(owner), now),
                )
                database.execute(
                    "UPDATE jobs SET status = 'running', attempts = attempts + 1 WHERE key = ?", (key,)
                )
                document = database.execute("SELECT document FROM jobs WHERE key = ?", (key,)).fetchone()[0]
                leased.append(Leased(key, zlib.decompress(document).decode("utf-8"), int(attempt or 0)))
        return leased

    def finish(self, attempt: int, ended: Ended, place: str = "") -> bool:
        """Write a result and its answer, if the attempt still holds the lease; return whether it did.

        Raises:
            StoreFailure: the disk is full or cannot be written; the job keeps its lease.
        """
        with self._writing() as database:
            held = "DELETE FROM leases WHERE key = ? AND attempt = ?"
            if database.execute(held, (ended.key, attempt)).rowcount == 0:
                return False
            answer = self._write_answer(ended)
            self._set_result(database, ended, answer)
            database.execute(
                "UPDATE attempts SET status = ?, error = ?, place = ?, ended_at = ? WHERE id = ?",
                (ended.status, ended.error, place, time.time(), attempt),
            )
            self._announce(database, "key = ? AND state = 'read'", ended.key)
        if ended.status in ("optimal", "infeasible"):
            self.checkpoint_file(ended.key).unlink(missing_ok=True)
        return True

    def _write_answer(self, ended: Ended) -> str | None:
        if ended.answer is None:
            return None
        folder = self.folder / "answers" / ended.key[:16]
        folder.mkdir(parents=True, exist_ok=True)
        name = ANSWER_FILES.get(ended.status, "plan.json")
        write_text_atomic(folder / name, ended.answer)
        return f"answers/{ended.key[:16]}/{name}"

    @staticmethod
    def _set_result(database: sqlite3.Connection, ended: Ended, answer: str | None) -> None:
        database.execute(
            "UPDATE jobs SET status = ?, error = ?, objective = ?, bound = ?, gap = ?, seconds = ?,"
            " peak_memory_gb = ?, figures = ?, answer = ?, ended_at = ? WHERE key = ?",
            (
                ended.status,
                ended.error,
                ended.objective,
                ended.bound,
                ended.gap,
                round(ended.seconds, 6),
                ended.peak_memory_gb,
                json.dumps(dict(ended.figures)),
                answer,
                time.time(),
                ended.key,
            ),
        )

    def beat(
        self, owner: Owner, news: Iterable[Progressed], places: Mapping[str, str]
    ) -> tuple[set[str], set[str]]:
        """Say that a run lives, how far its jobs are and where; return (jobs it holds, jobs to cancel)."""
        with self._writing() as database:
            database.execute("UPDATE leases SET beat_at = ? WHERE owner = ?", (time.time(), str(owner)))
            database.executemany(
                "UPDATE leases SET stage = ?, seconds = ?, incumbent = ?, bound = ?"
                " WHERE key = ? AND owner = ?",
                [(n.stage, n.seconds, n.incumbent, n.bound, n.key, str(owner)) for n in news],
            )
            database.executemany(
                "UPDATE leases SET place = ? WHERE key = ? AND owner = ?",
                [(place, key, str(owner)) for key, place in places.items()],
            )
            held = "SELECT key, cancel FROM leases WHERE owner = ?"
            rows = database.execute(held, (str(owner),)).fetchall()
        return {row["key"] for row in rows}, {row["key"] for row in rows if row["cancel"]}

    def release(self, owner: Owner) -> None:
        """Give the jobs of a run back."""
        with self._writing() as database:
            rows = database.execute("SELECT key FROM leases WHERE owner = ?", (str(owner),)).fetchall()
            for row in rows:
                self._interrupt(database, row["key"])

    def release_of_the_dead(self) -> int:
        """Give back the jobs of runs that ended without doing so; return how many."""
        dead = [
            row["key"]
            for row in self.read("SELECT key, owner, beat_at FROM leases")
            if not Owner.parse(row["owner"]).lives(row["beat_at"])
        ]
        if not dead:
            return 0
        count = 0
        with self._writing() as database:
            for key in dead:
                row = database.execute("SELECT owner, beat_at FROM leases WHERE key = ?", (key,)).fetchone()
                if row is not None and not Owner.parse(row["owner"]).lives(row["beat_at"]):
                    self._interrupt(database, key)
                    count += 1
        return count

    def _interrupt(self, database: sqlite3.Connection, key: str) -> None:
        """Let a job wait again, or end it where it was to be cancelled."""
        lease = database.execute("SELECT attempt, cancel FROM leases WHERE key = ?", (key,)).fetchone()
        status = "cancelled" if lease["cancel"] else "interrupted"
        database.execute("DELETE FROM leases WHERE key = ?", (key,))
        database.execute(
            "UPDATE attempts SET status = ?, ended_at = ? WHERE id = ?",
            (status, time.time(), lease["attempt"]),
        )
        if lease["cancel"]:
            self._set_result(database, Ended(key, "cancelled", 0.0, "cancelled"), None)
            self._announce(database, "key = ? AND state = 'read'", key)
        else:
            database.execute("UPDATE jobs SET status = 'waiting' WHERE key = ?", (key,))

    # What the user changes later.

    def cancel(self, names: Sequence[str] | None) -> tuple[int, int]:
        """Cancel entries by name, None: all; return (ended now, being told to stop)."""
        ended, told = 0, 0
        with self._writing() as database:
            for row in self._named(database, names):
                if row["state"] == "unread":
                    database.execute(
                        "UPDATE entries SET state = 'cancelled', error = 'cancelled' WHERE name = ?",
                        (row["name"],),
                    )
                    self._announce(database, "name = ?", row["name"])
                    ended += 1
                elif row["status"] == "running":
                    told += 1
                    database.execute("UPDATE leases SET cancel = 1 WHERE key = ?", (row["key"],))
                elif row["status"] == "waiting":
                    ended += 1
                    self._set_result(database, Ended(row["key"], "cancelled", 0.0, "cancelled"), None)
                    self._announce(database, "key = ? AND state = 'read'", row["key"])
        self.release_of_the_dead()
        return ended, told

    def retry(self, names: Sequence[str] | None) -> int:
        """Let entries wait again: those named, or all that ended without an answer; return how many."""
        count = 0
        with self._writing() as database:
            for row in self._named(database, names):
                if names is None and row["status"] in ANSWERED:
                    continue
                if row["state"] in ("invalid", "cancelled"):
                    database.execute(
                        "UPDATE entries SET state = 'unread', error = '', news = NULL WHERE name = ?",
                        (row["name"],),
                    )
                    count += 1
                elif row["status"] in FINAL:
                    database.execute(
                        "UPDATE jobs SET status = 'waiting', error = '' WHERE key = ?", (row["key"],)
                    )
                    database.execute("UPDATE entries SET news = NULL WHERE key = ?", (row["key"],))
                    count += 1
        return count

    def _named(self, database: sqlite3.Connection, names: Sequence[str] | None) -> list[sqlite3.Row]:
        """Return entries with the state of their jobs.

        Raises:
            LookupError: a name that no entry has, with those that are near.
        """
        rows = database.execute(
            "SELECT entries.name, entries.state, entries.key, jobs.status FROM entries"
            " LEFT JOIN jobs ON jobs.key = entries.key ORDER BY entries.number"
        ).fetchall()
        if names is None:
            return rows
        known = {row["name"]: row for row in rows}
        missing = [name for name in names if name not in known]
        if missing:
            raise LookupError("\n".join(f"no job '{name}': {close_matches(name, known)}" for name in missing))
        return [known[name] for name in names]

    # What is left, what is new.

    def left(self) -> int:
        """Return how many entries have no final state yet."""
        row = self.read(
            "SELECT (SELECT count(*) FROM entries WHERE state = 'unread') + (SELECT count(*) FROM entries"
            f" JOIN jobs USING (key) WHERE state = 'read' AND status NOT IN ({_FINAL})) AS count"
        )[0]
        return int(row["count"])

    def renew(self) -> None:
        """Let entries be read again whose unfinished jobs belong to another version of the planner."""
        old = "SELECT key FROM jobs WHERE status = 'waiting' AND planner != ?"
        if self.read(f"{old} AND {_WANTED} LIMIT 1", (__version__,)):
            with self._writing() as database:
                database.execute(f"UPDATE entries SET state = 'unread' WHERE key IN ({old})", (__version__,))

    # Checkpoints of unfinished solves.

    def checkpoint_file(self, key: str) -> Path:
        """Return where the checkpoint of a job is."""
        return self.folder / "checkpoints" / f"{key[:16]}.npz"

    def checkpoint(self, key: str) -> bytes | None:
        """Return how far an earlier attempt came."""
        file = self.checkpoint_file(key)
        return file.read_bytes() if file.is_file() else None

    def keep_checkpoint(self, key: str, content: bytes) -> None:
        """Remember how far a job has come.

        Raises:
            StoreFailure: the disk is full or cannot be written.
        """
        file = self.checkpoint_file(key)
        with in_words(self.folder):
            file.parent.mkdir(exist_ok=True)
            write_bytes_atomic(file, content)


__all__ = ["Leased", "Reading", "Store", "StoreFailure"]
