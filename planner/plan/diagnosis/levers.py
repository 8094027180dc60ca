"""Every promise of a question that could be loosened, found from the rows of its program and its fields."""

from __future__ import annotations

import json
import math
from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

from planner.optimize.program import Arrays, RowInfo
from planner.plan.assemble import Assembly
from planner.plan.diagnosis.coefficients import coefficient_levers
from planner.plan.diagnosis.demand_levers import OWN, demand_levers, promised_levers
from planner.plan.diagnosis.lever import Lever, shown, stating, stating_whole
from planner.plan.diagnosis.places import TOPOLOGY, Place, places_of
from planner.plan.diagnosis.survival_levers import survival_levers
from planner.plan.objective import PEOPLE_UNITS
from planner.scenario.paths import find
from planner.topology import Question

NO_LIMIT_KW = 1e6
"""What drops a limit of power that must be stated: a gigawatt."""

MANY = 1_000
"""What drops a limit on a count that must be stated."""

MORE_RACKS = 100
"""So many more racks of a kind are as good as any number."""


@dataclass
class _Rows:
    """Rows that one field states: name -> by how much a bound moves when the whole field is loosened.

    floor: whether they ask for at least something.
    """

    bound: dict[str, float] = field(default_factory=dict)
    floor: bool = False

    def gives(self, whole: float) -> dict[str, float]:
        """Return by how much each bound moves per unit, if the field is `whole` units now."""
        return {name: amount / whole for name, amount in self.bound.items() if whole > 0}


def offered_rows(assembly: Assembly) -> dict[str, list[tuple[int, int]]]:
    """Return the rows of what can be rented: row name -> (candidate, most)."""
    rows: dict[str, list[tuple[int, int]]] = defaultdict(list)
    for j, offer in enumerate(assembly.offers):
        if offer.rent_index is not None and offer.maximum is not None:
            rows[f"rent/{offer.rent_index}/{offer.host.label}"].append((j, offer.maximum))
    return dict(rows)


def levers_of(assembly: Assembly, arrays: Arrays) -> list[Lever]:
    """Return every promise of a question.

    Args:
        assembly: the question, put together.
        arrays: its program as `optimize.infeasible.loosenable` gives it.
    """
    found: list[Lever] = [*coefficient_levers(assembly)]
    found += _capacity_levers(assembly, arrays)
    found += survival_levers(assembly.question, arrays)
    found += demand_levers(assembly, arrays)
    found += promised_levers(assembly, arrays)
    return found


def _capacity_levers(assembly: Assembly, arrays: Arrays) -> Iterator[Lever]:
    """Yield the levers of limits: power, grid, heat, network, money, carbon, stock, racks."""
    question = assembly.question
    places = places_of(question.topology)
    class_of = {rack_class.name: rack_class for rack_class in assembly.classes}
    rows: dict[tuple[str, str], _Rows] = defaultdict(_Rows)
    first: dict[tuple[str, str], RowInfo] = {}
    for r, row in enumerate(arrays.rows):
        if not row.is_promise or row.name.startswith(("demand/", "survive/", *OWN)):
            continue
        field_name, _, subject = row.source.removeprefix("topology: ").partition(" of ")
        if row.family == "racks":
            about = class_of[row.name.removeprefix("racks/")].attributes
            field_name, subject = "count", str(about["template"])
        if row.source.startswith("topology") and subject in places:
            key = (f"{places[subject].path}.{field_name}", subject)
        elif row.name.startswith("rent/"):
            key = (f"fleet.rent.{row.name.split('/')[1]}.max_count", "")
        else:
            key = (row.source, "")
        floor = arrays.row_lower[r] > 0
        bound = float(arrays.row_lower[r] if floor else arrays.row_upper[r])
        if not math.isfinite(bound):
            continue  # a rule between decisions: nobody stated its bound
        rows[key].bound[row.name] = bound
        rows[key].floor = bool(floor)
        first.setdefault(key, row)
    for (path, subject), peaks in list(rows.items()):
        if path.endswith(".peak_share"):  # a share of the capacity: more of either gives short peaks room
            capacity = rows.get((path.removesuffix("peak_share") + "capacity_kw", subject))
            if capacity is not None:
                capacity.bound |= peaks.bound
    thin = any(row.name.startswith("network/fabric/") for row in arrays.rows)
    for (path, subject), members_rows in rows.items():
        row = first[path, subject]
        members = class_of.get(row.name.removeprefix("racks/")) if row.family == "racks" else None
        if members is not None and members.existing:
            continue  # racks with servers in them are what stands, not what is promised
        lever = (
            _topology_lever(question, row, path, subject, places[subject], members_rows, thin)
            if subject in places
            else _scenario_lever(question, row, path, members_rows)
        )
        if lever is not None:
            yield lever


def _topology_lever(
    question: Question, row: RowInfo, path: str, subject: str, place: Place, rows: _Rows, thin: bool
) -> Lever | None:
    entry, name = place.entry, path.rsplit(".", 1)[1]
    if not hasattr(entry, name) or getattr(entry, name) is None:
        return None
    stated = float(getattr(entry, name))
    shared: dict[str, Any] = {
        "row": row.name,
        "path": path,
        "stated": stated,
        "end": float("inf"),
    }
    if row.family == "racks":
        # What the loss of a rack takes, and what a thin fabric carries, depends on how many there are: then
        # they are no mere row.
        lost = thin or "rack" in question.scenario.reliability.survive
        shared["end"] = stated + MORE_RACKS
        return Lever(
            kind="racks", unit="racks", whole=True, gives={} if lost else dict.fromkeys(rows.bound, 1.0),
            edit=stating_whole(path),
            dropped=(f"{path}={int(stated) + MORE_RACKS}",), subject=f"like {subject}",
            says=f"racks {subject} number {shown(stated)}",
            **shared,
        )  # fmt: skip
    if row.family == "heat":
        duty = int(stated) - entry.spare_units
        usable = max(rows.bound.values()) / 1000.0
        return Lever(
            kind="heat", unit="cooling units", whole=True, gives=rows.gives(duty), edit=stating_whole(path),
            dropped=(f"{path}={MANY * MANY}",),
            subject=f"of {shown(entry.unit_kw)} kW in loop {subject}",
            says=f"cooling loop {subject} takes {shown(usable)} kW of heat ({duty} of {shown(stated)} units "
            f"of {shown(entry.unit_kw)} kW, the others stand by)", **shared,
        )  # fmt: skip
    if name == "oversubscription":
        return Lever(
            kind="network", unit="to 1", edit=stating(path), dropped=(f"{path}=1",), up=False,
            subject=f"oversubscription of {subject}",
            says=f"the fabric {subject} is oversubscribed {shown(stated)} to 1", **{**shared, "end": 1.0},
        )  # fmt: skip
    if row.family == "network":
        return Lever(
            kind="network", unit="GB/s", gives=rows.gives(stated), edit=stating(path),
            dropped=(f"{path}=null",), subject=f"from {subject} to users",
            says=f"{subject} sends at most {shown(stated)} GB/s to users", **shared,
        )  # fmt: skip
    if row.family == "grid":
        return Lever(
            kind="grid", unit="kW", gives=rows.gives(stated), edit=stating(path), dropped=(f"{path}=null",),
            subject=f"on the grid contract of {subject}",
            says=f"{subject} may draw {shown(stated)} kW from the grid, cooling included", **shared,
        )  # fmt: skip
    if row.family in ("power", "peak"):
        level = {"utility": "utility connection", "ups": "UPS", "pdu": "PDU"}.get(entry.level, entry.level)
        if row.family == "peak":
            most = shown(max(rows.bound.values()) / 1000.0)
            return Lever(
                kind="peak", unit="of its rating", gives=rows.gives(stated), edit=stating(path),
                dropped=(f"{path}=null",), subject=f"for short peaks on {level} {subject}",
                says=f"short peaks on {level} {subject} stay within {stated:.0%} of its rating ({most} kW)",
                **shared,
            )  # fmt: skip
        return Lever(
            kind="power", unit="kW", gives=rows.gives(stated), edit=stating(path),
            dropped=(f"{path}={NO_LIMIT_KW:g}",), subject=f"on {level} {subject}",
            says=f"{level} {subject} carries {shown(stated)} kW{_carried(rows, stated)}{_after_a_loss(rows)}",
            **shared,
        )  # fmt: skip
    if row.family == "water":
        return Lever(
            kind="water", unit="l/h", gives=rows.gives(stated), edit=stating(path), dropped=(f"{path}=null",),
            subject=f"of water at {subject}",
            says=f"{subject} evaporates at most {shown(stated)} litres of water per hour", **shared,
        )  # fmt: skip
    return Lever(
        kind=row.family, unit=row.unit, gives=rows.gives(stated), edit=stating(path),
        dropped=(f"{path}=null",), subject=f"{name} of {subject}",
        says=f"{name} of {subject} is {shown(stated)}", **shared,
    )  # fmt: skip


def _carried(rows: _Rows, stated: float) -> str:
    """Say how much of a rating is there all the time, and what may stand on it where some can be shed."""
    lasting = [bound / 1000.0 for name, bound in rows.bound.items() if not name.endswith(("/peak", "/shed"))]
    shed = [bound / 1000.0 for name, bound in rows.bound.items() if name.endswith("/shed")]
    usable = max(shed or lasting, default=stated)
    text = "" if usable == stated else f", {shown(usable)} kW of it all the time"
    if shed and lasting:
        text += f" (servers of {shown(max(lasting))} kW may stand on it, capped to that when power is short)"
    return text


def _after_a_loss(rows: _Rows) -> str:
    """Say that a limit holds after the loss of another one, where every row of it assumes one."""
    lost = sorted({name.split("/without/")[1] for name in rows.bound if "/without/" in name})
    alone = len(lost) == 1 and all("/without/" in name for name in rows.bound)
    return f", also when it must carry what {lost[0]} did" if alone else ""


LIMITS = {
    "limits.capex_usd": (
        "capex", "USD", "to spend on servers", "at most {} USD for bought servers and retrofits",
    ),
    "limits.opex_usd_per_h": (
        "opex", "USD/h", "of running cost", "at most {} USD/h for rent, electricity, maintenance and network",
    ),
    "limits.grid_kw": (
        "grid", "kW", "from the grid, all sites together",
        "all owned sites together draw at most {} kW from the grid, cooling included",
    ),
    "limits.expected_kw": (
        "power", "kW", "of expected draw", "all servers together are expected to draw at most {} kW",
    ),
    "limits.carbon_g_per_mtok": (
        "carbon", "g CO2/Mtok", "of carbon", "at most {} g CO2 per million tokens",
    ),
    "limits.carbon_kg_per_h": ("carbon", "kg CO2/h", "of carbon", "at most {} kg CO2 per hour"),
    "limits.servers": ("servers", "servers", "powered", "at most {} powered servers"),
    "limits.water_l_per_h": ("water", "l/h", "of water", "at most {} litres of water per hour"),
    "churn.max_moves": ("churn", "moves", "of replicas", "at most {} replicas may move"),
}  # fmt: skip
"""Limits of the scenario: kind, unit, what more of it is, and the promise."""


def _delivery_lever(question: Question, row: RowInfo, path: str, rows: _Rows) -> Lever:
    """Return the lever of what the seller delivers in time: one more batch at once."""
    fleet, name = question.scenario.fleet, path.removeprefix("fleet.delivery.")
    batches = [batch.model_dump() for batch in fleet.delivery[name]]
    stated = fleet.deliverable(name) or 0

    def edit(value: float) -> tuple[str, ...]:
        more = {"count": int(value) - stated, "weeks": 0}
        return (f"{path}={json.dumps([*batches, more])}",)

    weeks = fleet.needed_in_weeks
    when = "" if weeks is None else f" within {shown(weeks)} weeks"
    return Lever(
        row=row.name, path=path, stated=float(stated), end=float("inf"), kind="stock", unit="servers",
        whole=True, gives=dict.fromkeys(rows.bound, 1.0), edit=edit, dropped=edit(float(MANY * MANY)),
        subject=f"of {name} delivered{when}", says=f"at most {stated} of {name} can be delivered{when}",
    )  # fmt: skip


def _scenario_lever(question: Question, row: RowInfo, path: str, rows: _Rows) -> Lever | None:
    if path.startswith("fleet.delivery."):
        return _delivery_lever(question, row, path, rows)
    stated = find(question.scenario.model_dump(mode="json"), path)
    if stated.rest or isinstance(stated.value, bool) or not isinstance(stated.value, int | float):
        return None
    value = float(stated.value)
    gives = rows.gives(value) or dict.fromkeys(rows.bound, _per_unit(row.unit))
    shared: dict[str, Any] = {"row": row.name, "path": path, "stated": value, "end": float("inf")}
    if path.startswith("fleet.rent."):
        name = row.name.split("/", 2)[2]
        offer = question.scenario.fleet.rent[int(path.split(".")[2])]
        terms = {"spot": " as spot units", "reserved": " for a term"}.get(offer.terms, "")
        return Lever(
            kind="rent", unit="units", whole=True, gives=dict.fromkeys(rows.bound, 1.0),
            edit=stating_whole(path), dropped=(f"{path}=null",),
            subject=f"of {name} to rent in {offer.region}{terms}",
            says=f"at most {shown(value)} of {name} can be rented in {offer.region}{terms}", **shared,
        )  # fmt: skip
    if path.startswith("fleet.stock."):
        name = path.removeprefix("fleet.stock.")
        return Lever(
            kind="stock", unit="servers", whole=True, gives=dict.fromkeys(rows.bound, 1.0),
            edit=stating_whole(path), dropped=(f"{path}={MANY * MANY}",), subject=f"of {name} to buy",
            says=f"at most {shown(value)} of {name} can be bought", **shared,
        )  # fmt: skip
    kind, unit, subject, says = LIMITS.get(
        path, (row.family, _people_unit(row, path), f"of {path}", path + " is {}")
    )
    if path == "limits.capex_usd":
        says = says.replace("servers and retrofits", _paid(question))
    if rows.floor:
        return Lever(
            kind=kind, unit=unit, gives=gives, edit=stating(path), dropped=(f"{path}=0",), up=False,
            subject=subject, says=says.format(shown(value)), **{**shared, "end": 0.0},
        )  # fmt: skip
    whole = isinstance(stated.value, int) and path not in FRACTIONAL
    return Lever(
        kind=kind, unit=unit, whole=whole, gives=gives, edit=stating_whole(path) if whole else stating(path),
        dropped=(f"{path}=null",), subject=subject, says=says.format(shown(value)), **shared,
    )  # fmt: skip


def _paid(question: Question) -> str:
    """Return what a limit on capital has to pay for."""
    paid = ["servers", "retrofits"]
    paid += ["spares"] if question.scenario.reliability.spares is not None else []
    paid += ["units paid ahead"] if any(rent.upfront_usd for rent in question.scenario.fleet.rent) else []
    return f"{', '.join(paid[:-1])} and {paid[-1]}"


FRACTIONAL = frozenset(LIMITS) - {"limits.servers", "churn.max_moves"}
"""Limits that may be any number, however they are written."""


def _people_unit(row: RowInfo, path: str) -> str:
    """Return the unit in which a field of the scenario states a row's bound."""
    by_field = {"accelerators": "accelerators", "rps": "requests/s", "usd_per_h": "USD/h"}
    if (name := path.rsplit(".", 1)[-1]) in by_field:
        return by_field[name]
    return PEOPLE_UNITS.get(row.unit, (1.0, "" if "units" in row.unit else row.unit))[1]


def _per_unit(unit: str) -> float:
    """Return what one unit of a limit that is 0 now is in the program."""
    return {"W": 1e3, "mW": 1e6, "micro-USD/h": 1e6, "mg CO2/h": 1e6, "bytes/s": 1e9, "ml/h": 1e3}.get(
        unit, 1.0
    )


__all__ = ["TOPOLOGY", "levers_of", "offered_rows"]
