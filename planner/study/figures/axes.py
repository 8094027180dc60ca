"""Axes: where the ticks stand, and how numbers become places on the page."""

from __future__ import annotations

import math
from dataclasses import dataclass

from markupsafe import Markup

from planner.report.figures.svg import element
from planner.report.numbers import quantity

WIDTH, HEIGHT = 1000.0, 420.0
LEFT, RIGHT, TOP, BOTTOM = 92.0, 24.0, 18.0, 52.0
"""Room around the plot for ticks and labels, px."""

TICKS = 6
TICK_STEPS = (1.0, 2.0, 2.5, 5.0, 10.0)
"""Steps between ticks that people read easily, times a power of ten."""


def nice_ticks(low: float, high: float, count: int = TICKS) -> list[float]:
    """Return about `count` round numbers that cover low to high."""
    if not math.isfinite(low) or not math.isfinite(high) or high <= low:
        return [low]
    raw = (high - low) / max(count - 1, 1)
    power = 10.0 ** math.floor(math.log10(raw))
    step = next(s for s in TICK_STEPS if s * power >= raw - 1e-12) * power
    first = math.floor(low / step + 1e-9)
    last = math.ceil(high / step - 1e-9)
    return [float(f"{k * step:.10g}") for k in range(first, last + 1)]


@dataclass(frozen=True)
class Scale:
    """Numbers from `low` to `high` spread over pixels from `start` to `end`."""

    low: float
    high: float
    start: float
    end: float

    def at(self, value: float) -> float:
        """Return the pixel of a value."""
        wide = self.high - self.low
        share = 0.5 if wide <= 0 else (value - self.low) / wide
        return self.start + share * (self.end - self.start)


@dataclass(frozen=True)
class Frame:
    """A plot's two scales with their ticks."""

    x: Scale
    y: Scale
    x_ticks: tuple[float, ...]
    y_ticks: tuple[float, ...]
    height: float = HEIGHT

    def drawn(self, x_label: str, y_label: str) -> list[Markup]:
        """Return grid lines, ticks and labels."""
        parts: list[Markup] = []
        bottom = self.height - BOTTOM
        for tick in self.y_ticks:
            y = self.y.at(tick)
            parts.append(element("line", x1=LEFT, x2=WIDTH - RIGHT, y1=y, y2=y, class_="grid"))
            parts.append(
                element("text", quantity(tick), x=LEFT - 9, y=y + 4, class_="scale", text_anchor="end")
            )
        for tick in self.x_ticks:
            x = self.x.at(tick)
            parts.append(element("line", x1=x, x2=x, y1=bottom, y2=bottom + 5, class_="tick"))
            parts.append(
                element("text", quantity(tick), x=x, y=bottom + 20, class_="scale", text_anchor="middle")
            )
        middle = (LEFT + WIDTH - RIGHT) / 2
        parts.append(
            element("text", x_label, x=middle, y=self.height - 10, class_="label", text_anchor="middle")
        )
        turn = f"rotate(-90 16 {(TOP + bottom) / 2:.1f})"
        parts.append(
            element(
                "text",
                y_label,
                x=16,
                y=(TOP + bottom) / 2,
                class_="label",
                text_anchor="middle",
                transform=turn,
            )
        )
        return parts


def frame(xs: list[float], ys: list[float], *, from_zero: bool = False, height: float = HEIGHT) -> Frame:
    """Return the frame that holds some points; `from_zero`: the vertical axis begins at 0."""
    x_ticks = nice_ticks(min(xs), max(xs))
    low = min(0.0, *ys) if from_zero else min(ys)
    y_ticks = nice_ticks(low, max(ys))
    return Frame(
        Scale(min(x_ticks[0], min(xs)), max(x_ticks[-1], max(xs)), LEFT, WIDTH - RIGHT),
        Scale(min(y_ticks[0], low), max(y_ticks[-1], max(ys)), height - BOTTOM, TOP),
        tuple(x_ticks),
        tuple(y_ticks),
        height,
    )
