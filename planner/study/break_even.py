"""`planner break-even`: the value of an input at which the answer changes.

The interval between two values with different answers is halved until it is as narrow as asked. A price
that changes a second time inside the interval is not noticed; both answers around the value found are
shown, so that nobody is misled.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Literal, Self

from pydantic import Field, model_validator

from planner.files import FieldProblem, InputFaults
from planner.plan.types import Plan
from planner.study.inputs import Inputs, input_fault
from planner.study.outcome import Row, server_types
from planner.study.progress import Progress
from planner.study.solving import Solver
from planner.study.store import Store, question_key
from planner.study.study_file import Opened, StudyFile

Watch = Literal["server_type", "server_types", "sites", "llms", "rent_or_buy"]

NO_PLAN = "no plan"

MOST_HALVINGS = 60
"""Halvings after which an interval is narrower than any price is known."""


class BreakEvenStudy(StudyFile):
    """Where along one input the answer changes."""

    KIND: ClassVar[str] = "break-even"

    path: str = Field(description="The input, as for --set; `*` stands for every entry.")
    low: float = Field(description="The lowest value that is looked at.")
    high: float = Field(description="The highest value that is looked at.")
    relative: bool = Field(default=False, description="The numbers are factors of what the scenario says.")
    watch: Watch = Field(
        default="server_type",
        description="What has to change: `server_type` (the type most accelerators are of), `server_types`"
        " (the set of types), `sites`, `llms`, `rent_or_buy`.",
    )
    tolerance: float = Field(
        default=0.01,
        gt=0,
        lt=1,
        description="Stop when the interval is this narrow, as a share of its value.",
    )

    @model_validator(mode="after")
    def _ends_in_order(self) -> Self:
        if not self.low < self.high:
            raise FieldProblem(f"low {self.low:g}, high {self.high:g}", "a low end below the high end")
        return self


def answer(plan: Plan | None, watch: Watch) -> str:
    """Return what is watched of a plan, in words; `no plan` where there is none."""
    if plan is None:
        return NO_PLAN
    if watch == "server_type":
        weights: dict[str, int] = {}
        for server in plan.servers:
            weights[server.server] = weights.get(server.server, 0) + server.accelerators
        return max(sorted(weights), key=lambda name: weights[name], default="no server")
    if watch == "server_types":
        return ", ".join(sorted(server_types(plan))) or "no server"
    if watch == "sites":
        return ", ".join(sorted({server.site for server in plan.servers})) or "no site"
    if watch == "llms":
        return ", ".join(sorted({route.llm for route in plan.routes})) or "no LLM"
    owned = sum(server.accelerators for server in plan.servers if server.origin != "rent")
    rented = sum(server.accelerators for server in plan.servers if server.origin == "rent")
    return "own" if owned >= rented else "rent"


@dataclass(frozen=True)
class Tried:
    """One value of the input and the answer there."""

    value: float
    answer: str
    row: Row


@dataclass(frozen=True)
class BreakEven:
    """Neighbouring values with different answers; None where both ends have the same."""

    tried: tuple[Tried, ...]
    below: Tried | None
    above: Tried | None

    @property
    def value(self) -> float | None:
        """The middle of the interval in which the answer changes."""
        if self.below is None or self.above is None:
            return None
        return (self.below.value + self.above.value) / 2


def run_break_even(
    opened: Opened[BreakEvenStudy], folder: Path, progress: Progress | None = None
) -> BreakEven:
    """Halve the interval until the change of the answer is located within the tolerance.

    Raises:
        InputFaults: the input leads nowhere or to a wrong question.
    """
    progress = progress or Progress()
    study = opened.study
    inputs = Inputs(opened.question())
    store, solver = Store(folder), Solver(progress.hooks)
    tried: list[Tried] = []
    progress.start(2 + _halvings(study))

    def at(value: float) -> Tried:
        try:
            overrides = inputs.overrides(study.path, value, relative=study.relative)
        except LookupError as error:
            raise InputFaults([input_fault(opened.document, ("path",), error)]) from None
        question = opened.question(overrides)
        key = question_key(question)
        row = store.known(key)
        plan = None if row is None else store.plan(row)
        if row is None:
            progress.point(len(tried) + 1, f"{study.path} = {value:g}")
            outcome = solver.solve(question)
            plan = outcome.plan
            row = store.add(len(tried) + 1, key, {study.path: value}, outcome)
        progress.done(row)
        tried.append(Tried(value, answer(plan, study.watch), row))
        return tried[-1]

    below, above = at(study.low), at(study.high)
    if below.answer == above.answer:
        return BreakEven(tuple(tried), None, None)
    for _ in range(MOST_HALVINGS):
        if above.value - below.value <= study.tolerance * max(abs(above.value), abs(below.value)):
            break
        middle = at((below.value + above.value) / 2)
        if middle.answer == below.answer:
            below = middle
        else:
            above = middle
    return BreakEven(tuple(tried), below, above)


def _halvings(study: BreakEvenStudy) -> int:
    """Return about how many halvings the tolerance needs."""
    wide = study.high - study.low
    narrow = study.tolerance * max(abs(study.low), abs(study.high))
    count = 0
    while wide > narrow and count < MOST_HALVINGS:
        wide /= 2
        count += 1
    return count


def sentence(study: BreakEvenStudy, found: BreakEven) -> str:
    """Return the answer in one sentence."""
    first, last = found.tried[0], found.tried[1]
    factor = "× " if study.relative else ""
    if found.below is None or found.above is None:
        watched = study.watch.replace("_", " ")
        ends = f"{factor}{first.value:g} to {factor}{last.value:g}"
        return f"{watched} stays {first.answer} from {study.path} = {ends}"
    return (
        f"{found.below.answer} up to {study.path} = {factor}{found.below.value:,.6g}, {found.above.answer}"
        f" from {factor}{found.above.value:,.6g} on"
    )
