"""How much faster a small change is solved than the question itself: `python -m benchmarks.studies`.

A process of its own solves each question cold: it loads the catalog, times every shape and searches from
nothing. Then it solves the question again after changes of 10 %, each started from the plan before it, as
`planner what-if` and the points of a study do. The search stops at the gap the scenario asks for. The table
has medians of the CPU seconds of `planner.solve` over `--runs` processes: other work on the machine
changes them less than the clock.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import time
from pathlib import Path
from statistics import median
from typing import Any

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


def measure(name: str, changes: tuple[str, ...]) -> dict[str, Any]:
    """Return CPU seconds, cost and gap of the cold solve ("") and of each change; runs in its own process."""
    from planner.plan.reuse import Reuse
    from planner.plan.solve import NoPlan, solve
    from planner.study.what_if import written_changes
    from planner.topology import load_question

    path = EXAMPLES / f"{name}.yaml"
    reuse = Reuse()
    found: dict[str, Any] = {}
    began = time.process_time()
    base = solve(path, reuse=reuse)
    found[""] = (time.process_time() - began, base.objective, base.gap)
    for change in changes:
        written = written_changes(load_question(path), [change])
        reuse.plan = base
        began = time.process_time()
        try:
            plan = solve(path, written, reuse=reuse, diagnosis_s=0.0)
            found[change] = (time.process_time() - began, plan.objective, plan.gap)
        except NoPlan:
            found[change] = (time.process_time() - began, None, None)
    return found


def main() -> None:
    """Print a table: example, change, cold and warm CPU seconds, their ratio, what was found."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.studies")
    parser.add_argument("examples", nargs="*", help=f"of {', '.join(CASES)}; all if none is named")
    parser.add_argument("--runs", type=int, default=3, help="processes to take medians of")
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.once:
        print(json.dumps(measure(asked.examples[0], CASES[asked.examples[0]])))
        return
    columns = f"{'cold s':>7} {'warm s':>7} {'ratio':>6} {'USD/h':>9} {'gap':>6}"
    print(f"{'example':<16} {'change':<52} {columns}")
    ratios = []
    for name in asked.examples or CASES:
        runs = []
        for _ in range(asked.runs):
            command = [sys.executable, "-m", "benchmarks.studies", "--once", name]
            ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
            runs.append(json.loads(ran.stdout))
        cold = median(run[""][0] for run in runs)
        for change in CASES[name]:
            warm = median(run[change][0] for run in runs)
            _, cost, gap = runs[0][change]
            ratios.append(warm / cold)
            answer = "no plan" if cost is None else f"{cost:9.3f} {gap:6.2%}"
            print(f"{name:<16} {change:<52} {cold:7.2f} {warm:7.2f} {warm / cold:6.2f} {answer}", flush=True)
    within = sum(ratio <= TARGET for ratio in ratios)
    print(f"{within} of {len(ratios)} changes take at most {TARGET:.0%} of the cold time")


if __name__ == "__main__":
    main()
