"""What the promises of a plan are worth, from the duals of its relaxation, checked by solving again."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from planner.explain.confidence import weak_inputs
from planner.explain.rebuild import Rebuilt
from planner.explain.record import Marginal
from planner.optimize.marginal import Move, Relaxation, Side, same
from planner.plan.diagnosis.lever import Lever
from planner.plan.types import LedgerRow, Plan

WORTH_SHARE = 0.1
"""The worth of a promise is that of so much more of it."""

LEAST_WORTH = 1e-7
"""Part of the objective below which a promise is worth nothing."""


def binding(rebuilt: Rebuilt, relaxation: Relaxation, levers: list[Lever], plan: Plan) -> Iterator[Marginal]:
    """Yield the promises whose loosening lowers the objective of the relaxation, in no order.

    Those with a dual of 0 are worth nothing: the slope to the loosening side lies between it and 0.
    """
    _, _, divisor = rebuilt.goal
    used = used_by_row(plan)
    small = LEAST_WORTH * max(abs(relaxation.start.objective), 1.0)
    moves: list[tuple[float, Lever, Move]] = []
    for lever in levers:
        move = relaxation.move(lever.gives)
        if move is None:
            continue
        promised = abs(relaxation.slope(relaxation.start, move)) * max(abs(lever.stated), 1.0)
        if promised > small:
            moves.append((promised, lever, move))
    for _, lever, move in sorted(moves, key=lambda item: -item[0]):
        if relaxation.out_of_time:
            return
        found = _marginal(rebuilt, relaxation, lever, move, divisor)
        if found is not None:
            row = used.get(lever.row)
            scale = 1000.0 if lever.unit == "kW" else 1.0
            yield found.model_copy(update={"used": None if row is None else row.used / scale})


def _marginal(
    rebuilt: Rebuilt, relaxation: Relaxation, lever: Lever, move: Move, divisor: float
) -> Marginal | None:
    step = unit_step(lever)
    looser, tighter = relaxation.side(move, step, lever.room), relaxation.side(move, -step)
    if looser is None:
        return None
    sign = 1.0 if lever.up else -1.0
    share = 1.0 if not lever.numeric else WORTH_SHARE * abs(lever.stated) or step
    farther = relaxation.moved(move, min(share, lever.room))
    worth = 0.0 if farther is None else (relaxation.start.objective - farther.objective) / divisor
    nothing = LEAST_WORTH * abs(relaxation.start.objective) / step
    stable = tighter is not None and same(looser.slope, tighter.slope, nothing)
    if abs(looser.slope) <= nothing and (tighter is None or abs(tighter.slope) <= nothing):
        return None
    to = lever.stated + sign * min(looser.lasts, lever.room)
    since = lever.stated - sign * (tighter.lasts if tighter is not None else 0.0)
    return Marginal(
        row=lever.row,
        kind=lever.kind,
        field=lever.path,
        says=lever.says,
        stated=lever.stated,
        unit=lever.unit,
        value=looser.slope / divisor,
        tighter=None if tighter is None else -tighter.slope / divisor,
        holds_from=_finite(min(since, to)),
        holds_to=_finite(max(since, to)),
        stable=stable,
        checked=looser.steps_agree and (tighter is None or tighter.steps_agree),
        note=_note(looser, tighter, divisor, stable) if lever.numeric else "",
        worth=worth,
        rests_on=[
            weak.text for weak in weak_inputs(rebuilt.plan, rebuilt.question, lever.kind, _site(lever))
        ],
    )


def _note(looser: Side, tighter: Side | None, divisor: float, stable: bool) -> str:
    if tighter is None:
        return "any less leaves no solution"
    if not stable:
        return (
            f"a bend lies here: one unit more changes the objective by {looser.slope / divisor:,.6g}, "
            f"one unit less by {-tighter.slope / divisor:,.6g}"
        )
    return ""


def unit_step(lever: Lever) -> float:
    """Return the step to begin with: one unit, or a hundredth of what is stated where that is less."""
    if not lever.numeric:
        return 0.01
    return min(1.0, 0.01 * abs(lever.stated)) or 1.0


def _site(lever: Lever) -> str | None:
    """Return the site that a promise of the topology is about, None for those of the whole plan."""
    parts = lever.path.split(".")
    return parts[2] if parts[:2] == ["topology", "sites"] else None


def _finite(value: float) -> float | None:
    return value if math.isfinite(value) else None


def used_by_row(plan: Plan) -> Mapping[str, LedgerRow]:
    """Return every row of the plan's books by name."""
    ledgers = plan.ledgers
    families = (ledgers.power, ledgers.grid, ledgers.heat, ledgers.network, ledgers.budget)
    return {row.name: row for family in families for row in family}
