"""The report: one HTML file that explains a plan to people, needing nothing from outside to be shown."""

from __future__ import annotations

from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined

from planner.files import write_text_atomic
from planner.plan.types import Plan
from planner.report.console import summary_text
from planner.report.tables import plan_tables

TEMPLATES = Path(__file__).parent / "templates"


def report_html(plan: Plan) -> str:
    """Return the report of a plan as one self-contained HTML document."""
    pages = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return pages.get_template("report.html.j2").render(
        plan=plan, summary=summary_text(plan), tables=plan_tables(plan)
    )


def write_report(plan: Plan, path: Path) -> None:
    """Write the report of a plan; the file is written whole or not at all.

    Raises:
        OSError: it cannot be written.
    """
    write_text_atomic(path, report_html(plan))
