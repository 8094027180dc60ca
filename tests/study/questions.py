"""A question that solves in milliseconds and whose answers can be worked out on paper.

Two accelerators that only a table of rates knows: `small` serves 2 requests/s for 1 USD/h, `big` 9 for
4.10 USD/h. Requests are so short that sending the answers costs less than a tenth of a cent per hour.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RATES = "llm,accelerator,tp,workload,max_rps\nm,small,1,chat,2.0001\nm,big,1,chat,9.0005\n"
"""A little more than 2 and 9, so that rounding the load of a unit of traffic takes nothing away."""

UNITS = 5580
"""Units of traffic: 2 and 9 requests/s are whole numbers of them at all rates that divide 5580."""

BIG_USD_PER_H = 4.1

SCENARIO: dict[str, Any] = {
    "name": "two-boxes",
    "topology": "cloud",
    "workloads": [
        {"name": "chat", "llms": ["m"], "rate_rps": 10, "input_tokens": 1, "output_tokens": 1},
    ],
    "fleet": {
        "rent": [
            {"accelerator": "small", "usd_per_h": 1},
            {"accelerator": "big", "usd_per_h": BIG_USD_PER_H},
        ],
    },
    "performance": {"provider": "table", "path": "rates.csv"},
    "solver": {"relative_gap": 0, "demand_units": UNITS, "workers": 1},
}


PREDICTED: dict[str, Any] = {
    "name": "predicted",
    "topology": "two-site-h200",
    "workloads": [
        {"name": "chat", "llms": ["llama-3.1-8b"], "origins": {"westeurope": 1.0}, "rate_rps": 50,
         "input_tokens": 900, "output_tokens": 200, "slo": {"ttft_ms": 2000, "tpot_ms": 60}}
    ],
    "fleet": {"buy": ["dgx-h200"]},
    "reliability": {"survive": []},
}  # fmt: skip
"""A question with latencies, whose rates are predicted rather than read from a table."""


def written(folder: Path, study: dict[str, Any], **changes: Any) -> Path:
    """Write scenario, rates and study into a folder and return the study's path."""
    (folder / "rates.csv").write_text(RATES)
    (folder / "scenario.json").write_text(json.dumps({**SCENARIO, **changes}))
    path = folder / "study.json"
    path.write_text(json.dumps({"scenario": "scenario.json", **study}))
    return path


def rent_usd_per_h(smalls: int, bigs: int, big_price: float = BIG_USD_PER_H) -> float:
    """What some boxes cost."""
    return smalls + big_price * bigs


def cheapest(rate_rps: float, big_price: float = BIG_USD_PER_H) -> float:
    """The least rent that serves a rate, by trying every number of both boxes."""
    most = int(rate_rps) + 2
    return min(
        rent_usd_per_h(smalls, bigs, big_price)
        for smalls in range(most)
        for bigs in range(most)
        if 2 * smalls + 9 * bigs >= rate_rps
    )
