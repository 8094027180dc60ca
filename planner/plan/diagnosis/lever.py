"""A lever: one thing a person stated, which could be loosened or dropped, and how to say so."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from planner.plan.diagnosis.record import Change

FROM_NOTHING = {"USD": 1e6, "USD/h": 10.0, "kW": 100.0, "g CO2/Mtok": 100.0, "kg CO2/h": 10.0}
"""Amounts that count as much as one whole thing where a limit is 0, so that nothing is relative to it."""

Edit = Callable[[float], tuple[str, ...]]
"""Changes of the question (`path=value`) that set a lever to a value."""


def stating(path: str) -> Edit:
    """Return the edit that states a value in a field."""
    return lambda value: (f"{path}={value!r}",)


def stating_whole(path: str) -> Edit:
    """Return the edit that states a whole number in a field."""
    return lambda value: (f"{path}={int(value)}",)


def instead(change: str) -> Edit:
    """Return the edit that makes the same change whatever the value."""
    return lambda _: (change,)


@dataclass(frozen=True, eq=False)
class Lever:
    """One promise in the words of the scenario.

    row: name in results (`power/feed/fra1-A`, `slo/chat/ttft_ms`). kind: what it is about. path: the field
    that states it. stated: its value, in `unit`; up: whether larger is looser. end: the loosest value that
    means anything. whole: counted. gives: row of the program -> by how much its bound moves per unit; {}
    where the promise is not a row (latencies, what a rack holds) and the program must be put together anew.
    says: the promise as a sentence. subject: what a change of it is called. edit: how to state another
    value; dropped: how to state none. numeric: False where it can only be dropped.
    """

    row: str
    kind: str
    path: str
    stated: float
    unit: str
    end: float
    says: str
    subject: str
    edit: Edit
    dropped: tuple[str, ...]
    up: bool = True
    whole: bool = False
    numeric: bool = True
    gives: Mapping[str, float] = field(default_factory=dict)

    @property
    def in_rows(self) -> bool:
        """True if the promise is nothing but rows of the program."""
        return bool(self.gives)

    @property
    def room(self) -> float:
        """Units by which it can be loosened."""
        return abs(self.end - self.stated)

    @property
    def price(self) -> float:
        """What one unit of loosening counts: changes are compared relative to what is stated."""
        if self.stated == 0:
            return 1.0 if self.whole else 1.0 / FROM_NOTHING.get(self.unit, 1.0)
        return 1.0 / abs(self.stated)

    def loosened(self, amount: float) -> float:
        """Return the value that is looser by `amount` units, written with few digits, never tighter."""
        if not self.numeric:
            return self.end
        if self.whole:
            value = self.stated + math.ceil(amount - 1e-6) * (1 if self.up else -1)
        else:
            value = readable(self.stated, self.stated + amount * (1 if self.up else -1))
        return min(value, self.end) if self.up else max(value, self.end)

    def relative(self, value: float) -> float:
        """Return how large a change to `value` is, relative to what is stated; 1 where it is dropped."""
        return abs(value - self.stated) * self.price if self.numeric and self.stated else 1.0

    def change(self, value: float) -> Change:
        """Return the change to `value`, for infeasible.json."""
        return Change(row=self.row, from_=self.stated, to=value, unit=self.unit)

    def sentence(self, value: float) -> str:
        """Return the change to `value` in words, with its price in the user's units."""
        if not self.numeric:
            return self.subject
        before, after = shown(self.stated), shown(value)
        amount = shown(abs(value - self.stated))
        if self.kind == "demand":
            return f"{amount} {self.unit} less of {self.subject} ({before} -> {after} {self.unit})"
        if self.kind in ("slo", "reliability", "spares", "ramp", "quality", "minimum") or self.unit == "to 1":
            return f"{self.subject} {before} -> {after} {self.unit}".rstrip()
        sign = "+" if self.up else "-"
        unit = self.unit.removesuffix("s") if self.unit.isalpha() and amount == "1" else self.unit
        return f"{sign}{amount} {unit} {self.subject} ({before} -> {after} {self.unit})"


def readable(stated: float, value: float) -> float:
    """Return `value` with three digits of its distance from `stated`, rounded away from it."""
    distance = abs(value - stated)
    if distance <= 0:
        return stated
    step = 10.0 ** (math.floor(math.log10(distance)) - 2)
    steps = math.ceil(distance / step - 1e-6)
    digits = max(0, 2 - math.floor(math.log10(distance)))
    return round(stated + math.copysign(steps * step, value - stated), digits + 1)


def shown(value: float) -> str:
    """Return a number as people write it: thousands separated, no trailing zeros."""
    text = f"{value:,.2f}" if abs(value) >= 1000 else f"{value:,.6g}"
    return text.rstrip("0").rstrip(".") if "." in text else text
