"""Commands that question a plan; `planner.cli` registers them. Solvers are imported when one runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

out = Console()
err = Console(stderr=True)

PlanPath = Annotated[Path, typer.Argument(help="plan.json, or the folder that holds it.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]


def register(app: typer.Typer) -> None:
    """Add the commands to the command line."""
    app.command()(explain)
    app.command("why-not")(why_not)
    app.command()(alternatives)
    app.command()(diff)


def explain(
    plan: Annotated[
        Path | None, typer.Argument(help="plan.json or its folder; with --shape it may be left out.")
    ] = None,
    time_limit_s: Annotated[float, typer.Option(help="Seconds for all of it.")] = 20.0,
    whole: Annotated[int, typer.Option(help="Promises to check on the integer program.")] = 3,
    shapes: Annotated[
        str, typer.Option(help="Reckon with `all` shapes, or those the plan has `used`; `auto` by its size.")
    ] = "auto",
    report: Annotated[
        Path | None, typer.Option(help="Write the plan's HTML report here, with this explanation in it.")
    ] = None,
    shape: Annotated[
        str | None, typer.Option(help="Explain one replica instead: its name as `planner shapes` prints it.")
    ] = None,
    server: Annotated[str | None, typer.Option(help="--shape: server it runs on, gives the wires.")] = None,
    concurrency: Annotated[int, typer.Option(help="--shape: requests decoding at once.", min=1)] = 16,
    input_tokens: Annotated[int, typer.Option(help="--shape: length of a prompt.", min=1)] = 1000,
    output_tokens: Annotated[int, typer.Option(help="--shape: length of an answer.", min=1)] = 200,
    catalog: Annotated[Path | None, typer.Option(help="--shape: your own catalog entries.")] = None,
    as_json: AsJson = False,
) -> None:
    """Say what holds a plan back and what more of it is worth; or (--shape) what a replica waits for."""
    if shape is not None:
        from planner.catalog import load_catalog
        from planner.explain.rebuild import question_of
        from planner.explain.roofline import read_shape, roofline
        from planner.report.explaining.answers import print_roofline

        facts = load_catalog(extra=catalog)
        if plan is not None:
            from planner.explain.files import plan_at

            facts = question_of(plan_at(plan)).catalog
        wanted = read_shape(shape)
        line = roofline(
            facts, wanted.llm, wanted, server=server, concurrency=concurrency, input_tokens=input_tokens,
            output_tokens=output_tokens,
        )  # fmt: skip
        if as_json:
            out.print_json(json.dumps(line.record()))
        else:
            print_roofline(line, out)
        return
    if plan is None:
        raise ValueError("explain: name a plan (its folder or plan.json), or a shape with --shape")
    from planner.explain.explanation import explain as explain_plan
    from planner.explain.files import plan_at, timings_at
    from planner.report.explaining.explanation import print_explanation

    asked = plan_at(plan)
    if shapes not in ("auto", "all", "used"):
        raise ValueError(f"--shapes {shapes}: write auto, all or used")
    found = explain_plan(asked, time_limit_s, whole, shapes, timings_at(plan))  # type: ignore[arg-type]
    if report is not None:
        from planner.report.html import write_report

        write_report(asked, report, found)
    if as_json:
        out.print_json(json.dumps(found.record()))
    else:
        print_explanation(found, out)


def why_not(
    plan: PlanPath,
    llm: Annotated[str | None, typer.Option(help="Served with this LLM.")] = None,
    accelerator: Annotated[str | None, typer.Option(help="On this accelerator.")] = None,
    tp: Annotated[int | None, typer.Option(help="With this tensor parallelism.")] = None,
    pp: Annotated[int | None, typer.Option(help="With so many pipeline stages.")] = None,
    dp: Annotated[int | None, typer.Option(help="With this attention data parallelism.")] = None,
    ep: Annotated[int | None, typer.Option(help="With this expert parallelism.")] = None,
    weights: Annotated[str | None, typer.Option(help="With weights of this precision.")] = None,
    role: Annotated[str | None, typer.Option(help="aggregated, prefill or decode.")] = None,
    server: Annotated[str | None, typer.Option(help="On servers of this id.")] = None,
    site: Annotated[str | None, typer.Option(help="At this site.")] = None,
    count: Annotated[
        int | None, typer.Option(help="So many replicas (or servers); default: one more than now.", min=0)
    ] = None,
    time_limit_s: Annotated[float, typer.Option(help="Seconds to solve with it.")] = 20.0,
    as_json: AsJson = False,
) -> None:
    """Say what something else would cost, what forbids it, or which shape beats it."""
    from planner.explain.files import plan_at, timings_at
    from planner.explain.why_not import Choice
    from planner.explain.why_not import why_not as ask
    from planner.report.explaining.answers import print_why_not

    choice = Choice(llm, accelerator, tp, pp, dp, ep, weights, role, server, site, count)
    found = ask(plan_at(plan), choice, time_limit_s, timings_at(plan))
    if as_json:
        out.print_json(json.dumps(found.record()))
    else:
        print_why_not(found, out)


def alternatives(
    plan: PlanPath,
    within: Annotated[float, typer.Option(help="How much worse they may be: 0.02 is 2 %.", min=0.0)] = 0.02,
    against: Annotated[
        Path | None, typer.Option(help="The plan in force, to count moves from; default: what stands.")
    ] = None,
    output: Annotated[Path | None, typer.Option("-o", "--output", help="Folder for their plans.")] = None,
    time_limit_s: Annotated[float, typer.Option(help="Seconds for each of them.")] = 10.0,
    as_json: AsJson = False,
) -> None:
    """Find plans nearly as cheap: fewest sites, least power, fewest accelerator types, moves, least capex."""
    from planner.explain.alternatives import alternatives as find
    from planner.explain.files import plan_at, timings_at
    from planner.report.explaining.answers import print_alternatives

    base = plan_at(plan)
    found = list(
        find(base, within, time_limit_s, None if against is None else plan_at(against), timings_at(plan))
    )
    if output is not None:
        for one in found:
            folder = output / one.wish.replace(" ", "-")
            folder.mkdir(parents=True, exist_ok=True)
            one.plan.save(folder / "plan.json")
    if as_json:
        out.print_json(json.dumps([one.record() for one in found]))
    else:
        print_alternatives(base, found, out)


def diff(
    first: Annotated[Path, typer.Argument(help="plan.json or its folder: before.")],
    second: Annotated[Path, typer.Argument(help="plan.json or its folder: after.")],
    as_json: AsJson = False,
) -> None:
    """Say what changed between two plans, and what each change is worth."""
    from planner.explain.changes import diff as compare
    from planner.explain.files import plan_at
    from planner.report.explaining.answers import print_diff

    found = compare(plan_at(first), plan_at(second))
    if as_json:
        out.print_json(json.dumps(found.record()))
    else:
        print_diff(found, out)
