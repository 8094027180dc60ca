"""Goals besides cost: each flips the plan where the sum says so; ratios agree with trying every plan."""

from __future__ import annotations

import math
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import planner
from planner.files import InputFaults
from planner.optimize.method import solve_problem
from planner.optimize.problem import Goal, Problem, integers
from planner.optimize.solution import Settings
from tests.optimize.tiny import one_site
from tests.plan.by_hand import a100, bought, question, rented, site, solved

EXACT = Settings(time_limit_s=10, relative_gap=0.0, workers=1)


def two_sites(tmp_path: Path, **objective: Any) -> dict[str, Any]:
    """Two servers at a dirty site for 1 USD/h each, or at a clean one that opens for 0.5 USD/h."""
    clean = site("cle", carbon_g_per_kwh=0, open_usd_per_h=0.5)
    dirty = site("dir", carbon_g_per_kwh=1000)
    fleet = {"buy": ["dgx-h100"], "prices_usd": {"dgx-h100": 8760}}
    return question(tmp_path, sites=[clean, dirty], fleet=fleet, objective=objective)


def test_the_weight_of_carbon_decides_at_its_break_even(tmp_path: Path) -> None:
    """The clean site costs 0.5 USD/h more; the dirty one emits what two idle servers draw."""
    plan = solved(two_sites(tmp_path, minimize="cost"))
    assert {server.site for server in plan.servers} == {"dir"}
    below = math.floor(1000 * 0.5 / plan.metrics.carbon_kg_per_h) / 1000
    for weight, chosen in ((below, "dir"), (below + 0.001, "cle")):
        plan = solved(two_sites(tmp_path, weights={"cost": 1, "carbon": weight}))
        assert {server.site for server in plan.servers} == {chosen}
        assert plan.objective == pytest.approx(
            plan.cost.total + weight * plan.metrics.carbon_kg_per_h, abs=1e-4
        )


def test_a_weighted_sum_that_lies_is_refused(tmp_path: Path) -> None:
    """A nano-USD less than the content makes is noticed."""
    plan = solved(two_sites(tmp_path, weights={"cost": 1, "carbon": 0.1, "servers": 0.01, "power": 0.02}))
    plan.solver["goals"][0]["value"] -= 1
    assert "goals/weighted" in {violation.row for violation in planner.verify(plan)}


@pytest.mark.parametrize("objective", [{"weights": {"cost": 1}, "minimize": "cost"}, {"weights": {}}])
def test_weights_stand_alone(tmp_path: Path, objective: dict[str, Any]) -> None:
    """Weights and a list contradict each other; no weights say nothing."""
    with pytest.raises(InputFaults):
        planner.solve(two_sites(tmp_path, **objective))


@pytest.mark.parametrize(("pue", "chosen"), [(1.19, "wet"), (1.21, "dry")])
def test_tokens_per_watt_count_the_watts_at_the_grid(tmp_path: Path, pue: float, chosen: str) -> None:
    """The site with the lower PUE wins, whatever it costs."""
    sites = [site("dry", pue_air=1.2), site("wet", pue_air=pue, open_usd_per_h=3)]
    fleet = {"buy": ["dgx-h100"], "prices_usd": {"dgx-h100": 8760}}
    asked = question(tmp_path, sites=sites, fleet=fleet, objective={"maximize": "tokens_per_s_per_mw"})
    assert {server.site for server in solved(asked).servers} == {chosen}


def priced(tmp_path: Path, **fields: Any) -> dict[str, Any]:
    """One server costs 1 USD/h and serves half of the demand; a rented quarter costs 4 USD/h."""
    fleet = {
        "buy": ["dgx-h100"],
        "prices_usd": {"dgx-h100": 8760},
        "stock": {"dgx-h100": 1},
        "rent": [a100()],
    }
    asked = question(tmp_path, sites=[site()], fleet=fleet, **fields)
    asked["workloads"][0]["unserved_usd_per_request"] = 1.0
    return asked


def test_the_cheapest_token_is_not_the_most_served(tmp_path: Path) -> None:
    """Unserved requests would cost 1 USD each, so cost serves all; a ratio has to weigh that too."""
    everything = solved(priced(tmp_path))
    assert (bought(everything), rented(everything)) == (1, 2)
    free = priced(tmp_path, objective={"minimize": "usd_per_mtok"})
    free["workloads"][0]["unserved_usd_per_request"] = 0.0
    plan = solved(free)
    assert (bought(plan), rented(plan)) == (1, 0)
    assert sum(missing.units for missing in plan.unserved) == 10
    assert plan.metrics.usd_per_mtok < everything.metrics.usd_per_mtok


def ratio_problem(seed: int) -> Problem:
    """One site with two kinds of price: a random cost of servers and of traffic, demand that may stay."""
    rng = np.random.default_rng(seed)
    problem = one_site(units=int(rng.integers(6, 16)), server_cost=int(rng.integers(5, 400)))
    demands = replace(problem.demands, unserved_cost=integers([int(rng.integers(0, 20))]))
    assignments = replace(problem.assignments, cost=integers([int(rng.integers(0, 30))]))
    lost = integers([int(rng.integers(1, 5))])
    goal = Goal("usd_per_mtok", "micro-USD/h", {}, cost_factor=1, lost=lost,
                served_most=int(lost[0] * demands.units[0]))  # fmt: skip
    return replace(problem, demands=demands, assignments=assignments, goals=(goal,))


@pytest.mark.parametrize("seed", range(30))
def test_the_least_ratio_is_that_of_trying_every_amount(seed: int) -> None:
    """For each number of units served the cheapest plan is known by hand; the best ratio of all is found."""
    problem = ratio_problem(seed)
    units, lost = int(problem.demands.units[0]), int(problem.goals[0].lost[0])  # type: ignore[index]
    ratios = []
    for served in range(1, units + 1):
        replicas = -(-served // 5)
        servers = -(-replicas // 2)
        cost = servers * int(problem.candidates.cost[0]) + served * int(problem.assignments.cost[0])
        cost += (units - served) * int(problem.demands.unserved_cost[0])
        ratios.append(cost / (served * lost))
    solution = solve_problem(problem, EXACT)
    left = int(solution.values["unserved"].sum())
    assert solution.objective / ((units - left) * lost) == pytest.approx(min(ratios), rel=1e-9)
    assert solution.bound <= solution.objective
