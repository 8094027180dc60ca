"""Prefill and decode on separate pools: chosen when it is cheaper, held together by the fabric."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

import planner
from planner.catalog import load_catalog
from planner.files import InputFaults
from planner.performance.handover import HANDOVER_STEPS_MS, allowance_ms, wire_rate_rps
from planner.performance.links import fabric_bytes_per_token
from planner.performance.shape import Shape
from planner.plan.fabric import oversubscribed
from planner.topology import build_graph, load_question

RATES = """llm,accelerator,role,workload,max_rps
toy,a100-80-sxm,aggregated,,10
toy,a100-80-sxm,prefill,,20
toy,l4,decode,,20
"""


def measured(tmp_path, decode_usd_per_h: float, serving: list[str]) -> dict[str, Any]:
    """40 requests/s: 4 A100 at 2 USD/h serve them, or 2 A100 with 2 L4 beside them."""
    (tmp_path / "rates.csv").write_text(RATES)
    return {
        "name": "measured",
        "topology": "cloud",
        "workloads": [
            {"name": "w", "llms": ["toy"], "rate_rps": 40, "input_tokens": 100, "output_tokens": 10,
             "serving": serving},
        ],
        "fleet": {
            "rent": [
                {"accelerator": "a100-80-sxm", "count": 1, "usd_per_h": 2.0, "region": "any", "max_count": 9},
                {"accelerator": "l4", "count": 1, "usd_per_h": decode_usd_per_h, "region": "any"},
            ]
        },
        "performance": {"provider": "table", "path": str(tmp_path / "rates.csv")},
        "solver": {"relative_gap": 0.0, "workers": 1},
    }  # fmt: skip


@pytest.mark.parametrize(
    ("price", "serving", "cost"),
    [
        (1.99, ["aggregated", "split"], 2 * 2 + 2 * 1.99),
        (2.01, ["aggregated", "split"], 4 * 2),  # two prefill and two decode replicas cost 8.02
        (1.99, ["aggregated"], 4 * 2),
        (2.01, ["split"], 2 * 2 + 2 * 2.01),
    ],
)
def test_the_split_is_taken_when_it_is_cheaper(tmp_path, price, serving, cost):
    """The plan flips where both cost the same: a decode replica at the price of an aggregated one."""
    plan = planner.solve(measured(tmp_path, price, serving))
    assert plan.cost.rent == pytest.approx(cost)
    assert planner.verify(plan) == []


ONE_ROOM: dict[str, Any] = {
    "name": "one-room",
    "topology": {
        "name": "room",
        "sites": [
            {
                "name": "ams",
                "region": "westeurope",
                "fabric_domains": [
                    {"name": "su1", "leaves": 2, "spines": 2, "port_gb_s": 50, "oversubscription": 1.0},
                    {"name": "su2", "leaves": 2, "spines": 2, "port_gb_s": 50, "oversubscription": 1.0},
                ],
                "racks": [
                    {"name": "a", "count": 2, "power_kw": 44, "slots": 4, "fabric_domain": "su1"},
                    {"name": "b", "count": 2, "power_kw": 44, "slots": 4, "fabric_domain": "su2"},
                ],
            }
        ],
    },
    "workloads": [
        {
            "name": "rag",
            "llms": ["llama-3.3-70b"],
            "origins": {"westeurope": 1.0},
            "rate_rps": 12,
            "input_tokens": {"mean": 6000, "p50": 5000, "p99": 20000},
            "output_tokens": {"mean": 250, "p50": 200, "p99": 800},
            "slo": {"ttft_ms": 4000, "tpot_ms": 19, "percentile": 99},
            "precision": ["fp8"],
            "serving": ["aggregated", "split"],
        }
    ],
    "fleet": {"buy": ["dgx-h200"]},
    "engines": ["vllm"],
    "solver": {"relative_gap": 0.02, "workers": 1, "demand_units": 60, "time_limit_s": 20},
}


def room(oversubscription: float = 1.0, serving: tuple[str, ...] = ("aggregated", "split")) -> dict[str, Any]:
    question = deepcopy(ONE_ROOM)
    for domain in question["topology"]["sites"][0]["fabric_domains"]:
        domain["oversubscription"] = oversubscription
    question["workloads"][0]["serving"] = list(serving)
    return question


@pytest.fixture(scope="module")
def split_plan():
    return planner.solve(room())


def fabric_rows(plan):
    return {row.name: row for row in plan.ledgers.network if row.name.startswith("network/fabric/")}


def test_long_prompts_with_a_short_tpot_are_split(split_plan):
    """Chunks of other prompts no longer sit between two tokens, which aggregated serving pays for."""
    assert {group.shape.role for group in split_plan.replicas} == {"prefill", "decode"}
    assert split_plan.objective < planner.solve(room(serving=("aggregated",))).objective
    assert planner.verify(split_plan) == []


def test_both_pools_of_a_path_stand_in_one_fabric_domain(split_plan):
    """And the time to hand the cache over is a stated part of the TTFT budget."""
    domain_of = {group.pool: group.fabric_domain for group in split_plan.replicas}
    for route in split_plan.routes:
        assert len({domain_of[pool] for pool in route.pools}) == 1
        assert route.transfer_ms in HANDOVER_STEPS_MS


def test_a_narrow_spine_forbids_the_split(split_plan):
    """The caches of 12 requests/s need 24 GB/s; where the spine carries less, replicas serve alone."""
    needed = (
        12 * 6000 * 80 * 2 * 8 * 128 * 2 / 1e9
    )  # requests x tokens x layers x (K, V) x heads x dim x bf16
    wide, narrow = room(4.0), room(4.0)
    (limit,) = {round(gb_s, 6) for gb_s in oversubscribed(graph_of(wide)).values()}
    for question, factor in ((wide, 0.95), (narrow, 2.1)):  # two domains: each may carry half
        for domain in question["topology"]["sites"][0]["fabric_domains"]:
            domain["oversubscription"] = 4.0 * limit / needed * factor
    roles = {group.shape.role for group in planner.solve(wide).replicas}
    assert roles == {"prefill", "decode"}
    plan = planner.solve(narrow)
    assert planner.verify(plan) == []
    assert "aggregated" in {group.shape.role for group in plan.replicas}
    assert plan.objective > split_plan.objective
    for row in fabric_rows(plan).values():
        assert row.used <= row.limit
    assert sum(row.used for row in fabric_rows(planner.solve(wide)).values()) == pytest.approx(
        needed, rel=1e-6
    )


def graph_of(question):
    return build_graph(load_question(question).topology, load_catalog())


CORRUPTIONS = {
    "less time for the cache": (
        lambda plan: [setattr(route, "transfer_ms", 0.5) for route in plan.routes],
        "handover/rag/westeurope/ams",
    ),
    "pools in two domains": (
        lambda plan: setattr(plan.replicas[0], "fabric_domain", "ams-su9"),
        "handover/rag/westeurope/ams",
    ),
    "another cache": (
        lambda plan: setattr(plan.replicas[0].shape, "kv_cache", "fp8"),
        "handover/rag/westeurope/ams",
    ),
    "only one pool of the path": (
        lambda plan: setattr(plan.routes[0], "pools", plan.routes[0].pools[:1]),
        "route/rag/westeurope/ams",
    ),
    "a split that nobody allowed": (
        lambda plan: plan.scenario["workloads"][0].update(serving=["aggregated"]),
        "route/rag/westeurope/ams",
    ),
}


@pytest.mark.parametrize("name", CORRUPTIONS)
def test_a_broken_split_is_noticed(split_plan, name):
    """The verifier names the row."""
    change, expected = CORRUPTIONS[name]
    plan = split_plan.model_copy(deep=True)
    change(plan)
    assert expected in {violation.row for violation in planner.verify(plan)}


def test_a_split_cannot_promise_the_whole_answer():
    """Two pools keep TTFT and TPOT; a limit on their sum is refused where nothing else may serve."""
    question = room(serving=("split",))
    question["workloads"][0]["slo"]["e2e_ms"] = 20000
    with pytest.raises(InputFaults, match="serving"):
        planner.solve(question)


def test_allowances_are_steps():
    """A handover is rounded up to the next step; beyond the last there is none."""
    assert allowance_ms(0.0) == 2.0
    assert allowance_ms(2.1) == 5.0
    assert allowance_ms(6000.0) is None


def test_what_crosses_servers_follows_from_the_shape():
    """Pipelines hand a hidden state on; experts on both of two servers get half of what is sent."""
    catalog = load_catalog()
    dense = Shape("llama-3.3-70b", "h200-sxm", "vllm", tp=8, pp=2)
    assert fabric_bytes_per_token(catalog.llm("llama-3.3-70b"), dense, 2) == 8192 * 2
    assert fabric_bytes_per_token(catalog.llm("llama-3.3-70b"), dense, 1) == 0
    sparse = Shape("deepseek-v3", "h200-sxm", "sglang", tp=1, dp=16, ep=16, weights="fp8")
    sent = fabric_bytes_per_token(catalog.llm("deepseek-v3"), sparse, 2)
    assert sent == 58 * 8 * 7168 * (1 + 2) * 0.5


def test_the_wire_limits_what_a_replica_hands_over():
    """One link of 1 GB/s carries three prompts of 1,000 tokens of a model with 327,680 bytes a token."""
    llm = load_catalog().llm("llama-3.3-70b")
    one = wire_rate_rps(llm, Shape("llama-3.3-70b", "h200-sxm", "vllm", tp=1), 1000, 1.0)
    eight = wire_rate_rps(llm, Shape("llama-3.3-70b", "h200-sxm", "vllm", tp=8), 1000, 1.0)
    assert one <= 1e9 / (1000 * 327_680)
    assert eight == pytest.approx(8 * one)
