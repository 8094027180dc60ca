"""Power: redundancy schemes, peaks and shedding, each at its threshold in a room that is sized by hand.

A DGX H100 is provisioned with 10.2 kW; the demand needs so many of them. Feeds are rated in kW and may be
loaded to 80 %, so a feed for n servers is rated n x 10.2 / 0.8 = n x 12.75 kW.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

import planner
from planner.plan.types import Plan
from tests.plan.by_hand import RATED_W, a100, bought, question, rented, site, solved

PER_SERVER_KW = RATED_W / 1000 / 0.8


def room(tmp_path: Path, power: list[dict[str, Any]], racks: list[dict[str, Any]], **fields: Any) -> Any:
    """Servers at 1 USD/h each, and A100s at 4 USD/h for what finds no power."""
    shape = {"power_kw": 44, "slots": 4}
    fleet = {
        "buy": ["dgx-h100"],
        "prices_usd": {"dgx-h100": 8760},
        "rent": [a100()],
        **fields.pop("fleet", {}),
    }
    here = site(power=power, racks=[{**shape, **rack} for rack in racks])
    return question(tmp_path, sites=[here], fleet=fleet, **fields)


def feed(name: str, servers: float, **fields: Any) -> dict[str, Any]:
    """A feed that carries so many servers all the time."""
    return {"name": name, "level": "feed", "capacity_kw": servers * PER_SERVER_KW, **fields}


@pytest.mark.parametrize(("carries", "owned"), [(2.0, 2), (1.99, 1), (0.99, 0)])
def test_2n_either_side_carries_everything(tmp_path: Path, carries: float, owned: int) -> None:
    """Two servers on A and B: each side must carry both, though half of that is its share."""
    plan = solved(room(tmp_path, [feed("A", carries), feed("B", 9)], [{"name": "r", "feeds": ["A", "B"]}]))
    assert bought(plan) == owned
    assert rented(plan) == 4 - 2 * owned


@pytest.mark.parametrize(("carries", "owned"), [(3.0, 6), (2.99, 4)])
def test_three_systems_for_two_carry_half_more(tmp_path: Path, carries: float, owned: int) -> None:
    """3N/2: six servers, two between each two of three systems; each carries 2, and 3 when one is lost."""
    racks = [
        {"name": f"r{n}", "slots": 2, "feeds": list(pair), "redundancy": "3N/2"}
        for n, pair in enumerate(("AB", "BC", "AC"))
    ]
    asked = room(tmp_path, [feed(name, carries) for name in "ABC"], racks, rate_rps=60)
    plan = solved(asked)
    assert bought(plan) == owned
    if owned == 6:
        used = {row.name: row.used for row in plan.ledgers.power}
        assert used["power/feed/ams-A/without/ams-B"] == 3 * RATED_W


@pytest.mark.parametrize(("reserve", "owned"), [(2.0, 4), (1.99, 2)])
def test_a_reserve_carries_the_largest_of_those_it_backs(tmp_path: Path, reserve: float, owned: int) -> None:
    """Block-redundant N+1: two feeds of two servers, one reserve for whichever is lost."""
    power = [feed("A", 2), feed("B", 2), feed("R", reserve, standby=True)]
    racks = [{"name": f"r{n}", "slots": 2, "feeds": [n, "R"], "redundancy": "N+1"} for n in "AB"]
    plan = solved(room(tmp_path, power, racks, rate_rps=40))
    assert bought(plan) == owned
    used = {row.name: row.used for row in plan.ledgers.power}
    assert used["power/feed/ams-A"] <= 2 * RATED_W
    assert "power/feed/ams-R" not in used


@pytest.mark.parametrize(("units", "owned"), [(4, 2), (3, 1)])
def test_modules_that_stand_by_carry_nothing(tmp_path: Path, units: int, owned: int) -> None:
    """UPS modules of 7 kW, one more than needed: three carry two servers (20.4 kW), two only one."""
    ups = {"name": "U", "level": "ups", "capacity_kw": 7, "units": units, "spare_units": 1}
    racks = [{"name": "r", "feeds": ["U"], "redundancy": "none"}]
    assert bought(solved(room(tmp_path, [ups], racks))) == owned


PEAK_W = 8904.0
"""A DGX H100 in a short peak: 2,800 W of its host at full load and 8 x 700 W x 1.09."""


@pytest.mark.parametrize(("share", "owned"), [(1.0, 2), (0.99, 1)])
def test_short_peaks_may_bind_where_caps_do_not(tmp_path: Path, share: float, owned: int) -> None:
    """Capped at 400 W a server is provisioned with 7.8 kW, but peaks at 8.904 kW all the same."""
    capacity = 2 * PEAK_W / 1000
    power = [
        {"name": "A", "level": "feed", "capacity_kw": capacity, "continuous_share": 1, "peak_share": share}
    ]
    racks = [{"name": "r", "feeds": ["A"], "redundancy": "none"}]
    plan = solved(room(tmp_path, power, racks, fleet={"power_caps_w": {"dgx-h100": [400]}}))
    assert bought(plan) == owned
    if owned == 2:
        assert {server.power_cap_w for server in plan.servers} == {400}
        row = next(row for row in plan.ledgers.power if row.name == "power/feed/ams-A/peak")
        assert row.used == pytest.approx(2 * PEAK_W, abs=2)


BATCH = {
    "name": "batch",
    "llms": ["toy"],
    "rate_rps": 10,
    "priority": 3,
    "origins": {"westeurope": 1.0},
    "input_tokens": {"mean": 1000},
    "output_tokens": {"mean": 100},
}


def shedding(tmp_path: Path, carries_w: float, oversubscription: float, priority: int = 3) -> dict[str, Any]:
    """Chat needs two servers and batch one; a server of batch may be capped to 300 W: 7 kW."""
    power = [
        {"name": "A", "level": "feed", "capacity_kw": carries_w / 1000, "continuous_share": 1,
         "oversubscription": oversubscription}
    ]  # fmt: skip
    racks = [{"name": "r", "feeds": ["A"], "redundancy": "none"}]
    asked = room(
        tmp_path, power, racks,
        reliability={"shedding": [{"priority": priority, "power_caps_w": {"dgx-h100": 300}}]},
    )  # fmt: skip
    asked["workloads"].append(BATCH)
    return asked


@pytest.mark.parametrize(
    ("carries_w", "oversubscription", "owned"),
    [
        (2 * RATED_W + 7000, 1.2, 3),  # 30.6 kW of 27.4 x 1.2; capped 27.4
        (2 * RATED_W + 6999, 1.2, 2),  # a watt short after shedding
        (2 * RATED_W + 7000, 1.1, 2),  # 30.14 kW: oversubscribed too little
        (2 * RATED_W + 7000, 1.0, 2),
        (3 * RATED_W, 1.0, 3),
    ],
)
def test_shedding_lets_more_servers_share_a_feed(
    tmp_path: Path, carries_w: float, oversubscription: float, owned: int
) -> None:
    """Provisioned within the factor, and what shedding leaves within what the feed carries."""
    plan = solved(shedding(tmp_path, carries_w, oversubscription))
    assert bought(plan) == owned
    if oversubscription > 1 and owned == 3:
        assert sorted(str(server.shed_priority) for server in plan.servers) == ["3", "None", "None"]
        row = next(row for row in plan.ledgers.power if row.name == "power/feed/ams-A/shed")
        assert (row.used, row.limit) == (2 * RATED_W + 7000, 2 * RATED_W + 7000)


def test_what_is_shed_serves_nothing_more_important(tmp_path: Path) -> None:
    """Only work of priority 4 may be capped: neither chat nor batch, so the third server finds no power."""
    assert bought(solved(shedding(tmp_path, 2 * RATED_W + 7000, 1.2, priority=4))) == 2


def oversubscribed(tmp_path: Path) -> Plan:
    return solved(shedding(tmp_path, 2 * RATED_W + 7000, 1.2))


def test_corrupted_shedding_is_refused(tmp_path: Path) -> None:
    """Chat on a server that may be capped; a server that is not; a higher cap: each row is named."""
    plan = oversubscribed(tmp_path)
    capped = next(server for server in plan.servers if server.shed_priority)
    capped.shed_priority = None
    rows = {violation.row for violation in planner.verify(plan)}
    assert "power/feed/ams-A/shed" in rows
    plan = oversubscribed(tmp_path)
    plan.scenario["reliability"]["shedding"][0]["power_caps_w"]["dgx-h100"] = 310
    assert "power/feed/ams-A/shed" in {violation.row for violation in planner.verify(plan)}
    plan = oversubscribed(tmp_path)
    pool = next(route.pools[0] for route in plan.routes if route.workload == "batch")
    chat = next(route for route in plan.routes if route.workload == "chat")
    chat.pools = [pool]
    assert f"shedding/{pool}/chat" in {violation.row for violation in planner.verify(plan)}
