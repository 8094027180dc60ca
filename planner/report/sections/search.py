"""How the plan was found and how good it is known to be."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from planner.plan.types import Plan
from planner.report.figures.search import StagePoint, search_picture
from planner.report.numbers import NOTHING, kilowatts, percent, quantity, usd

MICRO = 1e6

SCALES = {
    "micro-USD/h": ("USD/h", 1e-6),
    "nano-USD/h": ("USD/h", 1e-9),
    "mW": ("W", 1e-3),
    "mg CO2/h": ("kg CO2/h", 1e-6),
}
"""How amounts of the program read: unit and factor."""

BEATS = {
    "micro-USD/h": "costs less than",
    "nano-USD/h": "weighs less than",
    "mW": "draws less than",
    "mg CO2/h": "emits less than",
    "servers": "needs fewer than",
    "units unserved": "leaves less unserved than",
}
"""What a better plan would do, by the unit of the goal."""


FACTS: Mapping[str, tuple[str, Callable[[Any], str]]] = {
    "relative_gap": ("Gap asked for", lambda value: percent(float(value))),
    "method": ("Method", str),
    "seconds": ("Time", lambda value: f"{float(value):,.1f} s"),
    "seed": ("Seed", str),
}
"""What a solver says about its run: title, and how the value reads."""


@dataclass(frozen=True)
class Goal:
    """One goal that was reached, in the unit of the program."""

    name: str
    unit: str
    value: float
    bound: float

    @property
    def beats(self) -> str:
        """What a better plan would do."""
        return BEATS.get(self.unit, f"reaches less {self.name} than")

    @property
    def value_text(self) -> str:
        """The value with its unit."""
        return amount(self.value, self.unit)

    @property
    def bound_text(self) -> str:
        """The bound with its unit."""
        return amount(self.bound, self.unit)

    @property
    def gap(self) -> float:
        """How far value and bound are apart."""
        return (self.value - self.bound) / self.value if self.value > 0 else 0.0


@dataclass(frozen=True)
class StageRow:
    """One stage in words."""

    name: str
    status: str
    seconds: str
    incumbent: str
    bound: str


@dataclass(frozen=True)
class SearchView:
    """The section; `picture` is None where there is nothing to draw."""

    facts: list[tuple[str, str]]
    goals: list[Goal]
    stages: list[StageRow]
    picture: Markup | None


def amount(value: float, unit: str) -> str:
    """Return an amount of the program as people read it."""
    name, factor = SCALES.get(unit, (unit, 1.0))
    if name == "USD/h":
        return f"{usd(value * factor)}/h"
    return kilowatts(value * factor) if name == "W" else f"{quantity(value * factor)} {name}"


def goals_of(plan: Plan) -> list[Goal]:
    """Return the goals in order; a plan that lists none was made for its cost."""
    listed = [
        Goal(str(goal["name"]), str(goal["unit"]), float(goal["value"]), float(goal["bound"]))
        for goal in plan.solver.get("goals") or []
    ]
    return listed or [Goal("cost", "micro-USD/h", plan.objective * MICRO, plan.bound * MICRO)]


def search_view(plan: Plan) -> SearchView:
    """Return the section."""
    goals = goals_of(plan)
    stages: list[Mapping[str, Any]] = list(plan.solver.get("stages") or [])
    # Amounts of a stage are those of the goal it worked on; only a single goal says which that is.
    unit = goals[0].unit if len(goals) == 1 else None
    points = [
        StagePoint(
            str(stage.get("stage", "")),
            _scaled(stage.get("incumbent_usd_per_h"), unit),
            _scaled(stage.get("bound_usd_per_h"), unit),
        )
        for stage in stages
    ]
    facts = [("Status", f"{plan.status}, gap {percent(plan.gap)}")]
    facts += [(title, say(plan.solver[key])) for key, (title, say) in FACTS.items() if key in plan.solver]
    facts += [
        (key.replace("_", " ").capitalize(), str(value))
        for key, value in plan.solver.items()
        if key not in FACTS and key not in ("stages", "goals")
    ]
    if points and unit is not None:
        factor = SCALES.get(unit, (unit, 1.0))[1]
        points.append(StagePoint("delivered plan", goals[0].value * factor, goals[0].bound * factor))
    return SearchView(
        facts=facts,
        goals=goals,
        stages=[
            StageRow(
                str(stage.get("stage", "")),
                str(stage.get("status", "")),
                f"{float(stage['seconds']):,.2f} s" if "seconds" in stage else NOTHING,
                _words(stage.get("incumbent_usd_per_h"), unit),
                _words(stage.get("bound_usd_per_h"), unit),
            )
            for stage in stages
        ],
        picture=search_picture(points, SCALES.get(unit, (unit, 1.0))[0]) if points and unit else None,
    )


def _scaled(value: Any, unit: str | None) -> float | None:
    """Return a stage's amount, which is written in millionths of the program's unit, in the unit shown."""
    if value is None or unit is None:
        return None
    return float(value) * MICRO * SCALES.get(unit, (unit, 1.0))[1]


def _words(value: Any, unit: str | None) -> str:
    if value is None or unit is None:
        return NOTHING
    return amount(float(value) * MICRO, unit)
