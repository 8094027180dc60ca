"""One run of a batch: read entries, lease jobs, give them to an engine, write what comes back.

The run is a thread of its own, so that a consumer of results who takes his time leaves no worker idle. It
ends when every entry has its final state, those that other processes work on included.
"""

from __future__ import annotations

import contextlib
import json
import queue
import random
import threading
import time
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from planner.batch.engines import Engine
from planner.batch.entries import Entry
from planner.batch.limits import Limits
from planner.batch.messages import Checkpointed, Ended, Event, Progressed, Started, Task
from planner.batch.owner import BEAT_S, Owner
from planner.batch.results import JobResult, results_since
from planner.batch.store import Reading, Store, StoreFailure

POLL_S = 0.5
"""How often to look for work and news from other processes while nothing happens here."""

READ_S = 0.1
"""Time to read entries in one go; then finished jobs have their turn."""

SWEEP_S = 1.0
"""How often jobs of processes that died are looked for."""

SPREAD = 4
"""Processes that share a batch read entries up to this far apart, so that few are read twice."""


@dataclass(frozen=True)
class Incumbent:
    """A better plan or bound of a job being solved, USD per hour. names: its entries."""

    names: tuple[str, ...]
    seconds: float
    objective: float
    bound: float | None
    gap: float | None


@dataclass(frozen=True)
class Over:
    """The run has ended; error: why, if it was not because everything is done."""

    error: BaseException | None = None


@dataclass
class _Held:
    """A job that this run holds."""

    attempt: int
    names: tuple[str, ...]
    place: str = ""
    progress: Progressed | None = None
    told: float = float("inf")


@dataclass
class Run:
    """Works on the batch in a folder until all is done or `stop` is called; news come out of `news`."""

    store: Store
    engine: Engine
    limits: Limits
    news: queue.SimpleQueue[JobResult | Incumbent | Over] = field(default_factory=queue.SimpleQueue)
    owner: Owner = field(default_factory=Owner.new)

    def __post_init__(self) -> None:
        """Prepare; `start` begins."""
        self._held: dict[str, _Held] = {}
        self._over = threading.Event()
        self._last_news = 0
        self._next_beat, self._next_sweep = 0.0, 0.0
        self._thread = threading.Thread(target=self._work, name="batch", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self) -> None:
        """Stop working, give back what is not finished, and wait for the end."""
        self._over.set()
        self._thread.join()

    def _work(self) -> None:
        error: BaseException | None = None
        try:
            if self.store.left():
                self.engine.prepare()
            while not self._over.is_set() and self._step():
                pass
        except BaseException as caught:
            error = caught
        with contextlib.suppress(Exception):
            self.engine.close()
        with contextlib.suppress(StoreFailure):  # on a full disk the leases are found to be a dead run's
            self.store.release(self.owner)
        self.owner.end()
        self.store.close()
        self.news.put(Over(error))

    def _step(self) -> bool:
        """Do a bit of everything; False when everything is done."""
        if time.monotonic() >= self._next_sweep:
            self.store.release_of_the_dead()
            self.store.renew()
            self._next_sweep = time.monotonic() + SWEEP_S
        more = self._read_some()
        self._take()
        for event in self.engine.events(0.0 if more else POLL_S):
            self._hear(event)
        if time.monotonic() >= self._next_beat:
            self._beat()
        self._publish()
        return more or bool(self._held) or self.store.left() > 0

    def _read_some(self) -> bool:
        """Turn some entries into jobs; return whether there may be more."""
        if not self.store.unread(1):
            return False
        deadline = time.monotonic() + READ_S
        found: list[Reading] = []
        for entry in self._some_unread():
            found.append(read(entry))
            if time.monotonic() > deadline:
                break
        self.store.settle(found)
        return True

    def _some_unread(self) -> Iterable[Entry]:
        alone = not self.store.read("SELECT 1 FROM leases WHERE owner != ? LIMIT 1", (str(self.owner),))
        skip = 0 if alone else random.randrange(SPREAD)
        return self.store.unread(SPREAD, skip) or self.store.unread(SPREAD)

    def _take(self) -> None:
        room = self.engine.room()
        if room <= 0:
            return
        for leased in self.store.take(self.owner, self.engine.name, room):
            rows = self.store.read("SELECT name FROM entries WHERE key = ?", (leased.key,))
            self._held[leased.key] = _Held(leased.attempt, tuple(row["name"] for row in rows))
            solver = json.loads(leased.document)["scenario"]["solver"]
            limits = replace(self.limits, kill_after_s=self.limits.longest_s(solver))
            checkpoint = self.store.checkpoint(leased.key)
            self.engine.give(Task(leased.key, leased.document, limits, checkpoint))

    def _hear(self, event: Event) -> None:
        held = self._held.get(event.key)
        if held is None:
            return  # it was cancelled or lost, and is no longer ours
        if isinstance(event, Started):
            held.place = event.where
        elif isinstance(event, Progressed):
            held.progress = event
            if event.incumbent is not None and event.incumbent < held.told:
                held.told = event.incumbent
                self.news.put(Incumbent(held.names, event.seconds, event.incumbent, event.bound, event.gap))
        elif isinstance(event, Checkpointed):
            self.store.keep_checkpoint(event.key, event.content)
        elif isinstance(event, Ended):
            self.store.finish(held.attempt, event, held.place)
            del self._held[event.key]

    def _beat(self) -> None:
        """Say that this run lives; stop what was cancelled or taken over by others."""
        self._next_beat = time.monotonic() + min(BEAT_S, 2 * POLL_S if self._held else BEAT_S)
        if not self._held:
            return
        progress = [held.progress for held in self._held.values() if held.progress is not None]
        places = {key: held.place for key, held in self._held.items() if held.place}
        ours, cancelled = self.store.beat(self.owner, progress, places)
        for key, held in list(self._held.items()):
            if key in cancelled:
                self.engine.drop(key)
                self.store.finish(held.attempt, Ended(key, "cancelled", 0.0, "cancelled"), held.place)
                del self._held[key]
            elif key not in ours:
                self.engine.drop(key)
                del self._held[key]

    def _publish(self) -> None:
        """Pass on every entry that has got its final state, whoever gave it."""
        self._last_news, found = results_since(self.store, self._last_news)
        for result in found:
            self.news.put(result)


def read(entry: Entry) -> Reading:
    """Return what an entry is: a job, or what is wrong with it."""
    from planner.batch.job import job_of
    from planner.files import InputFaults

    try:
        return Reading(entry.name, job_of(entry.question()))
    except InputFaults as error:
        return Reading(entry.name, None, str(error))
    except Exception as error:  # one entry that cannot be read must not stop the others
        return Reading(entry.name, None, f"{type(error).__name__}: {error}")
