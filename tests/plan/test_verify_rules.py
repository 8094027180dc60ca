"""Plans whose books are honest but that break a rule of the question: the rule is named."""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from typing import Any

import pytest

from planner.plan.types import LedgerRow, Plan
from planner.plan.verify import Violation, verify
from planner.topology import load_question
from tests.plan.tiny import (
    CHAT,
    FULL,
    LARGE,
    SAFE,
    SMALL,
    Decisions,
    full_decisions,
    full_plan,
    safe_decisions,
    safe_plan,
    written,
)


def changed(scenario: dict[str, Any], **fields: Any) -> dict[str, Any]:
    """Return a scenario with some top-level fields merged in."""
    merged = deepcopy(scenario)
    for name, value in fields.items():
        old = merged.get(name)
        merged[name] = {**old, **value} if isinstance(old, dict) and isinstance(value, dict) else value
    return merged


def with_site(scenario: dict[str, Any], number: int, **fields: Any) -> dict[str, Any]:
    """Return a scenario with fields of one site of its topology changed."""
    merged = deepcopy(scenario)
    merged["topology"]["sites"][number].update(fields)
    return merged


def with_rate(scenario: dict[str, Any], replicas: float) -> dict[str, Any]:
    """Return a scenario whose chat keeps that many replicas busy, if served near its users."""
    merged = deepcopy(scenario)
    merged["workloads"][0]["rate_rps"] = replicas * safe_plan().pools[0].service_rate_rps
    return merged


def ledger_rows(plan: Plan) -> dict[str, LedgerRow]:
    families = ("power", "grid", "heat", "network", "budget")
    return {row.name: row for family in families for row in getattr(plan.ledgers, family)}


def violations(plan: Decisions) -> dict[str, Violation]:
    return {violation.row: violation for violation in verify(written(plan))}


Tighten = Callable[[float], dict[str, Any]]

LIMITS: dict[str, tuple[float, Tighten]] = {
    "budget/capex": (1, lambda x: changed(FULL, limits={"capex_usd": x})),
    "budget/opex": (1e-3, lambda x: changed(FULL, limits={"opex_usd_per_h": x})),
    "grid/total": (1, lambda x: changed(FULL, limits={"grid_kw": x / 1000})),
    "grid/site/ams": (1, lambda x: with_site(FULL, 0, grid_kw=x / 1000)),
    "expected/total": (1e-3, lambda x: changed(FULL, limits={"expected_kw": x})),
    "carbon/total": (1e-3, lambda x: changed(FULL, limits={"carbon_kg_per_h": x})),
    "carbon/per_mtok": (1e-3, lambda x: changed(FULL, limits={"carbon_g_per_mtok": x})),
    "servers/total": (1, lambda x: changed(FULL, limits={"servers": int(x)})),
    "stock/dgx-h100": (1, lambda x: changed(FULL, fleet={**FULL["fleet"], "stock": {"dgx-h100": int(x)}})),
    "network/wan/ams": (1e-6, lambda x: with_site(FULL, 0, wan_gb_s=x)),
}
"""Row -> a small amount in its unit, and the scenario in which the row's limit is the given number."""


@pytest.mark.parametrize("name", list(LIMITS))
def test_a_limit_holds_exactly_and_breaks_just_below(name: str) -> None:
    """A limit equal to what the plan uses is kept; one a little tighter breaks that row and no other."""
    little, scenario = LIMITS[name]
    plan, rows = full_decisions(), ledger_rows(full_plan())
    plan.ask(scenario(rows[name].used))
    assert violations(plan) == {}
    plan.ask(scenario(rows[name].used - little))
    found = violations(plan)
    assert set(found) == {name}
    assert found[name].used == pytest.approx(rows[name].used)
    assert found[name].limit == pytest.approx(rows[name].used - little)


def test_headroom_is_kept_free() -> None:
    """A pool that is a third full may be so with 60 % of it kept free, not with 75 %."""
    scenario = with_rate(FULL, replicas=5 / 3)  # the pools of ams take a fifth of it per replica
    plan = full_decisions(changed(scenario, reliability={"headroom": 0.6}))
    assert violations(plan) == {}
    plan.ask(changed(scenario, reliability={"headroom": 0.75}))
    found = violations(plan)
    assert found.keys() == {
        "capacity/ams/dgx-h100/llama-3.1-8b/h100-sxm/vllm/tp1/bf16-kvbf16",
        "capacity/ams/hgx-h100-8-dlc/llama-3.1-8b/h100-sxm/vllm/tp1/bf16-kvbf16",
    }


POWER: list[tuple[str, float, str]] = [
    ("A", 50.0, "power/feed/ams-A/without/ams-B"),
    ("B", 50.0, "power/feed/ams-B/without/ams-A"),
    ("grid", 40.0, "power/utility/ams-grid"),
]


@pytest.mark.parametrize(("node", "capacity_kw", "expected"), POWER)
def test_an_overloaded_breaker_is_named(node: str, capacity_kw: float, expected: str) -> None:
    """40.8 kW hang on ams: after the loss of one feed the other carries all of it (80 % of 50 kW)."""
    scenario = deepcopy(FULL)
    for entry in scenario["topology"]["sites"][0]["power"]:
        if entry["name"] == node:
            entry["capacity_kw"] = capacity_kw
    assert expected in violations(full_decisions(scenario))


def test_heat_beyond_a_loop_is_named() -> None:
    """33.15 kW of air heat meet a CRAH group that takes 28.5 kW."""
    scenario = deepcopy(FULL)
    scenario["topology"]["sites"][0]["cooling"][0]["unit_kw"] = 30
    assert violations(full_decisions(scenario)).keys() == {"heat/air/ams-crah"}


RACKS: list[tuple[dict[str, Any], str]] = [
    ({"slots": 1}, "racks/ams-new/slots"),
    ({"height_u": 15, "slots": 4}, "racks/ams-new/height_u"),
    ({"weight_kg": 259.0}, "racks/ams-new/weight_kg"),
    ({"power_kw": 20.0, "air_kw": 44.0}, "power/rack/ams-new"),
    ({"air_kw": 20.0}, "heat/rack_air/ams-new"),
]


@pytest.mark.parametrize(("room", "expected"), RACKS)
def test_a_rack_that_is_too_full_is_named(room: dict[str, Any], expected: str) -> None:
    """Two DGX H100 take 2 slots, 16 U, 260 kg, 20.4 kW and 20.4 kW of air."""
    scenario = deepcopy(FULL)
    scenario["topology"]["sites"][0]["racks"][1].update(room)
    assert violations(full_decisions(scenario)).keys() == {expected}


def test_standing_servers_take_room_even_when_they_are_off() -> None:
    """A rack with one slot, taken by a server that stands there, has no room for a bought one."""
    scenario = deepcopy(SAFE)
    scenario["topology"]["sites"][0]["racks"][1].update({"servers": {"dgx-h100": 1}, "slots": 1})
    assert "racks/ams-new/slots" in violations(safe_decisions(scenario))


def test_more_rented_than_offered_is_named() -> None:
    """The offer has one unit; the second is one too many."""
    plan = full_decisions()
    plan.rent("cloud-2", 0, "cloud-northeurope")
    assert "rent/0/h100-sxm" in violations(plan)


def test_traffic_left_unserved_needs_leave() -> None:
    """Ten units are left unserved although the workload states no price for it."""
    scenario = deepcopy(FULL)
    scenario["workloads"][0]["unserved_usd_per_request"] = None
    assert violations(full_decisions(scenario)).keys() == {"unserved/chat/northeurope"}


def sydney(workload: dict[str, Any]) -> dict[str, Violation]:
    """Serve all northern European chat from Sydney, and return what is wrong with that."""
    plan = Decisions(load_question(changed(SAFE, workloads=[workload], reliability={"survive": []})))
    plan.server("ams-old-s1", "dgx-h100", "ams-old", "existing")
    plan.server("syd-r-s1", "dgx-h100", "syd-r", "existing")
    near = plan.replica(SMALL, [["ams-old-s1:0-0"], ["ams-old-s1:1-1"]])
    far = plan.replica(SMALL, [["syd-r-s1:0-0"], ["syd-r-s1:1-1"]])
    plan.route("chat", "westeurope", near, 600)
    plan.route("chat", "northeurope", far, 400)
    plan.size()
    return violations(plan)


def test_a_far_site_needs_more_time_than_the_slo_leaves() -> None:
    """Sydney is more than 250 ms from Dublin: the round trip alone breaks the TTFT."""
    found = sydney({**CHAT, "regions": None})
    assert "latency/chat/northeurope/syd" in found


def test_a_far_site_is_fine_when_there_is_time() -> None:
    """With 2 s to the first token the same routes hold."""
    slow = {**CHAT, "regions": None, "slo": {"ttft_ms": 2000, "tpot_ms": 50, "percentile": 95}}
    assert sydney(slow) == {}


def test_data_may_not_leave_the_allowed_regions() -> None:
    """The time would do, but the workload must stay in Europe."""
    slow = {**CHAT, "slo": {"ttft_ms": 2000, "tpot_ms": 50, "percentile": 95}}
    assert sydney(slow).keys() == {"residency/chat/northeurope/syd"}


def test_a_liquid_server_needs_a_liquid_rack() -> None:
    """The same server in the air-cooled rack has nowhere to put 7.65 kW."""
    plan = full_decisions()
    plan.server("ams-new-new3", "hgx-h100-8-dlc", "ams-new")
    found = violations(plan)
    assert found["heat/rack_liquid/ams-new"].used == 7650


def test_replicas_of_several_servers_take_them_whole() -> None:
    """Four accelerators each of four servers are no place for a replica of sixteen."""
    plan = Decisions(load_question(changed(FULL, limits={"servers": None})))
    for number in range(1, 5):
        plan.server(f"ams-new-new{number}", "dgx-h100", "ams-new")
    parts = [f"ams-new-new{number}:0-3" for number in range(1, 5)]
    pool = plan.replica(LARGE, [parts])
    plan.route("giant", "westeurope", pool, 1000)
    plan.size()
    assert f"placement/{pool}/1" in violations(plan)


LOSSES: list[tuple[str, Callable[[Decisions], None], str]] = [
    (
        "server",
        lambda plan: plan.replicas[0].placements.__setitem__(1, ["ams-old-s1:1-1"]),
        "survive/server/ams-fabric/dgx-h100/ams-old-s1",
    ),
    (
        "rack",
        lambda plan: plan.replicas[0].placements.__setitem__(1, ["ams-old-s1:1-1"]),
        "survive/rack/ams-old/ams-old",
    ),
]


@pytest.mark.parametrize(("kind", "crowd", "expected"), LOSSES)
def test_replicas_on_one_server_are_lost_together(
    kind: str, crowd: Callable[[Decisions], None], expected: str
) -> None:
    """Both Amsterdam replicas on one server: one that is lost takes more than Dublin can carry."""
    scenario = with_rate(changed(SAFE, reliability={"survive": [kind]}), replicas=2.2)
    spread = safe_decisions(scenario)
    assert violations(spread) == {}
    crowded = safe_decisions(scenario)
    crowd(crowded)
    found = violations(crowded)
    assert expected in found
    assert {violation.family for violation in found.values()} == {"reliability"}
    assert found[expected].used is not None
    assert found[expected].limit is not None
    assert found[expected].used < found[expected].limit


SITE_WIDE: list[tuple[str, str]] = [
    ("site", "survive/site/ams"),
    ("cooling_loop", "survive/cooling_loop/ams-crah"),
]


@pytest.mark.parametrize(("kind", "expected"), SITE_WIDE)
def test_what_a_whole_site_hangs_on_may_be_too_much_to_lose(kind: str, expected: str) -> None:
    """Two replicas cannot do the work of 2.2, so neither site can stand in for the other."""
    scenario = with_rate(changed(SAFE, reliability={"survive": [kind]}), replicas=2.2)
    assert expected in violations(safe_decisions(scenario))
    scenario["reliability"]["level"] = 0.8
    assert violations(safe_decisions(scenario)) == {}


def test_a_feed_is_lost_without_harm_only_where_another_carries_on() -> None:
    """With A and B feeds nothing stops; racks without redundancy stop with either feed."""
    scenario = with_rate(changed(SAFE, reliability={"survive": ["feed"]}), replicas=2.2)
    assert violations(safe_decisions(scenario)) == {}
    single = with_site(scenario, 0, redundancy="none")
    assert violations(safe_decisions(single)).keys() == {"survive/feed/ams-A", "survive/feed/ams-B"}


def test_after_a_loss_traffic_goes_only_where_it_may() -> None:
    """Dublin could stand in for Amsterdam, but the data may not leave western Europe."""
    scenario = changed(SAFE, reliability={"survive": ["site"]})
    home = {**CHAT, "name": "home", "origins": {"westeurope": 1.0}, "rate_rps": 20,
            "regions": ["westeurope"], "unserved_usd_per_request": None}  # fmt: skip
    scenario["workloads"] = [*scenario["workloads"], home]
    scenario = with_rate(scenario, replicas=1.0)
    plan = safe_decisions(scenario)
    plan.pools.clear()
    plan.route("home", "westeurope", plan.replicas[0].pool, 1000)
    plan.size()
    assert violations(plan).keys() == {"survive/site/ams"}
