"""Procurements small enough to be worked out on paper.

One site of air-cooled racks; a DGX H200 serves 10 requests/s, a rented box 10 too. Nothing but servers and
rent costs anything: no electricity, no maintenance, no interest, and nothing is worth anything at the end
unless a test says otherwise. A period is 1,000 hours, so that a rent of 20 USD/h costs 20,000 a period.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from planner.study.procure.run import Procurement, run_procure
from planner.study.procure.study import ProcureStudy
from planner.study.study_file import open_study

RATES = (
    "llm,accelerator,tp,workload,max_rps\n"
    "m,h200-sxm,8,chat,10.001\nm,b200-sxm,8,chat,90.001\nm,mi355x,8,chat,10.001\nm,box,1,chat,10.001\n"
)
"""A little more than 10 and 90, so that rounding the load of a unit of traffic takes nothing away."""

PRICE_USD = 100_000.0
RENT_USD_PER_H = 20.0
MONTHS = 1000.0 / 730.0
"""A period of 1,000 hours."""

RENT_USD = RENT_USD_PER_H * 1000.0
"""What a rented box costs for a period."""

NOTHING_KEPT = 1e-300
"""Value kept per year: servers are worth nothing when the study ends."""

SCENARIO: dict[str, Any] = {
    "name": "one-hall",
    "topology": {
        "name": "one-hall",
        "sites": [
            {
                "name": "hall",
                "region": "westeurope",
                "grid_kw": 1000,
                "electricity_usd_per_kwh": 0,
                "power": [
                    {"name": "A", "level": "feed", "capacity_kw": 1000},
                    {"name": "B", "level": "feed", "capacity_kw": 1000},
                ],
                "cooling": [{"name": "crah", "medium": "air", "unit_kw": 500, "units": 3, "spare_units": 1}],
                "racks": [
                    {"name": "r", "count": 10, "feeds": ["A", "B"], "power_kw": 44, "air_kw": 44, "slots": 4,
                     "air_loop": "crah"}
                ],
            }
        ],
    },
    "workloads": [
        {"name": "chat", "llms": ["m"], "rate_rps": 10, "input_tokens": 1, "output_tokens": 1},
    ],
    "fleet": {
        "buy": ["dgx-h200"],
        "rent": [{"accelerator": "box", "usd_per_h": RENT_USD_PER_H}],
        "prices_usd": {"dgx-h200": PRICE_USD},
    },
    "economics": {
        "network_adder": 0,
        "maintenance_share_per_year": 0,
        "infrastructure_usd_per_kw": 0,
    },
    "reliability": {"headroom": 0, "survive": []},
    "performance": {"provider": "table", "path": "rates.csv"},
    "solver": {"relative_gap": 0, "workers": 1},
}  # fmt: skip

STUDY: dict[str, Any] = {
    "scenario": "scenario.json",
    "start": "2026-07-01",
    "periods": 2,
    "months_per_period": MONTHS,
    "buy": {"dgx-h200": {"lead_months": 0}},
    "reserve": 0,
    "discount_rate_per_year": 0,
    "value_kept_per_year": NOTHING_KEPT,
    "relative_gap": 0,
    "time_limit_s": 60,
}


def write(folder: Path, study: dict[str, Any], scenario: dict[str, Any] | None = None) -> Path:
    """Write the study with its scenario and rates into a folder and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rates.csv").write_text(RATES)
    (folder / "scenario.json").write_text(json.dumps({**SCENARIO, **(scenario or {})}))
    path = folder / "study.json"
    path.write_text(json.dumps({**STUDY, **study}, indent=1))
    return path


def solve(folder: Path, study: dict[str, Any], scenario: dict[str, Any] | None = None) -> Procurement:
    """Solve a study and return what was found; the independent check must have nothing to say."""
    found = run_procure(open_study(ProcureStudy, write(folder, study, scenario)))
    assert not found.violations, found.violations
    return found


def bought(found: Procurement, branch: str = "now") -> list[tuple[int, int]]:
    """Return (period, servers) of every order on a branch."""
    rows = found.tables["purchases"]
    return [(row["period"], row["count"]) for row in rows if row["branch"] == branch]


def rented(found: Procurement, branch: str = "now") -> list[tuple[int, int]]:
    """Return (period, boxes) of every rental that begins on a branch."""
    return [(row["period"], row["count"]) for row in found.tables["rents"] if row["branch"] == branch]
