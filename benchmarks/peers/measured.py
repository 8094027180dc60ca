"""Scenarios without a topology: rented accelerators and measured rates, as several peers ask."""

from __future__ import annotations

import csv
import tempfile
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import planner
from planner.plan.types import Plan

COLUMNS = ("llm", "accelerator", "tp", "role", "workload", "max_rps")
LLM = "model"


@dataclass(frozen=True)
class Rate:
    """What one replica completes while it keeps the workload's promise, requests/s."""

    accelerator: str
    max_rps: float
    workload: str = ""
    tp: int = 1
    role: str = "aggregated"


@dataclass(frozen=True)
class Timed:
    """A plan, and the seconds from the scenario in memory to the verified plan."""

    plan: Plan
    seconds: float

    @property
    def search_s(self) -> float:
        """Seconds of the search alone."""
        return sum(float(stage.get("seconds", 0.0)) for stage in self.plan.solver.get("stages", ()))


def solve_measured(
    name: str,
    workloads: Sequence[Mapping[str, Any]],
    rent: Sequence[Mapping[str, Any]],
    rates: Iterable[Rate],
    **fields: Any,
) -> Timed:
    """Solve a scenario whose rates are measured and whose accelerators are rented.

    Args:
        name: of the scenario.
        workloads: name, rate_rps and what else they say; lengths of one token where they say none.
        rent: entries of `fleet.rent`.
        rates: the table.
        **fields: further fields of the scenario.
    """
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "rates.csv"
        with path.open("w", newline="", encoding="utf-8") as stream:
            writer = csv.writer(stream)
            writer.writerow(COLUMNS)
            writer.writerows((LLM, r.accelerator, r.tp, r.role, r.workload, repr(r.max_rps)) for r in rates)
        scenario = {
            "name": name,
            "topology": "cloud",
            "workloads": [{"llms": [LLM], "input_tokens": 1, "output_tokens": 1, **w} for w in workloads],
            "fleet": {"rent": list(rent)},
            "performance": {"provider": "table", "path": str(path)},
            "solver": {"relative_gap": 0.0, "time_limit_s": 60},
            **fields,
        }
        started = time.perf_counter()
        plan = planner.solve(scenario)
        return Timed(plan, time.perf_counter() - started)
