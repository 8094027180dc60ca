"""Stacked columns over periods, with a stepped line for what there is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from planner.report.figures.svg import element, picture
from planner.report.numbers import quantity
from planner.study.figures.axes import BOTTOM, HEIGHT, LEFT, RIGHT, TOP, WIDTH, nice_ticks
from planner.study.figures.lines import TONES

BAR_SHARE = 0.72
"""Share of a period's width that its column takes."""


@dataclass(frozen=True)
class Layer:
    """One colour of the columns: a value for each period; negative ones hang below zero."""

    name: str
    values: Sequence[float]


def tone(number: int) -> str:
    """Return the class of the colour of a layer."""
    return f"t{number % TONES + 1}"


def stacked_picture(
    layers: Sequence[Layer],
    periods: Sequence[str],
    y_label: str,
    title: str,
    limit: Sequence[float] | None = None,
) -> Markup | None:
    """Return the columns, None where there is nothing to draw. limit: (periods,) a stepped line."""
    ups = [sum(max(0.0, layer.values[p]) for layer in layers) for p in range(len(periods))]
    downs = [sum(min(0.0, layer.values[p]) for layer in layers) for p in range(len(periods))]
    most, least = max([*ups, *(limit or [])], default=0.0), min(downs, default=0.0)
    if not layers or most == least:
        return None
    ticks = nice_ticks(min(0.0, least), max(0.0, most))
    low, high = min(ticks[0], least), max(ticks[-1], most)
    bottom = HEIGHT - BOTTOM

    def y(value: float) -> float:
        return bottom - (value - low) / (high - low) * (bottom - TOP)

    step = (WIDTH - LEFT - RIGHT) / len(periods)
    parts: list[str] = []
    for tick in ticks:
        parts.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y(tick), y2=y(tick), class_="grid"))
        words = quantity(tick)
        parts.append(element("text", words, x=LEFT - 9, y=y(tick) + 4, class_="scale", text_anchor="end"))
    every = max(1, round(62 / step))
    for p, name in enumerate(periods):
        middle = LEFT + (p + 0.5) * step
        if p % every == 0:
            parts.append(element("text", name, x=middle, y=bottom + 20, class_="scale", text_anchor="middle"))
        above = below = 0.0
        for number, layer in enumerate(layers):
            value = layer.values[p]
            if not value:
                continue
            start = above if value > 0 else below
            top, foot = y(max(start, start + value)), y(min(start, start + value))
            if value > 0:
                above += value
            else:
                below += value
            tip = element("title", f"{layer.name}, {name}: {quantity(value)}")
            parts.append(
                element("rect", tip, x=middle - step * BAR_SHARE / 2, y=top, width=step * BAR_SHARE,
                        height=max(foot - top, 0.5), class_=f"area {tone(number)}")
            )  # fmt: skip
    if limit is not None:
        path = ""
        for p, value in enumerate(limit):
            path += f"{'M' if p == 0 else 'L'}{LEFT + p * step:.1f} {y(value):.1f}"
            path += f"L{LEFT + (p + 1) * step:.1f} {y(value):.1f}"
        parts.append(element("path", element("title", "available"), d=path, class_="limit-line"))
    parts.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y(0), y2=y(0), class_="base"))
    turn = f"rotate(-90 16 {(TOP + bottom) / 2:.1f})"
    parts.append(
        element("text", y_label, x=16, y=(TOP + bottom) / 2, class_="label", text_anchor="middle",
                transform=turn)
    )  # fmt: skip
    return picture(WIDTH, HEIGHT - 18, f"{title}; the table has the numbers", *parts, class_="plot")
