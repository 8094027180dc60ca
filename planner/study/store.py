"""Where the rows of a study are kept: one line each, so that nothing finished is ever lost.

`results.jsonl` grows by one line per point, written and synced before the next begins; a line that a
crash cut short is ignored when it is read again. `results.csv` (and `results.parquet`, where pyarrow is
installed) is the table of all rows, written whole at the end. Rows are known by the question they answer:
running a study again solves only what is new.
"""

from __future__ import annotations

import importlib.util
import json
import os
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd

from planner import __version__
from planner.files import content_hash, write_text_atomic
from planner.plan.types import Plan
from planner.study.outcome import Outcome, Row, row_of
from planner.topology import Question

LINES = "results.jsonl"


def question_key(question: Question) -> str:
    """Return what identifies a question: its resolved scenario and topology, and the planner's version."""
    return content_hash(
        {
            "scenario": question.scenario.model_dump(mode="json"),
            "topology": question.topology.model_dump(mode="json"),
            "planner": __version__,
        }
    )


class Store:
    """The folder of a study's results."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        folder.mkdir(parents=True, exist_ok=True)
        self._rows: dict[str, Row] = {row.key: row for row in read_lines(folder / LINES)}

    def known(self, key: str) -> Row | None:
        """Return the row of a question that was solved before; those that were stopped do not count."""
        row = self._rows.get(key)
        return None if row is None or row.status == "stopped" else row

    def plan(self, row: Row) -> Plan | None:
        """Return the plan of a row, None if it has none."""
        path = self.folder / row.plan
        return Plan.load(path) if row.plan and path.is_file() else None

    def add(self, number: int, key: str, inputs: dict[str, Any], outcome: Outcome) -> Row:
        """Write the plan and the row of a point and return the row."""
        where = ""
        if outcome.plan is not None:
            where = f"plans/{number:04d}/plan.json"
            (self.folder / where).parent.mkdir(parents=True, exist_ok=True)
            outcome.plan.save(self.folder / where)
        row = row_of(number, key, inputs, outcome, where)
        append_line(self.folder / LINES, json.dumps(asdict(row), ensure_ascii=False, allow_nan=False))
        self._rows[key] = row
        return row

    def write_table(self, rows: Sequence[Row], name: str = "results") -> list[Path]:
        """Write the table of some rows as CSV, and as Parquet where pyarrow is installed."""
        return write_table(pd.DataFrame([row.flat() for row in rows]), self.folder, name)


def write_table(table: pd.DataFrame, folder: Path, name: str) -> list[Path]:
    """Write a table as `name`.csv, and `name`.parquet where pyarrow is installed; return the files."""
    files = [folder / f"{name}.csv"]
    write_text_atomic(files[0], table.to_csv(index=False, lineterminator="\n"))
    if importlib.util.find_spec("pyarrow") is not None:
        files.append(folder / f"{name}.parquet")
        partial = files[-1].with_suffix(".parquet.partial")
        _uniform(table).to_parquet(partial, index=False)
        partial.replace(files[-1])
    return files


def _uniform(table: pd.DataFrame) -> pd.DataFrame:
    """Return the table with columns of mixed types as text: Parquet columns have one type."""
    mixed = [name for name in table if table[name].map(type).nunique() > 1 and table[name].dtype == object]
    return table.assign(**{str(name): table[name].map(_text) for name in mixed})


def _text(value: Any) -> str | None:
    return None if value is None else str(value)


def append_line(path: Path, line: str) -> None:
    """Append one line and wait until it is on disk; a line cut short before it is ended first."""
    cut_short = False
    if path.is_file() and path.stat().st_size:
        with path.open("rb") as stream:
            stream.seek(-1, os.SEEK_END)
            cut_short = stream.read(1) != b"\n"
    with path.open("ab") as stream:
        stream.write((b"\n" if cut_short else b"") + line.encode("utf-8") + b"\n")
        stream.flush()
        os.fsync(stream.fileno())


def read_lines(path: Path) -> list[Row]:
    """Return the rows of a file of lines; a line that cannot be read is as if it were not there."""
    if not path.is_file():
        return []
    rows = []
    for line in path.read_text(encoding="utf-8").splitlines():
        try:
            rows.append(Row(**json.loads(line)))
        except (ValueError, TypeError):
            continue
    return rows
