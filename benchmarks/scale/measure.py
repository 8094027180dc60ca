"""One instance through the whole product, in a process of its own: stages, times, gap, memory.

`python -m benchmarks.scale.measure SIZE SEED` prints one line of JSON.
"""

from __future__ import annotations

import argparse
import json
import resource
import time
from dataclasses import dataclass, field
from typing import Any

from benchmarks.scale.generator import instance
from planner.optimize.solution import Progress
from planner.plan.solve import Hooks, solve
from planner.plan.types import Plan

KIB_PER_GIB = 2**20


@dataclass
class Watch:
    """Listens to a solve: when each stage began, and when plans and gaps were reached."""

    gap: float = 0.01
    stages: list[tuple[str, float, float]] = field(default_factory=list)
    first_plan: tuple[float, float] | None = None
    within_gap: tuple[float, float] | None = None

    def now(self) -> tuple[float, float]:
        """Return wall and processor seconds; the latter of all threads and children."""
        children = resource.getrusage(resource.RUSAGE_CHILDREN)
        return time.perf_counter(), time.process_time() + children.ru_utime + children.ru_stime

    def stage(self, name: str) -> None:
        """Note the beginning of a stage."""
        self.stages.append((name, *self.now()))

    def search(self, progress: Progress) -> None:
        """Note the first plan, and the first within the gap."""
        if progress.incumbent is None:
            return
        self.first_plan = self.first_plan or self.now()
        if self.within_gap is None and progress.bound >= progress.incumbent * (1 - self.gap):
            self.within_gap = self.now()

    def seconds(self) -> dict[str, dict[str, float]]:
        """Return wall and processor seconds by stage; a stage that came again is added up."""
        spent: dict[str, dict[str, float]] = {}
        end = ("", *self.now())
        for (name, wall, cpu), (_, next_wall, next_cpu) in zip(
            self.stages, [*self.stages[1:], end], strict=True
        ):
            sums = spent.setdefault(name, {"wall": 0.0, "cpu": 0.0})
            sums["wall"] += round(next_wall - wall, 3)
            sums["cpu"] += round(next_cpu - cpu, 3)
        return spent

    def since(self, moment: tuple[float, float] | None, stage: str | None = None) -> dict[str, float] | None:
        """Return seconds from the start (or from the first such stage) to a moment."""
        if moment is None:
            return None
        begun = next(((w, c) for name, w, c in self.stages if stage in (None, name)), moment)
        return {"wall": round(moment[0] - begun[0], 3), "cpu": round(moment[1] - begun[1], 3)}


SOLVING = "solving"
"""Name of the stage that searches."""


def measure(size: str, seed: int, overrides: list[str]) -> dict[str, Any]:
    """Return what a solve of an instance took and reached."""
    watch = Watch()
    plan: Plan = solve(instance(size, seed), overrides, Hooks(watch.stage, watch.search), diagnosis_s=0.0)
    stages = watch.seconds()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    peak_children = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss
    return {
        "size": size,
        "seed": seed,
        "usd_per_h": plan.objective,
        "bound_usd_per_h": plan.bound,
        "gap": plan.gap,
        "accelerators": plan.metrics.accelerators,
        "first_plan_s": watch.since(watch.first_plan, SOLVING),
        "within_1_percent_s": watch.since(watch.within_gap, SOLVING),
        "first_plan_from_start_s": watch.since(watch.first_plan),
        "stages_s": stages,
        "solver_stages": plan.solver["stages"],
        "method": plan.solver["method"],
        "memory_gib": round((peak + peak_children) / KIB_PER_GIB, 3),
    }


def main() -> None:
    """Measure one instance and print JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("size")
    parser.add_argument("seed", type=int)
    parser.add_argument("--set", action="append", default=[], help="change of the scenario, path=value")
    given = parser.parse_args()
    print(json.dumps(measure(given.size, given.seed, given.set)))


if __name__ == "__main__":
    main()
