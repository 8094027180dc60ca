"""What a kilowatt-hour costs at a site: its tariff, and the price of its carbon where one is stated."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from planner.scenario import Economics


def usd_per_kwh(site: Mapping[str, Any], economics: Economics, hours: Sequence[int] | None = None) -> float:
    """Return USD per kWh from the attributes of a site node; 0 at rented sites, whose rent includes it.

    Args:
        site: the site's node.
        economics: the price of carbon.
        hours: hours of the day (0 UTC first) to take the mean tariff of; None: the whole day.
    """
    if site["cloud"]:
        return 0.0
    carbon_kg = float(site["carbon_g_per_kwh"]) / 1000.0
    tariff = float(site["electricity_usd_per_kwh"])
    factors = site.get("electricity_hourly_factors")
    if factors is not None:
        chosen = range(len(factors)) if hours is None else hours
        tariff *= math.fsum(factors[hour] for hour in chosen) / len(chosen)
    return tariff + economics.carbon_usd_per_kg * carbon_kg
