"""Cooling and its price: design days, PUE that falls with load, rear doors, retrofits and water, by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import planner
from planner.topology.overhead import line_above
from tests.plan.by_hand import RATED_W, a100, bought, question, rented, site, solved


def cooled(tmp_path: Path, rack: dict[str, Any] | None = None, **about: Any) -> dict[str, Any]:
    """Servers at 1 USD/h each in one rack, and A100s at 4 USD/h for what finds no cooling."""
    racks = [{"name": "r", "power_kw": 44, "slots": 4, **(rack or {})}]
    fleet = {"buy": ["dgx-h100"], "prices_usd": {"dgx-h100": 8760}, "rent": [a100()]}
    return question(tmp_path, sites=[site(racks=racks, **about)], fleet=fleet)


@pytest.mark.parametrize(("derate", "owned"), [(1.0, 2), (0.99, 1)])
def test_the_hottest_day_takes_cooling_away(tmp_path: Path, derate: float, owned: int) -> None:
    """Two of three units of 10.2 kW cool two servers, unless the design day leaves less of them."""
    loop = {"name": "crah", "medium": "air", "unit_kw": RATED_W / 1000, "units": 3, "derate": derate}
    plan = solved(cooled(tmp_path, {"air_loop": "crah"}, cooling=[loop]))
    assert (bought(plan), rented(plan)) == (owned, 4 - 2 * owned)


@pytest.mark.parametrize(("spare", "owned"), [(1, 2), (2, 1)])
def test_a_rear_door_loop_keeps_units_in_reserve(tmp_path: Path, spare: int, owned: int) -> None:
    """N+1 and N+2 of three units of 10.2 kW behind rear doors."""
    loop = {"name": "door", "medium": "rear_door", "unit_kw": RATED_W / 1000, "units": 3,
            "spare_units": spare,
            "derate": 1}  # fmt: skip
    assert bought(solved(cooled(tmp_path, {"air_loop": "door"}, cooling=[loop]))) == owned


@pytest.mark.parametrize(("per_cabinet", "turned"), [(71_200, True), (71_350, False)])
def test_a_rack_is_turned_to_liquid_while_that_is_cheaper_than_rent(
    tmp_path: Path, per_cabinet: float, turned: bool
) -> None:
    """Four A100s cost 16 USD/h and 0.1296 USD/h of egress (1.44 GB/h at 0.09 USD).

    The building lives one year here: 1 USD/h is 8,760 USD. Two servers are 2 USD/h, the loop takes 30 kW at
    1,750 USD: 52,500 USD or 5.993 USD/h; 8.136 USD/h are left for the cabinet: 71,275 USD.
    """
    loop = {"name": "cdu", "medium": "liquid", "unit_kw": 30, "units": 2, "derate": 1}
    air = {"name": "crah", "medium": "air", "unit_kw": 30, "units": 2, "derate": 1}
    retrofit = {"liquid_loop": "cdu", "liquid_kw": 30, "usd_per_cabinet": per_cabinet, "usd_per_kw": 1750}
    asked = cooled(tmp_path, {"air_loop": "crah", "retrofit": retrofit}, cooling=[loop, air])
    asked["fleet"] |= {"buy": ["hgx-h100-8-dlc"], "prices_usd": {"hgx-h100-8-dlc": 8760}}
    asked["economics"]["infrastructure_life_years"] = 1
    plan = solved(asked)
    assert plan.retrofitted_racks == (["ams-r"] if turned else [])
    assert bought(plan) == (2 if turned else 0)


def grid(tmp_path: Path, grid_kw: float, **about: Any) -> int:
    return bought(solved(cooled(tmp_path, grid_kw=grid_kw, **about)))


TABLE = [
    {"cooling": "air", "load": 1.0, "outdoor_c": 10, "pue": 1.2},
    {"cooling": "air", "load": 0.5, "outdoor_c": 10, "pue": 1.3},
    {"cooling": "air", "load": 1.0, "outdoor_c": 40, "pue": 1.5},
    {"cooling": "air", "load": 0.5, "outdoor_c": 40, "pue": 1.6},
]
"""Overheads of 0.2 and 0.15 at 10 C: 0.1 fixed and 0.1 of the load; 0.5 and 0.3 at 40 C: 0.1 and 0.4."""


@pytest.mark.parametrize(("short_kw", "owned"), [(0.0, 2), (0.01, 1)])
def test_the_grid_contract_must_bear_the_hottest_day(tmp_path: Path, short_kw: float, owned: int) -> None:
    """Two servers at a factor of 1.4, and a tenth of 100 kW whatever their number."""
    needed = 2 * RATED_W / 1000 * 1.4 + 10
    about = {"pue_table": TABLE, "it_kw": 100, "outdoor_c": 10, "design_outdoor_c": 40}
    assert grid(tmp_path, needed - short_kw, **about) == owned


def test_energy_is_counted_at_the_mean_day_with_what_the_site_draws_by_itself(tmp_path: Path) -> None:
    """Idle watts at 1.1, 10 kW of the open site, 0.1 USD/kWh; and the carbon of both."""
    about = {"pue_table": TABLE, "it_kw": 100, "outdoor_c": 10, "electricity_usd_per_kwh": 0.1,
             "carbon_g_per_kwh": 500}  # fmt: skip
    plan = solved(cooled(tmp_path, **about))
    kw = plan.metrics.expected_kw * 1.1 + 10
    assert plan.cost.electricity_idle == pytest.approx(kw * 0.1, abs=1e-4)
    assert plan.metrics.carbon_kg_per_h == pytest.approx(kw * 0.5, abs=1e-4)


def test_the_line_above_is_the_lowest_that_covers_all_points() -> None:
    """Through the two points of a falling PUE; above a point that sticks out."""
    assert line_above([(0.5, 0.15), (1.0, 0.2)]) == pytest.approx((0.1, 0.1))
    at_zero, slope = line_above([(0.25, 0.1), (0.5, 0.2), (1.0, 0.2)])
    assert all(
        at_zero + slope * load >= value - 1e-9 for load, value in ((0.25, 0.1), (0.5, 0.2), (1.0, 0.2))
    )
    assert line_above([(1.0, 0.3)]) == pytest.approx((0.0, 0.3))


def thirsty(tmp_path: Path, **limits: Any) -> dict[str, Any]:
    """Idle DGX H100: 2.18 kW or what the model says, at 2 litres per kWh."""
    asked = cooled(tmp_path, water_l_per_kwh_air=2.0, water_usd_per_m3=limits.pop("usd", 0.0))
    asked["limits"] = limits
    return asked


def test_water_limits_what_stands_and_has_a_price(tmp_path: Path) -> None:
    """Just enough for two servers, a millilitre less, and 5 USD per cubic metre."""
    plan = solved(thirsty(tmp_path))
    used = next(row.used for row in plan.ledgers.budget if row.name == "water/total")
    assert used == pytest.approx(2 * plan.metrics.expected_kw, abs=0.01)
    assert bought(solved(thirsty(tmp_path, water_l_per_h=used))) == 2
    assert bought(solved(thirsty(tmp_path, water_l_per_h=used - 0.001))) == 1
    priced = solved(thirsty(tmp_path, usd=5.0))
    assert priced.cost.water == pytest.approx(used * 5 / 1000, abs=1e-4)


def test_water_becomes_dearer_than_rent(tmp_path: Path) -> None:
    """Two servers save 14 USD/h against rent; at that price of water nothing is evaporated."""
    used = next(row.used for row in solved(thirsty(tmp_path)).ledgers.budget if row.name == "water/total")
    threshold = 14.0 / used * 1000
    assert bought(solved(thirsty(tmp_path, usd=threshold * 0.99))) == 2
    assert bought(solved(thirsty(tmp_path, usd=threshold * 1.02))) == 0


def test_too_much_water_is_refused(tmp_path: Path) -> None:
    """The same plan under a lower limit, and with a cheaper price: the rows are named."""
    plan = solved(thirsty(tmp_path, water_l_per_h=100, usd=5.0))
    plan.scenario["limits"]["water_l_per_h"] = 1.0
    plan.topology["sites"][0]["water_usd_per_m3"] = 4.0
    rows = {violation.row for violation in planner.verify(plan)}
    assert {"water/total", "cost/water"} <= rows
