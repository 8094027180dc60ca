"""infeasible.json: the promises that collide, in the words of the scenario, and ways out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from planner.files import write_json_atomic
from planner.optimize.infeasible import Finding, Loosened, diagnose
from planner.optimize.problem import Problem
from planner.optimize.program import RowInfo
from planner.plan.assemble import Assembly
from planner.shapes import MenuEntry, Promise
from planner.topology import Question

MARGINS_OVER_BEST = (1.05, 1.2, 1.5, 2.0, 3.0, 5.0)
"""SLOs offered as a way out, as multiples of what a shape reaches without load: at exactly its best value a
replica could carry no traffic at all. The first that leads to a plan is offered."""


class ConflictRow(BaseModel):
    """One promise of the conflict: its row, where it is written, and a sentence."""

    model_config = ConfigDict(extra="forbid")
    row: str
    file: str | None
    line: int | None
    text: str


class Change(BaseModel):
    """One limit that would have to change."""

    model_config = ConfigDict(extra="forbid", populate_by_name=True)
    row: str
    from_: float
    to: float
    unit: str

    def as_json(self) -> dict[str, Any]:
        """Return the change with the key `from`."""
        return {"row": self.row, "from": self.from_, "to": self.to, "unit": self.unit}


class WayOut(BaseModel):
    """A set of changes after which there is a plan."""

    model_config = ConfigDict(extra="forbid")
    changes: list[Change]
    text: str


class Infeasible(BaseModel):
    """Why there is no plan, and what would help, least change first."""

    model_config = ConfigDict(extra="forbid")
    conflict: list[ConflictRow]
    minimal: bool
    relaxations: list[WayOut]

    def record(self) -> dict[str, Any]:
        """Return what infeasible.json holds."""
        return {
            "conflict": [row.model_dump() for row in self.conflict],
            "minimal": self.minimal,
            "relaxations": [
                {"changes": [change.as_json() for change in way.changes], "text": way.text}
                for way in self.relaxations
            ],
        }

    def save(self, path: Path) -> None:
        """Write infeasible.json, whole or not at all."""
        write_json_atomic(path, self.record())

    def summary(self) -> str:
        """Return a few lines for the terminal."""
        lines = ["There is no plan. These promises collide:"]
        lines += [f"  - {row.text}" + _where(row) for row in self.conflict]
        if self.relaxations:
            lines.append("Ways out, least change first:")
            lines += [f"  {number}. {way.text}" for number, way in enumerate(self.relaxations, 1)]
        return "\n".join(lines)


def _where(row: ConflictRow) -> str:
    if row.file is None:
        return ""
    return f"  ({row.file}" + (f":{row.line})" if row.line is not None else ")")


Trial = Callable[[Question], bool]
"""Says whether a changed question has a plan."""


def unservable(assembly: Assembly, has_plan: Trial) -> Infeasible | None:
    """Return the finding for demand that no shape can serve at any site, None if there is none.

    Found before solving: the SLO is out of reach of every shape, or no shape fits the accelerators. A
    looser SLO is offered only after `has_plan` confirmed it.
    """
    scenario = assembly.question.scenario
    served = {path.lane for path in assembly.paths}
    conflict: list[ConflictRow] = []
    wanted: dict[str, dict[str, float]] = {}
    for i, demand in enumerate(assembly.demands):
        if assembly.problem.demands.unserved_cost[i] >= 0:
            continue
        lanes = [
            int(assembly.problem.flows.lane[f])
            for f in range(len(assembly.flow_routes))
            if int(assembly.problem.flows.demand[f]) == i
        ]
        if any(lane in served for lane in lanes):
            continue
        workload = scenario.workload(demand.workload)
        conflict.append(
            _row(
                assembly,
                f"demand/{demand.workload}/{demand.origin}",
                f"workloads.{demand.workload}.rate_rps",
                f"{demand.workload} from {demand.origin} must be served",
            )
        )
        promises = [assembly.lanes[lane][0] for lane in lanes]
        text, change = _reach(assembly, promises)
        slo = workload.slo
        field = "slo" if slo is not None else "llms"
        conflict.append(
            _row(
                assembly,
                f"slo/{demand.workload}/{demand.origin}",
                f"workloads.{demand.workload}.{field}",
                text,
            )
        )
        wanted.setdefault(demand.workload, change)
    changes = {name: change for name, change in wanted.items() if change}
    way = _confirmed(assembly.question, changes, has_plan) if changes else None
    relaxations = [] if way is None else [way]
    return Infeasible(conflict=conflict, minimal=True, relaxations=relaxations) if conflict else None


def _reach(assembly: Assembly, promises: Sequence[Promise]) -> tuple[str, dict[str, float]]:
    """Return what the best shape could reach, in words and as the SLO fields it misses (ms)."""
    wanted = set(promises)
    entries: list[MenuEntry] = [
        entry
        for entry in (*assembly.offering.menu.useless, *assembly.offering.menu.entries)
        if any(promise in wanted for promise in entry.best)
    ]
    workload = assembly.question.scenario.workload(promises[0].workload)
    name, slo = workload.name, workload.slo
    if not entries or slo is None:
        reasons = sorted({refusal.reason for refusal in assembly.offering.refused})[:3]
        found = f" ({'; '.join(reasons)})" if reasons else ""
        return f"none of the allowed servers runs any shape of {', '.join(workload.llms)}{found}", {}
    best: tuple[float, str, dict[str, float]] | None = None
    for entry in entries:
        for promise in wanted & set(entry.best):
            column = entry.best[promise]
            reached = {"ttft_ms": column.best_ttft_ms + promise.rtt_ms, "tpot_ms": column.best_tpot_ms}
            missed = {
                field: value
                for field, value in reached.items()
                if getattr(slo, field) is not None and value > getattr(slo, field)
            }
            excess = sum(value / getattr(slo, field) for field, value in missed.items())
            if missed and (best is None or excess < best[0]):
                best = (excess, entry.shape.name, missed)
    if best is None:
        return f"no shape of {', '.join(workload.llms)} keeps the SLO of {name} under any load", {}
    _, shape, missed = best
    asked = " and ".join(f"{field} {getattr(slo, field):g} ms" for field in missed)
    at_best = " and ".join(f"{value:.0f} ms" for value in missed.values())
    text = f"{name} asks for {asked}, while the best shape ({shape}) reaches {at_best} without load"
    return text, missed


def _confirmed(
    question: Question, reached: Mapping[str, Mapping[str, float]], has_plan: Trial
) -> WayOut | None:
    """Return the tightest of a few looser SLOs with which there is a plan, None if none of them helps."""
    for margin in MARGINS_OVER_BEST:
        changes: list[Change] = []
        workloads = list(question.scenario.workloads)
        for index, workload in enumerate(workloads):
            if workload.name not in reached or workload.slo is None:
                continue
            update = {field: round(value * margin, 1) for field, value in reached[workload.name].items()}
            for field, to in update.items():
                asked = float(getattr(workload.slo, field))
                row = f"slo/{workload.name}/{field}"
                changes.append(Change(row=row, from_=asked, to=to, unit="ms"))
            slo = workload.slo.model_copy(update=update)
            workloads[index] = workload.model_copy(update={"slo": slo})
        scenario = question.scenario.model_copy(update={"workloads": workloads})
        if has_plan(replace(question, scenario=scenario)):
            text = "; ".join(
                f"{c.row.split('/')[2]} of {c.row.split('/')[1]}: {c.from_:g} -> {c.to:g} ms" for c in changes
            )
            return WayOut(changes=changes, text=text)
    return None


def diagnosis(assembly: Assembly, problem: Problem, time_limit_s: float, workers: int) -> Infeasible:
    """Return the finding for a problem of the assembly that the solver proved infeasible."""
    finding = diagnose(problem, time_limit_s, workers)
    return in_words(assembly, finding)


def in_words(assembly: Assembly, finding: Finding) -> Infeasible:
    """Translate rows into the user's words, with file and line."""
    return Infeasible(
        conflict=[_row(assembly, row.name, row.source, _sentence(row)) for row in finding.conflict],
        minimal=finding.minimal,
        relaxations=[
            WayOut(
                changes=[
                    Change(
                        row=change.row.name,
                        from_=_shown(assembly, change.row, change.stated)[0],
                        to=_shown(assembly, change.row, change.needed)[0],
                        unit=_shown(assembly, change.row, change.needed)[1],
                    )
                    for change in changes
                ],
                text="; ".join(_change_text(assembly, change) for change in changes),
            )
            for changes in finding.ways_out
        ],
    )


def _sentence(row: RowInfo) -> str:
    return f"{row.name} ({row.source})"


def _change_text(assembly: Assembly, change: Loosened) -> str:
    before, unit = _shown(assembly, change.row, change.stated)
    after, _ = _shown(assembly, change.row, change.needed)
    return f"{change.row.name}: {before:g} -> {after:g} {unit}"


def _shown(assembly: Assembly, row: RowInfo, amount: int) -> tuple[float, str]:
    """Return an amount in the unit people use."""
    if row.unit == "W":
        return amount / 1000.0, "kW"
    if row.unit == "bytes/s":
        return amount / 1e9, "GB/s"
    if row.unit == "micro-USD/h":
        return amount / 1e6, "USD/h"
    if row.unit == "mW":
        return amount / 1e6, "kW"
    if row.unit == "mg CO2/h":
        return amount / 1e6, "kg CO2/h"
    if row.unit.endswith("units"):
        workload = assembly.question.scenario.workload(row.name.split("demand/", 1)[1].split("/")[0])
        total = assembly.question.scenario.solver.demand_units
        rate = assembly.day.missing_unit_rps(workload, total)
        parts = int(row.unit.removesuffix("units").strip().removeprefix("1/") or 1)
        return amount / parts * rate, "requests/s"
    return float(amount), row.unit


def _row(assembly: Assembly, name: str, source: str, text: str) -> ConflictRow:
    """Return the row with the file and line where it is written."""
    scenario, topology = assembly.question.scenario, assembly.question.topology
    if source.startswith("topology"):
        document = topology.document
        file = None if document is None else str(document.path or document.name)
        return ConflictRow(row=name, file=file, line=None, text=text)
    document = scenario.document
    file = None if document is None else str(document.path or document.name)
    line: int | None
    try:
        line = scenario.line(source)
    except (KeyError, LookupError, ValueError):
        line = None
    return ConflictRow(row=name, file=file, line=line, text=text)
