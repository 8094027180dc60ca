"""Rates kept from run to run in the user's cache folder.

Predicting what a replica serves takes most of the time before a search, and gives the same numbers in every
run. So they are kept, one page for each kind of requests (lengths, prefix hits, burstiness), under names
that hold everything else they were computed from (see `kept`). Pages of another performance model, or of
other code that reads the catalog, lie in another folder and are never taken up. A page is written whole to
another name and then renamed, with a checksum: processes may share the folder, and a damaged page counts as
none. Where nothing can be written, nothing is kept.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from contextlib import suppress
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy
import scipy

from planner import catalog, scenario, shapes
from planner.files import write_text_atomic
from planner.performance.version import model_version

SWITCH = "PLANNER_CACHE"
"""Environment variable: `off`, or the folder to keep rates in."""

OFF = frozenset({"off", "0", "no", "none", "false"})
MOST_BYTES = 256_000_000
"""Beyond this the pages longest unused are deleted until half of it is left."""

MOST_PAGE_BYTES = 16_000_000
"""A larger page is begun anew: its requests are met with many servers, LLMs and options."""

Page = dict[str, dict[str, Any]]
"""What is known of each replica, by name."""


class RateCache:
    """Pages of rates in a folder; what was read once is remembered."""

    def __init__(self, folder: Path, most_bytes: int = MOST_BYTES) -> None:
        self.folder, self.most_bytes = folder, most_bytes
        self._pages: dict[str, Page] = {}

    def page(self, name: str) -> Page:
        """Return what is kept under a name of requests; nothing where there is no sound page."""
        if name not in self._pages:
            self._pages[name] = self._read(name)
        return self._pages[name]

    def add(self, found: Mapping[str, Mapping[str, Mapping[str, Any]]]) -> None:
        """Write what was found, by page and replica, beside what pages hold by now; newer takes its place."""
        for name, replicas in found.items():
            page = self._read(name)
            for replica, about in replicas.items():
                page[replica] = {**page.get(replica, {}), **about}
            self._pages[name] = page
            with suppress(OSError, ValueError):  # ValueError: a latency without end
                self.folder.mkdir(parents=True, exist_ok=True)
                body = json.dumps(page, separators=(",", ":"), allow_nan=False)
                if len(body) > MOST_PAGE_BYTES:
                    body = json.dumps(replicas, separators=(",", ":"), allow_nan=False)
                write_text_atomic(self._file(name), f"{_checksum(body)}\n{body}")
        self._trim()

    def _file(self, name: str) -> Path:
        return self.folder / f"{name}.json"

    def _read(self, name: str) -> Page:
        try:
            checksum, body = self._file(name).read_text(encoding="utf-8").split("\n", 1)
            page = json.loads(body) if checksum == _checksum(body) else {}
        except (OSError, ValueError):
            return {}
        with suppress(OSError):
            os.utime(self._file(name))  # pages longest unused are deleted first
        return page if isinstance(page, dict) else {}

    def _trim(self) -> None:
        """Delete the pages longest unused, of other performance models too, where all are too large."""
        files = kept_files(self.folder.parent)
        total = sum(size for _, _, size in files)
        if total <= self.most_bytes:
            return
        for _, path, size in sorted(files):
            with suppress(OSError):  # another process was faster
                path.unlink()
            total -= size
            if total <= self.most_bytes / 2:
                return


def kept_files(folder: Path) -> list[tuple[float, Path, int]]:
    """Return (time of last use, path, bytes) of every page below a folder."""
    found: list[tuple[float, Path, int]] = []
    for path in folder.glob("*/*.json"):
        with suppress(OSError):
            about = path.stat()
            found.append((about.st_mtime, path, about.st_size))
    return found


def cache_folder() -> Path | None:
    """Return where rates of every performance model are kept, None where that is turned off.

    `PLANNER_CACHE` (`off`, or a folder), else `planner` in `XDG_CACHE_HOME` or `~/.cache`.
    """
    stated = os.environ.get(SWITCH, "").strip()
    if stated.lower() in OFF:
        return None
    if stated:
        return Path(stated).expanduser() / "rates"
    home = os.environ.get("XDG_CACHE_HOME", "").strip()
    try:
        base = Path(home) if home and Path(home).is_absolute() else Path.home() / ".cache"
    except RuntimeError:  # no home
        return None
    return base / "planner" / "rates"


def user_cache() -> RateCache | None:
    """Return the user's cache of rates of this performance model, None where it is turned off."""
    folder = cache_folder()
    return None if folder is None else RateCache(folder / code_version())


@lru_cache(maxsize=1)
def code_version() -> str:
    """Return a hash of what rates follow from beside their names: the performance model, the code that
    reads LLMs and distributions and looks at shapes, and the libraries that compute.
    """
    digest = hashlib.sha256(f"{model_version()} {numpy.__version__} {scipy.__version__}".encode())
    for room in (catalog, scenario, shapes):
        folder = Path(str(room.__file__)).parent
        for path in sorted(folder.rglob("*.py")):
            digest.update(str(path.relative_to(folder)).encode())
            digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


def description() -> str:
    """Return where rates are kept and how much, in words."""
    folder = cache_folder()
    if folder is None:
        return f"no rates are kept between runs (turned off, {SWITCH}=off)"
    files = kept_files(folder)
    size = sum(size for _, _, size in files) / 1e6
    return f"{size:.1f} of {MOST_BYTES / 1e6:.0f} MB of rates in {folder}; {SWITCH}=off keeps none"


def _checksum(body: str) -> str:
    return hashlib.sha256(body.encode()).hexdigest()
