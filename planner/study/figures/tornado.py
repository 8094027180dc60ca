"""A tornado: for each input how far its low and high value move the result, the strongest first."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from planner.report.figures.svg import element, picture, shortened
from planner.report.numbers import quantity
from planner.study.figures.axes import nice_ticks

WIDTH = 1000.0
LABEL_PX, RIGHT_PX, HEAD_PX, ROW_PX, FOOT_PX = 280.0, 70.0, 14.0, 40.0, 50.0


@dataclass(frozen=True)
class Bar:
    """One input: what it is set to and the result there; result None where there is no plan."""

    name: str
    low_words: str
    high_words: str
    low: float | None
    high: float | None


def tornado_picture(bars: Sequence[Bar], base: float, unit: str, title: str) -> Markup | None:
    """Return the tornado around the base's result, None without bars."""
    values = [base, *(v for bar in bars for v in (bar.low, bar.high) if v is not None)]
    if not bars:
        return None
    ticks = nice_ticks(min(values), max(values)) if max(values) > min(values) else [base]
    low, high = min(ticks[0], *values), max(ticks[-1], *values)
    room = WIDTH - LABEL_PX - RIGHT_PX

    def at(value: float) -> float:
        return LABEL_PX + (0.5 if high <= low else (value - low) / (high - low)) * room

    bottom = HEAD_PX + ROW_PX * len(bars)
    parts: list[str] = []
    for tick in ticks:
        parts.append(element("line", x1=at(tick), x2=at(tick), y1=HEAD_PX - 6, y2=bottom, class_="grid"))
        parts.append(
            element("text", quantity(tick), x=at(tick), y=bottom + 18, class_="scale", text_anchor="middle")
        )
    for number, bar in enumerate(bars):
        y = HEAD_PX + ROW_PX * number
        name = shortened(bar.name, 36)
        parts.append(element("text", name, x=LABEL_PX - 14, y=y + 24, class_="label", text_anchor="end"))
        for value, words, tone in ((bar.low, bar.low_words, "low"), (bar.high, bar.high_words, "high")):
            if value is None:
                continue
            left, right = sorted((at(base), at(value)))
            tip = element("title", f"{bar.name} {words}: {quantity(value)} {unit}")
            parts.append(
                element("rect", tip, x=left, y=y + 8, width=max(right - left, 1.5), height=ROW_PX - 16,
                        rx=2, class_=tone)
            )  # fmt: skip
            if right - left > 8:
                outside = value < base
                parts.append(
                    element("text", words, x=at(value) + (-6 if outside else 6), y=y + 24, class_="scale",
                            text_anchor="end" if outside else "start")
                )  # fmt: skip
    parts.append(element("line", x1=at(base), x2=at(base), y1=HEAD_PX - 8, y2=bottom, class_="base"))
    parts.append(
        element("text", unit, x=LABEL_PX + room / 2, y=bottom + 42, class_="label", text_anchor="middle")
    )
    return picture(
        WIDTH, bottom + FOOT_PX, f"{title}; the table has the numbers", *parts, class_="plot tornado"
    )
