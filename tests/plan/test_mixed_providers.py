"""Rates of some accelerators measured, of others predicted."""

from __future__ import annotations

from typing import Any

import pytest

import planner
from planner.files import InputFaults

RATES = """llm,accelerator,tp,max_rps
llama-3.1-8b,a100-80-sxm,1,{rate}
llama-3.1-8b,a100-80-sxm,3,90
"""


def question(tmp_path, rate: float, **performance: Any) -> dict[str, Any]:
    """20 requests/s on rented A100, measured, or on rented H100, predicted."""
    (tmp_path / "rates.csv").write_text(RATES.format(rate=rate))
    measured = {"by_accelerator": {"a100-80-sxm": "table"}, "path": str(tmp_path / "rates.csv")}
    return {
        "name": "mixed",
        "topology": "cloud",
        "workloads": [
            {
                "name": "chat",
                "llms": ["meta-llama/Llama-3.1-8B"],
                "rate_rps": 20,
                "input_tokens": 500,
                "output_tokens": 200,
                "slo": {"ttft_ms": 2000, "tpot_ms": 50, "percentile": 99},
            }
        ],
        "fleet": {
            "rent": [
                {"accelerator": name, "count": 1, "usd_per_h": 2.0, "region": "any", "max_count": 40}
                for name in ("a100-80-sxm", "h100-sxm")
            ]
        },
        "performance": {**measured, **performance},
        "solver": {"relative_gap": 0.0, "workers": 1, "time_limit_s": 20},
    }


@pytest.mark.parametrize(
    ("rate", "chosen", "provider"), [(200.0, "a100-80-sxm", "table"), (1.0, "h100-sxm", "analytic")]
)
def test_the_better_accelerator_wins_whoever_timed_it(tmp_path, rate, chosen, provider):
    """A fast measured A100 beats the predicted H100, a slow one loses to it; both plans verify."""
    asked = question(tmp_path, rate)
    asked["fleet"]["rent"][0]["usd_per_h"] = 1.9
    plan = planner.solve(asked)
    assert {group.shape.accelerator for group in plan.replicas} == {chosen}
    assert planner.verify(plan) == []
    assert {row.provider for row in plan.slo} == {provider}


def test_both_together_where_one_runs_out(tmp_path):
    """One cheap predicted H100, and measured A100 beside it for the rest."""
    asked = question(tmp_path, 25.0)
    asked["workloads"][0]["rate_rps"] = 200
    asked["fleet"]["rent"][1].update(max_count=1, usd_per_h=0.1)
    plan = planner.solve(asked)
    assert {group.shape.accelerator for group in plan.replicas} == {"a100-80-sxm", "h100-sxm"}
    assert planner.verify(plan) == []


def test_a_table_needs_a_path_and_an_accelerator_a_name(tmp_path):
    """Faults name the field."""
    missing = question(tmp_path, 1.0)
    del missing["performance"]["path"]
    with pytest.raises(InputFaults, match="path"):
        planner.solve(missing)
    wrong = question(tmp_path, 1.0)
    wrong["performance"]["by_accelerator"] = {"a100-80-smx": "table"}
    with pytest.raises(InputFaults, match="a100-80-sxm"):
        planner.solve(wrong)


def test_skewed_experts_serve_less(tmp_path):
    """Uneven experts keep ranks waiting: the same traffic needs at least as many replicas."""
    asked = question(tmp_path, 1.0)
    asked["performance"] = {}
    asked["workloads"][0].update(llms=["qwen3-30b-a3b-2507"], rate_rps=400)
    asked["fleet"]["rent"] = [{"accelerator": "h100-sxm", "count": 8, "usd_per_h": 16.0, "region": "any"}]
    cost = []
    for skew in (0.0, 1.2):
        plan = planner.solve({**asked, "performance": {"expert_skew": skew}})
        assert planner.verify(plan) == []
        cost.append(plan.objective)
    assert cost[0] <= cost[1]
