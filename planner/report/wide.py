"""Tables that keep one line per row: wider than the terminal if need be, good for grep and pipes."""

from __future__ import annotations

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

PROSE_WIDTH = 70
"""Characters after which a column of prose wraps; other columns never do."""


def wide_table(title: str, *headings: str, prose: tuple[str, ...] = ()) -> Table:
    """Return an empty table whose columns stay on one line, but for those of prose."""
    table = Table(title=title or None, title_justify="left", header_style="bold", box=SIMPLE_HEAD)
    for heading in headings:
        if heading in prose:
            table.add_column(heading, overflow="fold", max_width=PROSE_WIDTH)
        else:
            table.add_column(heading, no_wrap=True)
    return table


def print_wide(table: Table, console: Console) -> None:
    """Print a table without cutting or folding it to the terminal."""
    needed = table.__rich_measure__(console, console.options.update(width=1000)).maximum
    wide = max(console.width, needed)
    Console(file=console.file, width=wide, force_terminal=console.is_terminal).print(table)
