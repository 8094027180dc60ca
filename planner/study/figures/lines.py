"""Lines: one figure of the plans against one input, a line for each setting of the other inputs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from planner.report.figures.svg import element, picture
from planner.report.numbers import quantity
from planner.study.figures.axes import frame

TONES = 8
"""Colours of the page's style, t1 to t8."""


@dataclass(frozen=True)
class Line:
    """Points (x, y) in order of x; y is None where there is no plan."""

    name: str
    points: Sequence[tuple[float, float | None]]


def line_picture(lines: Sequence[Line], x_label: str, y_label: str, title: str) -> Markup | None:
    """Return the lines over one pair of axes, None where there is nothing to draw."""
    known = [(x, y) for line in lines for x, y in line.points if y is not None]
    if not known:
        return None
    axes = frame([x for line in lines for x, _ in line.points], [y for _, y in known], from_zero=True)
    parts: list[str] = list(axes.drawn(x_label, y_label))
    for number, line in enumerate(lines):
        tone = f"t{number % TONES + 1}"
        path = ""
        for x, y in line.points:
            if y is None:
                path += " "
                continue
            move = "L" if path and not path.endswith(" ") else "M"
            path += f"{move}{axes.x.at(x):.1f} {axes.y.at(y):.1f}"
        parts.append(element("path", d=path.strip(), class_=f"line {tone}"))
        for x, y in line.points:
            if y is None:
                gone = element("title", f"{line.name} at {quantity(x)}: no plan")
                parts.append(
                    element("text", gone, "×", x=axes.x.at(x), y=axes.y.at(0) - 4, class_="none",
                            text_anchor="middle")
                )  # fmt: skip
                continue
            words = f"{line.name}{': ' if line.name else ''}{quantity(y)} at {quantity(x)}"
            tip = element("title", words)
            parts.append(element("circle", tip, cx=axes.x.at(x), cy=axes.y.at(y), r=4, class_=f"dot {tone}"))
    return picture(1000.0, axes.height, f"{title}; the table has the numbers", *parts, class_="plot")
