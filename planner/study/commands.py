"""Commands of studies; `planner.cli` registers them. Solvers are imported when a command runs."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn, TypeVar

import typer
from rich.console import Console

if TYPE_CHECKING:
    from planner.plan.types import Plan
    from planner.study.progress import Progress

BAD_INPUT, INFEASIBLE, STOPPED = 2, 3, 4
"""Exit codes: wrong files; no plan after a change; interrupted (what is finished is kept)."""

out = Console()
err = Console(stderr=True)

StudyPath = Annotated[Path, typer.Argument(help="Study file, YAML or JSON.")]
Output = Annotated[Path, typer.Option("-o", "--output", help="Folder for results, plans and report.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]

T = TypeVar("T")


def register(app: typer.Typer) -> None:
    """Add the commands of studies to the command line."""
    app.command("what-if")(what_if)
    app.command()(sweep)
    app.command()(pareto)
    app.command()(sensitivity)
    app.command("break-even")(break_even)
    app.command()(procure)


def what_if(
    scenario: Annotated[Path, typer.Argument(help="Scenario file, YAML or JSON.")],
    changes: Annotated[
        list[str], typer.Option("--set", help="Change: limits.grid_kw=*0.9, workloads.*.rate_rps=*1.2.")
    ],
    base: Annotated[Path | None, typer.Option(help="plan.json of the scenario, or its folder.")] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for both plans and the report.")
    ] = None,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Show what a change of the scenario changes in the plan, and what it costs."""
    from planner.files import write_json_atomic
    from planner.plan.reuse import Reuse
    from planner.report.console import print_infeasible
    from planner.shapes import KeptTimings, keep_timings, kept_timings
    from planner.study.background import in_background
    from planner.study.page import write_page
    from planner.study.progress import ConsoleProgress
    from planner.study.solving import Solver
    from planner.study.what_if import what_if as compare
    from planner.study.what_if import written_changes
    from planner.study.what_if_page import print_what_if, what_if_page
    from planner.topology import load_question

    question = load_question(scenario)
    changed = load_question(scenario, written_changes(question, changes))
    known = None if base is None else _earlier_plan(base)
    timings = KeptTimings() if base is None else kept_timings(base if base.is_dir() else base.parent)
    with ConsoleProgress(err, enabled=not quiet) as progress:
        solver = Solver(progress.hooks, Reuse(timings))
        try:
            found = in_background(lambda: compare(question, changed, changes, known, solver))
        except KeyboardInterrupt:
            finished = solver.reuse.plan if known is None else None
            kept = "nothing is finished yet"
            if finished is not None:
                kept = "the plan before the change is finished; give a folder with -o to keep it"
            if finished is not None and output is not None:
                (output / "base").mkdir(parents=True, exist_ok=True)
                finished.save(output / "base" / "plan.json")
                kept = f"the plan before the change is kept: go on with --base {output / 'base'}"
            _leave(f"interrupted: {kept}")
    if output is not None:
        for name, plan in (("base", found.base), ("changed", found.outcome.plan)):
            if plan is not None:
                (output / name).mkdir(parents=True, exist_ok=True)
                plan.save(output / name / "plan.json")
                keep_timings(timings, output / name)
        write_json_atomic(output / "what-if.json", found.record())
        write_page(what_if_page(question.scenario.name, found), output / "report.html")
    if as_json:
        out.print_json(data=found.record())
    else:
        print_what_if(found, out)
    if found.outcome.plan is None:
        if found.outcome.infeasible is not None and not as_json:
            print_infeasible(found.outcome.infeasible, err)
        raise typer.Exit(STOPPED if found.outcome.status == "stopped" else INFEASIBLE)


def sweep(study: StudyPath, output: Output, quiet: Quiet = False) -> None:
    """Solve a scenario at many points; writes results.csv, plans/ and report.html."""
    from planner.study.page import write_page
    from planner.study.store import Store
    from planner.study.study_file import open_study
    from planner.study.sweep import SweepStudy, run_sweep
    from planner.study.sweep_page import sweep_page

    opened = open_study(SweepStudy, study)

    def written(progress: Progress) -> None:
        Store(output).write_table(progress.rows)
        write_page(sweep_page(opened.study.name, progress.rows, opened.study.show), output / "report.html")

    _run(lambda progress: run_sweep(opened, output, progress), written, output, quiet)


def pareto(study: StudyPath, output: Output, quiet: Quiet = False) -> None:
    """Find the plans that no other beats in two or three of cost, ttft, power, carbon."""
    import pandas as pd

    from planner.study.page import write_page
    from planner.study.pareto import ParetoStudy, Point, non_dominated, run_pareto
    from planner.study.pareto_page import front_records, pareto_page
    from planner.study.store import Store, write_table
    from planner.study.study_file import open_study

    opened = open_study(ParetoStudy, study)

    points: list[Point] = []

    def written(progress: Progress) -> None:
        Store(output).write_table(progress.rows)
        front = non_dominated(list(points))
        write_table(pd.DataFrame(front_records(opened.study, front)), output, "front")
        write_page(pareto_page(opened.study, front), output / "report.html")

    front = _run(lambda progress: run_pareto(opened, output, progress, points), written, output, quiet)
    records = front_records(opened.study, front)
    if not quiet:
        for record in records:
            out.print(
                ", ".join(f"{name} {value}" for name, value in record.items()),
                highlight=False,
                markup=False,
                soft_wrap=True,
            )


def sensitivity(study: StudyPath, output: Output, quiet: Quiet = False) -> None:
    """Rank uncertain inputs by their effect (a tornado)."""
    from planner.study.page import write_page
    from planner.study.sensitivity import SensitivityStudy, effects, run_sensitivity
    from planner.study.sensitivity_page import sensitivity_page
    from planner.study.store import Store
    from planner.study.study_file import open_study

    opened = open_study(SensitivityStudy, study)

    def written(progress: Progress) -> None:
        Store(output).write_table(progress.rows)
        write_page(sensitivity_page(opened.study, progress.rows), output / "report.html")

    rows = _run(lambda progress: run_sensitivity(opened, output, progress), written, output, quiet)
    if not quiet:
        for effect in effects(opened.study, rows):
            ends = [
                f"{effect.input.words(value)}: {'no plan' if found is None else f'{found:,.4g}'}"
                for value, found in ((effect.input.low, effect.low), (effect.input.high, effect.high))
            ]
            out.print(f"{effect.input.title}: {', '.join(ends)}", highlight=False, markup=False)


def break_even(
    study: Annotated[Path, typer.Argument(help="Study file; or a scenario, with --path, --low and --high.")],
    output: Output,
    path: Annotated[str | None, typer.Option(help="The input: fleet.prices_usd.dgx-b200.")] = None,
    low: Annotated[float | None, typer.Option(help="Its lowest value.")] = None,
    high: Annotated[float | None, typer.Option(help="Its highest value.")] = None,
    watch: Annotated[
        str, typer.Option(help="server_type, server_types, sites, llms or rent_or_buy.")
    ] = "server_type",
    tolerance: Annotated[float, typer.Option(help="Width of the interval, as a share of its value.")] = 0.01,
    quiet: Quiet = False,
) -> None:
    """Find the value of an input at which the answer changes: at which price does B200 beat H200?"""
    from planner.files import write_json_atomic
    from planner.study.break_even import BreakEvenStudy, run_break_even, sentence
    from planner.study.break_even_page import break_even_page
    from planner.study.page import write_page
    from planner.study.store import Store
    from planner.study.study_file import open_study

    if path is None:
        opened = open_study(BreakEvenStudy, study)
    else:
        asked = {"path": path, "low": low, "high": high, "watch": watch, "tolerance": tolerance}
        known = {name: value for name, value in asked.items() if value is not None}
        stated = {"scenario": study.name, "name": study.stem} | known
        opened = open_study(BreakEvenStudy, stated, study.resolve().parent)

    def written(progress: Progress) -> None:
        Store(output).write_table(progress.rows)

    found = _run(lambda progress: run_break_even(opened, output, progress), written, output, quiet)
    write_page(break_even_page(opened.study, found), output / "report.html")
    around = [
        None if tried is None else {"value": tried.value, "answer": tried.answer}
        for tried in (found.below, found.above)
    ]
    record = {"path": opened.study.path, "value": found.value, "below": around[0], "above": around[1]}
    write_json_atomic(output / "break-even.json", record)
    out.print(sentence(opened.study, found), highlight=False, markup=False, soft_wrap=True)


def procure(
    study: StudyPath,
    output: Output,
    base: Annotated[
        Path | None, typer.Option(help="Folder of an earlier run of a similar study, to start from.")
    ] = None,
    plans: Annotated[
        bool, typer.Option("--plans", help="Also make and verify a full plan of every period and future.")
    ] = False,
    as_json: AsJson = False,
    quiet: Quiet = False,
) -> None:
    """Plan what to buy, rent, move and retire over the coming periods, under uncertainty."""
    from planner.shapes import keep_timings, kept_timings
    from planner.study.background import in_background
    from planner.study.page import write_page
    from planner.study.procure.output import summary, write_tables
    from planner.study.procure.progress import ProcureProgress, print_procurement
    from planner.study.procure.run import Kept, Procurement, run_procure
    from planner.study.procure.study import ProcureStudy
    from planner.study.procure_page import procure_page
    from planner.study.study_file import open_study

    opened = open_study(ProcureStudy, study)
    start = base or output
    timings = kept_timings(start)
    latest: list[Procurement] = []

    def write(found: Procurement) -> None:
        write_tables(found, output)
        if found.solved is not None and found.solved.values is not None:
            write_page(procure_page(found), output / "report.html")

    def heard(found: Procurement) -> None:
        latest[:] = [found]
        write(found)

    with ProcureProgress(err, enabled=not quiet) as progress:
        try:
            found = in_background(
                lambda: run_procure(
                    opened,
                    tell=progress.tell,
                    heard=heard,
                    kept=Kept(timings),
                    base=start,
                    plans=output / "plans" if plans else None,
                )
            )
        except KeyboardInterrupt:
            kept = f"the best plan so far is kept in {output}" if latest else "there was no plan yet"
            _leave(f"interrupted: {kept}")
    write(found)
    keep_timings(timings, output)
    if found.solved is None or found.solved.values is None:
        reason = "no plan was found in time: raise time_limit_s"
        err.print(
            reason if found.shortage is None else found.shortage.summary(),
            highlight=False,
            markup=False,
            soft_wrap=True,
        )
        raise typer.Exit(STOPPED if found.shortage is None else INFEASIBLE)
    if as_json:
        out.print_json(data=summary(found))
    elif not quiet:
        print_procurement(found, out)
        out.print(
            f"written: {output}/report.html, procurement.json and tables", highlight=False, markup=False
        )
    if found.violations:
        raise typer.Exit(1)


def _run(work: Callable[[Progress], T], written: Callable[[Progress], None], output: Path, quiet: bool) -> T:
    """Run a study in the background, write what is finished, and exit 4 if it was interrupted."""
    from planner.study.background import in_background
    from planner.study.progress import ConsoleProgress

    with ConsoleProgress(err, enabled=not quiet) as progress:
        try:
            result = in_background(lambda: work(progress))
        except KeyboardInterrupt:
            written(progress)
            _leave(
                f"interrupted: {len(progress.rows)} of {progress.total} points are finished and kept in"
                f" {output}; run it again to go on"
            )
    written(progress)
    if not quiet:
        out.print(f"written: {output}/report.html, results.csv, plans/", highlight=False)
    return result


def _leave(words: str) -> NoReturn:
    """Say what was interrupted and exit 4.

    Solver threads may still run; leaving at once keeps them from aborting the interpreter's end.
    """
    err.print(words, highlight=False, markup=False, soft_wrap=True)
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(STOPPED)


def _earlier_plan(base: Path) -> Plan:
    """Return the plan of `--base`; exit 2 where it is none."""
    from planner.plan.types import Plan

    path = base / "plan.json" if base.is_dir() else base
    try:
        return Plan.load(path)
    except OSError:
        said = f"{path}: found no such file; allowed: a plan.json, or the folder `planner solve` wrote"
    except ValueError as error:
        said = f"{path}: found no plan ({str(error).splitlines()[0]}); allowed: a plan.json"
    err.print(said, style="red", highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(BAD_INPUT)
