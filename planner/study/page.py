"""The report of a study: one HTML file that needs nothing from outside to be shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from planner import __version__
from planner.files import write_text_atomic
from planner.report.html import TEMPLATES as PLAN_TEMPLATES
from planner.report.numbers import NOTHING, quantity

TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True)
class Fact:
    """A tile at the top: what, how much, and a word more."""

    name: str
    value: str
    more: str = ""


@dataclass(frozen=True)
class Drawing:
    """A picture with its caption; legend: (class of the colour, what it stands for)."""

    caption: str
    picture: Markup
    legend: Sequence[tuple[str, str]] = ()


@dataclass(frozen=True)
class Heading:
    """The head of a column; numbers stand right-aligned."""

    words: str
    number: bool = False


@dataclass(frozen=True)
class TableRow:
    """Cells in words; `mark` lifts the row out."""

    cells: Sequence[str]
    mark: bool = False


@dataclass(frozen=True)
class Table:
    """A table with its caption."""

    caption: str
    headings: Sequence[Heading]
    rows: Sequence[TableRow]


@dataclass(frozen=True)
class Chapter:
    """A section: figures first, the tables behind them after."""

    name: str
    title: str
    text: str
    figures: Sequence[Drawing] = ()
    tables: Sequence[Table] = ()
    notes: Sequence[str] = ()


@dataclass(frozen=True)
class Page:
    """A whole report. files: where the numbers are, for the footer."""

    title: str
    kind: str
    headline: str
    files: str
    lines: Sequence[str] = ()
    facts: Sequence[Fact] = ()
    chapters: Sequence[Chapter] = field(default_factory=tuple)


def cell(value: Any) -> str:
    """Return a value as a table shows it."""
    if value is None or value == "":
        return NOTHING
    if isinstance(value, bool):
        return "yes" if value else "no"
    return quantity(value) if isinstance(value, int | float) else str(value)


def table_of(caption: str, rows: Sequence[dict[str, Any]], marked: Sequence[int] = ()) -> Table:
    """Return a table of rows that share their keys; columns with only numbers stand right-aligned."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    headings = []
    for name in names:
        values = [row.get(name) for row in rows]
        is_number = all(v is None or (isinstance(v, int | float) and not isinstance(v, bool)) for v in values)
        headings.append(Heading(name, is_number and any(v is not None for v in values)))
    cells = [TableRow([cell(row.get(name)) for name in names], at in marked) for at, row in enumerate(rows)]
    return Table(caption, headings, cells)


def page_html(page: Page) -> str:
    """Return the report as one self-contained document."""
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    style = (PLAN_TEMPLATES / "style.css").read_text(encoding="utf-8")
    own = (TEMPLATES / "study.css").read_text(encoding="utf-8")
    template = environment.get_template("study.html.j2")
    return template.render(page=page, style=Markup(style + own), version=__version__)


def write_page(page: Page, path: Path) -> None:
    """Write the report; the file is written whole or not at all."""
    write_text_atomic(path, page_html(page))
