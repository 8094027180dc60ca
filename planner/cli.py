"""The command line: one command per verb, no logic.

Exit codes: 0 solved or sound, 1 a check failed (verify, doctor), 2 bad input, 3 infeasible, 4 stopped
without a plan.
"""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, NoReturn

import typer
from rich.console import Console

from planner import __version__
from planner.batch.commands import batch_app
from planner.interop.commands import import_app
from planner.report.explaining.commands import register as register_explanations
from planner.study.commands import register as register_studies

BAD_INPUT, INFEASIBLE, STOPPED = 2, 3, 4

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="The cheapest LLM inference deployment that keeps every promise.",
)
catalog_app = typer.Typer(no_args_is_help=True, help="Accelerators, servers, LLMs, engines, regions ...")
topology_app = typer.Typer(no_args_is_help=True, help="Look at and check topology files.")
app.add_typer(catalog_app, name="catalog")
app.add_typer(topology_app, name="topology")
app.add_typer(batch_app, name="batch")
app.add_typer(import_app, name="import")

out = Console()
err = Console(stderr=True)

Overrides = Annotated[
    list[str] | None,
    typer.Option("--set", help="Change a field: limits.grid_kw=*0.9, workloads.chat.rate_rps=50."),
]
OwnCatalog = Annotated[Path | None, typer.Option("--catalog", help="Your own catalog entries.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]
ScenarioPath = Annotated[Path, typer.Argument(help="Scenario file, YAML or JSON.")]
PlanPath = Annotated[Path, typer.Argument(help="plan.json, or the folder that holds it.")]


def main() -> None:
    """Run the command line; input faults end with exit code 2 and no traceback."""
    from planner.files import InputFaults
    from planner.optimize.solvers.outcome import SolverFailure

    try:
        app()
    except InputFaults as faults:
        _refuse([str(fault) for fault in faults.faults])
    except (LookupError, FileNotFoundError, NotADirectoryError, PermissionError, ValueError) as error:
        if "--debug" in sys.argv:
            raise
        if isinstance(error, OSError) and error.strerror:
            _refuse([f"{error.filename}: {error.strerror.lower()}"])
        _refuse([str(error.args[0] if error.args else error)])
    except SolverFailure as failure:
        err.print(f"the solver failed: {failure}", style="red", highlight=False, markup=False, soft_wrap=True)
        raise SystemExit(STOPPED) from None
    except KeyboardInterrupt:
        err.print("interrupted")
        raise SystemExit(STOPPED) from None


def _refuse(messages: list[str]) -> NoReturn:
    for message in messages:
        err.print(message, style="red", highlight=False, markup=False, soft_wrap=True)
    count = len(messages)
    err.print(f"{count} error{'s' if count > 1 else ''} in the input", highlight=False)
    raise SystemExit(BAD_INPUT)


@app.callback(invoke_without_command=True)
def _version(
    show: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    if show:
        out.print(__version__, highlight=False)
        raise typer.Exit


@app.command()
def solve(
    scenario: ScenarioPath,
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder for plan, report and tables.")],
    overrides: Overrides = None,
    catalog: OwnCatalog = None,
    time_limit_s: Annotated[float | None, typer.Option(help="Seconds to search.")] = None,
    relative_gap: Annotated[float | None, typer.Option(help="Stop at this proven gap.")] = None,
    reproducible: Annotated[bool, typer.Option(help="Same plan on every run.")] = False,
    method: Annotated[
        str | None, typer.Option(help="auto, monolith or two-stage (see solver.method).")
    ] = None,
    verify_by_replay: Annotated[
        bool, typer.Option(help="Replay the plan; where it misses an SLO, solve again with less load.")
    ] = True,
    in_force: Annotated[
        Path | None,
        typer.Option("--from", help="plan.json in force: moves away from it are priced and limited (churn)."),
    ] = None,
    warm_start: Annotated[
        Path | None, typer.Option(help="plan.json of this or a similar scenario: where the search starts.")
    ] = None,
    explain: Annotated[
        bool | None,
        typer.Option(
            "--explain/--no-explain",
            help="Say in the report what holds the plan back, checked in whole servers (planner explain), or"
            " nothing of it. Default: as much as is found in 2 s, or a tenth of the search.",
        ),
    ] = None,
    quiet: Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")] = False,
) -> None:
    """Find the cheapest plan; writes plan.json, report.html and tables/*.csv."""
    from planner.plan.churn import with_plan_in_force
    from planner.plan.reuse import Reuse
    from planner.plan.solve import Hooks, NoPlan
    from planner.plan.solve import solve as solve_scenario
    from planner.plan.types import Plan
    from planner.report import write_report, write_tables
    from planner.report.console import print_infeasible, print_summary
    from planner.report.progress import SearchProgress
    from planner.shapes import KeptTimings, keep_timings
    from planner.simulate.prove import solve_and_replay
    from planner.topology import load_question

    changes = _changes(overrides, catalog)
    changes += [] if time_limit_s is None else [f"solver.time_limit_s={time_limit_s}"]
    changes += [] if relative_gap is None else [f"solver.relative_gap={relative_gap}"]
    changes += ["solver.reproducible=true"] if reproducible else []
    changes += [] if method is None else [f"solver.method={method}"]
    question = load_question(scenario, changes)
    if in_force is not None:
        question = with_plan_in_force(question, Plan.load(_plan_file(in_force)))
    timings = KeptTimings()
    reuse = Reuse(timings=timings, plan=None if warm_start is None else Plan.load(_plan_file(warm_start)))
    with SearchProgress(err, enabled=not quiet) as progress:
        try:
            hooks = Hooks(progress.stage, progress.search)
            if verify_by_replay:
                proved = solve_and_replay(question, hooks=hooks, reuse=reuse)
                plan, missed, why_not = proved.plan, proved.missed, proved.why_not
                refined = [(name, *of) for name, by in proved.refined.items() for of in by.items()]
            else:
                plan, missed, why_not = solve_scenario(question, hooks=hooks, reuse=reuse), (), ""
                refined = []
        except NoPlan as no_plan:
            found = no_plan.infeasible
            progress.stop()
            if found is None:
                err.print(str(no_plan), highlight=False)
                raise typer.Exit(STOPPED) from None
            output.mkdir(parents=True, exist_ok=True)
            found.save(output / "infeasible.json")
            print_infeasible(found, err)
            raise typer.Exit(INFEASIBLE) from None
    output.mkdir(parents=True, exist_ok=True)
    plan.save(output / "plan.json")
    keep_timings(timings, output)
    why = None
    if explain is not False:
        from planner.explain.explanation import explain as explain_plan
        from planner.explain.explanation import explain_briefly

        why = explain_plan(plan, timings=timings) if explain else explain_briefly(plan, timings)
    write_report(plan, output / "report.html", why)
    write_tables(plan, output / "tables")
    if not quiet:
        print_summary(plan, out)
        for name, shape, factor in refined:
            words = f"rate of {name} on {shape} as pools of it replay: {factor:.3f} of the formulas'"
            out.print(words, highlight=False, markup=False, soft_wrap=True)
        if why_not:
            out.print(f"not replayed: {why_not}", highlight=False, markup=False, soft_wrap=True)
        for name in missed:
            out.print(f"the replay of {name} misses its SLO: give it more room", style="yellow")
        out.print(f"written: {output}/plan.json, report.html, tables/", highlight=False)


@app.command()
def verify(plan: PlanPath, as_json: AsJson = False) -> None:
    """Recompute everything in a plan; exit 0 only when all rows hold."""
    from planner.plan.types import Plan
    from planner.plan.verify import verify as verify_plan

    path = _plan_file(plan)
    try:
        found = verify_plan(Plan.load(path))
    except (ValueError, KeyError) as error:
        err.print(f"{path} is not a plan: {error}", style="red", highlight=False, markup=False)
        raise typer.Exit(BAD_INPUT) from None
    if as_json:
        out.print_json(json.dumps([violation.__dict__ for violation in found]))
    else:
        for violation in found:
            out.print(f"violated {violation.row}: {violation.text}", highlight=False, markup=False)
        if not found:
            out.print(f"{path}: every row holds", highlight=False)
    raise typer.Exit(1 if found else 0)


@app.command()
def simulate(
    plan: PlanPath,
    trace: Annotated[
        list[str] | None,
        typer.Option(help="Requests to send, not sampled ones: FILE, or WORKLOAD=FILE for each of several."),
    ] = None,
    seed: Annotated[int, typer.Option(min=0, help="Equal seeds give equal results.")] = 0,
    duration_s: Annotated[float | None, typer.Option(help="Seconds in which requests arrive.")] = None,
    fail: Annotated[
        list[str] | None,
        typer.Option(help="What dies: server:NAME@SECONDS, rack:NAME, fabric_domain:NAME, site:NAME."),
    ] = None,
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="Folder for CSV tables and replay.svg.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Replay a plan request by request; TTFT and TPOT percentiles and SLO attainment per workload."""
    from planner.plan.types import Plan
    from planner.report.replay import print_replay, write_replay_picture
    from planner.simulate.replay import replay_plan
    from planner.simulate.traced import named_traces

    result = replay_plan(
        Plan.load(_plan_file(plan)),
        trace=named_traces(trace or ()),
        seed=seed,
        duration_s=duration_s,
        fail=fail or (),
    )
    if output is not None:
        result.write_tables(output)
        write_replay_picture(result, output)
    if as_json:
        out.print_json(json.dumps(result.to_json()))
    else:
        print_replay(result, out)


@app.command()
def estimate(
    points: Annotated[Path | None, typer.Option("--points", help="CSV, one row per point.")] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="CSV to write.")] = None,
    compare: Annotated[Path | None, typer.Option(help="Measured CSV to compare with.")] = None,
    catalog: OwnCatalog = None,
) -> None:
    """Predict TTFT, TPOT, throughput and memory of points; or compare with measurements."""
    from planner.performance.estimate import compare_file, estimate_file

    if (points is None) == (compare is None):
        _refuse(["estimate: give either --points IN.csv -o OUT.csv, or --compare MEASURED.csv"])
    if compare is not None:
        out.print(compare_file(compare, output, catalog), highlight=False, markup=False, soft_wrap=True)
        return
    assert points is not None
    if output is None:
        _refuse(["estimate: -o OUT.csv is missing"])
    rows, failed = estimate_file(points, output, catalog)
    err.print(f"{rows} points, {failed} without an estimate (see column error): {output}", highlight=False)


@app.command()
def shapes(
    scenario: ScenarioPath,
    overrides: Overrides = None,
    catalog: OwnCatalog = None,
    all_: Annotated[bool, typer.Option("--all", help="Show what was pruned, and why.")] = False,
    as_json: AsJson = False,
) -> None:
    """List the replica shapes a scenario can choose from, with their rates, and what was pruned."""
    from planner.plan.assemble import assemble
    from planner.report.shapes import print_shapes, shape_rows
    from planner.topology import load_question

    offering = assemble(load_question(scenario, _changes(overrides, catalog))).offering
    if as_json:
        out.print_json(json.dumps(shape_rows(offering)))
    else:
        print_shapes(offering, out, everything=all_)


Kind = Annotated[
    str | None, typer.Argument(help="accelerators, servers, llms, topologies ... None: the kinds.")
]


@catalog_app.command("list")
def catalog_list(kind: Kind = None, as_json: AsJson = False, catalog: OwnCatalog = None) -> None:
    """List the entries of one kind, or the kinds."""
    from planner.report.catalog import catalog_kinds, catalog_table, print_rows

    rows = catalog_kinds(catalog) if kind is None else catalog_table(kind, catalog)
    if as_json:
        out.print_json(json.dumps(rows, default=str))
    else:
        print_rows(rows, out)


@catalog_app.command("show")
def catalog_show(
    kind: Kind = None,
    name: Annotated[str | None, typer.Argument(help="Id of the entry. None: list them all.")] = None,
    as_json: AsJson = False,
    catalog: OwnCatalog = None,
) -> None:
    """Show one entry: every value with its source, date and confidence."""
    from planner.report.catalog import catalog_record, print_record

    if kind is None or name is None:
        catalog_list(kind, as_json, catalog)
        return
    record = catalog_record(kind, name, catalog)
    if as_json:
        out.print_json(json.dumps(record, default=str))
    else:
        print_record(record, out)


@topology_app.command("show")
def topology_show(
    topology: Annotated[str, typer.Argument(help="Shipped name or path.")],
    picture: Annotated[Path | None, typer.Option(help="Also draw it: .svg or .html file.")] = None,
    as_json: AsJson = False,
    catalog: OwnCatalog = None,
) -> None:
    """Show a topology as a tree with capacities and counts."""
    from planner.report.topology import draw_topology, print_topology, topology_record

    if picture is not None:
        draw_topology(topology, picture, catalog)
        err.print(f"written: {picture}", highlight=False)
    if as_json:
        out.print_json(json.dumps(topology_record(topology, catalog)))
    else:
        print_topology(topology, out, catalog)


@topology_app.command("check")
def topology_check(
    topology: Annotated[str, typer.Argument(help="Shipped name or path.")],
    as_json: AsJson = False,
    catalog: OwnCatalog = None,
) -> None:
    """Find every structural fault of a topology file."""
    from planner.catalog import load_catalog
    from planner.topology import topology_faults

    faults = topology_faults(topology, load_catalog(catalog))
    if as_json:
        out.print_json(json.dumps({"topology": topology, "faults": [asdict(fault) for fault in faults]}))
        raise typer.Exit(2 if faults else 0)
    if faults:
        _refuse([str(fault) for fault in faults])
    out.print(f"{topology}: sound", highlight=False)


@app.command()
def doctor() -> None:
    """Check that this environment can solve: imports, versions, cores, memory."""
    from planner.report.doctor import print_doctor

    raise typer.Exit(0 if print_doctor(out) else 1)


register_studies(app)
register_explanations(app)


def _changes(overrides: list[str] | None, catalog: Path | None) -> list[str]:
    """Return the changes of the command line, the user's own catalog file among them."""
    own = [] if catalog is None else [f"catalog={json.dumps(str(catalog.resolve()))}"]
    return own + list(overrides or [])


def _plan_file(path: Path) -> Path:
    """Return plan.json of a folder, or the file itself."""
    file = path / "plan.json" if path.is_dir() else path
    if not file.is_file():
        _refuse([f"{file}: no such file; give a plan.json or the folder that `planner solve` wrote"])
    return file


if __name__ == "__main__":
    main()
