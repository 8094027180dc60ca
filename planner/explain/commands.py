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


def explain(
    plan: PlanPath,
    time_limit_s: Annotated[float, typer.Option(help="Seconds for all of it.")] = 25.0,
    whole: Annotated[int, typer.Option(help="Promises to check on the integer program.")] = 3,
    as_json: AsJson = False,
) -> None:
    """Say what holds a plan back, what a little more of it is worth, and what has room."""
    from planner.explain.console import print_explanation
    from planner.explain.explanation import explain as explain_plan
    from planner.explain.files import plan_at

    found = explain_plan(plan_at(plan), time_limit_s, whole)
    if as_json:
        out.print_json(json.dumps(found.record()))
    else:
        print_explanation(found, out)
