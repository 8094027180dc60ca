"""From a question to a verified plan: the whole way, on small questions."""

from copy import deepcopy

import pytest

import planner
from planner.plan.diagnosis import Infeasible
from planner.topology import load_question
from tests.plan.questions import SMALL, changed


@pytest.fixture(scope="module")
def plan():
    return planner.solve(SMALL)


def cost_of(question):
    """Return the optimal cost of a question, infinity where there is no plan."""
    try:
        return planner.solve(question).objective
    except planner.NoPlan:
        return float("inf")


def test_a_plan_is_found_proven_and_verified(plan):
    """The optimum is proven to the micro-USD and the verifier finds nothing."""
    assert plan.status == "optimal"
    assert plan.gap == 0
    assert planner.verify(plan) == []


def test_a_plan_survives_its_file(plan, tmp_path):
    """Written and read again, a plan is the same and still verifies."""
    plan.save(tmp_path / "plan.json")
    again = planner.Plan.load(tmp_path / "plan.json")
    assert again == plan
    assert planner.verify(again) == []


def test_money_watts_and_heat_add_up(plan):
    """Parts of cost sum to the total; servers' watts to racks, feeds and the grid."""
    parts = {name: amount for name, amount in plan.cost.model_dump().items() if name != "total"}
    assert sum(parts.values()) == pytest.approx(plan.cost.total, abs=1e-6)
    by_name = {row.name: row for row in plan.ledgers.power}
    at_ams = [server for server in plan.servers if server.site == "ams"]
    for rack in {server.rack for server in at_ams}:
        assert by_name[f"power/rack/{rack}"].used == sum(s.provisioned_w for s in at_ams if s.rack == rack)
    everything = sum(server.provisioned_w for server in at_ams)
    assert max(row.used for name, row in by_name.items() if "feed/ams-A" in name) == everything
    heat = {row.name: row.used for row in plan.ledgers.heat}
    assert heat["heat/air/ams-crah"] == sum(server.air_w for server in at_ams)


TIGHTER = {
    "capex": {"limits": {"capex_usd": 3e6}},
    "grid": {"limits": {"grid_kw": 60}},
    "carbon": {"limits": {"carbon_kg_per_h": 9}},
    "opex": {"limits": {"opex_usd_per_h": 15}},
    "servers": {"limits": {"servers": 4}},
    "stock": {"fleet": {"stock": {"dgx-h100": 5}}},
    "ttft": {"workload": {"slo": {"ttft_ms": 300, "tpot_ms": 40, "percentile": 95}}},
    "tpot": {"workload": {"slo": {"ttft_ms": 1000, "tpot_ms": 20, "percentile": 95}}},
    "percentile": {"workload": {"slo": {"ttft_ms": 1000, "tpot_ms": 40, "percentile": 99}}},
    "residency": {"workload": {"regions": ["westeurope"]}},
    "headroom": {"reliability": {"headroom": 0.3}},
    "confidence": {"reliability": {"confidence": 0.9}},
    "survive a server": {"reliability": {"survive": ["server"]}},
    "survive a site": {"reliability": {"survive": ["site"], "level": 0.4}},
    "rate": {"workload": {"rate_rps": 650}},
}


@pytest.mark.parametrize("name", TIGHTER)
def test_tightening_a_promise_never_lowers_the_cost(name, plan):
    """Whatever is promised more or allowed less, the optimum does not fall."""
    assert cost_of(changed(**TIGHTER[name])) >= plan.objective


def physical(field, value, site=0):
    """Return the small question with one number of its topology changed."""
    question = deepcopy(SMALL)
    place = question["topology"]["sites"][site]
    *path, last = field.split(".")
    for step in path:
        place = place[int(step)] if step.isdigit() else place[step]
    place[last] = value
    return question


PHYSICAL = {
    "feed": ("power.0.capacity_kw", 40.0, 120.0),
    "grid contract": ("grid_kw", 45.0, 200.0),
    "air": ("cooling.0.unit_kw", 12.0, 40.0),
    "rack power": ("racks.0.power_kw", 21.0, 44.0),
    "slots": ("racks.0.slots", 1, 4),
    "racks": ("racks.0.count", 1, 2),
}


@pytest.mark.parametrize("name", PHYSICAL)
def test_less_of_anything_physical_never_lowers_the_cost(name):
    """A smaller feed, contract, cooling unit or rack costs at least as much as a larger one."""
    field, less, more = PHYSICAL[name]
    assert cost_of(physical(field, less)) >= cost_of(physical(field, more))


def test_a_question_without_answer_names_what_collides():
    """Demand and capex collide; each way out alone leads to a plan."""
    question = changed(limits={"capex_usd": 400_000, "servers": 9})
    with pytest.raises(planner.NoPlan) as caught:
        planner.solve(question)
    found = caught.value.infeasible
    assert isinstance(found, Infeasible)
    rows = {row.row for row in found.conflict}
    assert "budget/capex" in rows
    assert any(row.startswith("demand/chat/") for row in rows)
    way = next(way for way in found.relaxations if way.changes[0].row == "budget/capex")
    assert planner.solve(changed(limits={"capex_usd": way.changes[0].to})).status == "optimal"


def test_an_slo_that_no_shape_reaches_is_answered_with_the_best_reachable():
    """TPOT of 0.5 ms is out of reach: the finding says what is, before anything is solved."""
    question = changed(workload={"slo": {"ttft_ms": 1000, "tpot_ms": 0.5, "percentile": 95}})
    with pytest.raises(planner.NoPlan) as caught:
        planner.solve(question)
    found = caught.value.infeasible
    assert any(row.row.startswith("slo/chat") for row in found.conflict)
    change = found.relaxations[0].changes[0]
    assert change.row == "slo/chat/tpot_ms"
    looser = {"ttft_ms": 1000, "tpot_ms": change.to, "percentile": 95}
    assert planner.solve(changed(workload={"slo": looser})).servers


def test_survival_holds_as_placed():
    """A plan that must survive the loss of a server or loop verifies on its real placement."""
    plan = planner.solve(
        changed(reliability={"survive": ["server", "cooling_loop"]}, workload={"rate_rps": 200})
    )
    assert planner.verify(plan) == []
    assert len(plan.servers) > len(planner.solve(changed(workload={"rate_rps": 200})).servers)


def test_a_price_of_carbon_makes_electricity_dearer(plan):
    """Pricing carbon raises the optimum by about what the plan emits, and the plan still verifies."""
    priced = planner.solve(changed(economics={"carbon_usd_per_kg": 0.1}))
    assert planner.verify(priced) == []
    rise = priced.objective - plan.objective
    assert 0 < rise <= 0.1 * plan.metrics.carbon_kg_per_h + 1e-3


def test_the_least_power_is_not_above_the_cheapest_plans(plan):
    """Minimizing power never draws more than the cheapest plan does."""
    frugal = planner.solve(changed(objective={"minimize": ["power", "cost"]}))
    assert frugal.metrics.expected_kw <= plan.metrics.expected_kw + 1e-6


def test_all_that_can_be_served_is_served_before_money_counts():
    """With one server allowed the objective `served` leaves as little as possible unserved."""
    plan = planner.solve(
        changed(limits={"servers": 1}, objective={"maximize": "served"}, workload={"rate_rps": 900})
    )
    assert plan.unserved
    assert len(plan.servers) == 1
    assert plan.objective == sum(gone.units for gone in plan.unserved)


def test_measured_rates_need_no_model_of_performance(tmp_path):
    """A cloud question with the user's own rates: names may be unknown to the catalog."""
    table = tmp_path / "rates.csv"
    table.write_text("llm,accelerator,workload,max_rps\nmine,small,chat,2\nmine,big,chat,9\n")
    plan = planner.solve(
        {
            "topology": "cloud",
            "workloads": [
                {
                    "name": "chat",
                    "llms": ["mine"],
                    "rate_rps": 20,
                    "input_tokens": 500,
                    "output_tokens": 100,
                }
            ],
            "fleet": {
                "rent": [
                    {"accelerator": "small", "usd_per_h": 1.0},
                    {"accelerator": "big", "usd_per_h": 4.0},
                ]
            },
            "performance": {"provider": "table", "path": str(table)},
            "solver": {"relative_gap": 0.0, "workers": 1},
        }
    )
    # 20 = 2 x 9 + 1 x 2: two big ones and a small one, 9 USD/h; no other mix is cheaper.
    assert plan.cost.rent == 9.0
    assert sorted(server.server for server in plan.servers) == ["big", "big", "small"]


@pytest.mark.parametrize("rate", [1e-9, 1e-3])
def test_the_least_traffic_still_gets_a_replica(rate):
    """A request a day is served as well as any other."""
    plan = planner.solve(changed(workload={"rate_rps": rate}))
    assert plan.metrics.replicas >= 1
    assert planner.verify(plan) == []


def test_a_cap_fits_more_servers_under_a_feed():
    """A feed that carries one server at full power carries two capped ones; the plan still verifies."""
    question = physical("power.0.capacity_kw", 18.6)  # 14.88 kW usable: one of 10.2 kW, two of 7.4 kW
    question["topology"]["sites"] = question["topology"]["sites"][:1]
    question["workloads"][0].update(origins={"westeurope": 1.0}, rate_rps=220)
    with pytest.raises(planner.NoPlan):
        planner.solve(question)
    question["fleet"]["power_caps_w"] = {"dgx-h100": [350.0]}
    plan = planner.solve(question)
    assert {server.power_cap_w for server in plan.servers} == {350.0}
    assert len(plan.servers) == 2
    assert planner.verify(plan) == []


def test_a_question_can_be_loaded_once_and_solved_twice_with_the_same_answer():
    """Reproducible runs repeat the plan to the last placement."""
    question = load_question(changed(solver={"reproducible": True}))
    first, second = planner.solve(question), planner.solve(question)
    same = {"servers", "replicas", "routes", "cost", "objective", "bound"}
    assert first.model_dump(include=same) == second.model_dump(include=same)
