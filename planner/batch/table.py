"""The table of results: a row per entry, as CSV or Parquet."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from planner.batch.results import JobResult
from planner.files import write_text_atomic

FIRST = ("job", "status", "objective", "bound", "gap", "seconds", "usd_per_h", "servers", "accelerators")
LAST = ("error", "attempts", "peak_memory_gb", "answer", "key", "planner")
"""Columns before and after the other figures of the plans."""

INTEGERS = ("servers", "accelerators", "replicas", "attempts")
TEXTS = ("job", "status", "error", "answer", "key", "planner")


def rows_of(results: Sequence[JobResult], folder: Path) -> list[dict[str, Any]]:
    """Return the rows of a table; the files of answers are relative to `folder`.

    What was not found is None: a job without a plan has no objective.
    """
    figures = list(dict.fromkeys(name for result in results for name in result.figures if name not in FIRST))
    rows = []
    for result in results:
        has_plan = result.status in ("optimal", "feasible")
        row: dict[str, Any] = {
            "job": result.job,
            "status": result.status,
            "objective": result.objective if has_plan else None,
            "bound": result.bound if has_plan else None,
            "gap": result.gap if has_plan else None,
            "seconds": result.seconds,
            "usd_per_h": None,
            "servers": None,
            "accelerators": None,
            **dict.fromkeys(figures),
            **(result.figures if has_plan else {}),
            "error": result.error.partition("\n")[0],
            "attempts": result.attempts,
            "peak_memory_gb": result.peak_memory_gb,
            "answer": None if result.answer is None else str(result.answer.relative_to(folder)),
            "key": result.key,
            "planner": result.planner,
        }
        rows.append(row)
    return rows


def write_table(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Write rows to a .csv or .parquet file, whole or not at all.

    Raises:
        ValueError: another suffix.
        LookupError: Parquet is asked for and pyarrow is not installed.
        OSError: the file cannot be written.
    """
    suffix = path.suffix.lower()
    if suffix not in (".csv", ".parquet"):
        raise ValueError(f"-o {path}: found '{suffix or 'no suffix'}'; allowed: .csv or .parquet")
    path.parent.mkdir(parents=True, exist_ok=True)
    columns = list(rows[0]) if rows else [*FIRST, *LAST]
    if suffix == ".parquet":
        _write_parquet(rows, columns, path)
        return
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    write_text_atomic(path, text.getvalue())


def _write_parquet(rows: Sequence[dict[str, Any]], columns: Sequence[str], path: Path) -> None:
    try:
        import pyarrow
        import pyarrow.parquet
    except ImportError:
        raise LookupError(
            f"{path}: Parquet needs pyarrow: pip install 'llm-deployment-planner[parquet]', or write a .csv"
        ) from None
    types = {name: pyarrow.int64() for name in INTEGERS} | {name: pyarrow.string() for name in TEXTS}
    schema = pyarrow.schema([(name, types.get(name, pyarrow.float64())) for name in columns])
    partial = path.with_name(f".{path.name}.partial")
    try:
        pyarrow.parquet.write_table(pyarrow.Table.from_pylist(list(rows), schema), partial)
        partial.replace(path)
    finally:
        partial.unlink(missing_ok=True)
