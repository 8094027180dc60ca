"""A map of one figure over two inputs: a cell for each pair of values, darker where it is more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from markupsafe import Markup

from planner.report.figures.svg import element, picture, shortened
from planner.report.numbers import quantity

LEFT, TOP, RIGHT, BOTTOM = 150.0, 12.0, 12.0, 56.0
WIDTH = 1000.0
CELL_HEIGHT = 44.0
FAINTEST, DARKEST = 0.08, 0.85
"""Opacity of the least and of the largest value."""

DARK_INK_BELOW = 0.5


def heat_picture(
    cells: Mapping[tuple[str, str], float | None],
    columns: Sequence[str],
    rows: Sequence[str],
    labels: tuple[str, str],
    title: str,
) -> Markup | None:
    """Return the map, None where no cell has a value.

    Args:
        cells: (value of the column's input, value of the row's input) -> figure, None without a plan.
        columns: values across, in order.
        rows: values down, in order.
        labels: what varies across and what varies down.
        title: what the colours mean.
    """
    known = [value for value in cells.values() if value is not None]
    if not known:
        return None
    low, high = min(known), max(known)
    wide = (WIDTH - LEFT - RIGHT) / len(columns)
    bottom = TOP + CELL_HEIGHT * len(rows)
    parts: list[str] = []
    for down, row in enumerate(rows):
        y = TOP + CELL_HEIGHT * down
        parts.append(
            element("text", shortened(row, 18), x=LEFT - 10, y=y + CELL_HEIGHT / 2 + 4, class_="scale",
                    text_anchor="end")
        )  # fmt: skip
        for across, column in enumerate(columns):
            value = cells.get((column, row))
            x = LEFT + wide * across
            where = f"{labels[0]} {column}, {labels[1]} {row}"
            words = "no plan" if value is None else quantity(value)
            share = 0.0 if value is None or high <= low else (value - low) / (high - low)
            shade = FAINTEST + (DARKEST - FAINTEST) * share
            parts.append(
                element(
                    "rect",
                    element("title", f"{where}: {words}"),
                    x=x + 1,
                    y=y + 1,
                    width=max(wide - 2, 1.0),
                    height=CELL_HEIGHT - 2,
                    rx=3,
                    class_="cell none" if value is None else "cell",
                    fill_opacity=None if value is None else round(shade, 3),
                )
            )
            ink = "on" if value is not None and shade >= DARK_INK_BELOW else "off"
            if wide > 8 * len(words):
                parts.append(
                    element("text", words, x=x + wide / 2, y=y + CELL_HEIGHT / 2 + 4, class_=f"value {ink}",
                            text_anchor="middle")
                )  # fmt: skip
    for across, column in enumerate(columns):
        parts.append(
            element("text", shortened(column, max(int(wide / 8), 4)), x=LEFT + wide * (across + 0.5),
                    y=bottom + 18, class_="scale", text_anchor="middle")
        )  # fmt: skip
    parts.append(
        element("text", labels[0], x=(LEFT + WIDTH - RIGHT) / 2, y=bottom + 42, class_="label",
                text_anchor="middle")
    )  # fmt: skip
    middle = (TOP + bottom) / 2
    parts.append(
        element("text", shortened(labels[1], 30), x=14, y=middle, class_="label", text_anchor="middle",
                transform=f"rotate(-90 14 {middle:.1f})")
    )  # fmt: skip
    return picture(WIDTH, bottom + BOTTOM, f"{title}; the table has the numbers", *parts, class_="plot heat")
