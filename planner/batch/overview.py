"""How a batch stands: counts, what is being solved, when it will be done."""

from __future__ import annotations

import time
from collections import Counter
from dataclasses import asdict, dataclass
from typing import Any

from planner.batch.messages import FINAL, Progressed
from planner.batch.owner import Owner
from planner.batch.results import QUERY
from planner.batch.store import Store

RECENT = 50
"""The rate at which jobs end is measured over this many of the latest."""


@dataclass(frozen=True)
class Running:
    """A job being solved. incumbent, bound: USD per hour."""

    job: str
    place: str
    attempt: int
    seconds: float
    stage: str
    incumbent: float | None
    bound: float | None
    gap: float | None


@dataclass(frozen=True)
class Overview:
    """How a batch stands.

    counts: entries by status. jobs: different questions among them. runs: living processes at work.
    mean_gap, worst_gap: of the plans so far. rate_per_s: jobs that end, lately. eta_s: seconds until all
    are done at that rate; None while nothing is known or nobody works.
    """

    counts: dict[str, int]
    total: int
    done: int
    jobs: int
    runs: int
    running: list[Running]
    mean_gap: float | None
    worst_gap: float | None
    rate_per_s: float | None
    eta_s: float | None

    def record(self) -> dict[str, Any]:
        """Return plain data."""
        return asdict(self)


def overview(store: Store) -> Overview:
    """Return how a batch stands now."""
    rows = store.read(f"SELECT status, count(*) AS count FROM ({QUERY}) GROUP BY status")
    counts = Counter({row["status"]: row["count"] for row in rows})
    done = sum(counts[status] for status in FINAL)
    gaps = store.read(
        "SELECT avg(gap) AS mean, max(gap) AS worst FROM jobs WHERE status IN ('optimal', 'feasible')"
    )[0]
    running, runs = _running(store)
    left = counts.total() - done
    rate = _rate(store) if runs else None
    return Overview(
        counts=dict(sorted(counts.items())),
        total=counts.total(),
        done=done,
        jobs=int(store.read("SELECT count(DISTINCT key) FROM entries WHERE key IS NOT NULL")[0][0]),
        runs=runs,
        running=running,
        mean_gap=gaps["mean"],
        worst_gap=gaps["worst"],
        rate_per_s=rate,
        eta_s=left / rate if rate and left else (0.0 if not left else None),
    )


def _running(store: Store) -> tuple[list[Running], int]:
    rows = store.read(
        "SELECT (SELECT min(name) FROM entries WHERE entries.key = leases.key) AS name, leases.*,"
        " attempts.began_at FROM leases JOIN attempts ON attempts.id = leases.attempt ORDER BY attempt"
    )
    found: list[Running] = []
    owners: set[str] = set()
    for row in rows:
        if not Owner.parse(row["owner"]).lives(row["beat_at"]):
            continue
        owners.add(row["owner"])
        if not row["place"]:
            continue  # in line behind another job
        incumbent, bound = row["incumbent"], row["bound"]
        gap = Progressed("", "", 0.0, incumbent, bound).gap
        seconds = row["seconds"] if row["seconds"] is not None else time.time() - row["began_at"]
        about = (row["name"] or row["key"][:16], row["place"], row["attempt"])
        found.append(Running(*about, round(seconds, 1), row["stage"], incumbent, bound, gap))
    return found, len(owners)


def _rate(store: Store) -> float | None:
    """Return jobs ended per second, lately."""
    rows = store.read(
        "SELECT ended_at FROM attempts WHERE ended_at IS NOT NULL AND status != 'interrupted'"
        " ORDER BY ended_at DESC LIMIT ?",
        (RECENT,),
    )
    if len(rows) < 2:
        return None
    seconds = max(time.time(), rows[0]["ended_at"]) - rows[-1]["ended_at"]
    return (len(rows) - 1) / seconds if seconds > 0 else None
