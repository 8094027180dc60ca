"""`planner batch ...`: many solves. What takes time to import is imported when a command runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import typer
from rich.console import Console

if TYPE_CHECKING:
    from planner.batch.store import Store

UNANSWERED, BAD_INPUT, STOPPED = 1, 2, 4
"""Exit codes: some jobs have no answer; wrong input or folder; interrupted or disk full, to be resumed."""

WATCH_S = 1.0
"""How often the live table is drawn."""

batch_app = typer.Typer(no_args_is_help=True, help="Many solves: nothing lost, nothing solved twice.")
out = Console()
err = Console(stderr=True)

Folder = Annotated[Path, typer.Argument(help="Folder of the batch.")]
Names = Annotated[list[str] | None, typer.Argument(help="Jobs by name; default: see above.")]
Engine = Annotated[str, typer.Option(help="local (processes) or ray.")]
Workers = Annotated[int | None, typer.Option(min=1, help="Jobs at a time. Default: what the cores carry.")]
Address = Annotated[
    str | None, typer.Option(help="Running Ray cluster: auto, HOST:6379 or ray://HOST:10001.")
]
Threads = Annotated[int, typer.Option(min=1, help="Solver threads of each job.")]
TimeLimit = Annotated[float | None, typer.Option(help="Longest search of a job, seconds.")]
KillAfter = Annotated[float | None, typer.Option(help="A job that takes longer in all is killed, seconds.")]
Memory = Annotated[
    float | None, typer.Option(help="A job that uses more is killed. Default: an equal share.")
]
Quiet = Annotated[bool, typer.Option("--quiet", "-q", help="No progress, no summary.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of tables.")]


@batch_app.command()
def run(
    jobs: Annotated[
        Path, typer.Argument(help="Folder of scenarios, one scenario, list (.txt, .csv) or study.")
    ],
    output: Annotated[Path, typer.Option("-o", "--output", help="Folder of the batch.")],
    engine: Engine = "local",
    workers: Workers = None,
    address: Address = None,
    threads: Threads = 1,
    time_limit_s: TimeLimit = None,
    kill_after_s: KillAfter = None,
    memory_gb: Memory = None,
    quiet: Quiet = False,
) -> None:
    """Solve every scenario of JOBS; run again, or by several at once, it goes on where it was."""
    _run(jobs, output, quiet, engine, workers, address, (threads, time_limit_s, kill_after_s, memory_gb))


@batch_app.command()
def resume(
    folder: Folder,
    engine: Engine = "local",
    workers: Workers = None,
    address: Address = None,
    threads: Threads = 1,
    time_limit_s: TimeLimit = None,
    kill_after_s: KillAfter = None,
    memory_gb: Memory = None,
    quiet: Quiet = False,
) -> None:
    """Go on with a batch that was interrupted, or help another process with it."""
    _run(None, folder, quiet, engine, workers, address, (threads, time_limit_s, kill_after_s, memory_gb))


@batch_app.command()
def retry(
    folder: Folder,
    names: Names = None,
    engine: Engine = "local",
    workers: Workers = None,
    address: Address = None,
    threads: Threads = 1,
    time_limit_s: TimeLimit = None,
    kill_after_s: KillAfter = None,
    memory_gb: Memory = None,
    only_queue: Annotated[bool, typer.Option(help="Leave them to a run that goes on.")] = False,
    quiet: Quiet = False,
) -> None:
    """Solve jobs again: those named, or all that ended without an answer.

    Plans that were not proven in time are searched on from where they stood.
    """
    with _opened(folder) as store:
        count = store.retry(names or None)
    err.print(f"{count} to be solved again", highlight=False)
    if not only_queue:
        _run(None, folder, quiet, engine, workers, address, (threads, time_limit_s, kill_after_s, memory_gb))


@batch_app.command()
def cancel(folder: Folder, names: Names = None) -> None:
    """Cancel jobs: those named, or all that are not finished. Runs that solve them stop within seconds."""
    with _opened(folder) as store:
        ended, told = store.cancel(names or None)
    out.print(f"{ended} cancelled, {told} running and told to stop", highlight=False)


@batch_app.command()
def status(
    folder: Folder,
    watch: Annotated[bool, typer.Option("--watch", "-w", help="Draw again until all is done.")] = False,
    as_json: AsJson = False,
) -> None:
    """Show how a batch stands: progress, what is being solved, gaps so far, time left."""
    from planner.batch.console import status_view
    from planner.batch.overview import overview

    with _opened(folder, to_read=True) as store:
        state = overview(store)
        if as_json:
            out.print_json(data=state.record())
            return
        if not watch:
            out.print(status_view(state))
            return
        import time

        from rich.live import Live

        with Live(status_view(state), console=out, auto_refresh=False) as live:
            while state.done < state.total:
                time.sleep(WATCH_S)
                state = overview(store)
                live.update(status_view(state), refresh=True)


@batch_app.command()
def results(
    folder: Folder,
    output: Annotated[Path, typer.Option("-o", "--output", help="FILE.csv or FILE.parquet")],
) -> None:
    """Write the table of results, a row per job, finished or not."""
    from planner.batch.results import all_results
    from planner.batch.table import rows_of, write_table

    with _opened(folder, to_read=True) as store:
        rows = rows_of(all_results(store), folder)
    write_table(rows, output)
    err.print(f"{len(rows)} jobs: {output}", highlight=False)


@contextmanager
def _opened(folder: Path, *, to_read: bool = False) -> Iterator[Store]:
    """Open a store for a command; its failures end the command with a message."""
    from planner.batch.store import Store, StoreFailure

    try:
        store = Store(folder, to_read=to_read)
    except StoreFailure as failure:
        _stop(str(failure), BAD_INPUT)
    try:
        yield store
    except StoreFailure as failure:
        _stop(str(failure), STOPPED)
    finally:
        store.close()


def _run(
    jobs: Path | None,
    folder: Path,
    quiet: bool,
    engine: str,
    workers: int | None,
    address: str | None,
    limits: tuple[int, float | None, float | None, float | None],
) -> None:
    """Run a batch with its progress on the terminal."""
    from planner.batch.entries import read_entries
    from planner.batch.limits import Limits
    from planner.batch.live import RunView
    from planner.batch.process import CannotWork
    from planner.batch.store import StoreFailure

    entries, notes = (None, []) if jobs is None else read_entries(jobs)
    for note in notes:
        err.print(note, highlight=False)
    try:
        with RunView(folder, err, enabled=not quiet) as view:
            from planner.batch.api import run_batch

            chosen = Limits(*limits)
            for result in run_batch(
                entries, folder, engine=engine, workers=workers, limits=chosen, address=address
            ):
                view.add(result)
    except ConnectionError as error:
        _stop(str(error), BAD_INPUT)
    except (StoreFailure, CannotWork) as failure:
        _stop(str(failure), STOPPED)
    except KeyboardInterrupt:
        _stop(f"interrupted; `planner batch resume {folder}` goes on", STOPPED)
    view.summary(out if not quiet else None)
    if view.statuses["invalid"]:
        raise typer.Exit(BAD_INPUT)
    if view.unanswered:
        raise typer.Exit(UNANSWERED)


def _stop(message: str, code: int) -> NoReturn:
    err.print(message, style="red", highlight=False, markup=False, soft_wrap=True)
    raise typer.Exit(code)
