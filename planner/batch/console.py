"""How a batch stands, on a terminal."""

from __future__ import annotations

from rich.console import Group, RenderableType
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from planner.batch.messages import FINAL
from planner.batch.overview import Overview

MOST_SHOWN = 12
"""Running jobs shown; of more, the longest running."""

MINUTE_S, HOUR_S = 60, 3600


def status_view(state: Overview) -> RenderableType:
    """Return a progress bar, the counts, and a table of what is being solved."""
    head = Table.grid(padding=(0, 2))
    head.add_row(
        ProgressBar(total=max(state.total, 1), completed=state.done, width=40),
        Text(f"{state.done} of {state.total} done", style="bold"),
        Text(_outlook(state)),
    )
    parts: list[RenderableType] = [head, Text(counts_line(state))]
    if state.mean_gap is not None and state.worst_gap is not None:
        parts.append(Text(f"gap of the plans so far: mean {state.mean_gap:.2%}, worst {state.worst_gap:.2%}"))
    if state.running:
        parts.append(_running_table(state))
    return Group(*parts)


def counts_line(state: Overview) -> str:
    """Return the counts by status in one line."""
    order = [*FINAL, "running", "waiting"]
    return ", ".join(f"{state.counts[status]} {status}" for status in order if state.counts.get(status))


def _outlook(state: Overview) -> str:
    if state.done == state.total:
        return ""
    if not state.runs:
        return "nobody works on it: `planner batch resume`"
    rate = "" if state.rate_per_s is None else f"{state.rate_per_s * HOUR_S:,.0f} jobs/h, "
    return rate + ("ETA unknown yet" if state.eta_s is None else f"ETA {duration(state.eta_s)}")


def _running_table(state: Overview) -> Table:
    table = Table("running", "at", "s", "stage", "plan USD/h", "bound USD/h", "gap", box=None, pad_edge=False)
    for column in (2, 4, 5, 6):
        table.columns[column].justify = "right"
    for job in sorted(state.running, key=lambda job: -job.seconds)[:MOST_SHOWN]:
        table.add_row(
            Text(job.job, overflow="ellipsis", no_wrap=True),
            job.place,
            f"{job.seconds:.0f}",
            job.stage,
            _money(job.incumbent),
            _money(job.bound),
            "" if job.gap is None else f"{job.gap:.2%}",
        )
    return table


def _money(usd_per_h: float | None) -> str:
    return "" if usd_per_h is None else f"{usd_per_h:,.2f}"


def duration(seconds: float) -> str:
    """Return seconds as people say them: `45 s`, `12 min`, `3 h 05 min`."""
    if seconds < 2 * MINUTE_S:
        return f"{seconds:.0f} s"
    if seconds < 2 * HOUR_S:
        return f"{seconds / MINUTE_S:.0f} min"
    hours, rest = divmod(round(seconds / MINUTE_S), MINUTE_S)
    return f"{hours} h {rest:02d} min"
