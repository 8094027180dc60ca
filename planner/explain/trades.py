"""What promises that are no rows are worth: latencies, headroom, losses to survive, by solving again."""

from __future__ import annotations

from collections.abc import Iterator

from planner.explain.rebuild import Rebuilt, aimed
from planner.explain.record import Trade
from planner.optimize.build import build_program
from planner.optimize.marginal import Relaxation
from planner.plan.assemble import assemble
from planner.plan.diagnosis.lever import Lever
from planner.plan.edit import edited

MORE = {"ttft_ms": 100.0, "e2e_ms": 1000.0}
"""Steps of latencies, ms; TPOT moves by a tenth."""

TENTH = 0.1

NOTHING = 1e-9
"""Part of the objective below which a dual is what solvers leave of 0, times the servers of a rack."""


def looser(lever: Lever) -> float | None:
    """Return the value of a promise that is tried, None where it is not tried."""
    if lever.kind == "slo":
        field = lever.path.rsplit(".", 1)[1]
        return lever.loosened(MORE.get(field, TENTH * lever.stated))
    if lever.row == "reliability/headroom":
        return round(max(lever.stated - 0.01, 0.0), 6)
    if lever.kind == "spares":
        return round(max(2 * lever.stated - 1, lever.end), 9)
    if lever.kind in ("ramp", "deadline"):
        return lever.loosened(1.0 if lever.kind == "deadline" else TENTH * lever.stated)
    if lever.kind == "residency" or lever.row == "fleet/buy":
        return lever.end
    if lever.kind == "rack":
        return lever.loosened(1.0 if lever.whole else TENTH * lever.stated)
    return None


def trades(rebuilt: Rebuilt, relaxation: Relaxation, levers: list[Lever]) -> Iterator[Trade]:
    """Yield what loosening each promise that is no row changes in the relaxation.

    Racks that hold more are not tried where more room in them is worth nothing: all that changes is which
    sets of servers they take, and by the duals none of them could save anything.
    """
    _, _, divisor = rebuilt.goal
    racks_worth = _racks_worth(rebuilt, relaxation)
    for lever in levers:
        value = None if lever.in_rows else looser(lever)
        if value is None or (lever.kind == "rack" and lever.row.split("/", 2)[2] not in racks_worth):
            continue
        if relaxation.out_of_time:
            return
        changed = assemble(edited(rebuilt.question, lever.edit(value)), rebuilt.timings, rebuilt.assembly)
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


def _racks_worth(rebuilt: Rebuilt, relaxation: Relaxation) -> set[str]:
    """Return the groups of racks in which room for another server would be worth anything.

    A set of servers that one rack takes stands in the rows of its class (`racks/...`) and of the servers'
    room (`space/...`) alone: where the duals of all these are 0, no new one has a negative reduced cost.
    """
    small = NOTHING * max(abs(relaxation.start.objective), 1.0)
    duals = relaxation.start.duals
    problem, classes = rebuilt.problem, rebuilt.assembly.classes
    worth: set[str] = set()
    for j, name in enumerate(problem.candidates.names):
        k = int(problem.candidates.rack_class[j])
        if k >= 0 and abs(duals[relaxation.number[f"space/{name}"]]) > small:
            worth.add(str(classes[k].attributes["template"]))
    for rack_class in classes:
        if abs(duals[relaxation.number[f"racks/{rack_class.name}"]]) > small:
            worth.add(str(rack_class.attributes["template"]))
    return worth
