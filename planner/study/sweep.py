"""`planner sweep`: the same question at many points."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from planner.files import FieldProblem, InputFault, InputFaults
from planner.study import points
from planner.study.inputs import Inputs, input_fault
from planner.study.outcome import TITLES, Row
from planner.study.progress import Progress
from planner.study.solving import Solver
from planner.study.store import Store, question_key
from planner.study.study_file import Opened, Span, StudyFile
from planner.topology import Question


class SweepStudy(StudyFile):
    """A scenario solved at many points."""

    KIND: ClassVar[str] = "sweep"

    vary: Mapping[str, list[Any] | Span] = Field(
        default_factory=dict,
        description="Inputs by path (as for --set; `*` stands for every entry): a list of values, or"
        " `{low, high, steps}`. A value `*0.9` or `+10` scales or shifts what the scenario says.",
    )
    method: Literal["grid", "list", "random", "csv"] = Field(
        default="grid",
        description="`grid`: every combination; `list`: first values together, then second ones; `random`:"
        " `samples` points spread evenly over each input; `csv`: the rows of `path`.",
    )
    samples: int = Field(default=20, ge=1, le=100_000, description="Points of method random.")
    seed: int = Field(default=0, ge=0, description="Seed of method random.")
    path: str | None = Field(
        default=None, description="Method csv: a CSV file with a column for each path, relative to the study."
    )
    show: list[str] = Field(
        default_factory=lambda: ["cost_usd_per_h", "expected_kw", "servers"],
        description="Figures drawn in the report, by their column in the table.",
    )

    @model_validator(mode="after")
    def _method_has_what_it_needs(self) -> Self:
        if self.method == "csv":
            if self.path is None:
                raise FieldProblem("nothing", "the CSV file of the points", at=("path",))
            return self
        if not self.vary:
            raise FieldProblem("nothing to vary", "at least one path with values", at=("vary",))
        for path, values in self.vary.items():
            if not isinstance(values, Span) and not values:
                raise FieldProblem("no value", "at least one", at=("vary", path))
        counts = {path: len(points.written_values(values)) for path, values in self.vary.items()}
        if self.method == "list" and len(set(counts.values())) > 1:
            lengths = ", ".join(f"{count} of {path}" for path, count in counts.items())
            raise FieldProblem(lengths, "lists of equal length for method list", at=("vary",))
        return self

    @model_validator(mode="after")
    def _figures_are_known(self) -> Self:
        for at, name in enumerate(self.show):
            if name not in TITLES:
                raise FieldProblem(f"'{name}'", f"one of {', '.join(TITLES)}", at=("show", at))
        return self


def sweep_points(opened: Opened[SweepStudy]) -> list[points.Point]:
    """Return the points of a study, in the order they are solved.

    Raises:
        InputFaults: a table of points cannot be read.
    """
    study = opened.study
    if study.method == "csv":
        assert study.path is not None  # the study checks it
        path = Path(study.path).expanduser()
        return points.from_table(path if path.is_absolute() else opened.folder / path)
    if study.method == "list":
        return points.side_by_side(study.vary)
    if study.method == "random":
        return points.at_random(study.vary, study.samples, study.seed)
    return points.grid(study.vary)


def questions(opened: Opened[SweepStudy], chosen: list[points.Point]) -> list[tuple[points.Point, Question]]:
    """Return the question of every point, so that all that is wrong is known before the first solve.

    Raises:
        InputFaults: some points make no sense, each named with what is wrong.
    """
    inputs = Inputs(opened.question())
    found: list[tuple[points.Point, Question]] = []
    faults: list[InputFault] = []
    for point in chosen:
        try:
            overrides = [o for path, value in point.items() for o in inputs.overrides(path, value)]
            found.append((point, opened.question(overrides)))
        except LookupError as error:
            faults.append(input_fault(opened.document, ("vary",), error))
        except InputFaults as error:
            faults += error.faults
    if faults:
        raise InputFaults(faults)
    return found


def run_sweep(opened: Opened[SweepStudy], folder: Path, progress: Progress | None = None) -> list[Row]:
    """Solve every point that the folder does not know yet and return all rows, in order.

    Interrupted, everything finished is in the folder; run again, it goes on from there.

    Raises:
        InputFaults: something is wrong with a point; nothing was solved then.
    """
    progress = progress or Progress()
    chosen = questions(opened, sweep_points(opened))
    store = Store(folder)
    solver = Solver(progress.hooks)
    rows: list[Row] = []
    progress.start(len(chosen))
    for number, (point, question) in enumerate(chosen, 1):
        key = question_key(question)
        row = store.known(key)
        if row is None:
            progress.point(number, ", ".join(f"{path} = {value}" for path, value in point.items()))
            row = store.add(number, key, point, solver.solve(question))
        rows.append(row)
        progress.done(row)
    return rows
