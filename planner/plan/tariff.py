"""What a kilowatt-hour costs at a site: its tariff, and the price of its carbon where one is stated."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from planner.scenario import Economics


def usd_per_kwh(site: Mapping[str, Any], economics: Economics) -> float:
    """Return USD per kWh from the attributes of a site node; 0 at rented sites, whose rent includes it."""
    if site["cloud"]:
        return 0.0
    carbon_kg = float(site["carbon_g_per_kwh"]) / 1000.0
    return float(site["electricity_usd_per_kwh"]) + economics.carbon_usd_per_kg * carbon_kg
