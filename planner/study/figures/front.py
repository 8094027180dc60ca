"""A Pareto front: every plan that no other beats in all objectives, two objectives at a time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from planner.report.figures.svg import element, picture
from planner.report.numbers import quantity
from planner.study.figures.axes import frame


@dataclass(frozen=True)
class Mark:
    """One plan: its number, where it stands, and whether it is an end of the front."""

    number: int
    x: float
    y: float
    words: str
    end: bool = False


def front_picture(marks: Sequence[Mark], labels: tuple[str, str], *, stepped: bool) -> Markup | None:
    """Return the plans over two objectives; `stepped` joins them: nothing is possible below the line."""
    if not marks:
        return None
    axes = frame([mark.x for mark in marks], [mark.y for mark in marks])
    parts: list[str] = list(axes.drawn(*labels))
    ordered = sorted(marks, key=lambda mark: (mark.x, -mark.y))
    if stepped and len(ordered) > 1:
        path = f"M{axes.x.at(ordered[0].x):.1f} {axes.y.at(ordered[0].y):.1f}"
        for mark in ordered[1:]:
            path += f"H{axes.x.at(mark.x):.1f}V{axes.y.at(mark.y):.1f}"
        parts.append(element("path", d=path, class_="line t1"))
    for mark in ordered:
        x, y = axes.x.at(mark.x), axes.y.at(mark.y)
        tip = element("title", f"{mark.number}: {quantity(mark.x)}, {quantity(mark.y)}; {mark.words}")
        tone = "dot t2" if mark.end else "dot t1"
        parts.append(element("circle", tip, cx=x, cy=y, r=6.5 if mark.end else 5.5, class_=tone))
        parts.append(element("text", str(mark.number), x=x + 9, y=y - 8, class_="scale"))
    title = f"{labels[1]} against {labels[0]}; the table has the numbers"
    return picture(1000.0, axes.height, title, *parts, class_="plot")
