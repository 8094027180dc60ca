"""`planner sensitivity`: which uncertain input moves the result most (a tornado)."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import BeforeValidator, Field, model_validator

from planner.files import FieldProblem, FileModel, InputFault, InputFaults
from planner.study.inputs import Inputs, input_fault
from planner.study.outcome import TITLES, Row
from planner.study.progress import Progress
from planner.study.solving import Solver
from planner.study.store import Store, question_key
from planner.study.study_file import Opened, StudyFile
from planner.topology import Question

BASE = "base"


def _as_list(value: object) -> object:
    return [value] if isinstance(value, str) else value


class Uncertain(FileModel):
    """An input that is not known for sure."""

    name: str = Field(default="", description="What people call it. Default: its path.")
    path: Annotated[
        list[str], BeforeValidator(_as_list, json_schema_input_type=list[str] | str), Field(min_length=1)
    ] = Field(description="Path as for --set (`*` stands for every entry), or several that move together.")
    low: float = Field(description="The lowest value it may take.")
    high: float = Field(description="The highest value it may take.")
    relative: bool = Field(
        default=False, description="The numbers are factors of what the scenario says, not values."
    )

    @model_validator(mode="after")
    def _ends_in_order(self) -> Self:
        if not self.low < self.high:
            raise FieldProblem(f"low {self.low:g}, high {self.high:g}", "a low end below the high end")
        return self

    @property
    def title(self) -> str:
        """Its name, or its path."""
        return self.name or ", ".join(self.path)

    def words(self, value: float) -> str:
        """Return a value as people read it."""
        return f"× {value:g}" if self.relative else f"{value:g}"


class SensitivityStudy(StudyFile):
    """Uncertain inputs, each at its lowest and highest value while the others stay."""

    KIND: ClassVar[str] = "sensitivity"

    inputs: list[Uncertain] = Field(min_length=1, description="What is not known for sure.")
    measure: str = Field(
        default="cost_usd_per_h", description="The figure that is looked at, by its column in the table."
    )

    @model_validator(mode="after")
    def _makes_sense(self) -> Self:
        if self.measure not in TITLES:
            raise FieldProblem(f"'{self.measure}'", f"one of {', '.join(TITLES)}", at=("measure",))
        titles = [entry.title for entry in self.inputs]
        for at, title in enumerate(titles):
            if title in titles[:at]:
                raise FieldProblem(f"'{title}' again", "a name for each input", at=("inputs", at))
        return self


@dataclass(frozen=True)
class Effect:
    """What one input does to the measure; None at an end where there is no plan."""

    input: Uncertain
    base: float
    low: float | None
    high: float | None
    low_row: Row
    high_row: Row

    @property
    def swing(self) -> float:
        """How far the measure moves between the ends (the base among them); infinite without a plan."""
        if self.low is None or self.high is None:
            return float("inf")
        return max(self.low, self.high, self.base) - min(self.low, self.high, self.base)


def run_sensitivity(
    opened: Opened[SensitivityStudy], folder: Path, progress: Progress | None = None
) -> list[Row]:
    """Solve the base and both ends of every input and return the rows, the base first.

    Raises:
        InputFaults: an input leads nowhere or to a wrong question; nothing was solved then.
    """
    progress = progress or Progress()
    asked = _questions(opened)
    store, solver = Store(folder), Solver(progress.hooks)
    rows: list[Row] = []
    progress.start(len(asked))
    for number, (title, end, value, question) in enumerate(asked):
        key = question_key(question)
        row = store.known(key)
        inputs = {} if title == BASE else {title: value, "end": end}
        if row is None or row.inputs != inputs:
            progress.point(number + 1, BASE if title == BASE else f"{title} {end}")
            start = store.plan(rows[0]) if rows else None
            row = store.add(number, key, inputs, solver.solve(question, start))
        rows.append(row)
        progress.done(row)
    return rows


End = Literal["base", "low", "high"]


def _questions(opened: Opened[SensitivityStudy]) -> list[tuple[str, End, float, Question]]:
    """Return the base and every end: (input, end, value, question)."""
    base = opened.question()
    inputs = Inputs(base)
    asked: list[tuple[str, End, float, Question]] = [(BASE, "base", 0.0, base)]
    faults: list[InputFault] = []
    ends: tuple[End, End] = ("low", "high")
    for at, entry in enumerate(opened.study.inputs):
        for end in ends:
            value = entry.low if end == "low" else entry.high
            try:
                overrides = [
                    override
                    for path in entry.path
                    for override in inputs.overrides(path, value, relative=entry.relative)
                ]
                asked.append((entry.title, end, value, opened.question(overrides)))
            except LookupError as error:
                faults.append(input_fault(opened.document, ("inputs", at, "path"), error))
            except InputFaults as error:
                faults += error.faults
    if faults:
        raise InputFaults(faults)
    return asked


def effects(study: SensitivityStudy, rows: list[Row]) -> list[Effect]:
    """Return the effect of every input that was solved at both ends, the strongest first.

    Empty if the base has no plan: there is nothing to compare with.
    """
    base = next((row.figures.get(study.measure) for row in rows if not row.inputs), None)
    if base is None:
        return []
    found: list[Effect] = []
    for entry in study.inputs:
        ends = {row.inputs["end"]: row for row in rows if entry.title in row.inputs}
        if {"low", "high"} <= set(ends):
            low, high = ends["low"], ends["high"]
            values = (low.figures.get(study.measure), high.figures.get(study.measure))
            found.append(Effect(entry, base, *values, low, high))
    return sorted(found, key=lambda effect: -effect.swing)
