"""Spare servers: how many a site needs of each type, and what they cost."""

from __future__ import annotations

from collections import Counter

from planner.catalog import Server
from planner.plan.content import Content, Setting
from planner.scenario import HOURS_PER_YEAR
from planner.scenario.promises import Spares

CERTAINTY = 1e-12
"""Rounding of probabilities."""


def mtbf_h(rules: Spares, server: Server) -> float:
    """Return the mean hours between hardware failures of one server."""
    stated = rules.mtbf_h.get(server.id)
    if stated is not None:
        return stated
    return HOURS_PER_YEAR / (rules.failures_per_accelerator_year * server.accelerators)


def spares_needed(rules: Spares, server: Server, in_service: int) -> int:
    """Return the fewest spares with which every server in repair finds one, with the availability asked for.

    The number in repair is Poisson with mean in_service x repair_h / MTBF (Palm's theorem).
    """
    from scipy.stats import poisson

    if not in_service:
        return 0
    mean = in_service * rules.repair_h / mtbf_h(rules, server)
    count = int(poisson.ppf(rules.availability - CERTAINTY, mean))
    while poisson.cdf(count, mean) < rules.availability - CERTAINTY:
        count += 1
    return count


def in_service(content: Content) -> Counter[tuple[str, str]]:
    """Return how many own servers of each type are powered at each site; rented ones are the owner's care."""
    return Counter((server.site, server.server) for server in content.servers if server.origin != "rent")


def spare_price_usd(name: str, setting: Setting) -> float:
    """Return the price of a spare: the scenario's, else the catalog's, else nothing."""
    stated = setting.scenario.fleet.prices_usd.get(name)
    price = setting.catalog.servers[name].price_usd if stated is None else stated
    return price or 0.0


def spare_micro_usd(name: str, setting: Setting) -> int:
    """Return the depreciation of one spare, micro-USD/h; it needs no network, power or care."""
    life_h = setting.scenario.economics.life_years * HOURS_PER_YEAR
    return round(spare_price_usd(name, setting) / life_h * 1e6)
