"""Bars: the parts of a sum, how full a limit is, and a predicted latency beside the asked one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from planner.report.figures.svg import element, picture
from planner.report.numbers import percent

NEARLY_FULL = 0.95
"""Share of a limit from which it is highlighted."""

FILLING = 0.80
"""Share from which it is worth a look."""

STACK_WIDTH, STACK_HEIGHT = 1000.0, 54.0
GAP_PX = 2.0
CHARACTER_PX = 7.2
"""About the width of a letter of the labels."""

METER_WIDTH, METER_HEIGHT = 160.0, 12.0
LIMIT_AT = 0.9
"""Where on a meter the limit stands; what is beyond it shows right of it."""

ASKED_AT = 0.72
"""Where on a latency bar the asked value stands."""


@dataclass(frozen=True)
class Segment:
    """One part of a sum; tone: class of its colour; words: shown in it where there is room."""

    name: str
    share: float
    tone: str
    words: str


def stacked_bar(segments: Sequence[Segment], label: str) -> Markup:
    """Return one bar made of segments, with their names where there is room."""
    parts: list[str] = []
    x = 0.0
    for segment in segments:
        wide = segment.share * STACK_WIDTH
        inside: list[str] = [element("title", f"{segment.name}: {segment.words}, {percent(segment.share)}")]
        shape = element(
            "rect", x=x, y=0, width=max(wide - GAP_PX, 0.75), height=STACK_HEIGHT, rx=3, class_=segment.tone
        )
        inside.append(shape)
        longest = max(len(segment.name), len(segment.words)) * CHARACTER_PX
        if wide > longest + 16:
            ink = f"ink {segment.tone}"
            inside.append(element("text", segment.name, x=x + 9, y=22, class_=ink))
            inside.append(element("text", segment.words, x=x + 9, y=41, class_=f"{ink} strong"))
        parts.append(element("g", *inside))
        x += wide
    return picture(STACK_WIDTH, STACK_HEIGHT, label, *parts, class_="stack")


def state_of(share: float) -> str:
    """Return the word for how full a limit is: `over`, `full`, `filling` or `fine`."""
    if share > 1:
        return "over"
    if share > NEARLY_FULL:
        return "full"
    return "filling" if share >= FILLING else "fine"


def fullness_meter(share: float) -> Markup:
    """Return a bar of what is used, with the limit as a line."""
    limit = METER_WIDTH * LIMIT_AT
    used = min(share * limit, METER_WIDTH)
    return picture(
        METER_WIDTH,
        METER_HEIGHT,
        f"{percent(share)} of the limit",
        element("rect", x=0, y=3, width=limit, height=6, rx=3, class_="track"),
        element(
            "rect",
            x=0,
            y=2,
            width=max(used, 1.0 if share > 0 else 0.0),
            height=8,
            rx=2,
            class_=state_of(share),
        ),
        element("line", x1=limit, x2=limit, y1=0, y2=METER_HEIGHT, class_="limit"),
        class_="meter",
    )


def latency_state(asked: float, predicted: float, band: float | None) -> str:
    """Return `over` where the promise is broken, `filling` where the error band reaches it, else `fine`."""
    if predicted > asked:
        return "over"
    return "filling" if predicted * (1 + (band or 0.0)) > asked else "fine"


def latency_bar(asked: float, predicted: float, band: float | None) -> Markup:
    """Return a bar of a predicted latency with its error band as a whisker and the asked one as a line."""
    limit = METER_WIDTH * ASKED_AT
    scale = limit / asked if asked > 0 else 0.0
    reach = min(predicted * scale, METER_WIDTH)
    parts = [
        element("rect", x=0, y=3, width=limit, height=6, rx=3, class_="track"),
        element(
            "rect",
            x=0,
            y=2,
            width=max(reach, 1.0),
            height=8,
            rx=2,
            class_=latency_state(asked, predicted, band),
        ),
    ]
    if band:
        low, high = reach * max(1 - band, 0.0), min(predicted * scale * (1 + band), METER_WIDTH)
        parts.append(
            element("path", d=f"M{low:.1f} 6H{high:.1f}M{low:.1f} 3.5v5M{high:.1f} 3.5v5", class_="whisker")
        )
    parts.append(element("line", x1=limit, x2=limit, y1=0, y2=METER_HEIGHT, class_="limit"))
    share = predicted / asked if asked > 0 else 0.0
    return picture(METER_WIDTH, METER_HEIGHT, f"{percent(share)} of what was asked", *parts, class_="meter")
