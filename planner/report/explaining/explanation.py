"""Explanations on the terminal."""

from __future__ import annotations

from rich.console import Console

from planner.explain.explanation import is_worth, worth_text
from planner.explain.record import Explanation, Marginal, Whole
from planner.plan.diagnosis.lever import shown
from planner.report.wide import print_wide, wide_table

MOST_ROWS = 12
"""Rows of a table that are printed; --json has all."""


def print_explanation(found: Explanation, console: Console) -> None:
    """Print what binds, what it is worth, what prices do, and the fullest of the rest."""

    def say(text: str) -> None:
        console.print(text, highlight=False, markup=False, soft_wrap=True)

    say(
        f"{found.goal}: {found.objective:,.2f} {found.unit}; no plan is below {found.bound:,.2f}, the linear "
        f"relaxation has {found.relaxation:,.2f}"
    )
    say("What holds it back, the most worth first (of the relaxation: local, checked by solving again):")
    worthwhile = [one for one in found.binding if is_worth(one)]
    for number, one in enumerate(worthwhile[:MOST_ROWS], 1):
        say(f"  {number}. {one.says}  ({one.row}, {one.field})")
        say(f"     {worth_text(one, found.unit)}{_range(one)}")
        if one.note:
            say(f"     {one.note}")
        if one.whole is not None:
            say(f"     {_whole(one.whole, one.unit, found.unit).removeprefix('; ')}")
        if one.rests_on:
            say(f"     rests on inputs of low confidence: {'; '.join(one.rests_on)}")
    if not worthwhile:
        say("  nothing: no limit is worth loosening")
    for one in [one for one in found.binding if one not in worthwhile][:MOST_ROWS]:
        say(f"  just enough: {one.says}: {worth_text(one, found.unit)}  ({one.field})")
    for trade in found.trades[:MOST_ROWS]:
        to = (
            "given up"
            if trade.unit in ("regions", "kinds of servers")
            else f"-> {shown(trade.to)} {trade.unit}"
        )
        say(f"  {trade.says}: {to} changes it by {trade.change:+,.2f} {found.unit}  ({trade.field})")
    _print_prices(found, console)
    for row in found.full[:MOST_ROWS]:
        say(
            f"full, but more of it is worth nothing to the relaxation: {row.row} "
            f"({shown(row.limit)} {row.unit}){_whole(row.whole, row.unit, found.unit)}"
        )
    _print_slack(found, console)
    if found.told:
        say(found.told)


def _whole(whole: Whole | None, unit: str, goal_unit: str) -> str:
    """Return what solving the integer program again gave, nothing where that was not done."""
    if whole is None:
        return ""
    low, high = whole.certainly
    step = "giving it up" if unit == "promised" else f"{whole.step:+,.6g} {whole.unit}"
    return (
        f"; in whole servers {step} changes it by {whole.change:+,.2f} {goal_unit} "
        f"(for certain between {low:+,.2f} and {high:+,.2f})"
    )


def _range(one: Marginal) -> str:
    """Return the range in which a worth holds."""
    if one.unit == "promised" or (one.holds_from is None and one.holds_to is None):
        return ""
    low = "0" if one.holds_from is None else shown(round(one.holds_from, 3))
    high = "any amount" if one.holds_to is None else shown(round(one.holds_to, 3))
    return f"; holds from {low} to {high} {one.unit}"


def _print_prices(found: Explanation, console: Console) -> None:
    if not found.prices:
        return
    table = wide_table("Prices", "price", "step", "this plan USD/h", "relaxation USD/h")
    for one in found.prices:
        again = "-" if one.relaxation is None else f"{one.relaxation:+,.3f}"
        table.add_row(one.name, f"+{shown(one.step)} {one.unit}", f"{one.plan:+,.3f}", again)
    print_wide(table, console)


def _print_slack(found: Explanation, console: Console) -> None:
    table = wide_table("Room left, the fullest first", "limit", "used", "of", "unit", "left")
    for row in found.slack[:MOST_ROWS]:
        table.add_row(row.row, f"{row.used:,.0f}", f"{row.limit:,.0f}", row.unit, f"{row.left:,.0f}")
    print_wide(table, console)
    if len(found.slack) > MOST_ROWS:
        console.print(f"and {len(found.slack) - MOST_ROWS} more (--json)", highlight=False)
