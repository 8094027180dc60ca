"""From a question without a plan to the finding: conflict, ways out, all in the words of the scenario."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from planner.files import InputFaults
from planner.plan.assemble import Assembly
from planner.plan.diagnosis.amounts import AmountSearch
from planner.plan.diagnosis.further import further_ways
from planner.plan.diagnosis.lever import Lever
from planner.plan.diagnosis.places import where
from planner.plan.diagnosis.reach import OutOfReach, out_of_reach
from planner.plan.diagnosis.record import ConflictRow, Infeasible, WayOut
from planner.plan.diagnosis.search import ConflictSearch
from planner.plan.diagnosis.tester import PromiseTester
from planner.plan.edit import edited
from planner.plan.survival import NamedLoss
from planner.plan.types import Plan
from planner.shapes import Timings
from planner.topology import Question

Trial = Callable[[Question], Plan | None]
"""Solves a changed question in a short time; None if it has no plan, or none was found."""

MORE = (0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5)
"""Parts by which a change is enlarged until it leads to a plan: what counting cannot see."""

MOST_WAYS = 8
"""Ways out that are told."""


def unservable(assembly: Assembly) -> Infeasible | None:
    """Return the finding for demand that no shape can serve at any site, before anything is solved.

    The conflict is told as it stands; nothing is tried. None if there is no such demand.
    """
    missing = out_of_reach(assembly)
    if not missing:
        return None
    question = assembly.question
    rows: dict[str, ConflictRow] = {}
    for one in missing:
        name = one.workload
        demand = f"demand/{name}/{one.origin}"
        says = f"{name} from {one.origin} must be served"
        rows[demand] = _row(question, demand, f"workloads.{name}.rate_rps", says)
        for field in one.missed or ("llms",):
            path = f"workloads.{name}.slo.{field}" if one.missed else f"workloads.{name}.llms"
            row = f"slo/{name}/{field}" if one.missed else f"llms/{name}"
            rows.setdefault(row, _row(question, row, path, one.text))
    return Infeasible(conflict=list(rows.values()), minimal=False, relaxations=[])


def diagnosis(
    assembly: Assembly,
    trial: Trial,
    *,
    timings: Timings,
    time_limit_s: float,
    workers: int,
    losses: Iterable[NamedLoss] = (),
) -> Infeasible:
    """Return why a question has no plan, and what would help.

    Args:
        assembly: the question, put together.
        trial: solves a changed question; every way out is applied and tried with it.
        timings: shapes timed so far.
        time_limit_s: time for all of it; what is not shown by then is not told.
        workers: threads of a solver.
        losses: replicas that failures are known to take.
    """
    deadline = time.perf_counter() + time_limit_s
    tester = PromiseTester(assembly, losses, timings, deadline, workers)
    search = ConflictSearch(tester)
    if tester.has_plan(frozenset()) is not False:
        return _undecided(assembly, tester.levers, trial)
    conflict, minimal = search.conflict()
    search.conflicts.append((frozenset(conflict), minimal))
    missing = out_of_reach(assembly)
    ways: dict[tuple[str, ...], tuple[float, WayOut]] = {}

    def offer(values: Mapping[Lever, float] | None) -> None:
        found = None if values is None else applied(tester.question, values, trial, deadline)
        if found is not None:
            effort, way = found
            key = tuple(way.set)
            if key not in ways or ways[key][0] > effort:
                ways[key] = found

    amounts = AmountSearch(tester)
    for chosen in search.sets():
        if tester.out_of_time and ways:
            break
        offer(amounts.least(chosen))
    for values in further_ways(tester, amounts, conflict, missing):
        if tester.out_of_time:
            break
        offer(values)
    best = sorted(ways.values(), key=lambda way: way[0])[:MOST_WAYS]
    return Infeasible(
        conflict=_rows(assembly.question, conflict, missing),
        minimal=minimal,
        relaxations=[way for _, way in best],
    )


def _undecided(assembly: Assembly, levers: Sequence[Lever], trial: Trial) -> Infeasible:
    """Return the finding where counting shows no conflict: it is the placement that does not survive."""
    demand = [lever for lever in levers if lever.kind == "demand"]
    survival = [lever for lever in levers if lever.row.startswith("survive/")]
    ways = [
        way
        for lever in survival
        if (way := applied(assembly.question, {lever: lever.end}, trial, 0.0)) is not None
    ]
    return Infeasible(
        conflict=_rows(assembly.question, [*demand, *survival], ()),
        minimal=False,
        relaxations=[way for _, way in sorted(ways, key=lambda way: way[0])],
    )


def applied(
    question: Question, values: Mapping[Lever, float], trial: Trial, deadline: float
) -> tuple[float, WayOut] | None:
    """Apply changes and solve; where that is not enough enlarge them a little. None if nothing helps."""
    if not values:
        return None
    for more in MORE:
        # Enlarged by a part, and by whole units where there are such.
        grown = {
            lever: lever.loosened(abs(value - lever.stated) * (1 + more)) if more else value
            for lever, value in values.items()
        }
        changes = [change for lever, value in grown.items() for change in lever.edit(value)]
        if not _sensible(question, grown):
            return None
        try:
            plan = trial(edited(question, changes))
        except (InputFaults, ValueError, LookupError):
            return None
        if plan is not None:
            return sum(lever.relative(value) for lever, value in grown.items()), _way(grown, changes, plan)
        if time.perf_counter() > deadline:
            return None
    return None


def _sensible(question: Question, values: Mapping[Lever, float]) -> bool:
    """Return False where nothing would be left to serve."""
    none_left = {lever.path for lever, value in values.items() if lever.kind == "demand" and value <= 0}
    asked = {f"workloads.{w.name}.rate_rps" for w in question.scenario.workloads if w.rate_rps > 0}
    return bool(asked - none_left)


def _way(values: Mapping[Lever, float], changes: Sequence[str], plan: Plan) -> WayOut:
    cost = plan.cost.total
    words = " and ".join(lever.sentence(value) for lever, value in values.items())
    return WayOut(
        changes=[lever.change(value) for lever, value in values.items()],
        text=f"{words}; a plan then costs {cost:,.2f} USD/h",
        kind="+".join(dict.fromkeys(lever.kind for lever in values)),
        set=list(changes),
        usd_per_h=cost,
    )


def _rows(question: Question, conflict: Sequence[Lever], missing: Sequence[OutOfReach]) -> list[ConflictRow]:
    """Return the conflict in words, demand first, with what is out of reach of any shape."""
    # Of several origins the one that is missed by most.
    reach = {one.workload: one for one in sorted(missing, key=lambda one: sum(one.missed.values()))}
    rows = []
    for lever in sorted(conflict, key=lambda one: (one.kind != "demand", one.kind, one.row)):
        text, parts = lever.says, lever.row.split("/")
        one = reach.get(parts[1]) if lever.kind in ("slo", "demand") else None
        if one is not None and lever.kind == "slo" and parts[2] in one.missed:
            best = f"{one.missed[parts[2]]:,.6g}"
            text += f"; from {one.origin} the best shape ({one.shape}) reaches {best} ms without load"
        elif one is not None and lever.kind == "demand" and not one.missed:
            text += f", but {one.text}"
        rows.append(_row(question, lever.row, lever.path, text))
    return rows


def _row(question: Question, row: str, path: str, text: str) -> ConflictRow:
    file, line = where(question, path)
    return ConflictRow(row=row, file=file, line=line, text=text)
