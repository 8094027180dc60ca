"""How much faster a small change is solved than the question itself: `python -m benchmarks.studies`.

Two kinds of cold stand beside each other, both at the gap the scenario asks for, and neither with the user's
cache of rates:

- first: the question before the change, as the first thing a process does: the catalog is read, every shape
  timed, and the search starts from nothing;
- alone: the changed question in that same process afterwards, with nothing kept from the base but what any
  process has that solved something before (modules, the catalog, tables of numbers). It is solved after the
  warm solve, so that it finds every replica of the plan predicted already.

The warm solve starts from the plan before the change, as `planner what-if` and the points of a study do. The
table has medians of the CPU seconds of `planner.solve` over `--runs` processes: other work on the machine
changes them less than the clock.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from planner.plan.types import Plan

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"

CASES = {
    "eu-chat": (
        "workloads.*.rate_rps=*1.1",
        "workloads.*.rate_rps=*0.9",
        "workloads.chat.slo.ttft_ms=*0.9",
        "workloads.chat.slo.tpot_ms=*0.9",
        "workloads.chat.slo.tpot_ms=*1.1",
        "fleet.prices_usd.*=*0.9",
        "fleet.prices_usd.*=*1.1",
        "limits.capex_usd=*0.9",
        "topology.sites.ams1.grid_kw=*0.9",
        "topology.sites.ams1.grid_kw=*1.1",
    ),
    "code-completion": (
        "workloads.*.rate_rps=*1.1",
        "workloads.*.rate_rps=*0.9",
        "workloads.*.slo.tpot_ms=*0.9",
        "workloads.*.slo.tpot_ms=*1.1",
        "limits.grid_kw=*0.9",
        "limits.grid_kw=*1.1",
    ),
    "long-context": (
        "workloads.*.rate_rps=*1.1",
        "workloads.*.rate_rps=*0.9",
        "workloads.*.slo.ttft_ms=*0.9",
        "fleet.prices_usd.*=*1.1",
    ),
    "moe": (
        "workloads.*.rate_rps=*1.1",
        "workloads.*.rate_rps=*0.9",
        "workloads.*.slo.tpot_ms=*0.9",
        "topology.sites.hall.electricity_usd_per_kwh=*1.1",
        "topology.sites.hall.grid_kw=*0.9",
    ),
}
"""Example -> changes of 10 %."""

TARGET = 1 / 3
"""Share of the cold time that a change may take."""


@dataclass(frozen=True)
class Line:
    """A change: CPU seconds from the base and alone, and what was found from the base (None: no plan)."""

    warm_s: float
    alone_s: float
    cost_usd_per_h: float | None
    gap: float | None


def measure(name: str, changes: tuple[str, ...]) -> tuple[float, list[Line]]:
    """Return CPU seconds of the first solve, and a line for each change; runs in its own process."""
    from planner.plan.reuse import Reuse
    from planner.plan.solve import NoPlan, solve
    from planner.study.what_if import written_changes
    from planner.topology import load_question

    path = EXAMPLES / f"{name}.yaml"
    reuse = Reuse()

    def timed(written: list[str], kept: Reuse) -> tuple[float, Plan | None]:
        began = time.process_time()
        try:
            plan = solve(path, written, reuse=kept, diagnosis_s=0.0)
        except NoPlan:
            plan = None
        return time.process_time() - began, plan

    first_s, base = timed([], reuse)
    lines = []
    for change in changes:
        written = written_changes(load_question(path), [change])
        reuse.plan = base
        warm_s, plan = timed(written, reuse)
        alone_s, _ = timed(written, Reuse())
        found = (None, None) if plan is None else (plan.objective, plan.gap)
        lines.append(Line(warm_s, alone_s, *found))
    return first_s, lines


def main() -> None:
    """Print a table: example, change, CPU seconds of all three, the ratios, what was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.studies")
    parser.add_argument("examples", nargs="*", help=f"of {', '.join(CASES)}; all if none is named")
    parser.add_argument("--runs", type=int, default=3, help="processes to take medians of")
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.once:
        first_s, lines = measure(asked.examples[0], CASES[asked.examples[0]])
        print(json.dumps([first_s, [asdict(line) for line in lines]]))
        return
    columns = (
        f"{'first s':>7} {'alone s':>7} {'warm s':>6} {'/first':>6} {'/alone':>6} {'USD/h':>9} {'gap':>6}"
    )
    print(f"{'example':<16} {'change':<52} {columns}")
    ratios: list[tuple[float, float]] = []
    for name in asked.examples or CASES:
        firsts: list[float] = []
        runs: list[list[Line]] = []
        for _ in range(asked.runs):
            command = [sys.executable, "-m", "benchmarks.studies", "--once", name]
            ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            first_s, lines = json.loads(ran.stdout)
            firsts.append(first_s)
            runs.append([Line(**line) for line in lines])
        first = median(firsts)
        for change, same in zip(CASES[name], zip(*runs, strict=True), strict=True):
            warm, alone = median(line.warm_s for line in same), median(line.alone_s for line in same)
            ratios.append((warm / first, warm / alone))
            cost, gap = same[0].cost_usd_per_h, max(line.gap or 0.0 for line in same)
            answer = "no plan" if cost is None else f"{cost:9.3f} {gap:6.2%}"
            figures = f"{first:7.2f} {alone:7.2f} {warm:6.2f} {warm / first:6.2f} {warm / alone:6.2f}"
            print(f"{name:<16} {change:<52} {figures} {answer}", flush=True)
    for words, shares in zip(("the first solve", "the change alone"), zip(*ratios, strict=True), strict=True):
        within = sum(share <= TARGET for share in shares)
        print(f"{within} of {len(ratios)} changes take at most {TARGET:.0%} of {words}")


if __name__ == "__main__":
    main()
