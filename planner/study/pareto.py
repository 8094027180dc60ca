"""`planner pareto`: plans that no other plan beats in every objective (epsilon constraint).

One objective is minimized while the others are held below limits; what is left open is settled by the
other objectives in order, so that every point is non-dominated. The limits are promises of the scenario
(`limits.expected_kw`, `limits.carbon_kg_per_h`, `slo.ttft_ms`), so each plan can be verified on its own.

With two objectives the widest gap between neighbours is searched first: evenly spread while points are
few, and the whole front when it has no more points than asked for. With three objectives the limits form
a grid between the best and the worst values of the ends.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal, Self

from pydantic import Field, model_validator

from planner.files import FieldProblem, InputFaults
from planner.plan.types import Plan
from planner.study.inputs import Inputs
from planner.study.outcome import Row
from planner.study.progress import Progress
from planner.study.solving import Solver
from planner.study.store import Store, question_key
from planner.study.study_file import Opened, StudyFile

Name = Literal["cost", "ttft", "power", "carbon"]

SCALE = {"cost": 1e6, "power": 1e6, "carbon": 1e6, "ttft": 1e3}
"""Whole amounts that make one USD/h, kW, kg/h, ms: micro-USD/h, mW, mg/h, microseconds."""

UNITS = {"cost": "USD/h", "power": "kW", "carbon": "kg CO2/h", "ttft": "ms"}

TITLES = {
    "cost": "Cost",
    "power": "Expected power",
    "carbon": "Carbon",
    "ttft": "Worst time to first token",
}

LIMITS = {"power": "limits.expected_kw", "carbon": "limits.carbon_kg_per_h"}

TTFT_END_SHARE = 0.01
"""The least time to first token is located to this share of the unconstrained one."""


class ParetoStudy(StudyFile):
    """Two or three objectives, and the plans among which only taste decides."""

    KIND: ClassVar[str] = "pareto"

    objectives: list[Name] = Field(
        min_length=2, max_length=3, description="What is to be small: cost, ttft, power, carbon."
    )
    points: int = Field(default=10, ge=2, le=1000, description="The most points of the front; ends included.")

    @model_validator(mode="after")
    def _different(self) -> Self:
        if len(set(self.objectives)) < len(self.objectives):
            raise FieldProblem(", ".join(self.objectives), "each objective once", at=("objectives",))
        return self

    @property
    def order(self) -> list[Name]:
        """The objectives: first the one that is minimized, then those held below limits.

        Cost is minimized where it is among them; the time to first token never is.
        """
        first: Name = "cost" if "cost" in self.objectives else next(o for o in self.objectives if o != "ttft")
        return [first, *(name for name in self.objectives if name != first)]


@dataclass(frozen=True)
class Point:
    """A plan and its values in whole amounts, in the study's order of objectives."""

    values: tuple[int, ...]
    row: Row

    def value(self, at: int, name: str) -> float:
        """Return a value in the unit people use."""
        return self.values[at] / SCALE[name]


def non_dominated(points: Sequence[Point]) -> list[Point]:
    """Return the points that no other one beats, each once, by their values in order."""
    unique = list({point.values: point for point in points}.values())
    kept = [
        point
        for point in unique
        if not any(
            other.values != point.values
            and all(theirs <= own for theirs, own in zip(other.values, point.values, strict=True))
            for other in unique
        )
    ]
    return sorted(kept, key=lambda point: point.values)


@dataclass
class _Gap:
    """Between two neighbours (by the second objective): `low` is a limit known to give `left` only.

    halved: the middle was tried already.
    """

    left: Point
    right: Point
    low: int
    halved: bool = False


def run_pareto(
    opened: Opened[ParetoStudy],
    folder: Path,
    progress: Progress | None = None,
    points: list[Point] | None = None,
) -> list[Point]:
    """Solve the study and return its front, the best of the first objective first.

    `points` gets every point as it is found: what there is of the front when the study is interrupted.

    Raises:
        InputFaults: an objective makes no sense for the scenario.
        ValueError: the scenario has no plan at all.
    """
    study = opened.study
    search = _Front(opened, folder, progress or Progress(), [] if points is None else points)
    if len(study.objectives) == 2:
        search.two()
    else:
        search.three()
    return non_dominated(search.points)


LEAST_STEPS = 3
"""Limits on each objective in the grid of three, at least: both ends and the middle."""


class _Front:
    """Points found so far, and how new ones are found."""

    def __init__(
        self, opened: Opened[ParetoStudy], folder: Path, progress: Progress, points: list[Point]
    ) -> None:
        self.opened = opened
        self.order = opened.study.order
        self.most = opened.study.points
        self.question = opened.question()
        self.inputs = Inputs(self.question)
        self.store = Store(folder)
        self.solver = Solver(progress.hooks)
        self.progress = progress
        self.points = points
        self._refuse_what_cannot_be()
        progress.start(self.most)

    def _refuse_what_cannot_be(self) -> None:
        if "ttft" not in self.order:
            return
        scenario = self.question.scenario
        at = ("objectives", self.opened.study.objectives.index("ttft"))
        document = self.opened.document
        if all(workload.slo is None for workload in scenario.workloads):
            advice = "give the scenario's workloads an slo, or leave ttft out"
            raise InputFaults([document.fault(at, "'ttft'", "a scenario with latency objectives", advice)])
        if scenario.performance.measured_throughout:
            found = "'ttft', while the rates are measured"
            raise InputFaults([document.fault(at, found, "objectives without ttft", "a rate has no latency")])

    def two(self) -> None:
        """Find the ends, then the middle of the widest gap again and again."""
        right = self._end(self.order)
        left = self._least_ttft(right) if self.order[1] == "ttft" else self._end(self.order[::-1])
        gaps = [_Gap(left, right, left.values[1])]
        while gaps and len(non_dominated(self.points)) < self.most:
            gap = max(gaps, key=self._width)
            gaps.remove(gap)
            gaps += self._searched(gap)

    def _searched(self, gap: _Gap) -> list[_Gap]:
        """Return the gaps that are left of one after one more solve inside it."""
        highest = gap.right.values[1] - 1
        if gap.low >= highest or gap.left.values[0] <= gap.right.values[0]:
            return []
        limit = highest if gap.halved else (gap.low + highest) // 2
        found = self._solve(self.order, (limit,))
        if found is None or found.values[1] <= gap.left.values[1] or found.values[0] >= gap.left.values[0]:
            gap.low, gap.halved = limit, True
            return [gap] if limit < highest else []
        parts = [_Gap(gap.left, found, gap.low, gap.halved)]
        if limit < highest:
            parts.append(_Gap(found, gap.right, limit))
        return parts

    def _width(self, gap: _Gap) -> float:
        """Return how far apart the neighbours of a gap are, relative to the whole front."""
        total = 0.0
        for at in range(2):
            values = [point.values[at] for point in self.points]
            spread = max(values) - min(values)
            total += ((gap.left.values[at] - gap.right.values[at]) / spread) ** 2 if spread else 0.0
        return math.sqrt(total)

    def three(self) -> None:
        """Find the three ends, then solve a grid of limits on the second and third objective."""
        orders = [self.order, [self.order[at] for at in (1, 0, 2)], [self.order[at] for at in (2, 0, 1)]]
        first = self._end(orders[0])
        for order in orders[1:]:
            if order[0] == "ttft":
                self._least_ttft(first)
            else:
                self._end(order)
        ends = list(self.points)
        steps = max(LEAST_STEPS, round(math.sqrt(self.most)))
        limits = [_spread([end.values[at] for end in ends], steps) for at in (1, 2)]
        impossible: list[tuple[int, int]] = []
        # Without limits the first end is the best; what the search for the least TTFT met does not count.
        solved: list[tuple[tuple[int, int], Point]] = [((limits[0][0], limits[1][0]), first)]
        for third in limits[1]:
            for second in limits[0]:
                if len(solved) + len(orders) - 1 >= self.most:
                    return
                if any(second <= a and third <= b for a, b in impossible):
                    continue
                # What was best under looser limits and keeps these is best under these as well.
                if any(
                    a >= second and b >= third and p.values[1] <= second and p.values[2] <= third
                    for (a, b), p in solved
                ):
                    continue
                point = self._solve(self.order, (second, third))
                if point is None:
                    impossible.append((second, third))
                else:
                    solved.append(((second, third), point))

    def _end(self, order: Sequence[Name]) -> Point:
        """Return the plan that is best in the objectives in turn."""
        found = self._solve(order, (None,) * (len(self.order) - 1))
        if found is None:
            raise ValueError("the scenario has no plan, whatever its objective: see `planner solve`")
        return found

    def _least_ttft(self, first: Point) -> Point:
        """Return the plan with the least time to first token, located by halving the promise."""
        at = self.order.index("ttft")
        best, impossible = first, 0
        while best.values[at] - impossible > max(first.values[at] * TTFT_END_SHARE, SCALE["ttft"]):
            limits: list[int | None] = [None] * (len(self.order) - 1)
            limits[at - 1] = limit = (best.values[at] + impossible) // 2
            found = self._solve(self.order, tuple(limits))
            if found is None:
                impossible = limit
            else:
                best = found
        return best

    def _solve(self, order: Sequence[Name], limits: tuple[int | None, ...]) -> Point | None:
        """Return the plan that is best in turn within limits on `self.order[1:]`, None if there is none."""
        overrides = [self._goals(order)]
        words: dict[str, Any] = {}
        for name, limit in zip(self.order[1:], limits, strict=True):
            if limit is not None:
                overrides += self._limit(name, limit / SCALE[name])
                words[f"{name} at most, {UNITS[name]}"] = limit / SCALE[name]
        question = self.opened.question(overrides)
        key = question_key(question)
        row = self.store.known(key)
        plan = None if row is None else self.store.plan(row)
        if row is None:
            number = len(self.progress.rows) + 1
            self.progress.total = max(self.progress.total, number)
            self.progress.point(number, ", ".join(f"{k} {v:,.6g}" for k, v in words.items()) or order[0])
            outcome = self.solver.solve(question, diagnosis_s=0.0)
            plan = outcome.plan
            row = self.store.add(number, key, {"minimized": order[0], **words}, outcome)
        self.progress.done(row)
        if plan is None:
            return None
        point = Point(tuple(amount(plan, name) for name in self.order), row)
        self.points.append(point)
        return point

    def _goals(self, order: Sequence[Name]) -> str:
        """Return the change that sets the goals; what the scenario maximizes stays first."""
        named = [name for name in order if name != "ttft"]
        maximize = self.question.scenario.objective.maximize
        first = "" if maximize is None else f"maximize: [{', '.join(maximize)}], "
        return f"objective={{{first}minimize: [{', '.join(named)}]}}"

    def _limit(self, name: str, limit: float) -> list[str]:
        """Return the changes that hold an objective below a limit, and below its own if that is lower."""
        if name != "ttft":
            stated = self.inputs.value(LIMITS[name])
            return [f"{LIMITS[name]}={min(limit, math.inf if stated is None else stated)!r}"]
        changes = []
        for workload in self.question.scenario.workloads:
            if workload.slo is not None:
                own = math.inf if workload.slo.ttft_ms is None else workload.slo.ttft_ms
                changes.append(f"workloads.{workload.name}.slo.ttft_ms={min(own, limit)!r}")
        return changes


def amount(plan: Plan, name: str) -> int:
    """Return what a plan reaches in an objective, whole amounts.

    Raises:
        ValueError: the plan was not made for that objective.
    """
    if name == "ttft":
        return round(max(row.ttft_ms.predicted or 0.0 for row in plan.slo) * SCALE["ttft"])
    for goal in plan.solver["goals"]:
        if goal["name"] == name:
            return int(goal["value"])
    raise ValueError(f"the plan says nothing about {name}")


def _spread(values: Sequence[int], steps: int) -> list[int]:
    """Return `steps` values from the largest down to the smallest, evenly spread."""
    low, high = min(values), max(values)
    if low == high:
        return [high]
    return [round(high - (high - low) * k / (steps - 1)) for k in range(steps)]
