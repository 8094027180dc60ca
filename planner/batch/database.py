"""The SQLite database of a batch: opened, checked, and its failures said in words."""

from __future__ import annotations

import contextlib
import errno
import os
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

FILE = "batch.sqlite"

VERSION = "1"
"""Version of the tables below."""

PATIENCE_S = 60.0
"""How long to wait for another process that is writing."""

TABLES = """
CREATE TABLE IF NOT EXISTS meta (name TEXT PRIMARY KEY, value TEXT NOT NULL);
CREATE TABLE IF NOT EXISTS entries (
    name TEXT PRIMARY KEY,     -- what the user calls it
    number INTEGER NOT NULL,   -- order in the table of results
    source TEXT NOT NULL,      -- as Entry.stored gives it
    state TEXT NOT NULL,       -- unread | read | invalid | cancelled
    key TEXT,                  -- its job, once read
    error TEXT NOT NULL DEFAULT '',
    news INTEGER               -- grows with every entry that gets its final state
);
CREATE INDEX IF NOT EXISTS entries_by_key ON entries (key);
CREATE INDEX IF NOT EXISTS entries_by_news ON entries (news);
CREATE INDEX IF NOT EXISTS entries_by_state ON entries (state, number);
CREATE TABLE IF NOT EXISTS jobs (
    key TEXT PRIMARY KEY,      -- hash of all that the answer depends on
    number INTEGER NOT NULL,
    planner TEXT NOT NULL,     -- version that it belongs to
    document BLOB NOT NULL,    -- the question, compressed JSON
    status TEXT NOT NULL,      -- waiting | running | one of messages.FINAL
    error TEXT NOT NULL DEFAULT '',
    objective REAL, bound REAL, gap REAL, seconds REAL, peak_memory_gb REAL,
    figures TEXT NOT NULL DEFAULT '{}',
    answer TEXT,               -- file with the answer, relative to the folder
    attempts INTEGER NOT NULL DEFAULT 0,
    ended_at REAL
);
CREATE INDEX IF NOT EXISTS jobs_by_status ON jobs (status, number);
CREATE TABLE IF NOT EXISTS attempts (
    id INTEGER PRIMARY KEY AUTOINCREMENT,
    key TEXT NOT NULL, owner TEXT NOT NULL, engine TEXT NOT NULL,
    place TEXT NOT NULL DEFAULT '', began_at REAL NOT NULL, ended_at REAL,
    status TEXT NOT NULL DEFAULT 'running', error TEXT NOT NULL DEFAULT ''
);
CREATE INDEX IF NOT EXISTS attempts_by_key ON attempts (key);
CREATE TABLE IF NOT EXISTS leases (
    key TEXT PRIMARY KEY, attempt INTEGER NOT NULL, owner TEXT NOT NULL, beat_at REAL NOT NULL,
    cancel INTEGER NOT NULL DEFAULT 0, place TEXT NOT NULL DEFAULT '', stage TEXT NOT NULL DEFAULT '',
    seconds REAL, incumbent REAL, bound REAL
);
"""

FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)


class StoreFailure(Exception):
    """The folder of a batch cannot be used; the message says why and what to do. What is stored is intact."""


def open_database(folder: Path, *, create: bool = False, to_read: bool = False) -> sqlite3.Connection:
    """Open the database of a batch; `create` makes folder and database where they are missing.

    `to_read` also opens what cannot be written: a batch on a read-only disk, if nobody else has it open.

    Raises:
        StoreFailure: there is no batch in the folder, or it cannot be opened or written.
    """
    file = folder / FILE
    if not create and not file.is_file():
        raise StoreFailure(
            f"{folder}: no batch here (no {FILE}); `planner batch run JOBS -o {folder}` begins one"
        )
    if to_read and not os.access(folder, os.W_OK):
        with in_words(folder):
            database = sqlite3.connect(f"{file.resolve().as_uri()}?immutable=1", uri=True)
            database.row_factory = sqlite3.Row
            return database
    with in_words(folder):
        if create:
            folder.mkdir(parents=True, exist_ok=True)
        database = sqlite3.connect(file, timeout=PATIENCE_S, isolation_level=None, check_same_thread=False)
        try:
            _prepare(database, folder, create)
        except BaseException:
            database.close()
            raise
    return database


def _prepare(database: sqlite3.Connection, folder: Path, create: bool) -> None:
    database.row_factory = sqlite3.Row
    mode = database.execute("PRAGMA journal_mode=WAL").fetchone()[0]
    if mode != "wal":
        raise StoreFailure(
            f"{folder}: this file system cannot share a database between processes (SQLite WAL);"
            " choose a folder on a local disk"
        )
    database.execute("PRAGMA synchronous=FULL")
    if create:
        with transaction(database):
            for statement in TABLES.split(";"):
                database.execute(statement)
            database.execute("INSERT OR IGNORE INTO meta VALUES ('version', ?), ('news', '0')", (VERSION,))
    version = database.execute("SELECT value FROM meta WHERE name = 'version'").fetchone()[0]
    if version != VERSION:
        raise StoreFailure(
            f"{folder}: written by another planner (store version {version}); use a new folder"
        )


@contextmanager
def transaction(database: sqlite3.Connection) -> Iterator[None]:
    """Write all or nothing; other writers wait."""
    database.execute("BEGIN IMMEDIATE")
    try:
        yield
        database.execute("COMMIT")
    except BaseException:
        with contextlib.suppress(sqlite3.Error):
            database.execute("ROLLBACK")
        raise


@contextmanager
def in_words(folder: Path) -> Iterator[None]:
    """Turn failures of the disk and the database into a `StoreFailure` that says what to do."""
    intact = "what is finished is safe in it"
    resume = f"`planner batch resume {folder}` goes on"
    try:
        yield
    except (sqlite3.OperationalError, OSError) as error:
        kind = _kind(error)
        if kind == "full":
            text = f"no space left on its disk: {intact}; make room, then {resume}"
        elif kind == "read-only":
            text = f"it cannot be written: {intact}; give write permission or use another folder"
        elif kind == "busy":
            text = f"another process has been writing for {PATIENCE_S:.0f} s: {intact}; {resume}"
        else:
            text = f"the disk or its file system failed ({error}): {intact}; {resume}"
        raise StoreFailure(f"{folder}: {text}") from error
    except sqlite3.DatabaseError as error:
        raise StoreFailure(f"{folder / FILE}: not the database of a batch ({error})") from error


def _kind(error: Exception) -> str:
    """Return what failed: full, read-only, busy or other."""
    if isinstance(error, OSError):
        return "full" if error.errno in FULL else "read-only" if error.errno in READ_ONLY else "other"
    name = str(getattr(error, "sqlite_errorname", ""))
    if name == "SQLITE_FULL":
        return "full"
    if name.startswith(("SQLITE_READONLY", "SQLITE_CANTOPEN", "SQLITE_PERM", "SQLITE_IOERR_ACCESS")):
        return "read-only"
    if name.startswith(("SQLITE_BUSY", "SQLITE_LOCKED")):
        return "busy"
    return "other"
