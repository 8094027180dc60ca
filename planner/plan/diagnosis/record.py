"""infeasible.json: the promises that collide, in the words of the scenario, and ways out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from planner.files import write_json_atomic


class _Record(BaseModel):
    model_config = ConfigDict(extra="forbid")


class ConflictRow(_Record):
    """One promise of the conflict: its row, where it is written, and a sentence."""

    row: str
    file: str | None
    line: int | None
    text: str


class Change(_Record):
    """One promise that would have to change: from what is stated to what would do."""

    row: str
    from_: float
    to: float
    unit: str

    def as_json(self) -> dict[str, Any]:
        """Return the change with the key `from`."""
        return {"row": self.row, "from": self.from_, "to": self.to, "unit": self.unit}


class WayOut(_Record):
    """A set of changes after which there is a plan.

    kind: what gives way (`power`, `slo`, `demand` ...; several joined by `+`). set: the changes as
    `planner solve --set` takes them. usd_per_h: what the plan found with them costs; None if the changes
    were not applied and solved (`applied` says so).
    """

    changes: list[Change]
    text: str
    kind: str = ""
    set: list[str] = []
    usd_per_h: float | None = None
    applied: bool = True


class Infeasible(_Record):
    """Why there is no plan, and what would help, least relative change first.

    minimal: True if dropping any one promise of the conflict was shown to leave a plan (of the conflict's
    promises alone).
    """

    conflict: list[ConflictRow]
    minimal: bool
    relaxations: list[WayOut]

    def record(self) -> dict[str, Any]:
        """Return what infeasible.json holds."""
        return {
            "conflict": [row.model_dump() for row in self.conflict],
            "minimal": self.minimal,
            "relaxations": [
                {
                    "changes": [change.as_json() for change in way.changes],
                    "text": way.text,
                    **way.model_dump(include={"kind", "set", "usd_per_h", "applied"}),
                }
                for way in self.relaxations
            ],
        }

    def save(self, path: Path) -> None:
        """Write infeasible.json, whole or not at all."""
        write_json_atomic(path, self.record())

    def summary(self) -> str:
        """Return a few lines for the terminal."""
        lines = ["There is no plan. These promises collide:"]
        lines += [f"  - {row.text}  ({_where(row)})" for row in self.conflict]
        if not self.minimal:
            lines.append("(Time ran out before this set was shown to be minimal.)")
        if self.relaxations:
            lines.append("Ways out, least change first:")
            lines += [f"  {number}. {way.text}" for number, way in enumerate(self.relaxations, 1)]
        return "\n".join(lines)


def _where(row: ConflictRow) -> str:
    """Return the row's name, and where it is written."""
    if row.file is None:
        return row.row
    return f"{row.row}, {row.file}" + ("" if row.line is None else f":{row.line}")
