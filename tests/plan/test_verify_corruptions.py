"""A valid plan passes; each single change to its file is noticed, and the row that broke is named."""

from __future__ import annotations

from collections.abc import Callable

import pytest

import planner
from planner.catalog import load_catalog
from planner.performance.version import model_version
from planner.plan.types import LedgerRow, Plan
from planner.plan.verify import verify
from tests.plan.tiny import full_plan, safe_plan

Change = Callable[[Plan], object]


def set_fields(thing: object, **values: object) -> None:
    for name, value in values.items():
        assert getattr(thing, name) != value, f"{name} is {value} already: nothing would be corrupted"
        setattr(thing, name, value)


def row(plan: Plan, name: str) -> LedgerRow:
    rows = (r for family in ("power", "grid", "heat", "budget") for r in getattr(plan.ledgers, family))
    return next(r for r in rows if r.name == name)


CORRUPTIONS: dict[str, tuple[Change, str]] = {
    "one unit of traffic is moved to another pool": (
        lambda p: (
            set_fields(p.routes[0], units=399, rate_rps=399 * 0.08),
            set_fields(p.routes[1], units=201, rate_rps=201 * 0.08),
        ),
        "load/ams/dgx-h100/llama-3.1-8b/h100-sxm/vllm/tp1/bf16-kvbf16/chat/rate_rps",
    ),
    "one unit of traffic vanishes": (
        lambda p: set_fields(p.routes[0], units=399, rate_rps=399 * 0.08),
        "demand/chat/westeurope",
    ),
    "a route carries another rate than its units": (
        lambda p: set_fields(p.routes[0], rate_rps=30.0),
        "route/chat/westeurope/ams",
    ),
    "traffic comes from where no users are": (
        lambda p: set_fields(p.routes[0], origin="eastus"),
        "route/chat/eastus/ams",
    ),
    "traffic goes to a pool at another site": (
        lambda p: set_fields(p.routes[0], site="dub"),
        "route/chat/westeurope/dub",
    ),
    "a route claims a shorter round trip": (
        lambda p: set_fields(p.routes[2], rtt_ms=0.5),
        "latency/chat/northeurope/dub",
    ),
    "a route claims another model": (
        lambda p: set_fields(p.routes[0], llm="llama-3.1-405b"),
        "route/chat/westeurope/ams",
    ),
    "a replica vanishes but its count stays": (
        lambda p: p.replicas[0].placements.pop(),
        "replicas/ams/dgx-h100/llama-3.1-8b/h100-sxm/vllm/tp1/bf16-kvbf16",
    ),
    "two replicas share an accelerator": (
        lambda p: set_fields(p.replicas[0], placements=[["ams-old-s1:0-0"], ["ams-old-s1:0-0"]]),
        "placement/ams/dgx-h100/llama-3.1-8b/h100-sxm/vllm/tp1/bf16-kvbf16/2",
    ),
    "a replica takes an accelerator that does not exist": (
        lambda p: set_fields(p.replicas[0], placements=[["ams-old-s1:0-0"], ["ams-old-s1:8-8"]]),
        "placement/ams/dgx-h100/llama-3.1-8b/h100-sxm/vllm/tp1/bf16-kvbf16/2",
    ),
    "a replica stands on a server that is off": (
        lambda p: set_fields(p.replicas[0], placements=[["ams-old-s1:0-0"], ["ams-old-s2:0-0"]]),
        "placement/ams/dgx-h100/llama-3.1-8b/h100-sxm/vllm/tp1/bf16-kvbf16/2",
    ),
    "a tensor-parallel group is laid across two servers": (
        lambda p: set_fields(p.replicas[1].shape, tp=16, pp=1),
        "placement/ams/dgx-h100/llama-3.1-405b/h100-sxm/vllm/tp8-pp2/bf16-kvbf16/1",
    ),
    "a replica spans servers of two sites": (
        lambda p: set_fields(p.replicas[1], placements=[["ams-new-new1:0-7", "dub-r-01-new1:0-7"]]),
        "placement/ams/dgx-h100/llama-3.1-405b/h100-sxm/vllm/tp8-pp2/bf16-kvbf16/1",
    ),
    "expert parallelism that does not divide the replica": (
        lambda p: set_fields(p.replicas[1].shape, ep=3),
        "replicas/ams/dgx-h100/llama-3.1-405b/h100-sxm/vllm/tp8-pp2/bf16-kvbf16",
    ),
    "a model that does not fit into memory": (
        lambda p: set_fields(p.replicas[0].shape, llm="llama-3.1-405b"),
        "memory/ams/dgx-h100/llama-3.1-8b/h100-sxm/vllm/tp1/bf16-kvbf16",
    ),
    "an engine that the scenario does not allow": (
        lambda p: set_fields(p.replicas[0].shape, engine="sglang"),
        "replicas/ams/dgx-h100/llama-3.1-8b/h100-sxm/vllm/tp1/bf16-kvbf16",
    ),
    "a coarser precision than the workload allows": (
        lambda p: set_fields(p.replicas[1].shape, weights="fp8"),
        "precision/giant/ams/dgx-h100/llama-3.1-405b/h100-sxm/vllm/tp8-pp2/bf16-kvbf16",
    ),
    "replicas are said to draw less than they do": (
        lambda p: set_fields(p.replicas[0], awake_w=p.replicas[0].awake_w - 1),
        "replicas/ams/dgx-h100/llama-3.1-8b/h100-sxm/vllm/tp1/bf16-kvbf16/awake_w",
    ),
    "replicas are said to be faster than they are": (
        lambda p: set_fields(p.pools[0], service_rate_rps=100.0),
        "load/ams/dgx-h100/llama-3.1-8b/h100-sxm/vllm/tp1/bf16-kvbf16/chat/service_rate_rps",
    ),
    "a server stands in a rack that does not exist": (
        lambda p: set_fields(p.servers[1], rack="ams-nowhere"),
        "servers/ams-new-new1",
    ),
    "a server is said to stand there already": (
        lambda p: set_fields(p.servers[1], origin="existing"),
        "servers/ams-new-new1",
    ),
    "a server is listed twice": (
        lambda p: p.servers.append(p.servers[1].model_copy()),
        "servers/ams-new-new1",
    ),
    "a server of a type that may not be bought": (
        lambda p: set_fields(p.servers[1], server="dgx-h200", accelerator="h200-sxm"),
        "servers/ams-new-new1",
    ),
    "a server with more accelerators than its type has": (
        lambda p: set_fields(p.servers[1], accelerators=16),
        "servers/ams-new-new1",
    ),
    "a rented server from no offer": (
        lambda p: set_fields(p.servers[5], rent_index=7),
        "servers/cloud-1",
    ),
    "a server says it draws less than its rating": (
        lambda p: set_fields(p.servers[1], provisioned_w=9000, air_w=9000),
        "servers/ams-new-new1/provisioned_w",
    ),
    "heat moves from air to liquid": (
        lambda p: set_fields(p.servers[3], air_w=0, liquid_w=10200),
        "servers/ams-cold-new1/air_w",
    ),
    "a meter reading is off by one watt": (
        lambda p: set_fields(p.servers[0], expected_w=p.servers[0].expected_w + 1),
        "servers/ams-old-s1/expected_w",
    ),
    "the retrofit of a liquid rack is forgotten": (
        lambda p: p.retrofitted_racks.clear(),
        "heat/rack_liquid/ams-cold",
    ),
    "a rack is turned to liquid that cannot be": (
        lambda p: p.retrofitted_racks.append("ams-new"),
        "retrofit/ams-new",
    ),
    "a feed's ledger hides a watt": (
        lambda p: set_fields(
            row(p, "power/feed/ams-A/without/ams-B"),
            used=row(p, "power/feed/ams-A/without/ams-B").used - 1,
        ),
        "power/feed/ams-A/without/ams-B",
    ),
    "a rack's ledger hides a watt": (
        lambda p: set_fields(row(p, "power/rack/ams-new"), used=20399.0),
        "power/rack/ams-new",
    ),
    "a budget's limit is written larger than the scenario's": (
        lambda p: set_fields(row(p, "budget/capex"), limit=3e6),
        "budget/capex",
    ),
    "a ledger row is left out": (
        lambda p: p.ledgers.heat.remove(row(p, "heat/air/ams-crah")),
        "heat/air/ams-crah",
    ),
    "rent is a micro-USD short": (
        lambda p: set_fields(p.cost, rent=round(p.cost.rent - 1e-6, 6)),
        "cost/rent",
    ),
    "the total is not the sum": (
        lambda p: set_fields(p.cost, total=round(p.cost.total - 1e-6, 6)),
        "cost/total",
    ),
    "the objective is not the cost": (
        lambda p: set_fields(p, objective=p.objective - 0.01),
        "objective",
    ),
    "the bound is above the objective": (
        lambda p: set_fields(p, bound=p.bound + 0.01),
        "bound",
    ),
    "the gap is made up": (
        lambda p: set_fields(p, bound=p.bound * 0.9),
        "gap",
    ),
    "optimal is claimed beyond the gap asked for": (
        lambda p: set_fields(p, bound=p.objective * 0.9, gap=0.1),
        "status",
    ),
    "a promise is predicted better than the model does": (
        lambda p: set_fields(p.slo[0].ttft_ms, predicted=1.0),
        "slo/chat/westeurope/ams/ttft_ms",
    ),
    "a promise is left out": (
        lambda p: p.slo.pop(0),
        "slo/chat/westeurope/ams",
    ),
    "a promise is made twice": (
        lambda p: p.slo.append(p.slo[0].model_copy()),
        "slo/chat/westeurope/ams",
    ),
    "experts of a model that has none": (
        lambda p: set_fields(p.replicas[1].shape, ep=2),
        "replicas/ams/dgx-h100/llama-3.1-405b/h100-sxm/vllm/tp8-pp2/bf16-kvbf16",
    ),
    "an infinite load": (
        lambda p: set_fields(p.pools[0], load=float("inf")),
        "load/ams/dgx-h100/llama-3.1-8b/h100-sxm/vllm/tp1/bf16-kvbf16/chat/load",
    ),
    "a metric is embellished": (
        lambda p: set_fields(p.metrics, usd_per_mtok=0.1),
        "metrics/usd_per_mtok",
    ),
    "the topology in the plan is not the one planned for": (
        lambda p: set_fields(p, topology={**p.topology, "name": "other"}),
        "provenance/topology",
    ),
    "the scenario in the plan cannot be read": (
        lambda p: p.scenario.pop("workloads"),
        "scenario",
    ),
}  # fmt: skip


@pytest.mark.parametrize("plan", [full_plan, safe_plan])
def test_a_plan_that_holds_has_no_violation(plan: Callable[[], Plan]) -> None:
    """Nothing is wrong with the two plans made by hand."""
    assert verify(plan()) == []


@pytest.mark.parametrize("story", list(CORRUPTIONS))
def test_each_corruption_is_named(story: str) -> None:
    """Whatever single thing is changed, the verifier names the row that no longer holds."""
    change, expected = CORRUPTIONS[story]
    plan = full_plan()
    change(plan)
    rows = {violation.row for violation in verify(plan)}
    assert expected in rows, f"{story}: found {sorted(rows)}"


def test_a_violation_says_what_was_found_and_allowed() -> None:
    """A person reads the two numbers and their unit without opening the plan."""
    plan = full_plan()
    set_fields(plan.routes[0], units=399, rate_rps=399 * 0.08)
    found = next(v for v in verify(plan) if v.row == "demand/chat/westeurope")
    assert (found.used, found.limit, found.unit) == (599, 600, "units")
    assert "599 units" in str(found)


def test_a_plan_of_another_version_that_does_not_hold_says_so() -> None:
    """Models change between versions: that a plan is old is told first, and only if something is wrong."""
    plan = full_plan()
    plan.provenance["planner"] = "0.0.0"
    assert verify(plan) == []
    plan.cost.rent += 1
    assert verify(plan)[0].row == "provenance/planner"


def test_a_plan_made_with_other_facts_says_so() -> None:
    """The catalog's hash in the plan is compared with that of the catalog in force."""
    plan = full_plan()
    plan.provenance["catalog_sha256"] = load_catalog().hash
    assert verify(plan) == []
    plan.provenance["catalog_sha256"] = "0" * 64
    assert {violation.row for violation in verify(plan)} == {"provenance/catalog"}


def test_a_plan_of_another_performance_model_names_both() -> None:
    """Rates that differ are no riddle: the model that made them and this one are named, and what to do."""
    plan = full_plan()
    plan.provenance |= {"planner": planner.__version__, "performance_model": "0123456789ab"}
    assert verify(plan) == []
    plan.cost.rent += 1
    first = verify(plan)[0]
    assert first.row == "provenance/performance_model"
    assert "0123456789ab" in first.text
    assert model_version() in first.text
