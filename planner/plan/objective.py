"""How a plan states what it reached: whole amounts of the program in the units people use."""

from __future__ import annotations

from collections.abc import Mapping

PEOPLE_UNITS: Mapping[str, tuple[float, str]] = {
    "micro-USD/h": (1e6, "USD/h"),
    "nano-USD/h": (1e9, "USD/h"),
    "mW": (1e6, "kW"),
    "ml/h": (1e3, "l/h"),
    "mg CO2/h": (1e6, "kg CO2/h"),
}
"""Unit of the program -> (how many make one, unit in the plan); counts are stated as they are."""


def stated(amount: int, unit: str) -> tuple[float, str]:
    """Return an amount of a goal, or its bound, as the plan states it, with the unit."""
    divisor, people_unit = PEOPLE_UNITS.get(unit, (1.0, unit))
    return amount / divisor, people_unit
