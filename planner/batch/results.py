"""What became of each entry of a batch."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from planner.batch.messages import ANSWERED
from planner.batch.store import Store

if TYPE_CHECKING:
    from planner.plan.types import Plan

QUERY = """
SELECT entries.name, entries.number, entries.news, entries.error AS entry_error,
    CASE entries.state WHEN 'read' THEN jobs.status WHEN 'unread' THEN 'waiting' ELSE entries.state END
        AS status,
    coalesce(jobs.key, '') AS key, coalesce(jobs.error, '') AS error, jobs.objective, jobs.bound, jobs.gap,
    jobs.seconds, jobs.peak_memory_gb, coalesce(jobs.planner, '') AS planner, jobs.figures, jobs.answer,
    coalesce(jobs.attempts, 0) AS attempts
FROM entries LEFT JOIN jobs ON jobs.key = entries.key
"""


@dataclass(frozen=True)
class JobResult:
    """What became of one entry.

    job: its name. key: hash of all that the answer depends on. status: `optimal`, `feasible`, `infeasible`,
    `stopped` (no plan in time), `failed`, `cancelled`, `invalid`; before that `waiting`, `running`.
    objective, bound: in the unit of the first goal, USD/h for cost. seconds: of the attempt that ended it.
    figures: of the plan (usd_per_h, servers, accelerators ...). answer: plan.json or infeasible.json.
    planner: version that gave it.
    """

    job: str
    key: str
    status: str
    objective: float | None
    bound: float | None
    gap: float | None
    seconds: float | None
    peak_memory_gb: float | None
    attempts: int
    error: str
    figures: Mapping[str, Any]
    answer: Path | None
    planner: str

    @property
    def is_answered(self) -> bool:
        """Whether there is a plan, or the proof that there is none."""
        return self.status in ANSWERED

    def plan(self) -> Plan | None:
        """Return the plan, None if there is none."""
        if self.answer is None or self.status == "infeasible":
            return None
        from planner.plan.types import Plan

        return Plan.load(self.answer)


def all_results(store: Store) -> list[JobResult]:
    """Return every entry in the order given, finished or not."""
    return [_result(store.folder, row) for row in store.read(f"{QUERY} ORDER BY entries.number")]


def results_since(store: Store, news: int) -> tuple[int, list[JobResult]]:
    """Return the entries that were finished after the number `news`, and the number to ask with next."""
    rows = store.read(f"{QUERY} WHERE entries.news > ? ORDER BY entries.news, entries.number", (news,))
    found = [_result(store.folder, row) for row in rows]
    return max((row["news"] for row in rows), default=news), found


def _result(folder: Path, row: sqlite3.Row) -> JobResult:
    return JobResult(
        job=row["name"],
        key=row["key"],
        status=row["status"],
        objective=row["objective"],
        bound=row["bound"],
        gap=row["gap"],
        seconds=row["seconds"],
        peak_memory_gb=row["peak_memory_gb"],
        attempts=row["attempts"],
        error=row["entry_error"] or row["error"],
        figures=json.loads(row["figures"] or "{}"),
        answer=None if row["answer"] is None else folder / row["answer"],
        planner=row["planner"],
    )
