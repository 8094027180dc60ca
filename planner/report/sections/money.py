"""Where the money goes, part by part."""

from __future__ import annotations

from dataclasses import dataclass

from markupsafe import Markup

from planner.plan.types import Plan
from planner.report.console import HOURS_PER_MONTH
from planner.report.figures.bars import Segment, stacked_bar
from planner.report.numbers import percent, usd

PARTS = {
    "depreciation": ("Hardware", "price and network of bought servers over their life"),
    "maintenance": ("Maintenance", "a yearly share of the price of bought servers"),
    "infrastructure": ("Power and cooling plant", "per provisioned kW of bought servers"),
    "retrofit": ("Liquid retrofits", "racks turned to liquid, over the life of the plant"),
    "rent": ("Rent", "rented servers, their electricity included"),
    "electricity_idle": ("Electricity, idle", "what powered servers draw without load, with cooling"),
    "spares": ("Spare servers", "kept for servers in repair, by their life"),
    "moves": ("Moves", "replicas started away from the plan in force"),
    "electricity_dynamic": ("Electricity, load", "what the traffic adds, with cooling"),
    "water": ("Water", "what cooling evaporates"),
    "network": ("Network", "answers sent to users"),
    "site_opening": ("Open sites", "fixed cost of every site in use"),
    "unserved": ("Unserved demand", "the price the scenario puts on it"),
}
"""Name and meaning of each part."""


@dataclass(frozen=True)
class PartRow:
    """One part of the cost in words."""

    name: str
    meaning: str
    tone: str
    per_hour: str
    per_month: str
    share: str


@dataclass(frozen=True)
class MoneyView:
    """The section; parts that cost nothing are listed by name only."""

    rows: list[PartRow]
    total: PartRow
    nothing: list[str]
    picture: Markup | None


def money_view(plan: Plan) -> MoneyView:
    """Return the section."""
    total = plan.cost.total
    amounts = {name: value for name, value in plan.cost.model_dump().items() if name != "total"}
    rows: list[PartRow] = []
    segments: list[Segment] = []
    for name, value in sorted(amounts.items(), key=lambda item: -item[1]):
        if value == 0:
            continue
        title, meaning = PARTS.get(name, (name.replace("_", " "), ""))
        share = value / total if total > 0 else 0.0
        rows.append(_row(title, meaning, f"c-{name}", value, share))
        segments.append(Segment(title, share, f"c-{name}", f"{usd(value)}/h"))
    return MoneyView(
        rows=rows,
        total=_row("Total", "", "", total, 1.0),
        nothing=[PARTS.get(name, (name, ""))[0] for name, value in amounts.items() if value == 0],
        picture=stacked_bar(
            segments, f"Cost of {usd(total)} per hour by part; the table below has the numbers"
        )
        if segments
        else None,
    )


def _row(name: str, meaning: str, tone: str, value: float, share: float) -> PartRow:
    return PartRow(name, meaning, tone, usd(value), usd(value * HOURS_PER_MONTH), percent(share))
