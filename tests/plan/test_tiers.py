"""Work that can wait goes where it is cheapest: to CPU sockets, far sites, cheap hours; chat cannot."""

from __future__ import annotations

from copy import deepcopy
from pathlib import Path
from typing import Any

import pytest
import yaml

from planner.plan.content import route_uses
from planner.plan.costs import dynamic_micro_usd_per_unit
from planner.plan.types import Plan
from planner.plan.verify.context import read_context
from tests.plan.by_hand import question, site, solved

EXAMPLES = Path(__file__).parents[2] / "examples"


def example(name: str) -> dict[str, Any]:
    """Return a shipped example, quick to solve."""
    made = yaml.safe_load((EXAMPLES / name).read_text(encoding="utf-8"))
    made["solver"] = {**made["solver"], "workers": 1}
    return made


def accelerators(plan: Plan, workload: str) -> set[str]:
    """Return the accelerators that serve a workload."""
    kinds = {group.pool: group.shape.accelerator for group in plan.replicas}
    return {kinds[pool] for route in plan.routes if route.workload == workload for pool in route.pools}


def test_work_that_waits_runs_on_cpu_sockets_and_chat_on_gpus():
    """The example; and with the chat's promise the summaries leave the CPUs."""
    made = example("cpu-for-batch.yaml")
    plan = solved(made)
    assert accelerators(plan, "chat") == {"h100-sxm"}
    assert "xeon6-6980p" in accelerators(plan, "summaries")
    hurried = deepcopy(made)
    hurried["workloads"][1] |= {"tier": "interactive", "slo": made["workloads"][0]["slo"]}
    assert accelerators(solved(hurried), "summaries") == {"h100-sxm"}


def edge(folder: Path, far_usd: float, ttft_ms: float, **workload: Any) -> set[str]:
    """Return the sites that serve 20 requests/s from West Europe: an edge site there, one far away."""
    near, far = site("edge"), site("far", region="eastus")
    made = question(
        folder,
        sites=[near, far],
        fleet={"buy": ["dgx-h100"], "prices_usd": {"dgx-h100": 8760}},
    )
    made["topology"]["sites"][0]["open_usd_per_h"] = 1.0
    made["topology"]["sites"][1]["open_usd_per_h"] = far_usd
    made["workloads"][0] |= {"slo": {"ttft_ms": ttft_ms}, **workload}
    return {route.site for route in solved(made).routes}


@pytest.mark.parametrize(("far_usd", "where"), [(0.9, "far"), (1.1, "edge")])
def test_latency_tolerant_work_goes_where_it_is_cheaper(tmp_path, far_usd, where):
    """A second leaves time for the ocean: the cheaper site serves."""
    assert edge(tmp_path, far_usd, 1000.0) == {where}


def test_work_with_no_time_for_the_ocean_stays_at_the_edge(tmp_path):
    """50 ms are less than the round trip: only the edge site is near enough, however dear."""
    assert edge(tmp_path, 0.0, 50.0) == {"edge"}


def hourly(folder: Path, cheap_before: int, deadline_h: float | None, profile: list[float] | None) -> Plan:
    """Return a plan of batch work at one site that has cheap hours."""
    factors = [0.5] * cheap_before + [1.5] * (24 - cheap_before)
    made = question(
        folder,
        sites=[site(electricity_usd_per_kwh=0.1, electricity_hourly_factors=factors)],
        fleet={"buy": ["dgx-h100"], "prices_usd": {"dgx-h100": 8760}},
        performance={"provider": "analytic"},
        solver={"demand_units": 24},
    )
    del made["performance"]["path"]
    made["workloads"][0] |= {
        "llms": ["llama-3.1-8b"],
        "tier": "batch",
        "deadline_h": deadline_h,
        "profile": profile,
        "rate_rps": 3,
    }
    return solved(made)


def traffic_usd_per_h(plan: Plan) -> float:
    """Return what the electricity of the traffic itself costs, beside replicas that are awake."""
    context = read_context(plan)
    uses = route_uses(plan, context.setting, context.columns)
    return sum(use.route.units * dynamic_micro_usd_per_unit(use, context.setting) for use in uses) / 1e6


def test_batch_work_waits_for_cheap_hours_as_long_as_its_deadline_allows(tmp_path):
    """All of it within a day; what arrives at noon and must be done within 4 h is not."""
    free = hourly(tmp_path, 6, None, None)
    assert {route.period for route in free.routes} == {"h00-05"}
    noon = [0.0] * 12 + [1.0] + [0.0] * 11
    soon = hourly(tmp_path, 6, 4, noon)
    assert {route.arrived for route in soon.routes} == {"h12"}
    assert not {route.period for route in soon.routes} & {"h00-05"}


def test_the_tariff_of_the_period_is_what_dynamic_electricity_costs(tmp_path):
    """Half the tariff before six against one and a half after: a third of the price."""
    cheap = hourly(tmp_path, 6, None, None)
    dear = hourly(tmp_path, 0, None, None)
    assert traffic_usd_per_h(cheap) / traffic_usd_per_h(dear) == pytest.approx(1 / 3, rel=0.01)
