"""A change and what it does: on the terminal, and as a report."""

from __future__ import annotations

from typing import Any

from rich.console import Console

from planner.report.console import HOURS_PER_MONTH
from planner.report.numbers import MINUS, percent, quantity, usd
from planner.report.wide import print_wide, wide_table
from planner.study.figures.tornado import Bar, tornado_picture
from planner.study.page import Chapter, Drawing, Fact, Page, table_of
from planner.study.what_if import Difference, WhatIf


def signed(amount: float, words: str) -> str:
    """Return an amount's words with its sign in front."""
    return words if amount == 0 else f"{'+' if amount > 0 else MINUS}{words}"


def headline(found: WhatIf) -> str:
    """Return the answer in one sentence."""
    change = found.cost_change
    if change is None:
        return f"After {_changes(found)} there is no plan: {found.outcome.reason}"
    share = abs(change) / found.base.cost.total if found.base.cost.total else 0.0
    if abs(change) < 1e-6:
        return f"{_changes(found)} costs nothing"
    amount = f"{usd(abs(change))}/h ({percent(share)})"
    return f"{_changes(found)} {'costs' if change > 0 else 'saves'} {amount}"


def certainty(found: WhatIf) -> str:
    """Return how sure the change of the cost is, "" where nothing is proven about it."""
    certain = found.certain_change
    if certain is None:
        return ""
    low, high = (signed(end, f"{usd(abs(end))}/h") for end in certain)
    return f"Proven: the least cost changes by {low} to {high}; both plans are proven only within their gap."


def _changes(found: WhatIf) -> str:
    return ", ".join(found.changes) or "no change"


def print_what_if(found: WhatIf, console: Console) -> None:
    """Print the sentence, the certainty and the table of differences."""
    console.print(headline(found), highlight=False, markup=False, soft_wrap=True)
    if found.cost_change is not None:
        month = found.cost_change * HOURS_PER_MONTH
        console.print(f"{signed(month, usd(abs(month)))} a month", highlight=False, markup=False)
    for sentence in (certainty(found), _of_another(found)):
        if sentence:
            console.print(sentence, highlight=False, markup=False, soft_wrap=True)
    table = wide_table("Differences", "part", "what", "before", "after", "change", "unit")
    for line in found.differences:
        table.add_row(*_cells(line))
    if found.differences:
        print_wide(table, console)


def _cells(line: Difference) -> tuple[str, ...]:
    change = signed(line.change, quantity(abs(line.change)))
    return line.part, line.name, quantity(line.before), quantity(line.after), change, line.unit


def _of_another(found: WhatIf) -> str:
    if found.same_question:
        return ""
    return "The base plan answers another scenario than this file: the differences are of both together."


def what_if_page(title: str, found: WhatIf) -> Page:
    """Return the report of a change."""
    plan = found.outcome.plan
    lines = [line for line in (certainty(found), _of_another(found)) if line]
    if plan is None:
        return Page(title, "What if", headline(found), "what-if.json", lines)
    facts = [
        Fact("Before", f"{usd(found.base.cost.total)}/h", f"gap {percent(found.base.gap)}"),
        Fact("After", f"{usd(plan.cost.total)}/h", f"gap {percent(plan.gap)}"),
        Fact("Solved in", f"{found.outcome.seconds:.1f} s", _took(found)),
    ]
    chapters = []
    costs = [line for line in found.differences if line.part == "cost" and line.name != "total"]
    bars = [
        Bar(line.name, "", signed(line.change, usd(abs(line.change))), None, line.change)
        for line in sorted(costs, key=lambda line: -abs(line.change))
    ]
    picture = tornado_picture(bars, 0.0, "USD/h more than before", "Change of the cost by part")
    figures = [] if picture is None else [Drawing("Change of the cost by part, USD/h", picture)]
    for part, name, text in (
        ("cost", "Cost", "What the parts of the cost were, and are."),
        ("figures", "Figures", "The plan as a whole."),
        ("servers", "Servers", "Servers powered, by origin, type and site."),
        ("replicas", "Replicas", "Replicas of each pool."),
        ("traffic", "Traffic", "Where requests go."),
    ):
        rows = [_record(line) for line in found.differences if line.part == part]
        if rows:
            drawn = figures if part == "cost" else []
            chapters.append(Chapter(part, name, text, drawn, [table_of(f"{name}: differences", rows)]))
    return Page(title, "What if", headline(found), "what-if.json", lines, facts, chapters)


def _took(found: WhatIf) -> str:
    return "" if found.base_seconds is None else f"the base took {found.base_seconds:.1f} s"


def _record(line: Difference) -> dict[str, Any]:
    return {
        "what": f"{line.name}, {line.unit}" if line.unit else line.name,
        "before": line.before,
        "after": line.after,
        "change": line.change,
    }
