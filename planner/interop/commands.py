"""`planner import ...`: other tools' formats in. What is slow to import waits until a command runs."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    from planner.interop.trace_import import ImportedTrace

import_app = typer.Typer(no_args_is_help=True, help="Read other tools' formats.")
out = Console()
err = Console(stderr=True)

_WIDTH = 140  # of the table: a narrow terminal scrolls, it does not cut


@import_app.callback()
def _group() -> None:
    """Read other tools' formats."""


@import_app.command()
def trace(
    files: Annotated[
        list[Path],
        typer.Argument(help="Azure LLM 2023/2024, BurstGPT, Mooncake, or CSV: t_s, in_tokens, out_tokens."),
    ],
    output: Annotated[
        Path | None, typer.Option("-o", "--output", help="File to write, .yaml or .json. Default: print.")
    ] = None,
    name: Annotated[str | None, typer.Option(help="Of the workload. Default: the file's name.")] = None,
    classes: Annotated[
        int, typer.Option(min=1, help="Split by prompt length into so many classes of equal token mass.")
    ] = 1,
    llm: Annotated[list[str] | None, typer.Option(help="That may answer; several are possible.")] = None,
    preset: Annotated[
        str | None, typer.Option(help="Take the SLO from: planner catalog list presets.")
    ] = None,
    window_s: Annotated[
        float | None, typer.Option(min=1.0, help="Whose busiest rate is kept. Default: a minute or longer.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON instead of a table.")] = False,
) -> None:
    """Turn request traces into workloads: rates by hour, lengths, burstiness, prefix hits."""
    from planner.interop.trace_import import import_traces, workload_entries, workloads_yaml, write_workloads

    imported = import_traces(files, name=name, classes=classes, window_s=window_s)
    if output is not None:
        write_workloads(output, imported, llm or (), preset)
    if as_json:
        out.print_json(json.dumps({"workloads": workload_entries(imported, llm or (), preset)}))
    elif output is None:
        out.print(
            workloads_yaml(imported, llm or (), preset), highlight=False, markup=False, soft_wrap=True, end=""
        )
    else:
        _print(imported)
        err.print(f"written: {output}; put its workloads into a scenario", highlight=False, markup=False)


def _print(imported: Sequence[ImportedTrace]) -> None:
    """Print what the traces became, one line per workload."""
    for source in imported:
        out.print(source.story, highlight=False, markup=False, soft_wrap=True)
    table = Table(box=SIMPLE_HEAD, header_style="bold")
    headings = (
        "requests",
        "mean rps",
        "busiest rps",
        "of s",
        "cv",
        "in mean",
        "p99",
        "out mean",
        "p99",
        "prefix hits",
    )
    table.add_column("workload", no_wrap=True)
    for heading in headings:
        table.add_column(heading, justify="right", no_wrap=True)
    for source in imported:
        for found in source.workloads:
            lengths = [
                f"{value:,.0f}"
                for tokens in (found.input_tokens, found.output_tokens)
                for value in (tokens.mean, float(tokens.quantile(0.99)))
            ]
            rates = [f"{value:,.3g}" for value in (found.mean_rate_rps, found.rate_rps, found.window_s)]
            hits = f"{found.prefix_hit_rate:.1%}" if found.has_prefixes else "-"
            table.add_row(
                found.name, f"{found.requests:,}", *rates, f"{found.burstiness_cv:.2f}", *lengths, hits
            )
    Console(file=out.file, width=max(out.width, _WIDTH)).print(table)
