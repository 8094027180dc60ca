"""How the search went: after each stage the best plan and the bound that no plan can be below."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from planner.report.figures.svg import element, picture, shortened
from planner.report.numbers import quantity

WIDTH = 1000.0
LABEL_PX = 190.0
RIGHT_PX = 30.0
ROW_PX = 30.0
HEAD_PX = 22.0
FOOT_PX = 26.0
MOST_TICKS = 6

STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
"""Distances between ticks that read well, times a power of ten."""


@dataclass(frozen=True)
class StagePoint:
    """The state after a stage; None where there is no plan (or bound) yet."""

    name: str
    incumbent: float | None
    bound: float | None


def tick_step(top: float) -> float:
    """Return a round distance between ticks that needs at most `MOST_TICKS` of them up to `top`."""
    power = 10.0 ** math.floor(math.log10(top / MOST_TICKS))
    return next(step * power for step in STEPS if top / (step * power) <= MOST_TICKS)


def search_picture(points: Sequence[StagePoint], unit: str) -> Markup:
    """Return a row for each stage with the bound (bar end) and the plan (dot) on one scale from 0."""
    values = [v for point in points for v in (point.incumbent, point.bound) if v is not None]
    step = tick_step(max([*values, 0.0]) or 1.0)
    ticks = math.ceil((max([*values, 0.0]) or 1.0) / step - 1e-9)
    top = step * ticks
    room = WIDTH - LABEL_PX - RIGHT_PX
    bottom = HEAD_PX + ROW_PX * len(points)
    parts: list[str] = []
    for number in range(ticks + 1):
        x = LABEL_PX + room * number / ticks
        parts.append(element("line", x1=x, x2=x, y1=HEAD_PX - 6, y2=bottom, class_="grid"))
        words = quantity(float(f"{step * number:.6g}"))
        parts.append(element("text", words, x=x, y=bottom + 16, class_="scale", text_anchor="middle"))
    parts.append(element("text", unit, x=LABEL_PX - 10, y=bottom + 16, class_="scale", text_anchor="end"))
    for number, point in enumerate(points):
        y = HEAD_PX + ROW_PX * (number + 0.5)
        name = shortened(point.name, 26)
        parts.append(element("text", name, x=LABEL_PX - 10, y=y + 4, class_="label", text_anchor="end"))
        if point.bound is not None:
            reach = max(point.bound, 0.0) / top * room
            tip = element("title", f"{point.name}: bound {quantity(point.bound)} {unit}")
            parts.append(
                element(
                    "rect", tip, x=LABEL_PX, y=y - 6, width=max(reach, 1.0), height=12, rx=2, class_="bound"
                )
            )
        if point.incumbent is not None:
            x = LABEL_PX + max(point.incumbent, 0.0) / top * room
            tip = element("title", f"{point.name}: best plan {quantity(point.incumbent)} {unit}")
            parts.append(element("circle", tip, cx=x, cy=y, r=6, class_="plan"))
    label = f"Bound and best plan after each stage, {unit}; the table below has the numbers"
    return picture(WIDTH, bottom + FOOT_PX, label, *parts, class_="search")
