"""What prices are worth: tariffs, carbon, servers and rents, for this plan and for the relaxation."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from planner.explain.confidence import weak_inputs
from planner.explain.rebuild import MICRO, Rebuilt
from planner.optimize.build import build_program, with_sites
from planner.optimize.marginal import Relaxation
from planner.optimize.program import Arrays, Floats
from planner.plan.assemble import assemble
from planner.plan.assemble.offers import rent_usd_per_h, server_price_usd
from planner.plan.edit import edited

CENT = 0.01


@dataclass(frozen=True)
class _Change:
    name: str
    field: str
    step: float
    unit: str
    edit: str
    kind: str = "price"
    site: str | None = None
    server: str | None = None
    rent: int | None = None

    def weak(self, rebuilt: Rebuilt) -> list[str]:
        """Return the inputs of low confidence that the price rests on."""
        found = weak_inputs(rebuilt.plan, rebuilt.question, self.kind, self.site, self.server)
        return [one.text for one in found]


def changes(rebuilt: Rebuilt) -> Iterator[_Change]:
    """Yield a small step of every price that the plan pays."""
    plan, question = rebuilt.plan, rebuilt.question
    owned = {server.site for server in plan.servers if server.origin != "rent"}
    for site in question.topology.sites:
        if site.name in owned and site.electricity_usd_per_kwh is not None:
            path = f"topology.sites.{site.name}.electricity_usd_per_kwh"
            value = site.electricity_usd_per_kwh + CENT
            yield _Change(
                f"electricity at {site.name}",
                path,
                CENT,
                "USD/kWh",
                f"{path}={value!r}",
                "electricity",
                site.name,
            )
    path = "economics.carbon_usd_per_kg"
    value = question.scenario.economics.carbon_usd_per_kg + CENT
    yield _Change("a price of carbon", path, CENT, "USD/kg", f"{path}={value!r}", "carbon")
    for server in sorted({server.server for server in plan.servers if server.origin == "buy"}):
        price = server_price_usd(question.catalog.servers[server], question.scenario)
        path = f"fleet.prices_usd.{server}"
        yield _Change(
            f"the price of a {server}", path, price * CENT, "USD", f"{path}={price * (1 + CENT)!r}", "capex",
            server=server,
        )  # fmt: skip
    for index in sorted({s.rent_index for s in plan.servers if s.rent_index is not None}):
        offer = question.scenario.fleet.rent[index]
        price = rent_usd_per_h(offer, question.catalog)
        path = f"fleet.rent.{index}.usd_per_h"
        name = offer.instance or offer.accelerator
        yield _Change(
            f"the rent of {name} in {offer.region}", path, price * CENT, "USD/h",
            f"{path}={price * (1 + CENT)!r}", rent=index,
        )  # fmt: skip


def price_effects(rebuilt: Rebuilt, relaxation: Relaxation) -> Iterator[tuple[_Change, float, float | None]]:
    """Yield each price with what a step of it costs: this plan, and the relaxation solved again; USD/h.

    Prices that no column pays two of (tariffs of sites; kinds of servers and units to rent) are all raised
    in one question, and each taken from it by its own columns.
    """
    base = with_sites(rebuilt.problem, build_program(rebuilt.problem))
    every = list(changes(rebuilt))
    raised: dict[str, Floats | None] = {}
    for change in every:
        if relaxation.out_of_time:
            return
        if change.kind not in raised:
            raised[change.kind] = _costs(rebuilt, [one for one in every if one.kind == change.kind])
        dearer = raised[change.kind]
        if dearer is None:
            continue
        cost = np.where(_payers(rebuilt, base, change), dearer, base.cost)
        kept = float((cost - base.cost) @ rebuilt.values) / MICRO
        again: float | None = None
        if rebuilt.goal[0] == "cost":
            objective = relaxation.with_cost(cost)
            again = None if objective is None else (objective - relaxation.start.objective) / MICRO
        yield change, kept, again


def _payers(rebuilt: Rebuilt, base: Arrays, change: _Change) -> NDArray[np.bool_]:
    """Return (columns,) which columns may pay a price."""
    if change.kind == "carbon":
        return np.ones(len(base.cost), dtype=bool)
    if change.kind == "electricity":
        return np.asarray(base.column_site == rebuilt.problem.sites.names.index(str(change.site)))
    mask = np.zeros(len(base.cost), dtype=bool)
    mask[base.block("servers")] = [
        offer.rent_index == change.rent
        if change.rent is not None
        else offer.origin == "buy" and offer.host.name == change.server
        for offer in rebuilt.assembly.offers
    ]
    return mask


def _costs(rebuilt: Rebuilt, steps: Sequence[_Change]) -> Floats | None:
    """Return the costs of the program's columns after steps of prices, None where it has other columns."""
    question = edited(rebuilt.question, [change.edit for change in steps])
    problem = assemble(question, rebuilt.timings, rebuilt.assembly).problem
    if problem.candidates.names != rebuilt.problem.candidates.names:
        return None
    cost = build_program(problem).cost
    return cost if cost.shape == rebuilt.arrays.cost.shape else None
