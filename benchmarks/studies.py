"""How much faster a small change is solved than the question itself: `python -m benchmarks.studies`.

A process of its own solves each question cold: it loads the catalog, times every shape and searches from
nothing. Then it solves the question again after changes of 10 %, each started from the plan before it.
Times are wall-clock seconds of `planner.solve`; the search stops at the gap the scenario asks for.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path

EXAMPLES = Path(__file__).resolve().parents[1] / "examples"

CASES = {
    "eu-chat": (
        "workloads.*.rate_rps=*1.1",
        "workloads.*.rate_rps=*0.9",
        "fleet.prices_usd.*=*0.9",
        "limits.capex_usd=*0.9",
        "topology.sites.ams1.grid_kw=*0.9",
    ),
    "code-completion": ("workloads.*.rate_rps=*1.1", "limits.grid_kw=*0.9"),
    "long-context": ("workloads.*.rate_rps=*1.1", "fleet.prices_usd.*=*1.1"),
    "moe": ("workloads.*.rate_rps=*1.1", "topology.sites.hall.electricity_usd_per_kwh=*1.1"),
}
"""Example -> changes of 10 %."""

TARGET = 1 / 3
"""Share of the cold time that a change may take."""


def measure(name: str, changes: tuple[str, ...]) -> dict[str, object]:
    """Return the seconds of the cold solve and of each change; runs in the process of one example."""
    from planner.plan.reuse import Reuse
    from planner.plan.solve import solve
    from planner.study.what_if import written_changes
    from planner.topology import load_question

    path = EXAMPLES / f"{name}.yaml"
    reuse = Reuse()
    began = time.perf_counter()
    base = solve(path, reuse=reuse)
    cold_s = time.perf_counter() - began
    seconds: dict[str, float] = {}
    for change in changes:
        written = written_changes(load_question(path), [change])
        reuse.plan = base
        began = time.perf_counter()
        solve(path, written, reuse=reuse)
        seconds[change] = time.perf_counter() - began
    return {"cold_s": cold_s, "warm_s": seconds}


def main() -> None:
    """Print a table: example, change, cold and warm seconds, their ratio."""
    print(f"{'example':<16} {'change':<52} {'cold s':>7} {'warm s':>7} {'ratio':>6}")
    ratios = []
    for name, changes in CASES.items():
        ran = subprocess.run(
            [sys.executable, "-m", "benchmarks.studies", name], capture_output=True, text=True, check=True
        )
        found = json.loads(ran.stdout)
        for change in changes:
            cold, warm = found["cold_s"], found["warm_s"][change]
            ratios.append(warm / cold)
            print(f"{name:<16} {change:<52} {cold:7.2f} {warm:7.2f} {warm / cold:6.2f}")
    within = sum(ratio <= TARGET for ratio in ratios)
    print(f"{within} of {len(ratios)} changes take at most {TARGET:.0%} of the cold time")


if __name__ == "__main__":
    if len(sys.argv) > 1:
        print(json.dumps(measure(sys.argv[1], CASES[sys.argv[1]])))
    else:
        main()
