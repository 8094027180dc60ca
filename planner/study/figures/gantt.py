"""A timeline of purchases: a bar from order to delivery, and on to the sale or the end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from planner.report.figures.svg import element, picture, shortened

WIDTH = 1000.0
LABEL_PX, RIGHT_PX, HEAD_PX, ROW_PX, FOOT_PX = 250.0, 16.0, 34.0, 26.0, 10.0
INK_PX = 7.0
"""About the width of a character in a bar."""


@dataclass(frozen=True)
class Span:
    """A bar of a row from the beginning of one period to that of another (numbers from 1).

    tone: class of its colour. faint: hatched, for what is only on its way. tip: shown on hovering.
    """

    start: float
    end: float
    words: str
    tone: str
    tip: str = ""
    faint: bool = False


@dataclass(frozen=True)
class GanttRow:
    """A row: its name and its bars."""

    name: str
    spans: Sequence[Span]


def gantt_picture(rows: Sequence[GanttRow], periods: Sequence[str], title: str) -> Markup | None:
    """Return the timeline over named periods, None without rows."""
    if not rows:
        return None
    room = WIDTH - LABEL_PX - RIGHT_PX
    bottom = HEAD_PX + ROW_PX * len(rows)

    def at(period: float) -> float:
        return LABEL_PX + (min(max(period, 1.0), len(periods) + 1.0) - 1) / len(periods) * room

    parts: list[str] = []
    every = max(1, round(len(periods) * 62 / room))
    for number, name in enumerate(periods, 1):
        parts.append(element("line", x1=at(number), x2=at(number), y1=HEAD_PX - 8, y2=bottom, class_="grid"))
        if (number - 1) % every == 0:
            middle = (at(number) + at(number + 1)) / 2
            parts.append(element("text", name, x=middle, y=18, class_="scale", text_anchor="middle"))
    for number, row in enumerate(rows):
        y = HEAD_PX + ROW_PX * number
        words = shortened(row.name, 34)
        parts.append(element("text", words, x=LABEL_PX - 12, y=y + 17, class_="label", text_anchor="end"))
        for span in row.spans:
            x, wide = at(span.start), at(span.end) - at(span.start)
            tip = element("title", span.tip or f"{row.name}: {span.words}")
            height = ROW_PX - (14 if span.faint else 8)
            parts.append(
                element("rect", tip, x=x, y=y + (ROW_PX - height) / 2, width=max(wide, 3.0), height=height,
                        rx=2, class_=f"span {span.tone}", opacity=0.4 if span.faint else None)
            )  # fmt: skip
            if wide > INK_PX * len(span.words) + 8 and not span.faint:
                ink = f"span-ink {span.tone}"
                parts.append(element("text", span.words, x=x + 6, y=y + 17, class_=ink))
    return picture(WIDTH, bottom + FOOT_PX, f"{title}; the table has the numbers", *parts, class_="plot")
