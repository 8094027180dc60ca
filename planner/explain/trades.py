"""What promises that are no rows are worth: latencies, headroom, losses to survive, by solving again."""

from __future__ import annotations

from collections.abc import Iterator

from planner.explain.rebuild import Rebuilt, aimed
from planner.explain.record import Trade
from planner.optimize.build import build_program
from planner.optimize.marginal import Relaxation
from planner.plan.assemble import assemble
from planner.plan.diagnosis.ahead import AheadTimings
from planner.plan.diagnosis.lever import Lever
from planner.plan.edit import edited

MORE = {"ttft_ms": 100.0, "e2e_ms": 1000.0}
"""Steps of latencies, ms; TPOT moves by a tenth."""

TENTH = 0.1


def looser(lever: Lever) -> float | None:
    """Return the value of a promise that is tried, None where it is not tried."""
    if lever.kind == "slo":
        field = lever.path.rsplit(".", 1)[1]
        return lever.loosened(MORE.get(field, TENTH * lever.stated))
    if lever.row == "reliability/headroom":
        return round(max(lever.stated - 0.01, 0.0), 6)
    if lever.kind == "residency" or lever.row == "fleet/buy":
        return lever.end
    if lever.kind == "rack":
        return lever.loosened(1.0 if lever.whole else TENTH * lever.stated)
    return None


def trades(rebuilt: Rebuilt, relaxation: Relaxation, levers: list[Lever]) -> Iterator[Trade]:
    """Yield what loosening each promise that is no row changes in the relaxation."""
    _, _, divisor = rebuilt.goal
    tried = [(lever, value) for lever in levers if not lever.in_rows and (value := looser(lever)) is not None]
    timings = AheadTimings(rebuilt.timings)
    for lever, value in tried:
        if relaxation.out_of_time:
            return
        changed = assemble(edited(rebuilt.question, lever.edit(value)), timings)
        try:
            again = Relaxation(aimed(build_program(changed.problem), changed.problem), relaxation.deadline)
        except ValueError:
            continue
        change = (again.start.objective - relaxation.start.objective) / divisor
        if abs(change) > 1e-6 * abs(relaxation.start.objective) / divisor:
            yield Trade(
                row=lever.row, field=lever.path, says=lever.says, stated=lever.stated, to=value,
                unit=lever.unit, change=change,
            )  # fmt: skip
