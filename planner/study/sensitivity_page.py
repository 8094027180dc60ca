"""The report of a sensitivity study: the tornado, and what changes in the plans."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from planner.report.numbers import quantity
from planner.study.figures.tornado import Bar, tornado_picture
from planner.study.outcome import TITLES, Row
from planner.study.page import Chapter, Drawing, Fact, Page, table_of
from planner.study.sensitivity import Effect, SensitivityStudy, effects


def sensitivity_page(study: SensitivityStudy, rows: Sequence[Row]) -> Page:
    """Return the report of the rows solved so far."""
    figure = TITLES[study.measure]
    unit = f", {figure.unit}" if figure.unit else ""
    ranked = effects(study, list(rows))
    base = next((row for row in rows if not row.inputs), None)
    if base is None or not base.figures:
        reason = "it was not solved" if base is None else base.reason
        return Page(study.name, "Sensitivity", f"The base has no plan: {reason}", "results.csv")
    measure = float(base.figures[study.measure])
    bars = [
        Bar(
            effect.input.title,
            effect.input.words(effect.input.low),
            effect.input.words(effect.input.high),
            effect.low,
            effect.high,
        )
        for effect in ranked
    ]
    picture = tornado_picture(bars, measure, f"{figure.title}{unit}", figure.title)
    drawn = [] if picture is None else [Drawing(f"{figure.title}{unit}", picture, LEGEND)]
    headline = "No input was solved at both ends"
    if ranked:
        headline = f"{figure.title} depends most on {ranked[0].input.title}"
    facts = [
        Fact("Base", quantity(measure), f"{figure.title}{unit}"),
        Fact("Inputs", str(len(study.inputs)), f"{len(ranked)} solved at both ends"),
    ]
    text = (
        "Each input at its lowest and highest value while all others stay as the scenario says. Every end"
        " is a plan of its own: servers, shapes and routes may change."
    )
    table = table_of(f"{figure.title}{unit}, the strongest first", [_record(e, base) for e in ranked])
    chapter = Chapter("tornado", "What matters most", text, drawn, [table])
    return Page(study.name, "Sensitivity", headline, "results.csv and plans/", (), facts, [chapter])


LEGEND = (("t1", "at its lowest value"), ("t2", "at its highest value"))


def _record(effect: Effect, base: Row) -> dict[str, Any]:
    def change(value: float | None, row: Row) -> str:
        if value is None:
            return f"no plan: {row.reason}"
        return f"{value - effect.base:+,.4g}"

    return {
        "input": effect.input.title,
        "low": effect.input.words(effect.input.low),
        "high": effect.input.words(effect.input.high),
        "at low": effect.low,
        "at high": effect.high,
        "change at low": change(effect.low, effect.low_row),
        "change at high": change(effect.high, effect.high_row),
        "servers at low": _same(effect.low_row, base),
        "servers at high": _same(effect.high_row, base),
    }


def _same(row: Row, base: Row) -> str:
    return "as in the base" if row.fleet == base.fleet else row.fleet
