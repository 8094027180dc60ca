"""What became of one point of a study, and the figures by which points are compared."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any, Literal

from planner.plan.diagnosis import Infeasible
from planner.plan.types import Plan

Status = Literal["optimal", "feasible", "infeasible", "stopped"]
"""`optimal`: proven within the gap asked for; `stopped`: no plan was found in time."""


@dataclass(frozen=True)
class Outcome:
    """One point solved. plan is None where there is none; reason then says why, in one line.

    infeasible: the promises that collide, where there is no plan because of them.
    """

    status: Status
    plan: Plan | None
    reason: str = ""
    seconds: float = 0.0
    infeasible: Infeasible | None = None

    @property
    def cost(self) -> float:
        """USD per hour, infinite where there is no plan."""
        return float("inf") if self.plan is None else self.plan.cost.total


@dataclass(frozen=True)
class Figure:
    """One figure of a plan: the column of the table, what people call it, its unit."""

    column: str
    title: str
    unit: str


FIGURES: tuple[Figure, ...] = (
    Figure("cost_usd_per_h", "Cost", "USD/h"),
    Figure("usd_per_mtok_output", "Cost of a million output tokens", "USD"),
    Figure("capex_usd", "Capex", "USD"),
    Figure("expected_kw", "Expected power", "kW"),
    Figure("provisioned_kw", "Provisioned power", "kW"),
    Figure("grid_kw", "Power at the grid", "kW"),
    Figure("carbon_kg_per_h", "Carbon", "kg/h"),
    Figure("worst_ttft_ms", "Worst time to first token", "ms"),
    Figure("worst_tpot_ms", "Worst time per output token", "ms"),
    Figure("servers", "Servers", ""),
    Figure("accelerators", "Accelerators", ""),
    Figure("replicas", "Replicas", ""),
    Figure("utilization", "Utilization", ""),
    Figure("unserved_rps", "Unserved", "requests/s"),
)
"""Figures of a plan that can be drawn against what was varied."""

TITLES = {figure.column: figure for figure in FIGURES}


def figures(plan: Plan) -> dict[str, Any]:
    """Return the figures of a plan by column; latencies that nothing predicts are None."""
    m = plan.metrics
    ttft = [row.ttft_ms.predicted for row in plan.slo if row.ttft_ms.predicted is not None]
    tpot = [row.tpot_ms.predicted for row in plan.slo if row.tpot_ms.predicted is not None]
    return {
        "cost_usd_per_h": plan.cost.total,
        "usd_per_mtok_output": m.usd_per_mtok_output,
        "capex_usd": m.capex_usd,
        "expected_kw": m.expected_kw,
        "provisioned_kw": m.provisioned_kw,
        "grid_kw": m.grid_kw,
        "carbon_kg_per_h": m.carbon_kg_per_h,
        "worst_ttft_ms": max(ttft, default=None),
        "worst_tpot_ms": max(tpot, default=None),
        "servers": m.servers,
        "accelerators": m.accelerators,
        "replicas": m.replicas,
        "utilization": m.utilization,
        "unserved_rps": round(plan.unserved_rps(), 6),
    }


def fleet(plan: Plan) -> Counter[str]:
    """Return the powered servers by kind: `buy dgx-h200`, `rent p5en.48xlarge`, `existing dgx-h100`."""
    return Counter(f"{server.origin} {server.server}" for server in plan.servers)


def server_types(plan: Plan) -> Counter[str]:
    """Return the powered servers by catalog id or instance."""
    return Counter(server.server for server in plan.servers)


def in_words(counts: Counter[str]) -> str:
    """Return counts as `4 x dgx-h200, 1 x dgx-b200`, the most first."""
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return ", ".join(f"{count} x {name}" for name, count in ordered)


@dataclass(frozen=True)
class Row:
    """A row of the table of a study: what was varied, and what came of it.

    inputs: name of the input -> value. key: identifies the resolved question.
    """

    number: int
    key: str
    inputs: dict[str, Any]
    status: Status
    reason: str
    seconds: float
    figures: dict[str, Any] = field(default_factory=dict)
    cost: dict[str, float] = field(default_factory=dict)
    fleet: str = ""
    bound: float | None = None
    gap: float | None = None
    plan: str = ""

    def flat(self) -> dict[str, Any]:
        """Return the row as one level of columns, inputs first."""
        parts = {f"cost_{part}_usd_per_h": usd for part, usd in self.cost.items() if part != "total"}
        return {
            "point": self.number,
            **self.inputs,
            "status": self.status,
            "reason": self.reason,
            **self.figures,
            "fleet": self.fleet,
            **parts,
            "objective_bound": self.bound,
            "gap": self.gap,
            "seconds": self.seconds,
            "plan": self.plan,
        }


def row_of(number: int, key: str, inputs: dict[str, Any], outcome: Outcome, plan: str = "") -> Row:
    """Return the row of an outcome; `plan` is where its plan was written, relative to the table."""
    about = (number, key, inputs, outcome.status, outcome.reason, round(outcome.seconds, 3))
    found = outcome.plan
    if found is None:
        return Row(*about)
    return Row(
        *about,
        figures=figures(found),
        cost=found.cost.model_dump(),
        fleet=in_words(fleet(found)),
        bound=found.bound,
        gap=found.gap,
        plan=plan,
    )
