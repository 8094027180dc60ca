"""The report of a sweep: lines over one input, a map over two, the table over any number."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from planner.report.numbers import counted, quantity, usd
from planner.study.figures.heat import heat_picture
from planner.study.figures.lines import Line, line_picture
from planner.study.outcome import TITLES, Figure, Row
from planner.study.page import Chapter, Drawing, Fact, Page, Table, table_of

MOST_LINES = 8
"""Lines in one picture: as many as there are colours."""


def number_of(value: Any) -> float | None:
    """Return the number on the axis of a value: itself, or the factor of `*0.9`; None for words."""
    if isinstance(value, bool):
        return None
    if isinstance(value, int | float):
        return float(value)
    if isinstance(value, str) and value[:1] in ("*", "+"):
        try:
            return float(value[1:])
        except ValueError:
            return None
    return None


def words_of(value: Any) -> str:
    """Return a value as people read it: `x 0.9`, `+10`, `1,200`."""
    if isinstance(value, str) and value.startswith("*"):
        return f"× {value[1:]}"
    return quantity(value) if isinstance(value, int | float) and not isinstance(value, bool) else str(value)


def sweep_page(title: str, rows: Sequence[Row], show: Sequence[str]) -> Page:
    """Return the report of a sweep's rows; `show` names the figures that are drawn."""
    inputs = list(dict.fromkeys(name for row in rows for name in row.inputs))
    solved = [row for row in rows if row.figures]
    cheapest = min(solved, key=lambda row: row.figures["cost_usd_per_h"], default=None)
    facts = [
        Fact("Points", str(len(rows)), f"{len(solved)} with a plan"),
        Fact("Inputs varied", str(len(inputs)), ", ".join(inputs)),
    ]
    if cheapest is not None:
        dearest = max(row.figures["cost_usd_per_h"] for row in solved)
        low = cheapest.figures["cost_usd_per_h"]
        facts.append(Fact("Cost", f"{usd(low)}/h", f"to {usd(dearest)}/h"))
    chapters = [
        Chapter(figure.column, figure.title, EXPLAINED, [drawing])
        for name in show
        for figure in [TITLES[name]]
        for drawing in [sweep_drawing(rows, inputs, figure)]
        if drawing is not None
    ]
    marked = [at for at, row in enumerate(rows) if row is cheapest]
    chapters.append(
        Chapter(
            "points",
            "All points",
            "One row for each point; the cheapest is marked. × means: times what the scenario says.",
            tables=[points_table(rows, inputs, marked)],
        )
    )
    headline = f"{counted(len(rows), 'point')} solved, {counted(len(solved), 'plan')}"
    return Page(title, "Sweep", headline, "results.csv and plans/", facts=facts, chapters=chapters)


EXPLAINED = (
    "Each cell or dot is a plan of its own, proven within the scenario's gap; dashed cells and × have none."
)


def points_table(rows: Sequence[Row], inputs: Sequence[str], marked: Sequence[int]) -> Table:
    """Return the table of all points: inputs, status, the main figures, the fleet or the reason."""
    shown = ("cost_usd_per_h", "capex_usd", "expected_kw", "carbon_kg_per_h", "worst_ttft_ms")
    records = []
    for row in rows:
        record: dict[str, Any] = {"point": row.number}
        record |= {name: words_of(row.inputs[name]) if name in row.inputs else None for name in inputs}
        record["status"] = row.status
        for column in shown:
            figure = TITLES[column]
            record[f"{figure.title}, {figure.unit}"] = row.figures.get(column)
        record["gap, %"] = None if row.gap is None else round(100 * row.gap, 3)
        record["servers, or why there is no plan"] = row.fleet or row.reason
        records.append(record)
    return table_of("Points of the study", records, marked)


def sweep_drawing(rows: Sequence[Row], inputs: Sequence[str], figure: Figure) -> Drawing | None:
    """Return the picture of one figure: a map of two inputs on a grid, lines over the first otherwise."""
    unit = f", {figure.unit}" if figure.unit else ""
    caption = f"{figure.title}{unit}"
    if len(inputs) == 2 and _is_grid(rows, inputs):
        across, down = inputs
        cells = {
            (words_of(row.inputs[across]), words_of(row.inputs[down])): row.figures.get(figure.column)
            for row in rows
        }
        columns = list(dict.fromkeys(column for column, _ in cells))
        picture = heat_picture(
            cells, columns, list(dict.fromkeys(line for _, line in cells)), (across, down), caption
        )
        return None if picture is None else Drawing(caption, picture)
    if not inputs:
        return None
    first, others = inputs[0], inputs[1:]
    lines: dict[str, list[tuple[float, float | None]]] = {}
    for row in rows:
        x = number_of(row.inputs.get(first))
        if x is None:
            return None
        name = ", ".join(f"{other} {words_of(row.inputs.get(other))}" for other in others)
        lines.setdefault(name, []).append((x, row.figures.get(figure.column)))
    if len(lines) > MOST_LINES:
        scattered = sorted(point for points in lines.values() for point in points)
        return _dots(scattered, first, caption)
    drawn = [Line(name, sorted(points, key=lambda point: point[0])) for name, points in lines.items()]
    picture = line_picture(drawn, first, caption, caption)
    if picture is None:
        return None
    legend = [(f"t{at + 1}", line.name) for at, line in enumerate(drawn) if line.name]
    return Drawing(caption, picture, legend)


def _dots(points: Sequence[tuple[float, float | None]], label: str, caption: str) -> Drawing | None:
    """Return the points alone, where they are too many to be joined."""
    picture = line_picture([Line("", [point]) for point in points], label, caption, caption)
    return None if picture is None else Drawing(caption, picture)


def _is_grid(rows: Sequence[Row], inputs: Sequence[str]) -> bool:
    """True if every pair of values was solved, and both inputs have several."""
    if any(name not in row.inputs for row in rows for name in inputs):
        return False
    values = [{words_of(row.inputs[name]) for row in rows} for name in inputs]
    enough = all(len(options) > 1 for options in values)
    return enough and len(values[0]) * len(values[1]) == len(rows)
