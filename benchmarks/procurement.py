"""How long the shipped procurement takes, and how much less a small change: `-m benchmarks.procurement`.

Solves examples/studies/procurement.yaml from nothing (catalog, shapes, program, search), prints its size,
CPU seconds, cost and proven gap, and what the independent check says. Then solves it again after changes of
10 %, each from the plan before it and with the shapes timed before, as `planner procure --base` and a
session that keeps its timings do. All of it happens in `--runs` processes, one after the other; the table has
medians of their CPU seconds, which other work on the machine changes less than the clock.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from planner.study.procure.output import write_tables
from planner.study.procure.run import TIMING, Kept, Procurement, run_procure
from planner.study.procure.schedule import Schedule
from planner.study.procure.study import ProcureStudy
from planner.study.study_file import Opened, open_study

STUDY = Path(__file__).resolve().parents[1] / "examples" / "studies" / "procurement.yaml"

CHANGES: tuple[tuple[str, list[str], dict[str, float]], ...] = (
    ("demand of chat + 10 %", ["workloads.chat.rate_rps=*1.1"], {}),
    ("demand of chat - 10 %", ["workloads.chat.rate_rps=*0.9"], {}),
    ("demand of code + 10 %", ["workloads.code.rate_rps=*1.1"], {}),
    ("demand of all + 10 %", ["workloads.*.rate_rps=*1.1"], {}),
    ("demand of all - 10 %", ["workloads.*.rate_rps=*0.9"], {}),
    ("TPOT of chat - 10 %", ["workloads.chat.slo.tpot_ms=*0.9"], {}),
    ("TPOT of chat + 10 %", ["workloads.chat.slo.tpot_ms=*1.1"], {}),
    ("TTFT of code - 10 %", ["workloads.code.slo.ttft_ms=*0.9"], {}),
    ("prices + 10 %", ["fleet.prices_usd.*=*1.1"], {}),
    ("price of GB200 + 10 %", ["fleet.prices_usd.gb200-nvl72-rack=*1.1"], {}),
    ("rent + 10 %", ["fleet.rent.*.usd_per_h=*1.1"], {}),
    ("rent - 10 %", ["fleet.rent.*.usd_per_h=*0.9"], {}),
    ("budget - 10 %", [], {"budget_usd": 0.9}),
    ("budget + 10 %", [], {"budget_usd": 1.1}),
    ("grid of ams - 10 %", ["topology.sites.ams.grid_kw=*0.9"], {}),
    ("grid of ams + 10 %", ["topology.sites.ams.grid_kw=*1.1"], {}),
    ("grid of all - 10 %", ["topology.sites.*.grid_kw=*0.9"], {}),
)
"""Name, changes of the scenario, factors of fields of the study."""

TARGET = 1 / 3
"""Share of the cold time that a change may take, CPU seconds: other work does not change them."""


@dataclass(frozen=True)
class Line:
    """One solve: CPU seconds before the search and of all, expected cost, gap, what the check found."""

    name: str
    timing_s: float
    cpu_s: float
    cost_usd: float
    gap: float
    violations: int


def changed(
    opened: Opened[ProcureStudy], changes: list[str], factors: dict[str, float]
) -> Opened[ProcureStudy]:
    """Return the study with changes; without its alternatives."""
    from planner.study.what_if import written_changes

    update: dict[str, object] = {name: getattr(opened.study, name) * by for name, by in factors.items()}
    written = written_changes(opened.question(), changes)
    study = opened.study.model_copy(update={**update, "changes": written, "alternatives": False})
    return Opened(study, opened.document, opened.scenario, opened.folder)


def solved(
    opened: Opened[ProcureStudy],
    name: str,
    changes: list[str],
    factors: dict[str, float],
    kept: Kept,
    base: Path | None,
) -> tuple[Procurement, Line]:
    """Solve the study with a change and return what it took."""
    began, searched = time.process_time(), 0.0

    def tell(stage: str, _: float | None, __: float | None) -> None:
        nonlocal searched
        if not searched and stage != TIMING:
            searched = time.process_time()

    found = run_procure(changed(opened, changes, factors), kept=kept, base=base, tell=tell)
    assert found.solved is not None
    cost, gap = found.solved.expected, found.solved.gap
    all_s = time.process_time() - began
    return found, Line(name, searched - began, all_s, cost, gap, len(found.violations))


def measure() -> tuple[str, list[Line]]:
    """Return the size of the study, and the cold solve with all changes after it; in one process."""
    opened = open_study(ProcureStudy, STUDY)
    kept = Kept()
    base, cold = solved(opened, "cold", [], {}, kept, None)
    assert base.setting is not None
    assert base.solved is not None
    tree, schedule = base.setting.tree, Schedule(base.solved)
    most = max(schedule.accelerators(q) for q in range(len(tree.moments)))
    arrays = base.solved.built.arrays
    size = (
        f"{base.study.periods} periods, {len(tree.leaves)} futures, {len(base.setting.bought)} types to buy,"
        f" {len(base.question.topology.sites) - 1} sites and a cloud region, up to {most:,} accelerators;"
        f" {arrays.matrix.shape[0]:,} rows, {arrays.matrix.shape[1]:,} columns"
    )
    with tempfile.TemporaryDirectory() as folder:
        write_tables(base, Path(folder))
        lines = [solved(opened, *change, kept, Path(folder))[1] for change in CHANGES]
    return size, [cold, *lines]


def main() -> None:
    """Print a line for the cold solve and one for each change: medians of several processes."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.procurement")
    parser.add_argument("--runs", type=int, default=3, help="processes to take medians of")
    parser.add_argument("--once", action="store_true", help=argparse.SUPPRESS)
    asked = parser.parse_args()
    if asked.once:
        size, lines = measure()
        print(json.dumps([size, [asdict(line) for line in lines]]))
        return
    runs: list[list[Line]] = []
    for _ in range(asked.runs):
        command = [sys.executable, "-m", "benchmarks.procurement", "--once"]
        ran = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=True)
        size, lines = json.loads(ran.stdout)
        runs.append([Line(**line) for line in lines])
    print(size)
    print(
        f"{'':<24} {'timing s':>8} {'CPU s':>8} {'M USD':>9} {'gap':>7}  {'check':<14} of the cold CPU time"
    )
    cold_s = median(lines[0].cpu_s for lines in runs)
    ratios = []
    for same in zip(*runs, strict=True):
        first, cpu_s = same[0], median(line.cpu_s for line in same)
        checked = "holds" if not any(line.violations for line in same) else f"{first.violations} violations"
        timing_s, gap = median(line.timing_s for line in same), max(line.gap for line in same)
        ratios.append(cpu_s / cold_s)
        cost = first.cost_usd / 1e6
        figures = f"{timing_s:8.1f} {cpu_s:8.1f} {cost:9.2f} {gap:7.2%}  {checked:<14}"
        print(f"{first.name:<24} {figures} {ratios[-1]:.2f}")
    within = sum(ratio <= TARGET for ratio in ratios[1:])
    print(f"{within} of {len(ratios) - 1} changes take at most {TARGET:.0%} of the cold time")


if __name__ == "__main__":
    main()
