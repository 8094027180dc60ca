"""What every study file has, and how it is read: the scenario it is about and the changes to it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Generic, Literal, Self, TypeVar

import numpy as np
from pydantic import Field, model_validator

from planner.files import Document, FieldProblem, FileModel, InputFault, InputFaults, read_document, validate
from planner.topology import Question, load_question


class Span(FileModel):
    """Values spread between two ends."""

    low: float = Field(description="The lowest value.")
    high: float = Field(description="The highest value.")
    steps: int = Field(default=5, ge=2, le=1000, description="How many values, both ends included.")
    scale: Literal["linear", "log"] = Field(
        default="linear", description="Equal steps, or equal ratios between neighbours."
    )
    relative: bool = Field(
        default=False, description="The numbers are factors of what the scenario says, not values."
    )

    @model_validator(mode="after")
    def _ends_in_order(self) -> Self:
        if not self.low < self.high:
            raise FieldProblem(f"low {self.low:g}, high {self.high:g}", "a low end below the high end")
        if self.scale == "log" and self.low <= 0:
            raise FieldProblem(f"{self.low:g} on a log scale", "a low end above 0", at=("low",))
        return self

    def at(self, share: float) -> float:
        """Return the value at a share of the way from low (0) to high (1)."""
        if self.scale == "log":
            return float(self.low * (self.high / self.low) ** share)
        return self.low + (self.high - self.low) * share

    def values(self) -> list[float]:
        """Return all values, the lowest first."""
        return [_tidy(self.at(float(share))) for share in np.linspace(0.0, 1.0, self.steps)]


def _tidy(value: float) -> float:
    """Return a value without the last digits that only rounding put there."""
    return float(f"{value:.10g}")


class StudyFile(FileModel):
    """What every study says."""

    KIND: ClassVar[str] = ""
    """The word in `study:` and the command that runs it."""

    study: str = Field(
        default="",
        description="Kind of the study: sweep, pareto, sensitivity, break-even or procure. May be left out:"
        " the command says it.",
    )
    name: str = Field(default="study", min_length=1, description="Name in reports. Default: the file's name.")
    scenario: str | Mapping[str, Any] = Field(
        description="The scenario it is about: a path relative to the study file, or the scenario itself."
    )
    changes: list[str] = Field(
        default_factory=list,
        description="Changes to the scenario in every point, each `path=value` as for --set.",
    )

    @classmethod
    def name_faults(cls, document: Document, question: Question) -> list[InputFault]:
        """Return the faults of names in the file that stand for nothing in its question; here none."""
        return []


S = TypeVar("S", bound=StudyFile)


@dataclass(frozen=True)
class Opened(Generic[S]):
    """A study that was read: its file, and where its scenario is.

    folder: what relative paths in it start from.
    """

    study: S
    document: Document
    scenario: str | Path | Mapping[str, Any]
    folder: Path

    def question(self, overrides: list[str] | None = None) -> Question:
        """Return the study's question with some more changes.

        Raises:
            InputFaults: the scenario, its topology or a change is wrong.
        """
        changes = [*self.study.changes, *(overrides or [])]
        return load_question(self.scenario, changes, self.folder)


def open_study(
    model: type[S], source: str | Path | Mapping[str, Any], folder: Path | None = None
) -> Opened[S]:
    """Read a study file (or plain data whose relative paths start at `folder`) and check it.

    Raises:
        InputFaults: everything that is wrong, with lines; faults of its scenario come with them.
    """
    if isinstance(source, Mapping):
        document, folder = Document(dict(source), name="study"), folder or Path.cwd()
    else:
        document = read_document(source)
        folder = folder or Path(source).resolve().parent
    if isinstance(document.data, Mapping):
        _right_kind(model, document)
        if "name" not in document.data and document.path is not None:
            document = document.with_data({**document.data, "name": document.path.stem})
    faults: list[InputFault] = []
    study: S | None = None
    try:
        study = validate(model, document)
    except InputFaults as error:
        faults += error.faults
    scenario: Any = document.data.get("scenario") if isinstance(document.data, Mapping) else None
    if isinstance(scenario, str):
        path = Path(scenario).expanduser()
        path = path if path.is_absolute() else folder / path
        if path.is_file():
            scenario = path
        else:
            advice = f"looked for {path}"
            faults.append(
                document.fault(("scenario",), f"no file '{scenario}'", "a file that exists", advice)
            )
            scenario = None
    if scenario is not None:
        changes = document.data.get("changes") or []
        try:
            question = load_question(scenario, [c for c in changes if isinstance(c, str)], folder)
            faults += model.name_faults(document, question)
        except InputFaults as error:
            faults += error.faults
    if faults or study is None:
        raise InputFaults(faults)
    return Opened(study, document, scenario, folder)


def _right_kind(model: type[StudyFile], document: Document) -> None:
    """Refuse a study of another kind, or a scenario, before its fields are called unknown."""
    stated = document.data.get("study")
    if stated is None and "workloads" in document.data and "scenario" not in document.data:
        advice = "write a study beside it that names it: `scenario: FILE`; see examples/studies"
        raise InputFaults([document.fault(("workloads",), "a scenario", f"a {model.KIND} study", advice)])
    if stated is not None and stated != model.KIND:
        advice = f"run `planner {stated}` on it" if isinstance(stated, str) else ""
        raise InputFaults([document.fault(("study",), f"'{stated}'", model.KIND, advice)])
