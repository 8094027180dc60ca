"""infeasible.json: the promises that collide, in the words of the scenario, and ways out."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict

from planner.files import write_json_atomic
from planner.optimize.build import build_program
from planner.optimize.infeasible import Finding, Loosened, diagnose
from planner.optimize.problem import Problem
from planner.optimize.program import RowInfo
from planner.plan.assemble import Assembly
from planner.shapes import MenuEntry, Promise

MARGIN_OVER_BEST = 1.05
"""An SLO offered as a way out leaves this much over what a shape reaches without load: at its best value
a replica could carry no traffic at all."""


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

    def save(self, path: Path) -> None:
        """Write infeasible.json, whole or not at all."""
        write_json_atomic(
            path,
            {
                "conflict": [row.model_dump() for row in self.conflict],
                "minimal": self.minimal,
                "relaxations": [
                    {"changes": [change.as_json() for change in way.changes], "text": way.text}
                    for way in self.relaxations
                ],
            },
        )

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


def unservable(assembly: Assembly) -> Infeasible | None:
    """Return the finding for demand that no shape can serve at any site, None if there is none.

    Found before solving: the SLO is out of reach of every shape, or no shape fits the accelerators.
    """
    scenario = assembly.question.scenario
    served = {assembly.problem.assignments.lane.tolist()[a] for a in range(len(assembly.assignment_pools))}
    conflict: list[ConflictRow] = []
    ways: list[WayOut] = []
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
        if change is not None:
            ways.append(change)
    return Infeasible(conflict=conflict, minimal=True, relaxations=ways) if conflict else None


def _reach(assembly: Assembly, promises: Sequence[Promise]) -> tuple[str, WayOut | None]:
    """Return what the best shape could reach, in words and as a way out."""
    wanted = set(promises)
    entries: list[MenuEntry] = [
        entry
        for entry in (*assembly.offering.menu.useless, *assembly.offering.menu.entries)
        if any(promise in wanted for promise in entry.best)
    ]
    workload = assembly.question.scenario.workload(promises[0].workload)
    name = workload.name
    if not entries:
        reasons = sorted({refusal.reason for refusal in assembly.offering.refused})[:3]
        return (
            f"none of the allowed servers runs any shape of {', '.join(workload.llms)}"
            + (f" ({'; '.join(reasons)})" if reasons else ""),
            None,
        )
    slo = workload.slo
    best: tuple[float, str, list[Change]] | None = None
    for entry in entries:
        for promise in wanted & set(entry.best):
            column = entry.best[promise]
            changes: list[Change] = []
            for field, reached in (
                ("ttft_ms", column.best_ttft_ms + promise.rtt_ms),
                ("tpot_ms", column.best_tpot_ms),
            ):
                asked = getattr(slo, field) if slo is not None else None
                if asked is not None and reached > asked:
                    to = round(reached * MARGIN_OVER_BEST, 1)
                    changes.append(Change(row=f"slo/{name}/{field}", from_=asked, to=to, unit="ms"))
            excess = sum(change.to / change.from_ for change in changes)
            if changes and (best is None or excess < best[0]):
                best = (excess, entry.shape.name, changes)
    if best is None:
        return f"no shape of {', '.join(workload.llms)} keeps the SLO of {name}", None
    _, best_shape, changes = best
    words = " and ".join(f"{c.row.rsplit('/', 1)[-1]} {c.from_:g} ms" for c in changes)
    at_best = " and ".join(f"{c.to / MARGIN_OVER_BEST:.0f} ms" for c in changes)
    words += f", while the best shape ({best_shape}) reaches {at_best} without load"
    relax = WayOut(
        changes=changes,
        text="; ".join(f"{c.row.rsplit('/', 1)[-1]} of {name}: {c.from_:g} -> {c.to:g} ms" for c in changes),
    )
    return f"{name} asks for {words}", relax


def diagnosis(assembly: Assembly, problem: Problem, time_limit_s: float, workers: int) -> Infeasible:
    """Return the finding for a problem of the assembly that the solver proved infeasible."""
    finding = diagnose(build_program(problem), time_limit_s, workers)
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
    if row.unit == "mg CO2/h":
        return amount / 1e6, "kg CO2/h"
    if row.unit == "units":
        workload = assembly.question.scenario.workload(row.name.split("demand/", 1)[1].split("/")[0])
        total = assembly.question.scenario.solver.demand_units
        return amount * workload.rate_rps / total, "requests/s"
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
