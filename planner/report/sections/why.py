"""What holds the plan back, what more of it is worth, and what prices do: the explanation as a section."""

from __future__ import annotations

from dataclasses import dataclass

from planner.explain.explanation import worth_text
from planner.explain.record import Explanation
from planner.plan.diagnosis.lever import shown

MOST_ROWS = 25
"""Rows of a table that are printed; `planner explain --json` has all."""


@dataclass(frozen=True)
class WhyRow:
    """A binding promise: what it says, its field, what it is worth, in which range, what it rests on."""

    says: str
    field: str
    worth: str
    holds: str
    whole: str
    note: str


@dataclass(frozen=True)
class WhyView:
    """The section: headline, binding promises, trades and prices as cells, and what was left out."""

    headline: str
    rows: list[WhyRow]
    trades: list[tuple[str, str, str]]
    prices: list[tuple[str, str, str, str]]
    told: str


def why_view(found: Explanation | None) -> WhyView | None:
    """Return the section of an explanation; None without one."""
    if found is None:
        return None
    rows = []
    for one in found.binding[:MOST_ROWS]:
        low = "0" if one.holds_from is None else shown(round(one.holds_from, 3))
        high = "any amount" if one.holds_to is None else shown(round(one.holds_to, 3))
        whole = ""
        if one.whole is not None:
            least, most = one.whole.certainly
            whole = f"{one.whole.change:+,.2f} {found.unit} (between {least:+,.2f} and {most:+,.2f})"
        notes = [one.note] if one.note else []
        notes += [f"rests on {weak}" for weak in one.rests_on]
        rows.append(
            WhyRow(
                says=one.says,
                field=one.field,
                worth=worth_text(one, found.unit),
                holds="" if one.unit == "promised" else f"{low} to {high} {one.unit}",
                whole=whole,
                note="; ".join(notes),
            )
        )
    return WhyView(
        headline=f"The plan has {found.objective:,.2f} {found.unit}, no plan is below {found.bound:,.2f}; "
        f"the linear relaxation, of which these values are, has {found.relaxation:,.2f}.",
        rows=rows,
        trades=[
            (
                one.says,
                f"{shown(one.stated)} to {shown(one.to)} {one.unit}",
                f"{one.change:+,.2f} {found.unit}",
            )
            for one in found.trades[:MOST_ROWS]
        ],
        prices=[
            (
                one.name,
                f"+{shown(one.step)} {one.unit}",
                f"{one.plan:+,.3f}",
                "" if one.relaxation is None else f"{one.relaxation:+,.3f}",
            )
            for one in found.prices
        ],
        told=found.told,
    )
