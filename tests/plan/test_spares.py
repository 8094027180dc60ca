"""Spare servers by failure rate: how many, and that plans pay for them."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest

import planner
from planner.catalog import load_catalog
from planner.plan.spares import spares_needed
from planner.plan.types import SparePlan
from planner.scenario.promises import Spares
from tests.plan.by_hand import bought, question, site, solved


def spared(tmp_path: Path, *, rate_rps: float = 20, fleet: dict[str, Any] | None = None, **rules: Any) -> Any:
    racks = [{"name": "r", "count": 3, "power_kw": 44, "slots": 4}]
    goods = {"buy": ["dgx-h100"], "prices_usd": {"dgx-h100": 8760}, **(fleet or {})}
    return question(
        tmp_path, sites=[site(racks=racks)], fleet=goods, rate_rps=rate_rps, reliability={"spares": rules}
    )


def poisson_at_most(count: int, mean: float) -> float:
    """The probability by its sum, not by a library."""
    return sum(math.exp(-mean) * mean**k / math.factorial(k) for k in range(count + 1))


@pytest.mark.parametrize("servers", [1, 2, 5, 12, 100])
@pytest.mark.parametrize("availability", [0.5, 0.9, 0.999])
def test_the_fewest_spares_that_reach_the_availability(servers: int, availability: float) -> None:
    """One spare less would not do: the number in repair is Poisson."""
    rules = Spares(availability=availability, repair_h=100, mtbf_h={"dgx-h100": 1000})
    needed = spares_needed(rules, load_catalog().servers["dgx-h100"], servers)
    mean = servers * 100 / 1000
    assert poisson_at_most(needed, mean) >= availability
    assert needed == 0 or poisson_at_most(needed - 1, mean) < availability


@pytest.mark.parametrize(("availability", "spares"), [(0.818, 0), (0.819, 1), (0.98, 1), (0.983, 2)])
def test_spares_are_bought_where_the_availability_needs_them(
    tmp_path: Path, availability: float, spares: int
) -> None:
    """Two servers with a tenth of the time in repair: exp(-0.2) = 0.8187 without a spare, 0.9825 with one."""
    plan = solved(spared(tmp_path, availability=availability, repair_h=100, mtbf_h={"dgx-h100": 1000}))
    assert bought(plan) == 2
    assert sum(spare.count for spare in plan.spares) == spares
    assert plan.cost.spares == spares * 1.0
    assert plan.metrics.capex_usd == (2 + spares) * 8760


@pytest.mark.parametrize(("stock", "fits"), [(3, True), (2, False)])
def test_spares_come_out_of_the_stock(tmp_path: Path, stock: int, fits: bool) -> None:
    """Two servers and a spare are three of the stock."""
    asked = spared(
        tmp_path,
        availability=0.9,
        repair_h=100,
        mtbf_h={"dgx-h100": 1000},
        fleet={"stock": {"dgx-h100": stock}},
    )
    if fits:
        solved(asked)
        return
    with pytest.raises(planner.NoPlan):
        planner.solve(asked)


def test_many_servers_share_spares(tmp_path: Path) -> None:
    """Twelve servers need fewer spares each than two do."""
    rules = {"availability": 0.99, "repair_h": 100, "mtbf_h": {"dgx-h100": 1000}}
    few = solved(spared(tmp_path, **rules))
    many = solved(spared(tmp_path, rate_rps=120, **rules))
    assert (bought(few), bought(many)) == (2, 12)
    counts = [sum(spare.count for spare in plan.spares) for plan in (few, many)]
    assert counts == [2, 4]


def test_missing_and_invented_spares_are_refused(tmp_path: Path) -> None:
    """One spare less, and spares of what is not powered: the row is named."""
    asked = spared(tmp_path, availability=0.9, repair_h=100, mtbf_h={"dgx-h100": 1000})
    plan = solved(asked)
    plan.spares = []
    assert "spares/ams/dgx-h100" in {violation.row for violation in planner.verify(plan)}
    plan = solved(asked)
    plan.spares.append(SparePlan(site="ams", server="dgx-h200", count=1))
    assert "spares/ams/dgx-h200" in {violation.row for violation in planner.verify(plan)}
