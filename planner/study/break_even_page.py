"""The report of a break-even study: the cost over the input, and the answers at every value tried."""

from __future__ import annotations

from planner.study.break_even import BreakEven, BreakEvenStudy, sentence
from planner.study.figures.lines import Line, line_picture
from planner.study.outcome import TITLES
from planner.study.page import Chapter, Drawing, Fact, Page, table_of

COST = "cost_usd_per_h"


def break_even_page(study: BreakEvenStudy, found: BreakEven) -> Page:
    """Return the report."""
    ordered = sorted(found.tried, key=lambda tried: tried.value)
    answers = list(dict.fromkeys(tried.answer for tried in ordered))
    lines = [
        Line(
            answer,
            [(tried.value, tried.row.figures.get(COST)) for tried in ordered if tried.answer == answer],
        )
        for answer in answers
    ]
    label = f"{study.path}{' (factor)' if study.relative else ''}"
    caption = f"{TITLES[COST].title}, {TITLES[COST].unit}"
    picture = line_picture(lines, label, caption, caption)
    legend = [(f"t{at + 1}", answer) for at, answer in enumerate(answers)]
    figures = [] if picture is None else [Drawing(caption, picture, legend)]
    around = {id(found.below), id(found.above)}
    records = [
        {
            study.path: tried.value,
            study.watch.replace("_", " "): tried.answer,
            caption: tried.row.figures.get(COST),
            "servers, or why there is no plan": tried.row.fleet or tried.row.reason,
        }
        for tried in ordered
    ]
    marked = [at for at, tried in enumerate(ordered) if id(tried) in around]
    facts = []
    if found.value is not None and found.below is not None and found.above is not None:
        wide = (found.above.value - found.below.value) / 2
        facts.append(Fact("Changes at", f"{found.value:,.6g}", f"± {wide:,.3g}"))
    facts.append(Fact("Values tried", str(len(found.tried)), "each a plan of its own"))
    text = "The interval between two different answers is halved until it is narrow enough."
    table = table_of("Every value tried; the change lies between the marked rows", records, marked)
    chapter = Chapter("answers", "Answers", text, figures, [table])
    headline = sentence(study, found)
    return Page(study.name, "Break-even", headline, "results.csv and plans/", (), facts, [chapter])
