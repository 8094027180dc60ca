"""A small question that solves in a moment, and ways to change it."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

SMALL: dict[str, Any] = {
    "name": "small",
    "topology": {
        "name": "two-rooms",
        "sites": [
            {
                "name": "ams",
                "region": "westeurope",
                "grid_kw": 200,
                "power": [
                    {"name": "A", "level": "feed", "capacity_kw": 120},
                    {"name": "B", "level": "feed", "capacity_kw": 120},
                ],
                "cooling": [
                    {"name": "crah", "medium": "air", "unit_kw": 40, "units": 3, "spare_units": 1},
                ],
                "racks": [
                    {
                        "name": "r",
                        "count": 2,
                        "power_kw": 44,
                        "slots": 4,
                        "feeds": ["A", "B"],
                        "air_loop": "crah",
                    }
                ],
            },
            {
                "name": "dub",
                "region": "northeurope",
                "racks": [{"name": "r", "count": 1, "power_kw": 44, "slots": 3}],
            },
        ],
    },
    "workloads": [
        {
            "name": "chat",
            "llms": ["llama-3.1-8b"],
            "origins": {"westeurope": 0.5, "northeurope": 0.5},
            "rate_rps": 500,
            "input_tokens": {"mean": 1000, "p50": 800, "p99": 4000},
            "output_tokens": {"mean": 300, "p50": 200, "p99": 1200},
            "slo": {"ttft_ms": 1000, "tpot_ms": 40, "percentile": 95},
            "precision": ["bf16"],
        }
    ],
    "fleet": {"buy": ["dgx-h100"]},
    "limits": {"capex_usd": 6e6, "grid_kw": 400, "carbon_kg_per_h": 60, "opex_usd_per_h": 100, "servers": 9},
    "solver": {"time_limit_s": 20, "relative_gap": 0.0, "workers": 1, "demand_units": 20},
}


def changed(**fields: Any) -> dict[str, Any]:
    """Return the small question with top-level mappings merged and the first workload updated."""
    question = deepcopy(SMALL)
    for name, value in fields.items():
        if name == "workload":
            question["workloads"][0].update(value)
        elif isinstance(value, dict) and isinstance(question.get(name), dict):
            question[name].update(value)
        else:
            question[name] = value
    return question
