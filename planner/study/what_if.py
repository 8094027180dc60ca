"""`planner what-if`: what a change of the question changes in the answer."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from planner.plan.types import Plan
from planner.scenario.paths import split
from planner.study.inputs import EVERY, Inputs
from planner.study.outcome import FIGURES, Outcome, figures
from planner.study.solving import Solver
from planner.topology import Question

SMALLEST = 5e-7
"""Amounts nearer than this are the same: money is written in whole micro-USD."""


@dataclass(frozen=True)
class Difference:
    """One line of the table: a figure of the plan before and after the change."""

    part: str
    name: str
    unit: str
    before: float
    after: float

    @property
    def change(self) -> float:
        """After less before."""
        return self.after - self.before


@dataclass(frozen=True)
class WhatIf:
    """The plan before, what became of the changed question, and how long each took.

    base_seconds is None where the base was given.
    """

    changes: tuple[str, ...]
    base: Plan
    outcome: Outcome
    base_seconds: float | None
    same_question: bool

    @property
    def cost_change(self) -> float | None:
        """USD per hour that the change costs; None if it leaves no plan."""
        plan = self.outcome.plan
        return None if plan is None else plan.cost.total - self.base.cost.total

    @property
    def certain_change(self) -> tuple[float, float] | None:
        """The ends between which the change of the least cost lies for certain, USD per hour.

        Both plans are proven only within their gaps; None where cost is not what was minimized first.
        """
        plan = self.outcome.plan
        if plan is None or not (_minimizes_cost(plan) and _minimizes_cost(self.base)):
            return None
        return plan.bound - self.base.objective, plan.objective - self.base.bound

    @property
    def differences(self) -> list[Difference]:
        """Everything that differs: cost by part, figures, servers, replicas, routes."""
        return [] if self.outcome.plan is None else differences(self.base, self.outcome.plan)

    def record(self) -> dict[str, Any]:
        """Return it all as plain data."""
        certain = self.certain_change
        return {
            "changes": list(self.changes),
            "status": self.outcome.status,
            "reason": self.outcome.reason,
            "base_answers_this_scenario": self.same_question,
            "cost_usd_per_h": {
                "base": self.base.cost.total,
                "changed": None if self.outcome.plan is None else self.outcome.plan.cost.total,
                "change": self.cost_change,
                "certainly_between": None if certain is None else list(certain),
            },
            "seconds": {"base": self.base_seconds, "changed": round(self.outcome.seconds, 3)},
            "differences": [{**line.__dict__, "change": line.change} for line in self.differences],
        }


def _minimizes_cost(plan: Plan) -> bool:
    goals = plan.solver.get("goals") or [{"name": "cost"}]
    return bool(goals[0]["name"] == "cost")


def what_if(
    question: Question,
    changed: Question,
    changes: Sequence[str],
    base: Plan | None = None,
    solver: Solver | None = None,
) -> WhatIf:
    """Return what a change does: the base is solved first, unless its plan is given.

    Args:
        question: as it is.
        changed: as it would be.
        changes: the changes in words, `path=value`.
        base: a plan of `question`.
        solver: solves both; the second starts from the first plan.

    Raises:
        ValueError: the question has no plan before any change.
    """
    solver = solver or Solver()
    seconds: float | None = None
    same = True
    if base is None:
        outcome = solver.solve(question)
        if outcome.plan is None:
            raise ValueError(f"there is no plan before any change: {outcome.reason}")
        base, seconds = outcome.plan, outcome.seconds
    else:
        same = answers(base, question)
    return WhatIf(tuple(changes), base, solver.solve(changed, base), seconds, same)


def answers(plan: Plan, question: Question) -> bool:
    """Say whether a plan is one of this very question.

    Units of traffic that a scenario leaves to the planner are stated in its plan.
    """
    scenario = question.scenario.model_dump(mode="json")
    if scenario["solver"]["demand_units"] is None:
        scenario["solver"]["demand_units"] = plan.scenario["solver"]["demand_units"]
    return plan.scenario == scenario and plan.topology == question.topology.model_dump(mode="json")


def written_changes(question: Question, changes: Iterable[str]) -> list[str]:
    """Return changes with `*` for every entry spelled out, and factors of what is left to a default.

    Raises:
        LookupError: a path leads nowhere, or what is there cannot be scaled.
    """
    inputs = Inputs(question)
    written: list[str] = []
    for change in changes:
        path, equals, text = change.partition("=")
        path, text = path.strip(), text.strip()
        if equals and text[:1] in ("*", "+"):
            written += inputs.overrides(path, text)
        elif equals and EVERY in split(path):
            written += [f"{one}={text}" for one in inputs.paths(path)]
        else:
            written.append(change)
    return written


def differences(base: Plan, changed: Plan) -> list[Difference]:
    """Return every line that differs, and the total cost in any case."""
    lines: list[Difference] = []
    before, after = base.cost.model_dump(), changed.cost.model_dump()
    lines += [
        Difference("cost", part.replace("_", " "), "USD/h", before[part], after[part]) for part in before
    ]
    figures_before, figures_after = figures(base), figures(changed)
    lines += [
        Difference("figures", figure.title, figure.unit, figures_before[column], figures_after[column])
        for figure in FIGURES
        for column in (figure.column,)
        if column != "cost_usd_per_h"
        and figures_before[column] is not None
        and figures_after[column] is not None
    ]
    lines += _counted("servers", "servers", _servers(base), _servers(changed))
    lines += _counted("replicas", "replicas", _replicas(base), _replicas(changed))
    lines += _counted("traffic", "requests/s", _routes(base), _routes(changed))
    return [line for line in lines if abs(line.change) > SMALLEST or line.name == "total"]


def _counted(
    part: str, unit: str, before: Mapping[str, float], after: Mapping[str, float]
) -> list[Difference]:
    names = dict.fromkeys([*before, *after])
    return [Difference(part, name, unit, before.get(name, 0), after.get(name, 0)) for name in names]


def _servers(plan: Plan) -> Counter[str]:
    return Counter(f"{server.origin} {server.server} at {server.site}" for server in plan.servers)


def _replicas(plan: Plan) -> Counter[str]:
    counts: Counter[str] = Counter()
    for group in plan.replicas:
        counts[group.pool] += group.count
    return counts


def _routes(plan: Plan) -> dict[str, float]:
    rates: dict[str, float] = {}
    for route in plan.at_peak().routes:
        name = f"{route.workload} from {route.origin} to {route.site}"
        rates[name] = rates.get(name, 0.0) + route.rate_rps
    return rates
