"""Questions of other planners, asked as ordinary scenarios: never dearer than their answers."""

from __future__ import annotations

import json

import pytest

from benchmarks.peers import aiconfigurator, helix, llm_ro, melange
from planner.optimize.method import solve_problem
from planner.optimize.solution import Settings


@pytest.mark.parametrize(
    "name", ["toy_shipped", "toy_rate256_sf8", "aibrix_e2e5_r10", "roof_azconv_tpot40_r4", "aibrix_e2e10_r10"]
)
def test_melange_is_never_cheaper(name):
    """Proven optimal, at most the cost of its slices, at least that of any split."""
    instance = next(one for one in melange.load() if one["name"] == name)
    plan = melange.solve(instance).plan
    assert plan.status == "optimal"
    assert plan.cost.rent <= instance["melange"]["usd_per_h"] + 1e-6
    assert plan.cost.rent >= instance["optimum_usd_per_h"]["any_split"] - 1e-6


@pytest.mark.parametrize("case", aiconfigurator.load()["cases"][:3], ids=lambda case: str(case["rate_rps"]))
def test_two_pools_need_the_fewest_accelerators(case):
    """Prefill and decode workers are counted apart, not in units of eight."""
    plan = aiconfigurator.solve(case["rate_rps"], aiconfigurator.load()["workers"]).plan
    assert plan.metrics.accelerators == case["optimum"] < case["aiconfigurator_accelerators"]
    assert plan.status == "optimal"


@pytest.mark.parametrize("reading", llm_ro.READINGS)
def test_the_optimum_of_llm_ro_is_found(reading):
    """The second instance: CP-SAT's presolve (OR-Tools 9.15) calls it infeasible unless it skips a step."""
    instance = json.loads(llm_ro.INSTANCES.read_text(encoding="utf-8"))[1]
    found = solve_problem(llm_ro.problem_of(instance["params"], reading), Settings(60.0, 0.0))
    assert found.status == "optimal"
    assert found.objective / 1e6 == pytest.approx(instance["optimum_usd"][reading], abs=5e-5)


def test_long_pipelines_of_unlike_nodes_reach_their_bound():
    """Helix's 24 nodes at one site: the placement carries what no placement can exceed."""
    cluster = next(one for one in helix.load() if one.name == "single24_llama70b")
    placement = helix.most_flow(cluster, None)
    assert placement is not None
    assert placement.tokens_per_s == pytest.approx(helix.bound(cluster, None), rel=1e-6)
    assert sum(stage.layers for stage in placement.stages) == cluster.layers
    quicker = helix.most_flow(cluster, 0.9 * placement.token_ms)
    assert quicker is not None
    assert quicker.token_ms <= 0.9 * placement.token_ms
    assert quicker.tokens_per_s <= helix.bound(cluster, 0.9 * placement.token_ms)
