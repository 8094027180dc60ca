"""How long the shipped procurement takes, and how much less a small change: `-m benchmarks.procurement`.

Solves examples/studies/procurement.yaml from nothing (catalog, shapes, program, search), prints its size,
seconds, cost and proven gap, and what the independent check says. Then solves it again after changes of
10 %, each from the plan before it and with the shapes timed before, as `planner procure --base` and a
session that keeps its timings do.
"""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

from planner.study.procure.output import write_tables
from planner.study.procure.run import Kept, Procurement, run_procure
from planner.study.procure.schedule import Schedule
from planner.study.procure.study import ProcureStudy
from planner.study.study_file import Opened, open_study

STUDY = Path(__file__).resolve().parents[1] / "examples" / "studies" / "procurement.yaml"

CHANGES: tuple[tuple[str, list[str], dict[str, float]], ...] = (
    ("demand of chat + 10 %", ["workloads.chat.rate_rps=*1.1"], {}),
    ("budget - 10 %", [], {"budget_usd": 0.9}),
    ("rent + 10 %", ["fleet.rent.*.usd_per_h=*1.1"], {}),
    ("grid of ams - 10 %", ["topology.sites.ams.grid_kw=*0.9"], {}),
)
"""Name, changes of the scenario, factors of fields of the study."""

TARGET = 1 / 3
"""Share of the cold time that a change may take, CPU seconds: other work does not change them."""


def changed(
    opened: Opened[ProcureStudy], changes: list[str], factors: dict[str, float]
) -> Opened[ProcureStudy]:
    """Return the study with changes; without its alternatives."""
    from planner.study.what_if import written_changes

    update: dict[str, object] = {name: getattr(opened.study, name) * by for name, by in factors.items()}
    written = written_changes(opened.question(), changes)
    study = opened.study.model_copy(update={**update, "changes": written, "alternatives": False})
    return Opened(study, opened.document, opened.scenario, opened.folder)


def line(name: str, found: Procurement, seconds: float, cpu_s: float) -> str:
    """Return one line of the table."""
    assert found.solved is not None
    cost = found.solved.expected / 1e6
    checked = "holds" if not found.violations else f"{len(found.violations)} violations"
    return (
        f"{name:<24} {found.assembled_s:8.1f} {found.search_s:8.1f} {seconds:8.1f} {cpu_s:8.1f} {cost:9.2f}"
        f" {found.solved.gap:7.2%}  {checked}"
    )


def main() -> None:
    """Print a line for the cold solve and one for each change."""
    opened = open_study(ProcureStudy, STUDY)
    kept = Kept()
    began, began_cpu = time.perf_counter(), time.process_time()
    base = run_procure(changed(opened, [], {}), kept=kept)
    cold_s, cold_cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
    assert base.setting is not None
    assert base.solved is not None
    tree, schedule = base.setting.tree, Schedule(base.solved)
    most = max(schedule.accelerators(q) for q in range(len(tree.moments)))
    arrays = base.solved.built.arrays
    print(
        f"{base.study.periods} periods, {len(tree.leaves)} futures, {len(base.setting.bought)} types to buy,"
        f" {len(base.question.topology.sites) - 1} sites and a cloud region, up to {most:,} accelerators;"
        f" {arrays.matrix.shape[0]:,} rows, {arrays.matrix.shape[1]:,} columns"
    )
    print(
        f"{'':<24} {'timing s':>8} {'search s':>8} {'all s':>8} {'CPU s':>8} {'M USD':>9} {'gap':>7}  check"
    )
    print(line("cold", base, cold_s, cold_cpu_s), flush=True)
    ratios = []
    with tempfile.TemporaryDirectory() as folder:
        write_tables(base, Path(folder))
        for name, changes, factors in CHANGES:
            began, began_cpu = time.perf_counter(), time.process_time()
            found = run_procure(changed(opened, changes, factors), kept=kept, base=Path(folder))
            seconds, cpu_s = time.perf_counter() - began, time.process_time() - began_cpu
            ratios.append(cpu_s / cold_cpu_s)
            share = f"{ratios[-1]:.2f} of the cold CPU time"
            print(f"{line(name, found, seconds, cpu_s)}  {share}", flush=True)
    within = sum(ratio <= TARGET for ratio in ratios)
    print(f"{within} of {len(ratios)} changes take at most {TARGET:.0%} of the cold time")


if __name__ == "__main__":
    main()
