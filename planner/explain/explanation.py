"""The whole explanation of a plan: binding promises, prices, trades, slack."""

from __future__ import annotations

import math
import time
from typing import Literal

from planner.explain.marginals import binding, used_by_row
from planner.explain.prices import price_effects
from planner.explain.rebuild import Rebuilt, rebuild
from planner.explain.record import Explanation, Marginal, Price, Slack, Whole
from planner.explain.trades import trades
from planner.optimize.marginal import Relaxation, movable
from planner.optimize.solvers.outcome import SolverFailure
from planner.performance.version import model_version
from planner.plan.diagnosis.lever import Lever
from planner.plan.diagnosis.levers import levers_of
from planner.plan.edit import edited
from planner.plan.reuse import Reuse
from planner.plan.solve import BrokenPlan, NoPlan, solve
from planner.plan.types import Plan
from planner.shapes import KeptTimings

FULL = 0.995
"""Share of a limit from which on it counts as full."""

EXPLANATION_S = 20.0
"""Time for an explanation; what is not worked out by then is left out and told."""

RANGES_SHARE = 0.5
"""Part of the time after which ends of ranges are not looked for any more: worths matter more."""

WHOLE_S = 5.0
"""Time to solve the integer program again with a little more of something."""

LATE = "time ran out: some promises were not looked at (planner explain --time-limit-s gives it more)"

MOST_WHOLE = 3
"""Promises that are checked on the integer program."""


LARGE_PLAN = 2_000
"""Accelerators of a plan beyond which it is explained among the shapes that it uses."""

Shapes = Literal["auto", "all", "used"]
"""Which shapes an explanation reckons with."""


def explain(
    plan: Plan,
    time_limit_s: float = EXPLANATION_S,
    whole: int = MOST_WHOLE,
    shapes: Shapes = "auto",
    timings: KeptTimings | None = None,
) -> Explanation:
    """Return why a plan is what it is.

    Args:
        plan: a plan, with its question inside.
        time_limit_s: time for all of it.
        whole: how many of the promises worth most are checked on the integer program.
        shapes: reckon with all shapes, or only with those that the plan uses (quick; a promise may then look
            worth more than it is). auto: those it uses where the plan is large.
        timings: what was timed for the plan already; None: nothing.

    Raises:
        ValueError: the question inside the plan cannot be read, or its relaxation not be solved.
    """
    started = time.perf_counter()
    deadline = started + time_limit_s
    every = shapes == "all" or (shapes == "auto" and plan.metrics.accelerators <= LARGE_PLAN)
    rebuilt = rebuild(plan, every_shape=every, timings=timings)
    name, unit, divisor = rebuilt.goal
    arrays = movable(rebuilt.problem, rebuilt.arrays, rebuilt.offered)
    relaxation = Relaxation(arrays, deadline, started + RANGES_SHARE * time_limit_s)
    levers = levers_of(rebuilt.assembly, arrays)
    prices = [
        Price(
            name=change.name, field=change.field, step=change.step, unit=change.unit, plan=kept,
            relaxation=again,
            rests_on=change.weak(rebuilt),
        )
        for change, kept, again in price_effects(rebuilt, relaxation)
    ]  # fmt: skip
    found = sorted(
        binding(rebuilt, relaxation, [lever for lever in levers if lever.in_rows], plan),
        key=lambda one: -abs(one.worth),
    )
    traded = sorted(trades(rebuilt, relaxation, levers), key=lambda one: one.change)
    by_row = {lever.row: lever for lever in levers}
    # Among some of the shapes nothing is proven about the best possible plan.
    whole = whole if every else 0
    for position, one in enumerate(found[:whole]):
        left = deadline - time.perf_counter()
        if left > 1.0 and one.value < 0:
            found[position] = one.model_copy(
                update={"whole": _whole(rebuilt, by_row[one.row], min(left, WHOLE_S))}
            )
    full, slack = _slack(plan, {one.row for one in found})
    for position, row in enumerate(full[:whole]):
        left = deadline - time.perf_counter()
        if left > 1.0 and row.row in by_row:
            tried = _whole(rebuilt, by_row[row.row], min(left, WHOLE_S))
            full[position] = row.model_copy(update={"whole": tried})
    told = [] if every else ["among the shapes that the plan uses (--shapes all reckons with every one)"]
    model = plan.provenance.get("performance_model")
    measured = rebuilt.question.scenario.performance.measured_throughout
    if model != model_version() and not measured:
        sized_by = model or "(it does not say which)"
        told.append(
            f"the plan was sized by performance model {sized_by}, this reckons with {model_version()}"
        )
    if time.perf_counter() > deadline:
        told.append(LATE)
    return Explanation(
        goal=name,
        unit=unit,
        objective=rebuilt.objective,
        bound=max(rebuilt.bound, relaxation.start.objective / divisor),
        relaxation=relaxation.start.objective / divisor,
        binding=found,
        prices=prices,
        trades=traded,
        full=full,
        slack=slack,
        seconds=round(time.perf_counter() - started, 3),
        told="; ".join(told),
    )


BRIEF_S = 2.0
"""Time for the explanation that every report has ..."""

BRIEF_SHARE = 0.1
"""... or this part of what the plan took to find, if that is more."""


def explain_briefly(plan: Plan, timings: KeptTimings | None = None) -> Explanation | None:
    """Return an explanation that costs little beside the plan, None where there is none in that time.

    Nothing is checked on the integer program; `told` says what was left out.
    """
    seconds = max(BRIEF_S, BRIEF_SHARE * float(plan.solver.get("seconds", 0.0)))
    try:
        return explain(plan, seconds, whole=0, timings=timings)
    except (ValueError, SolverFailure):
        return None


def _whole(rebuilt: Rebuilt, lever: Lever, seconds: float) -> Whole | None:
    """Solve the integer program again, from the plan, with one natural step more of a promise."""
    step = _natural_step(lever)
    value = lever.loosened(step)
    if value == lever.stated:
        return None
    effort = (f"solver.time_limit_s={seconds:.1f}",)
    try:
        question = edited(rebuilt.question, [*lever.edit(value), *effort])
        reuse = Reuse(timings=rebuilt.timings, plan=rebuilt.plan)
        changed = solve(question, reuse=reuse, diagnosis_s=0.0)
    except (NoPlan, BrokenPlan, ValueError):
        return None
    plan = rebuilt.plan
    if rebuilt.bound == -math.inf:
        return None
    return Whole(
        step=value - lever.stated,
        unit=lever.unit,
        change=changed.objective - plan.objective,
        certainly=(changed.bound - plan.objective, changed.objective - plan.bound),
    )


def _natural_step(lever: Lever) -> float:
    """Return what a person would ask for: one of what is counted, else a tenth of what is stated."""
    if not lever.numeric or lever.whole:
        return 1.0
    return 0.1 * abs(lever.stated) or 1.0


def _slack(plan: Plan, bound: set[str]) -> tuple[list[Slack], list[Slack]]:
    """Return the rows of the books that are full, and those with room, the fullest first."""
    rows = [
        Slack(row=row.name, used=row.used, limit=row.limit, unit=row.unit, left=row.limit - row.used)
        for row in used_by_row(plan).values()
        if row.limit and row.name not in bound
    ]
    rows.sort(key=lambda row: -row.used / row.limit)
    full = [row for row in rows if row.used >= FULL * row.limit]
    return full, rows[len(full) :]


PER = {"USD": (1000.0, "1,000 USD"), "of capacity": (0.01, "1 % of capacity")}
"""Units whose one is too little or too much to speak of: how many make a step, and what it is called."""


def singular(unit: str) -> str:
    """Return a unit as one of it is called."""
    head, slash, rest = unit.partition("/")
    return (
        head.removesuffix("s") + slash + rest if head in ("requests", "servers", "racks", "units") else unit
    )


def is_worth(one: Marginal) -> bool:
    """Return whether loosening a promise saves anything at all (a bend may lie here)."""
    return abs(one.value) > 1e-9 and one.worth > 0


def worth_text(one: Marginal, unit: str) -> str:
    """Return a binding promise and its worth as a sentence."""
    if one.unit == "promised":
        return f"giving it up saves {one.worth:,.2f} {unit}"
    less = one.holds_to is not None and one.holds_to <= one.stated
    more = "less" if one.kind == "demand" or less else "more"
    step, named = PER.get(one.unit, (1.0, f"one {singular(one.unit)}"))
    if not is_worth(one):
        other = "more" if more == "less" else "less"
        return (
            f"{named} {more} saves nothing; {named} {other} costs {(one.tighter or 0.0) * step:,.4g} {unit}"
        )
    saved = -one.value * step
    return f"{named} {more} saves {saved:,.4g} {unit}; 10 % {more} saves {one.worth:,.2f} {unit}"
