"""Tenants' quotas: what the traffic of their workloads may keep busy, be served, and cost."""

from __future__ import annotations

import math
from collections.abc import Sequence

from planner.optimize.problem import LOAD_SCALE, Ledger
from planner.plan.assemble.limits import Rows, endings
from planner.plan.assemble.offers import MICRO, Offer, owning_micro_usd, server_price_usd
from planner.plan.assemble.paths import Pool, ServingPath
from planner.plan.day import Day
from planner.scenario import Scenario

NANO = 1_000_000_000
"""Requests/s are counted in billionths."""

ROUNDING = 1e-6
"""Part of a whole amount that is rounding of doubles."""


def quota_rows(
    scenario: Scenario,
    day: Day,
    offers: Sequence[Offer],
    pools: Sequence[Pool],
    lanes: Sequence[tuple[str, int]],
    paths: Sequence[ServingPath],
    flows: Sequence[tuple[int, int]],
) -> list[Ledger]:
    """Return the rows of every tenant's limits.

    Args:
        scenario: with the tenants.
        day: its periods; accelerators and requests are limited in each.
        offers: all candidates; they say what an accelerator-hour costs.
        pools: the pools.
        lanes: (workload, period) of each lane.
        paths: each assignment variable.
        flows: (lane, micro-USD/h of one unit) of each flow variable.
    """
    busy = Rows("quota", "1/10,000,000 accelerators")
    served = Rows("quota", "nano-requests/s")
    spent = Rows("quota", "micro-USD/h")
    price = {(offer.site, offer.host.label): accelerator_hour_micro_usd(offer, scenario) for offer in offers}
    for number, tenant in enumerate(scenario.tenants):
        mine = set(tenant.workloads)
        source, name = f"tenants.{number}", f"quota/{tenant.name}"
        if tenant.accelerators is not None:
            limit = math.floor(tenant.accelerators * LOAD_SCALE + ROUNDING)
            rows = [
                busy.add(f"{name}/accelerators{end}", limit, f"{source}.accelerators")
                for end in endings(day.names)
            ]
            for a, path in enumerate(paths):
                workload, period = lanes[path.lane]
                if workload in mine:
                    used = accelerators_per_unit(path, pools) * LOAD_SCALE
                    busy.use("assign", rows[period], a, math.ceil(used - ROUNDING))
        if tenant.rps is not None:
            limit = math.floor(tenant.rps * NANO + ROUNDING)
            rows = [served.add(f"{name}/rps{end}", limit, f"{source}.rps") for end in endings(day.names)]
            for f, (lane, _) in enumerate(flows):
                workload, period = lanes[lane]
                if workload in mine:
                    about = scenario.workload(workload)
                    rate = day.unit_rps(about, day.names[period], scenario.solver.units)
                    served.use("flow", rows[period], f, math.ceil(rate * NANO - ROUNDING))
        if tenant.usd_per_h is not None:
            limit = math.floor(tenant.usd_per_h * MICRO + ROUNDING)
            row = spent.add(f"{name}/usd_per_h", limit, f"{source}.usd_per_h")
            for a, path in enumerate(paths):
                workload, period = lanes[path.lane]
                if workload in mine:
                    weight = day.periods[period].weight
                    time = sum(
                        share
                        * pools[q].entry.shape.accelerators
                        * price[pools[q].site, pools[q].entry.server]
                        for q, share in zip(path.pools, path.shares, strict=True)
                    )
                    spent.use("assign", row, a, path.cost + math.ceil(weight * time - ROUNDING))
            for f, (lane, cost) in enumerate(flows):
                if lanes[lane][0] in mine:
                    spent.use("flow", row, f, cost)
    return [rows.ledger() for rows in (busy, served, spent) if rows.names]


def accelerators_per_unit(path: ServingPath, pools: Sequence[Pool]) -> float:
    """Return the accelerators that a unit on a path keeps busy while its period lasts."""
    return math.fsum(
        share * pools[q].entry.shape.accelerators for q, share in zip(path.pools, path.shares, strict=True)
    )


def accelerator_hour_micro_usd(offer: Offer, scenario: Scenario) -> float:
    """Return what one accelerator of a server costs per hour: rent, or owning it and its idle electricity.

    A server that stands already is charged like a bought one, where it has a price.
    """
    if offer.origin == "rent":
        return offer.rental / offer.host.accelerators
    try:
        price = server_price_usd(offer.server, scenario)
    except ValueError:
        price = 0.0
    owning = sum(owning_micro_usd(price, offer.provisioned_w, scenario.economics))
    return (owning + offer.idle_electricity) / offer.host.accelerators
