"""The report: one HTML file that explains a plan to people, needing nothing from outside to be shown."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from planner.explain.record import Explanation
from planner.files import write_text_atomic
from planner.plan.types import Plan
from planner.plan.verify.context import read_context
from planner.report import numbers
from planner.report.figures.bars import fullness_meter
from planner.report.figures.rack import WORDS, lone_server, rack_elevation
from planner.report.recipes import recipes
from planner.report.sections.day import day_view
from planner.report.sections.headline import headline
from planner.report.sections.limits import limit_groups
from planner.report.sections.money import money_view
from planner.report.sections.origin import origin_view
from planner.report.sections.places import Box, RackView, SiteView, contents, running, site_views
from planner.report.sections.promises import promise_view
from planner.report.sections.replicas import replica_view
from planner.report.sections.routes import route_view
from planner.report.sections.search import search_view
from planner.report.sections.why import why_view

TEMPLATES = Path(__file__).parent / "templates"

CONTENTS = (
    ("headline", "Overview"),
    ("places", "What goes where"),
    ("replicas", "Replicas"),
    ("routes", "Routes"),
    ("money", "Cost"),
    ("limits", "Power and heat"),
    ("promises", "Latency"),
    ("search", "Search"),
    ("origin", "Origin"),
)
"""Sections in order: the name of the template, and the title in the navigation."""

FEW_NAMES = 3
"""Names (or runs of names) under the picture of equal racks."""

MANY_NAMES = 200
"""Names (or runs of names) in a row of a table of racks; tables/servers.csv has all."""


DAY = ("day", "The day")
"""The section of a day in several periods, before the routes."""

WHY = ("why", "What holds it back")
"""The section of an explanation, where there is one, after the limits."""


def report_html(plan: Plan, explanation: Explanation | None = None) -> str:
    """Return the report of a plan as one self-contained HTML document, with its explanation if there is one.

    Raises:
        ValueError: the scenario or topology inside the plan cannot be read.
    """
    setting = read_context(plan).setting
    of_pool = recipes(plan)
    of_number = {recipe.number: recipe for recipe in of_pool.values()}
    sites = site_views(plan, setting, of_pool)
    day = day_view(plan, setting)
    script = (TEMPLATES / "script.js").read_text(encoding="utf-8")
    return (
        _environment()
        .get_template("report.html.j2")
        .render(
            plan=plan,
            contents=_contents(explanation, day is not None),
            day=day,
            why=why_view(explanation),
            style=Markup((TEMPLATES / "style.css").read_text(encoding="utf-8")),
            script=Markup(script),
            script_hash=content_security_hash(script),
            head=headline(plan, sites),
            sites=sites,
            marks=_marks(sites),
            replicas=replica_view(plan, of_pool),
            routes=route_view(plan, of_pool),
            money=money_view(plan),
            limits=limit_groups(plan),
            promises=promise_view(plan, of_pool),
            search=search_view(plan),
            origin=origin_view(plan),
            of_number=of_number,
            words=WORDS,
            many_names=MANY_NAMES,
            elevation=lambda rack, canvas_u: rack_elevation(rack, of_number, canvas_u),
            lone=lambda box: lone_server(box, of_number),
            meter=lambda rack: fullness_meter(rack.used_w / rack.limit_w) if rack.limit_w else "",
            contents_of=contents,
            running=running,
            idle=_idle,
        )
    )


def _contents(explanation: Explanation | None, in_periods: bool) -> list[tuple[str, str]]:
    """Return the sections in order; the day's where it has several periods."""
    sections = list(CONTENTS)
    if in_periods:
        sections.insert(sections.index(("routes", "Routes")), DAY)
    if explanation is not None:
        sections.insert(sections.index(("limits", "Power and heat")) + 1, WHY)
    return sections


def write_report(plan: Plan, path: Path, explanation: Explanation | None = None) -> None:
    """Write the report of a plan; the file is written whole or not at all.

    Raises:
        OSError: it cannot be written.
        ValueError: the scenario or topology inside the plan cannot be read.
    """
    write_text_atomic(path, report_html(plan, explanation))


def content_security_hash(script: str) -> str:
    """Return the fingerprint by which the page's policy knows its own script from any other."""
    digest = hashlib.sha256(script.encode("utf-8")).digest()
    return "sha256-" + base64.b64encode(digest).decode("ascii")


def _environment() -> Environment:
    pages = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    pages.filters |= {
        "kw": numbers.kilowatts,
        "percent": numbers.percent,
        "quantity": numbers.quantity,
        "short": _short,
        "counted": numbers.counted,
    }
    return pages


def _short(names: Iterable[str], most: int = FEW_NAMES) -> str:
    """Return names in short; those beyond `most` are left out."""
    runs = numbers.names_in_short(names)
    return ", ".join(runs[:most]) + (" …" if len(runs) > most else "")


def _marks(sites: Iterable[SiteView]) -> dict[str, bool]:
    """Return which marks the pictures use, for the legend."""
    racks: list[RackView] = [r for site in sites if site.used for place in site.places for r in place.racks]
    boxes = [box for rack in racks for box in rack.boxes]
    return {
        "new": any(box.origin == "buy" for box in boxes),
        "off": any(box.origin == "off" for box in boxes),
        "liquid": any(rack.liquid and not rack.retrofitted for rack in racks),
        "retrofitted": any(rack.retrofitted for rack in racks),
    }


def _idle(boxes: Iterable[Box]) -> int:
    """Return the powered accelerators that belong to no replica."""
    return sum(box.accelerators - box.busy for box in boxes if box.origin != "off")
