"""The report of a Pareto study: the front, two objectives at a time, and its plans in a table."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations
from typing import Any

from planner.report.numbers import counted, quantity
from planner.study.figures.front import Mark, front_picture
from planner.study.page import Chapter, Drawing, Fact, Page, table_of
from planner.study.pareto import TITLES, UNITS, ParetoStudy, Point

KIND = "Pareto front"
ENDS = (("t1", "a plan that no other beats"), ("t2", "an end: the best in one objective"))


def label(name: str) -> str:
    """Return an objective with its unit."""
    return f"{TITLES[name]}, {UNITS[name]}"


def pareto_page(study: ParetoStudy, front: Sequence[Point]) -> Page:
    """Return the report of a front."""
    if not front:
        return Page(study.name, KIND, "No plan was found", "results.csv")
    order = study.order
    ends = {min(front, key=lambda p: (p.values[at], p.values)).values for at in range(len(order))}
    figures = []
    for across, down in combinations(range(len(order)), 2):
        marks = [
            Mark(
                number,
                point.value(across, order[across]),
                point.value(down, order[down]),
                point.row.fleet,
                point.values in ends,
            )
            for number, point in enumerate(front, 1)
        ]
        labels = (label(order[across]), label(order[down]))
        picture = front_picture(marks, labels, stepped=len(order) == 2)
        if picture is not None:
            figures.append(Drawing(f"{TITLES[order[down]]} against {TITLES[order[across]].lower()}",
                                   picture, ENDS))  # fmt: skip
    facts = []
    for at, name in enumerate(order):
        values = [point.value(at, name) for point in front]
        facts.append(Fact(TITLES[name], quantity(min(values)), f"to {quantity(max(values))} {UNITS[name]}"))
    text = (
        "Each point is a full plan, verified on its own; from one to the next something is gained and"
        " something lost. Nothing is possible below the line, up to the gap each plan is proven within."
    )
    marked = [at for at, point in enumerate(front) if point.values in ends]
    table = table_of("Plans of the front; the ends are marked", front_records(study, front), marked)
    chapter = Chapter("front", "The front", text, figures, [table])
    headline = f"{counted(len(front), 'plan')} between the best in each of {' and '.join(order)}"
    return Page(study.name, KIND, headline, "front.csv, results.csv and plans/", (), facts, [chapter])


def front_records(study: ParetoStudy, front: Sequence[Point]) -> list[dict[str, Any]]:
    """Return the rows of front.csv: values, exchange rates between neighbours, servers, plan."""
    order = study.order
    records: list[dict[str, Any]] = []
    for number, point in enumerate(front, 1):
        record: dict[str, Any] = {"number": number}
        record |= {label(name): point.value(at, name) for at, name in enumerate(order)}
        if len(order) == 2:
            record[f"{UNITS[order[0]]} per {UNITS[order[1]]} less"] = _rate(front, number - 1, order)
        record |= {"gap, %": round(100 * (point.row.gap or 0.0), 4), "servers": point.row.fleet}
        record["plan"] = point.row.plan
        records.append(record)
    return records


def _rate(front: Sequence[Point], at: int, order: Sequence[str]) -> float | None:
    """Return what a unit less of the second objective costs in the first, from the point before."""
    if at == 0:
        return None
    before, here = front[at - 1], front[at]
    gained = before.value(1, order[1]) - here.value(1, order[1])
    paid = here.value(0, order[0]) - before.value(0, order[0])
    return paid / gained if gained > 0 else None
