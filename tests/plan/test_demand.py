"""Priorities, quality, counted replicas, quotas, warm spares: each decides alone in questions solved by hand.

The plan flips where the limit crosses the threshold, and corrupted plans are refused, each by its row.

A rented A100 serves 5 requests/s of `toy` for 4 USD/h; of `tiny` it serves 10.
"""

from __future__ import annotations

from collections.abc import Callable
from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest

import planner
from planner.files import InputFaults
from planner.plan.solve import NoPlan
from planner.plan.types import Plan
from planner.plan.verify import verify
from tests.plan.by_hand import a100, question, site, solved

RATES = (
    "llm,accelerator,tp,max_rps\n"
    "toy,a100-80-sxm,1,5\ntoy,a100-80-sxm,4,18\ntoy,h100-sxm,8,10\ntiny,a100-80-sxm,1,10\n"
)

SCORES = {"source": "by hand", "scores": {"toy": 80.0, "tiny": 60.0}}


def asked(folder: Path, *more: dict[str, Any], workload: dict[str, Any] | None = None, **fields: Any):
    """Return a question: 20 requests/s of `chat`, further workloads like it, A100s by the hour."""
    fields.setdefault("fleet", {"rent": [a100(max_count=40)]})
    fields.setdefault("solver", {})
    fields["solver"] = {"demand_units": 100, "relative_gap": 0.0, **fields["solver"]}
    (folder / "rates.csv").write_text(RATES, encoding="utf-8")
    made = question(folder, **fields)
    made["workloads"][0].update(workload or {})
    for changes in more:
        made["workloads"].append({**deepcopy(made["workloads"][0]), **changes})
    return made


def refused(plan: Plan, change: Callable[[dict[str, Any]], None]) -> set[str]:
    """Return the rows that are violated after `change` was made to a copy of the plan's data."""
    data = deepcopy(plan.model_dump(mode="json"))
    change(data)
    return {violation.row for violation in verify(Plan.model_validate(data))}


def count(plan: Plan) -> int:
    """Return the rented A100s."""
    return len(plan.servers)


def served(plan: Plan, workload: str) -> int:
    """Return the units served of a workload, of 100."""
    return sum(route.units for route in plan.routes if route.workload == workload)


# Priorities


def two_priorities(folder: Path, servers: int, **fields: Any) -> Plan:
    """20 requests/s each of `chat` (first) and `bulk` (gives way down to 40 %), with few servers."""
    bulk = {"name": "bulk", "priority": 2, "minimum_served": 0.4, **fields}
    return solved(asked(folder, bulk, limits={"servers": servers}, workload={"minimum_served": 0.5}))


@pytest.mark.parametrize(
    ("servers", "chat", "bulk"), [(8, 100, 100), (7, 100, 75), (6, 100, 50), (5, 85, 40), (4, 60, 40)]
)
def test_the_less_important_gives_way_first_and_down_to_its_minimum(tmp_path, servers, chat, bulk):
    """Each server less is 25 units less: of bulk until 40 are left, then of chat until 50 are."""
    plan = two_priorities(tmp_path, servers)
    assert (served(plan, "chat"), served(plan, "bulk")) == (chat, bulk)


def test_below_all_minima_there_is_no_plan_and_the_reason_is_named(tmp_path):
    """3 servers are 75 units, 90 must be served: the limit and the minima collide."""
    with pytest.raises(NoPlan) as refusal:
        two_priorities(tmp_path, 3)
    finding = refusal.value.infeasible
    assert finding is not None
    rows = {row.row for row in finding.conflict}
    assert "servers/total" in rows
    assert {"minimum/chat/westeurope", "minimum/bulk/westeurope"} <= rows
    texts = [row.text for row in finding.conflict]
    assert "at least 40% of bulk is served however short capacity is" in texts


def test_nothing_stays_unserved_while_there_is_room_however_dear(tmp_path):
    """Without a price demand is served first, and cost counts after it."""
    plan = two_priorities(tmp_path, 40)
    assert (served(plan, "chat"), served(plan, "bulk")) == (100, 100)
    assert plan.objective == 0
    assert [goal["name"] for goal in plan.solver["goals"]] == [
        "served/priority-1",
        "served/priority-2",
        "cost",
    ]


@pytest.mark.parametrize(("price", "units"), [(0.00021, 40), (0.00023, 100)])
def test_with_a_price_demand_is_given_up_for_money_down_to_its_minimum(tmp_path, price, units):
    """5 requests/s of an A100 for 4 USD/h cost 0.000222 USD each: a cheaper request is not worth serving."""
    workload = {"minimum_served": 0.4, "unserved_usd_per_request": price}
    plan = solved(asked(tmp_path, workload=workload))
    assert served(plan, "chat") == (50 if units == 40 else 100)


def test_less_served_than_the_minimum_is_refused(tmp_path):
    """A unit moved from served to unserved breaks the minimum."""
    plan = two_priorities(tmp_path, 5)
    number = next(n for n, route in enumerate(plan.routes) if route.workload == "bulk")
    gone = next(n for n, missing in enumerate(plan.unserved) if missing.workload == "bulk")

    def less(data: dict[str, Any]) -> None:
        data["routes"][number]["units"] -= 1
        data["unserved"][gone]["units"] += 1

    assert "minimum/bulk/westeurope" in refused(plan, less)


def test_what_is_left_unserved_promises_nothing_after_a_loss(tmp_path):
    """The level is a share of what is served: 4 of 6 servers' demand, one lost, three quarters kept."""
    workload = {"minimum_served": 0.5}
    fields = {"limits": {"servers": 3}, "workload": workload}
    plan = solved(asked(tmp_path, reliability={"survive": ["server"], "level": 0.5}, **fields))
    assert served(plan, "chat") == 75
    strict = solved(asked(tmp_path, reliability={"survive": ["server"], "level": 1.0}, **fields))
    assert served(strict, "chat") == 50


# Quality


@pytest.mark.parametrize(("floor", "llm", "units"), [(60.0, "tiny", 2), (60.1, "toy", 4), (80.0, "toy", 4)])
def test_the_smallest_llm_above_the_floor_serves(tmp_path, floor, llm, units):
    """`tiny` needs half the servers and scores 60: above that only `toy` will do."""
    workload = {"llms": ["toy", "tiny"], "quality": floor}
    plan = solved(asked(tmp_path, workload=workload, quality=SCORES))
    assert {route.llm for route in plan.routes} == {llm}
    assert count(plan) == units


def test_with_a_floor_the_llms_may_be_left_out(tmp_path):
    """All that are good enough are there."""
    made = asked(tmp_path, workload={"quality": 70.0}, quality=SCORES)
    del made["workloads"][0]["llms"]
    assert {route.llm for route in solved(made).routes} == {"toy"}


def test_a_floor_needs_scores_with_a_source(tmp_path):
    """No number is made up."""
    with pytest.raises(InputFaults, match="without scores"):
        planner.solve(asked(tmp_path, workload={"quality": 70.0}))
    with pytest.raises(InputFaults, match="source"):
        planner.solve(asked(tmp_path, workload={"quality": 70.0}, quality={"scores": {"toy": 80}}))
    listed = {"llms": ["toy", "tiny"], "quality": 10.0}
    with pytest.raises(InputFaults, match=r"quality\.scores does not have"):
        planner.solve(asked(tmp_path, workload=listed, quality={"source": "x", "scores": {"toy": 80}}))


def test_an_llm_below_the_floor_is_refused(tmp_path):
    """The floor of the plan's scenario raised: the route's pool is not good enough."""
    workload = {"llms": ["toy", "tiny"], "quality": 60.0}
    plan = solved(asked(tmp_path, workload=workload, quality=SCORES))

    def raise_floor(data: dict[str, Any]) -> None:
        data["scenario"]["workloads"][0]["quality"] = 61.0

    assert any(row.startswith("quality/chat/") for row in refused(plan, raise_floor))


# Numbers of replicas


@pytest.mark.parametrize(("least", "units"), [(4, 4), (5, 5), (9, 9)])
def test_at_least_so_many_replicas_stand(tmp_path, least, units):
    """Four are enough for the demand."""
    plan = solved(asked(tmp_path, replicas=[{"llm": "toy", "at_least": least}]))
    assert sum(group.count for group in plan.replicas) == count(plan) == units


def test_at_most_so_many_replicas_stand_and_larger_ones_take_over(tmp_path):
    """20 requests/s from two replicas: of four accelerators each, though they cost twice as much."""
    offers = [a100(max_count=40), a100(count=4, usd_per_h=30.0)]
    fleet = {"rent": offers}
    for most, usd in ((4, 16.0), (3, 34.0), (2, 34.0)):
        plan = solved(asked(tmp_path, fleet=fleet, replicas=[{"llm": "toy", "at_most": most}]))
        assert plan.cost.rent == pytest.approx(usd)


def test_too_few_replicas_are_no_plan(tmp_path):
    """One replica cannot serve; the rule is named with its field."""
    with pytest.raises(NoPlan) as refusal:
        solved(asked(tmp_path, replicas=[{"llm": "toy", "at_most": 3}]))
    assert refusal.value.infeasible is not None
    assert {row.row for row in refusal.value.infeasible.conflict} == {
        "demand/chat/westeurope",
        "replicas/at_most/toy",
    }


def test_rules_that_are_broken_are_refused(tmp_path):
    """The rules of the plan's scenario changed."""
    plan = solved(asked(tmp_path, replicas=[{"llm": "toy", "at_least": 4, "at_most": 4}]))

    def more(data: dict[str, Any]) -> None:
        data["scenario"]["replicas"][0].update(at_least=5, at_most=6)

    def fewer(data: dict[str, Any]) -> None:
        data["scenario"]["replicas"][0].update(at_least=0, at_most=3)

    assert "replicas/at_least/toy" in refused(plan, more)
    assert "replicas/at_most/toy" in refused(plan, fewer)


def test_rules_name_llms_and_sites_that_exist(tmp_path):
    """Both are answered with what is allowed."""
    with pytest.raises(InputFaults, match="an LLM of a workload"):
        planner.solve(asked(tmp_path, replicas=[{"llm": "other", "at_least": 1}]))
    with pytest.raises(InputFaults, match="a site:"):
        planner.solve(asked(tmp_path, replicas=[{"llm": "toy", "site": "moon", "at_least": 1}]))


# LoRA adapters


@pytest.mark.parametrize(("adapters", "units"), [(0, 4), (8, 4), (9, 5), (20, 10)])
def test_adapters_need_slots(tmp_path, adapters, units):
    """Four replicas with two slots each hold eight adapters."""
    workload = {"loras": adapters}
    plan = solved(asked(tmp_path, workload=workload, performance={"max_loras": 2}))
    assert count(plan) == units


def test_adapters_without_a_slot_are_refused(tmp_path):
    """More adapters than the plan was made for."""
    plan = solved(asked(tmp_path, workload={"loras": 8}, performance={"max_loras": 2}))

    def more(data: dict[str, Any]) -> None:
        data["scenario"]["workloads"][0]["loras"] = 9

    assert "lora/toy" in refused(plan, more)


# Quotas


def quotas(folder: Path, **limits: Any) -> Plan:
    """Two tenants; `bulk` may be left out at 1 USD per request, its payer has limits."""
    bulk = {"name": "bulk", "unserved_usd_per_request": 1.0}
    return solved(asked(folder, bulk, tenants=[{"name": "team", "workloads": ["bulk"], **limits}]))


@pytest.mark.parametrize(
    ("limits", "units"),
    [
        ({"accelerators": 4}, 100),
        ({"accelerators": 3}, 75),
        ({"accelerators": 2.99}, 74),
        ({"rps": 20}, 100),
        ({"rps": 10}, 50),
        ({"rps": 9.99}, 49),
        ({"usd_per_h": 16.2}, 100),
        ({"usd_per_h": 8.1}, 50),
        ({"usd_per_h": 8.0}, 49),
    ],
)
def test_a_tenant_gets_no_more_than_its_quota(tmp_path, limits, units):
    """100 units keep 4 accelerators busy, are 20 requests/s and cost 16 USD/h and 0.13 of network."""
    plan = quotas(tmp_path, **limits)
    assert served(plan, "chat") == 100
    assert served(plan, "bulk") == units


def test_more_than_a_quota_is_refused(tmp_path):
    """Each limit of the plan's scenario lowered below what its ledger says."""
    plan = quotas(tmp_path, accelerators=3, rps=15, usd_per_h=12)
    for field in ("accelerators", "rps", "usd_per_h"):

        def lower(data: dict[str, Any], field: str = field) -> None:
            data["scenario"]["tenants"][0][field] *= 0.9

        assert f"quota/team/{field}" in refused(plan, lower)


def test_a_quota_too_small_for_what_must_be_served_is_named(tmp_path):
    """Nothing of chat may stay unserved."""
    tenants = [{"name": "team", "workloads": ["chat"], "rps": 19}]
    with pytest.raises(NoPlan) as refusal:
        solved(asked(tmp_path, tenants=tenants))
    assert refusal.value.infeasible is not None
    assert {row.row for row in refusal.value.infeasible.conflict} == {
        "demand/chat/westeurope",
        "quota/team/rps",
    }
    ways = [way.text for way in refusal.value.infeasible.relaxations]
    assert any("+1 requests/s for tenant team (19 -> 20 requests/s)" in way for way in ways), ways


# Cold start


@pytest.mark.parametrize(("start_s", "units"), [(0.0, 4), (60.0, 5), (149.0, 5), (151.0, 6), (300.0, 6)])
def test_traffic_that_rises_keeps_spares_warm(tmp_path, start_s, units):
    """10 % per minute: a start of 60 s needs 4.4 replicas, one of 150 s exactly 5, one of 300 s exactly 6."""
    workload = {"ramp_per_min": 0.1}
    cold = {"cold_start": {"load_gb_s": 2.0, "start_s": start_s}}
    assert count(solved(asked(tmp_path, workload=workload, performance=cold))) == units


def test_spares_that_are_not_warm_are_refused(tmp_path):
    """A slower start than the plan was made for."""
    cold = {"cold_start": {"load_gb_s": 2.0, "start_s": 150.0}}
    plan = solved(asked(tmp_path, workload={"ramp_per_min": 0.1}, performance=cold))

    def slower(data: dict[str, Any]) -> None:
        data["scenario"]["performance"]["cold_start"]["start_s"] = 160.0

    assert any(row.startswith("capacity/") for row in refused(plan, slower))


def test_a_rise_needs_to_know_how_long_a_start_takes(tmp_path):
    """Without it nothing could be kept warm."""
    with pytest.raises(InputFaults, match="cold_start"):
        planner.solve(asked(tmp_path, workload={"ramp_per_min": 0.1}))


# Units of traffic


def test_a_rate_so_large_that_a_unit_fills_a_site_is_cut_finer(tmp_path):
    """A site of one server serves 10 of 30,000 requests/s: units of 30 would leave it empty.

    That alone asks for 20,000 units; as thousands of replicas serve them, a unit is a twentieth of one.
    """
    large = [
        site("big", racks=[{"name": "r", "power_kw": 44, "slots": 4, "count": 1000}]),
        site("small", racks=[{"name": "r", "power_kw": 44, "slots": 1}]),
    ]
    fleet = {"buy": ["dgx-h100"], "prices_usd": {"dgx-h100": 8760}}
    solver = {"demand_units": None, "relative_gap": 0.01}
    plan = solved(asked(tmp_path, sites=large, fleet=fleet, rate_rps=30_000, solver=solver))
    assert plan.scenario["solver"]["demand_units"] == 100_000
    assert {route.units_total for route in plan.routes} == {100_000}


def test_ordinary_rates_are_cut_into_a_thousand_units(tmp_path):
    """And the plan says so."""
    plan = solved(asked(tmp_path, solver={"demand_units": None}))
    assert plan.scenario["solver"]["demand_units"] == 1000
