"""The table of measured rates that `performance: {provider: table, path: ...}` names: its CSV."""

import csv
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, get_args

from planner.files import InputFault, InputFaults, close_matches

RATE_TABLE_COLUMNS = ("llm", "accelerator", "max_rps")
"""Columns a table of measured rates cannot do without; tp, pp, dp, ep, role and workload have
defaults (1, aggregated, all workloads)."""

DEGREES = ("tp", "pp", "dp", "ep")

Role = Literal["aggregated", "prefill", "decode"]


@dataclass(frozen=True)
class Measurement:
    """One row: what one replica serves. `max_rps` 0 means it cannot; `workload` "" means all."""

    llm: str
    accelerator: str
    tp: int
    pp: int
    dp: int
    ep: int
    role: Role
    workload: str
    max_rps: float


def read_measurements(path: Path) -> list[Measurement]:
    """Return the rows of a table of measured rates.

    Raises:
        InputFaults: all that is wrong with it, each with its line.
    """
    try:
        with path.open(encoding="utf-8-sig", newline="") as stream:
            return _Rows(path, csv.DictReader(stream)).read()
    except FileNotFoundError as error:
        fault = InputFault(str(path), None, "", "no such file", "a CSV of measured rates", "")
        raise InputFaults([fault]) from error
    except (UnicodeDecodeError, csv.Error) as error:
        fault = InputFault(str(path), None, "", str(error), "a CSV of measured rates in UTF-8", "")
        raise InputFaults([fault]) from error


class _Rows:
    """Reads the rows and collects what is wrong."""

    def __init__(self, path: Path, rows: "csv.DictReader[str]"):
        self.path = str(path)
        self.rows = rows
        self.faults: list[InputFault] = []

    def read(self) -> list[Measurement]:
        columns = [name.strip() for name in self.rows.fieldnames or []]
        missing = [name for name in RATE_TABLE_COLUMNS if name not in columns]
        if missing:
            found = "the columns " + (", ".join(columns) or "(none)")
            allowed = "the columns " + ", ".join(RATE_TABLE_COLUMNS)
            advice = "missing: " + ", ".join(missing)
            raise InputFaults([InputFault(self.path, 1, "", found, allowed, advice)])
        self.rows.fieldnames = columns
        read: list[Measurement] = []
        lines: dict[tuple[object, ...], int] = {}
        for row in self.rows:
            cells = {name: (value or "").strip() for name, value in row.items() if isinstance(name, str)}
            if not any(cells.values()):
                continue
            entry = self._measurement(cells)
            key = (
                *(getattr(entry, name) for name in ("llm", "accelerator", *DEGREES)),
                entry.role,
                entry.workload,
            )
            if key in lines:
                found = f"a second rate for the shape and workload of line {lines[key]}"
                self._fault("max_rps", found, "one rate for each", "leave one of the two lines out")
            lines.setdefault(key, self.rows.line_num)
            read.append(entry)
        if self.faults:
            raise InputFaults(self.faults)
        return read

    def _measurement(self, cells: Mapping[str, str]) -> Measurement:
        for name in ("llm", "accelerator"):
            if not cells.get(name):
                self._fault(name, "nothing", "a name", "")
        return Measurement(
            llm=cells.get("llm", ""),
            accelerator=cells.get("accelerator", ""),
            tp=self._degree(cells, "tp"),
            pp=self._degree(cells, "pp"),
            dp=self._degree(cells, "dp"),
            ep=self._degree(cells, "ep"),
            role=self._role(cells.get("role", "")),
            workload=cells.get("workload", ""),
            max_rps=self._rate(cells.get("max_rps", "")),
        )

    def _degree(self, cells: Mapping[str, str], name: str) -> int:
        text = cells.get(name, "")
        if not text:
            return 1
        try:
            value = float(text)
        except ValueError:
            value = 0.0
        if value < 1 or value != value // 1 or value > 1e6:
            self._fault(name, f"'{text}'", "a whole number of 1 or more, or nothing (1)", "")
            return 1
        return int(value)

    def _role(self, text: str) -> Role:
        if not text:
            return "aggregated"
        for role in get_args(Role):
            if text.lower() == role:
                found: Role = role
                return found
        self._fault("role", f"'{text}'", ", ".join(get_args(Role)), close_matches(text, get_args(Role)))
        return "aggregated"

    def _rate(self, text: str) -> float:
        """Return the rate; an empty cell is 0: it cannot serve."""
        if not text:
            return 0.0
        try:
            value = float(text)
        except ValueError:
            value = -1.0
        if not 0 <= value < float("inf"):
            self._fault("max_rps", f"'{text}'", "a rate of 0 or more", "")
            return 0.0
        return value

    def _fault(self, field: str, found: str, allowed: str, advice: str) -> None:
        self.faults.append(InputFault(self.path, self.rows.line_num, field, found, allowed, advice))
