"""Questions small enough to answer by hand: measured rates, round numbers, one family of limits at a time.

A replica of `toy` takes one DGX H100 whole (8 accelerators) and serves 10 requests/s, one on a rented A100
serves 5. What a server costs to own is set so that depreciation is all there is to it.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import planner
from planner.plan.types import Plan

RATES = "llm,accelerator,tp,max_rps\ntoy,h100-sxm,8,10\ntoy,a100-80-sxm,1,5\n"

RATED_W = 10_200
"""A DGX H100 by its nameplate."""


def question(folder: Path, **fields: Any) -> dict[str, Any]:
    """Return a question: 20 requests/s of `chat` from West Europe, nothing to serve them with yet.

    Args:
        folder: where the table of rates is written.
        fields: top-level fields of the scenario; `rate_rps` and `sites` are short for the obvious.
    """
    rates = folder / "rates.csv"
    if not rates.exists():
        rates.write_text(fields.pop("rates", RATES), encoding="utf-8")
    sites = fields.pop("sites", None)
    asked: dict[str, Any] = {
        "name": "by-hand",
        "topology": "cloud" if sites is None else {"name": "by-hand", "sites": sites},
        "workloads": [
            {
                "name": "chat",
                "llms": ["toy"],
                "rate_rps": fields.pop("rate_rps", 20),
                "origins": {"westeurope": 1.0},
                "input_tokens": {"mean": 1000},
                "output_tokens": {"mean": 100},
            }
        ],
        "performance": {"provider": "table", "path": str(rates)},
        "economics": {
            "life_years": 1,
            "network_adder": 0,
            "infrastructure_usd_per_kw": 0,
            "maintenance_share_per_year": 0,
        },
        "solver": {"time_limit_s": 10, "relative_gap": 0.0, "workers": 1, "demand_units": 20},
    }
    for name, value in fields.items():
        if isinstance(value, dict) and isinstance(asked.get(name), dict):
            asked[name] = {**asked[name], **value}
        else:
            asked[name] = value
    return asked


def site(name: str = "ams", **fields: Any) -> dict[str, Any]:
    """Return a site in West Europe with one rack of four slots and free electricity."""
    about: dict[str, Any] = {
        "name": name,
        "region": "westeurope",
        "electricity_usd_per_kwh": 0.0,
        "egress_usd_per_gb": 0.0,
        "racks": [{"name": "r", "power_kw": 44, "slots": 4}],
    }
    return {**about, **fields}


def a100(**fields: Any) -> dict[str, Any]:
    """Return an offer of rented A100s in West Europe at 4 USD/h."""
    return {"accelerator": "a100-80-sxm", "usd_per_h": 4.0, "region": "westeurope", "max_count": 40, **fields}


def solved(asked: dict[str, Any]) -> Plan:
    """Return the plan, verified."""
    plan = planner.solve(asked)
    assert planner.verify(plan) == []
    return plan


def bought(plan: Plan) -> int:
    """Return how many servers are bought."""
    return sum(server.origin == "buy" for server in plan.servers)


def rented(plan: Plan, index: int = 0) -> int:
    """Return how many units of an offer are taken."""
    return sum(server.rent_index == index for server in plan.servers)
