"""Costs, watts, ledgers and metrics against numbers worked out by hand."""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

import planner.plan as plan_room
from planner.catalog import load_catalog
from planner.performance.power import host_dynamic_w
from planner.performance.service import ServiceColumn
from planner.plan.content import read_slice
from planner.plan.costs import plan_micro_cost, rent_usd_per_h
from planner.plan.hosts import rented_name, rented_server
from planner.plan.ledgers import plan_ledgers
from planner.plan.types import Plan
from planner.plan.watts import server_expectations
from planner.scenario import Rent
from tests.plan.tiny import Decisions, full_decisions, full_plan, safe_decisions, safe_plan

BOOKKEEPING = ("content", "hosts", "service_table", "costs", "watts", "ledgers", "metrics", "slo", "books")
FORBIDDEN = ("planner.optimize", "planner.shapes", "planner.plan.assemble", "planner.plan.unfold",
             "planner.plan.solve")  # fmt: skip


def test_owning_a_server_costs_what_the_rules_say() -> None:
    """A DGX H100: 335,000 USD, 13 % network, 5 years, 4 % maintenance; 10.2 kW for 11,700 USD in 20 years."""
    plan = safe_decisions()
    cost = plan_micro_cost(plan, plan.setting, {})
    bought = 3
    assert cost.depreciation == bought * round(335_000 * 1.13 / (5 * 8760) * 1e6)
    assert cost.maintenance == bought * round(335_000 * 0.04 / 8760 * 1e6)
    assert cost.infrastructure == bought * round(10.2 * 11_700 / (20 * 8760) * 1e6)
    assert cost.site_opening == 250_000
    assert cost.rent == cost.retrofit == cost.unserved == 0


def safely(awake_w: int) -> Decisions:
    """Return the safe decisions with replicas that draw so much above idle while they are in service."""
    plan = safe_decisions()
    plan.replicas = [group.model_copy(update={"awake_w": awake_w}) for group in plan.replicas]
    return plan


def test_servers_that_stand_already_cost_only_electricity() -> None:
    """Without the three bought servers nothing but electricity and the site's fixed cost is left."""
    plan = safely(awake_w=0)
    plan.servers = [server for server in plan.servers if server.origin == "existing"]
    parts = plan_micro_cost(plan, plan.setting, {}).parts
    assert {name for name, amount in parts.items() if amount} == {
        "electricity_idle",
        "network",
        "site_opening",
    }


def test_retrofit_rent_and_unserved_traffic_are_charged() -> None:
    """50,000 USD and 40 kW of 1,000 USD in 20 years; one unit at 3 USD/h; 0.8 requests/s at a cent."""
    plan = full_decisions()
    cost = plan_micro_cost(plan, plan.setting, {})
    assert cost.retrofit == round((50_000 + 40 * 1_000) / (20 * 8760) * 1e6)
    assert cost.rent == 3_000_000
    assert cost.unserved == 10 * round(0.08 * 3600 * 0.01 * 1e6)


def column(joules_per_request: float) -> ServiceColumn:
    return ServiceColumn(50, 1, 1, 1, 1, joules_per_request, 1, "none", 1, 1)


def test_dynamic_watts_are_spread_over_the_accelerators_and_add_up() -> None:
    """Two replicas awake at 100 W each, then 998 J x 48 requests/s in Amsterdam, 5 J x 32 in Dublin.

    What is awake at 50 requests/s is 2 J of each request. On top, hosts draw more by the load: 48/50 and
    32/50 of an eighth of what a full one adds. Half of all that falls on each server.
    """
    plan = safely(awake_w=100)
    joules = {load.pool: (1000.0 if load.pool.startswith("ams") else 7.0) for load in plan.pools}
    columns = {(p.pool, p.workload, p.rtt_ms): column(joules[p.pool]) for p in plan.pools}
    idle = server_expectations(plan, plan.setting, {})
    loaded = server_expectations(plan, plan.setting, columns)
    added = {name: loaded[name] - idle[name] + 100 for name in loaded}
    host = host_dynamic_w(plan.setting.catalog.servers["dgx-h100"]) / 8 / 50
    ams, dub = 100 + 24 * (998 + host), 100 + 16 * (5 + host)
    assert added == {
        "ams-old-s1": pytest.approx(ams, abs=1),
        "ams-new-new1": pytest.approx(ams, abs=1),
        "dub-r-01-new1": pytest.approx(dub, abs=1),
        "dub-r-02-new1": pytest.approx(dub, abs=1),
    }


def test_dynamic_electricity_is_joules_times_rate_times_pue_times_tariff() -> None:
    """A unit is 0.08 requests/s at PUE 1.35 and the tariff of each region; of 1,000 J 2 J are awake watts.

    Each of the two replicas per site is awake at 100 W.
    """
    plan = safely(awake_w=100)
    columns = {(p.pool, p.workload, p.rtt_ms): column(1000.0) for p in plan.pools}
    tariff = {s: plan.graph.nodes[s]["electricity_usd_per_kwh"] for s in ("ams", "dub")}
    host = host_dynamic_w(plan.setting.catalog.servers["dgx-h100"]) / 8 / 50
    unit_kw = 0.08 * (998 + host) / 1000
    expected = sum(
        units * round(unit_kw * 1.35 * tariff[s] * 1e6) + 2 * round(0.1 * 1.35 * tariff[s] * 1e6)
        for s, units in (("ams", 600), ("dub", 400))
    )
    assert plan_micro_cost(plan, plan.setting, columns).electricity_dynamic == expected


@pytest.mark.parametrize("make", [full_plan, safe_plan])
def test_everything_adds_up(make: Callable[[], Plan]) -> None:
    """Parts make the total; servers make racks, racks make feeds, feeds make the site; heat is power."""
    plan = make()
    parts = plan.cost.model_dump()
    total = parts.pop("total")
    assert sum(round(part * 1e6) for part in parts.values()) == round(total * 1e6)
    rows = {
        row.name: row.used for family in ("power", "heat", "grid") for row in getattr(plan.ledgers, family)
    }
    racks = {server.rack for server in plan.servers if server.rack}
    at_site: Counter[str] = Counter()
    for rack in racks:
        inside = [server for server in plan.servers if server.rack == rack]
        watts = sum(server.provisioned_w for server in inside)
        assert rows[f"power/rack/{rack}"] == watts
        assert rows[f"heat/rack_air/{rack}"] + rows[f"heat/rack_liquid/{rack}"] == watts
        at_site[inside[0].site] += watts
    assert rows["power/utility/ams-grid"] == at_site["ams"]
    assert rows["power/feed/ams-A/without/ams-B"] == at_site["ams"]
    assert rows["heat/air/ams-crah"] + rows["heat/liquid/ams-cdu"] == at_site["ams"]
    assert rows["grid/total"] == rows["grid/site/ams"] + rows["grid/site/dub"]
    assert plan.metrics.expected_kw == pytest.approx(sum(s.expected_w for s in plan.servers) / 1000)
    served = sum(route.rate_rps for route in plan.routes if route.workload == "chat")
    lost = sum(missing.rate_rps for missing in plan.unserved)
    assert served + lost == pytest.approx(80)


def test_tokens_and_cost_make_the_price_of_a_token() -> None:
    """80 requests/s of 500 + 100 tokens, all served: 172.8 million tokens an hour."""
    plan = safe_plan()
    assert plan.metrics.output_tokens_per_s == 8000
    assert plan.metrics.usd_per_mtok == pytest.approx(plan.cost.total / 172.8, abs=1e-6)
    spent = plan.metrics.usd_per_mtok_input * 144 + plan.metrics.usd_per_mtok_output * 28.8
    assert spent == pytest.approx(plan.cost.total, abs=1e-3)


def test_rented_units_are_likenesses_of_catalog_servers() -> None:
    """One H100 by the hour is an eighth of the first H100 server in the catalog."""
    catalog = load_catalog()
    rent = Rent(accelerator="h100-sxm", usd_per_h=2.0)
    model = rented_server(rent, catalog)
    first = next(s for s in catalog.servers.values() if s.accelerator == "h100-sxm")
    assert model is not None
    assert (model.id, model.accelerators) == ("h100-sxm", 1)
    assert model.rated_w == first.rated_w / 8
    assert rented_name(Rent(accelerator="h100-sxm", count=4)) == "4xh100-sxm"
    assert rented_server(Rent(accelerator="made-up", usd_per_h=1.0), catalog) is None


def test_rent_is_what_the_scenario_or_the_catalog_says() -> None:
    """Stated prices win; a region has many names; what nobody prices is an error in words."""
    catalog = load_catalog()
    name, instance = next((n, i) for n, i in catalog.instances.items() if i.on_demand_usd_per_h)
    region, price = next(iter(instance.on_demand_usd_per_h.items()))
    assert rent_usd_per_h(Rent(instance=name, region=region), catalog) == price
    assert rent_usd_per_h(Rent(instance=name, region=region, usd_per_h=9.5), catalog) == 9.5
    with pytest.raises(ValueError, match="state usd_per_h"):
        rent_usd_per_h(Rent(accelerator="made-up"), catalog)


@pytest.mark.parametrize("text", ["server", "server:", "server:3", "server:a-b", "server:3-1"])
def test_a_slice_that_cannot_be_read_is_refused(text: str) -> None:
    """A slice is a server and two numbers in order."""
    with pytest.raises(ValueError, match="server-name:first-last"):
        read_slice(text)


def test_ledgers_have_a_row_for_every_limit_once() -> None:
    """No name appears twice, and every loop and site has its row."""
    plan = full_decisions()
    ledgers = plan_ledgers(plan, plan.setting, {})
    names = [r.name for f in ("power", "grid", "heat", "network", "budget") for r in getattr(ledgers, f)]
    assert len(names) == len(set(names))
    assert {"heat/liquid/ams-cdu", "grid/site/dub", "network/wan/syd", "carbon/total"} <= set(names)


def imports_of(path: Path) -> set[str]:
    found: set[str] = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


def test_the_verifier_shares_no_code_with_the_optimizer() -> None:
    """Neither the verifier nor the bookkeeping it uses imports what made the plan."""
    room = Path(str(plan_room.__file__)).parent
    files = [*(room / "verify").glob("*.py"), *(room / f"{name}.py" for name in BOOKKEEPING)]
    assert len(files) > 15
    for path in files:
        guilty = {name for name in imports_of(path) if name.startswith(FORBIDDEN)}
        assert not guilty, f"{path.name} imports {guilty}"
