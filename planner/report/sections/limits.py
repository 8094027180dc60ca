"""How full every limit is: power, grid, heat, network, budgets; the fullest first.

Rows that say the same of different things (forty equal racks) are one row with the names of all.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from markupsafe import Markup

from planner.plan.types import LedgerRow, Plan
from planner.report.figures.bars import fullness_meter, state_of
from planner.report.numbers import NOTHING, kilowatts, names_in_short, percent, quantity, usd

MOST_ROWS = 300
"""Rows of one group that are printed; the tables beside the report have all."""

MOST_NAMES = 40
"""Names, or runs of names, printed in one row."""

SHORT_LIST = 12
"""Rows of a group that are open at once."""

KINDS = {
    "power/rack": "Rack",
    "power/pdu": "PDU",
    "power/feed": "Feed",
    "power/ups": "UPS",
    "power/utility": "Utility",
    "grid/site": "Grid contract",
    "grid/total": "Grid of all sites",
    "heat/rack_air": "Rack air heat",
    "heat/rack_liquid": "Rack liquid heat",
    "heat/air": "Air loop",
    "heat/liquid": "Liquid loop",
    "heat/rear_door": "Rear-door loop",
    "network/wan": "Traffic to users",
    "budget/capex": "Investment",
    "budget/opex": "Running cost",
    "carbon/total": "Carbon",
    "carbon/per_mtok": "Carbon per million tokens",
    "servers/total": "Powered servers",
    "expected/total": "Expected power",
    "stock": "Bought of stock",
}
"""What a row is about, by the beginning of its name."""


@dataclass(frozen=True)
class LimitRow:
    """One row as it is printed; share is None without a limit. names: of everything it stands for."""

    kind: str
    names: tuple[str, ...]
    condition: str
    used: str
    limit: str
    share: float | None
    share_text: str
    state: str
    meter: Markup | None

    @property
    def name(self) -> str:
        """The names in short; of very many the first."""
        runs = names_in_short(self.names)
        return ", ".join(runs[:MOST_NAMES]) + (" …" if len(runs) > MOST_NAMES else "")

    @property
    def count(self) -> int:
        """How many things it stands for."""
        return len(self.names)


@dataclass(frozen=True)
class LimitGroup:
    """Limits of one family, the fullest first; left_out: rows that are in the tables only."""

    title: str
    note: str
    rows: list[LimitRow]
    left_out: int

    @property
    def first(self) -> list[LimitRow]:
        """Rows that are open at once."""
        return self.rows[:SHORT_LIST]

    @property
    def further(self) -> list[LimitRow]:
        """Rows that open on demand."""
        return self.rows[SHORT_LIST:]


_Key = tuple[str, bool, float, float | None, str]
"""What rows that are printed as one have in common: kind, after a loss or not, used, limit, unit."""


def limit_groups(plan: Plan) -> list[LimitGroup]:
    """Return the ledgers of a plan in groups; rows of nothing against nothing are left out."""
    ledgers = plan.ledgers
    groups = (
        (
            "Power",
            "Provisioned watts, what breakers must carry; in the worst case after a loss.",
            ledgers.power,
        ),
        ("Grid", "Provisioned watts with cooling (PUE), owned sites.", ledgers.grid),
        (
            "Heat",
            "Where provisioned watts leave: air of racks and aisles, liquid loops with N+1.",
            ledgers.heat,
        ),
        ("Network", "Answers sent to users, one direction.", ledgers.network),
        ("Budgets and caps", "Over the whole plan.", ledgers.budget),
    )
    return [_group(title, note, rows) for title, note, rows in groups if rows]


def ledger_parts(name: str) -> tuple[str, str, str]:
    """Return what a row is about, its name, and the loss it assumes (or nothing)."""
    pieces = name.split("/")
    condition = ""
    if "without" in pieces[2:]:
        at = pieces.index("without", 2)
        condition = "if " + "/".join(pieces[at + 1 :]) + " fails"
        pieces = pieces[:at]
    two = "/".join(pieces[:2])
    if two in KINDS:
        return KINDS[two], "/".join(pieces[2:]), condition
    if pieces[0] in KINDS:
        return KINDS[pieces[0]], "/".join(pieces[1:]), condition
    return pieces[0].capitalize(), "/".join(pieces[1:]), condition


def ledger_title(name: str) -> str:
    """Return a row's name in words."""
    kind, rest, condition = ledger_parts(name)
    return " ".join(part for part in (kind, rest, condition) if part)


def shown(value: float, unit: str) -> str:
    """Return an amount with its unit."""
    if unit == "W":
        return kilowatts(value)
    if unit.startswith("USD"):
        return usd(value) + unit.removeprefix("USD")
    return f"{quantity(value)} {unit.replace(' CO2', '')}"


def _group(title: str, note: str, rows: Iterable[LedgerRow]) -> LimitGroup:
    alike: dict[_Key, list[tuple[str, str]]] = defaultdict(list)
    for row in rows:
        if row.used == 0 and row.limit == 0:
            continue
        kind, name, condition = ledger_parts(row.name)
        alike[kind, bool(condition), row.used, row.limit, row.unit].append((name, condition))
    found = [_row(key, members) for key, members in alike.items()]
    found.sort(key=lambda row: -1.0 if row.share is None else row.share, reverse=True)
    return LimitGroup(title, note, found[:MOST_ROWS], max(len(found) - MOST_ROWS, 0))


def _row(key: _Key, members: list[tuple[str, str]]) -> LimitRow:
    kind, after_a_loss, used, limit, unit = key
    share = None if limit is None else _share(used, limit)
    condition = members[0][1] if len(members) == 1 else "each after its worst loss" if after_a_loss else ""
    return LimitRow(
        kind=kind,
        names=tuple(name for name, _ in members),
        condition=condition,
        used=shown(used, unit),
        limit=NOTHING if limit is None else shown(limit, unit),
        share=share,
        share_text="no limit" if share is None else percent(share),
        state="none" if share is None else state_of(share),
        meter=None if share is None else fullness_meter(share),
    )


def _share(used: float, limit: float) -> float:
    """Return how full a limit is; anything against nothing is far over it."""
    return used / limit if limit > 0 else float(used > 0) * 2
