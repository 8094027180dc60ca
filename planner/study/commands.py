"""Commands of studies; `planner.cli` registers them. Solvers are imported when a command runs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, TypeVar

import typer
from rich.console import Console

if TYPE_CHECKING:
    from planner.study.progress import Progress

STOPPED = 4
"""Exit code of a study that was interrupted; what is finished is kept."""

out = Console()
err = Console(stderr=True)

StudyPath = Annotated[Path, typer.Argument(help="Study file, YAML or JSON.")]
Output = Annotated[Path, typer.Option("-o", "--output", help="Folder for results, plans and report.")]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]

T = TypeVar("T")


def register(app: typer.Typer) -> None:
    """Add the commands of studies to the command line."""
    app.command()(sweep)


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


def _run(work: Callable[[Progress], T], written: Callable[[Progress], None], output: Path, quiet: bool) -> T:
    """Run a study in the background, write what is finished, and exit 4 if it was interrupted."""
    from planner.study.background import in_background
    from planner.study.progress import ConsoleProgress

    with ConsoleProgress(err, enabled=not quiet) as progress:
        try:
            result = in_background(lambda: work(progress))
        except KeyboardInterrupt:
            written(progress)
            err.print(
                f"interrupted: {len(progress.rows)} of {progress.total} points are finished and kept in"
                f" {output}; run it again to go on",
                highlight=False,
            )
            raise typer.Exit(STOPPED) from None
    written(progress)
    if not quiet:
        out.print(f"written: {output}/report.html, results.csv, plans/", highlight=False)
    return result
