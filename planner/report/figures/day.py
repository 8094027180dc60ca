"""A day hour by hour: how much of the replicas each workload keeps busy."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from planner.report.figures.svg import element, picture
from planner.report.numbers import percent

WIDTH, HEIGHT = 1000.0, 190.0
BASE = 165.0
"""Where the bars stand; the hours are written below."""

GAP_PX = 3.0
HOURS_LABELLED = 3


def day_picture(busy: Sequence[Mapping[str, float]], tones: Mapping[str, str], label: str) -> Markup:
    """Return 24 bars, one for each hour, made of the workloads.

    Args:
        busy: for each hour, share of all replicas that each workload keeps busy.
        tones: class of the colour of each workload.
        label: what the picture shows, for those who cannot see it.
    """
    parts: list[str] = [element("line", x1=0, x2=WIDTH, y1=BASE, y2=BASE, class_="axis")]
    wide = WIDTH / len(busy)
    for hour, shares in enumerate(busy):
        y = BASE
        inside: list[str] = []
        for name, share in shares.items():
            tall = share * BASE
            y -= tall
            title = element("title", f"{hour:02d}:00 UTC, {name}: {percent(share)} of the replicas")
            bar = element(
                "rect", title, x=hour * wide, y=y, width=wide - GAP_PX, height=tall, class_=tones[name]
            )
            inside.append(bar)
        if hour % HOURS_LABELLED == 0:
            inside.append(element("text", f"{hour:02d}", x=hour * wide, y=HEIGHT - 6))
        parts.append(element("g", *inside))
    return picture(WIDTH, HEIGHT, label, *parts, class_="day")
