"""Splitwise (github.com/mutinifni/splitwise-sim @8f99e7d): how many machines prefill, how many decode?

`python -m benchmarks.peers.splitwise` takes the measured profile of Llama 2 70B on machines of eight A100,
H100 or power-capped H100, and the published designs of equal cost and of equal power. It prints the
requests/s of each design by that profile and of the mix that this planner finds for the same money or
watts.

The rates of a machine follow from the profile and the peer's median limits, slowdowns of an unloaded A100:
the first token within twice its time, each further one within 1.25 times. A prefill machine takes one
prompt at a time: in M/D/1 the mean wait rho T / (2 (1 - rho)) is what the limit leaves. A decode machine
runs the largest measured batch that keeps the limit. Prompts and answers have the median lengths of the
traces (conversation 1,020 and 129 tokens, code 1,500 and 13).

Each question is a scenario with measured rates and `maximize: served` under a budget; of equal power, a
machine's "price" is its power.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.peers.measured import Rate, solve_measured

DATA = Path(__file__).parent / "data" / "splitwise.json"

LENGTHS = {"conv": (1020, 129), "code": (1500, 13)}
FIRST_TOKEN_SLOWDOWN, TOKEN_SLOWDOWN = 2.0, 1.25
REFERENCE = "a100-80gb"
PAIRS = {
    "splitwise_aa": ("a100-80gb", "a100-80gb"),
    "splitwise_hh": ("h100-80gb", "h100-80gb"),
    "splitwise_ha": ("h100-80gb", "a100-80gb"),
    "splitwise_hhcap": ("h100-80gb", "h100-80gb-pcap"),
}
MOST_RPS = 1000.0


def rates(profile: dict[str, Any], prompt: int, answer: int) -> dict[str, tuple[float, float]]:
    """Return requests/s that a machine of each type prefills and decodes within the limits."""

    def prompt_s(machine: str) -> float:
        table = profile[machine]["prompt_ms"]
        return float(np.interp(prompt, [int(size) for size in table], list(table.values()))) / 1e3

    limit_ms = TOKEN_SLOWDOWN * profile[REFERENCE]["token_ms_by_batch"]["1"]
    found = {}
    for machine, about in profile.items():
        service = prompt_s(machine)
        wait = FIRST_TOKEN_SLOWDOWN * prompt_s(REFERENCE) - service
        prefill = 2 * wait / (service + 2 * wait) / service
        kept = [(int(b), ms) for b, ms in about["token_ms_by_batch"].items() if ms <= limit_ms]
        found[machine] = (prefill, max(1e3 * batch / (ms * (answer - 1)) for batch, ms in kept))
    return found


def main() -> int:
    """Print a line for each study; return 1 where a published design serves more."""
    data = json.loads(DATA.read_text(encoding="utf-8"))
    missed = 0
    print(
        f"{'study':14s} {'budget':>8s} {'best design':>16s} {'rps':>7s} {'ours rps':>8s}"
        f" {'more':>6s}  machines"
    )
    for study in dict.fromkeys(design["study"] for design in data["designs"]):
        unit = "power" if study.startswith("isopower") else "usd_per_h"
        rate = rates(data["profile"], *LENGTHS[study.rpartition("_")[2]])
        price = {machine: about[unit] for machine, about in data["machines"].items()}
        designs = {}
        budget = 0.0
        for design in (one for one in data["designs"] if one["study"] == study):
            first, second = PAIRS[design["system"]]
            many, more = design["prompt_machines"], design["token_machines"]
            designs[design["system"]] = min(many * rate[first][0], more * rate[second][1])
            budget = max(budget, many * price[first] + more * price[second])
        timed = solve_measured(
            study,
            [{"name": "requests", "rate_rps": MOST_RPS, "serving": ["split"]}],
            [{"accelerator": m, "count": 1, "usd_per_h": price[m], "region": "any"} for m in price],
            [
                Rate(machine, rps, role=role)
                for machine, pair in rate.items()
                for role, rps in zip(("prefill", "decode"), pair, strict=True)
            ],
            limits={"opex_usd_per_h": budget + 1e-3},  # room for the egress of a token of text
            objective={"maximize": "served"},
            solver={"relative_gap": 0.0, "time_limit_s": 60, "demand_units": 10_000},
        )
        served = sum(route.rate_rps for route in timed.plan.routes)
        best = max(designs, key=lambda system: designs[system])
        missed += served < designs[best] - MOST_RPS / 10_000
        counts = ", ".join(
            f"{group.count} {group.shape.role} {group.server}" for group in timed.plan.replicas
        )
        print(
            f"{study:14s} {budget:8.1f} {best:>16s} {designs[best]:7.1f} {served:8.1f}"
            f" {served / designs[best] - 1:6.1%}  {counts}"
        )
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
