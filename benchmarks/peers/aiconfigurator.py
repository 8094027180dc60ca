"""AIConfigurator 0.12 `recommend`: how many prefill and decode workers serve a rate with the fewest GPUs?

`python -m benchmarks.peers.aiconfigurator` takes the peer's own worker rates (Llama 3.1 70B FP8 on H200,
4,000 tokens in, 500 out, TTFT 1,000 ms, TPOT 30 ms) and asks for the fewest GPUs. The peer rounds the
ratio of prefill to decode workers inside units of 8 GPUs; here the two pools are counted
apart.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from pathlib import Path
from typing import Any

from benchmarks.peers.measured import Rate, Timed, solve_measured

CASES = Path(__file__).parent / "data" / "aiconfigurator.json"

GPU = "h200-sxm"


def load() -> dict[str, Any]:
    """Return the peer's workers and cases."""
    found: dict[str, Any] = json.loads(CASES.read_text(encoding="utf-8"))
    return found


def solve(rate_rps: float, workers: dict[str, Any]) -> Timed:
    """Solve one case: GPUs cost 1 USD/h each, alone or in pairs, so that cost counts GPUs."""
    rates = [
        Rate(GPU, about["requests_per_s"] * about["rate_factor"], tp=about["tp"], role=role)
        for role, about in workers.items()
    ]
    sizes = sorted({about["tp"] for about in workers.values()})
    return solve_measured(
        f"recommend-{rate_rps:g}",
        [{"name": "chat", "rate_rps": rate_rps, "serving": ["split"]}],
        [{"accelerator": GPU, "count": size, "usd_per_h": size, "region": "any"} for size in sizes],
        rates,
    )


def main() -> int:
    """Print a line for each case; return 1 where more GPUs are needed than the optimum."""
    peer = load()
    missed = 0
    print(
        f"{'rate':>6s} {'AIConfigurator':>14s} {'optimum':>8s} {'ours':>6s}"
        f" {'prefill':>8s} {'decode':>7s} {'s':>6s}"
    )
    for case in peer["cases"]:
        timed = solve(case["rate_rps"], peer["workers"])
        plan = timed.plan
        roles = Counter(dict.fromkeys(peer["workers"], 0))
        for group in plan.replicas:
            roles[group.shape.role] += group.count
        missed += plan.metrics.accelerators != case["optimum"] or plan.status != "optimal"
        print(
            f"{case['rate_rps']:6g} {case['aiconfigurator_accelerators']:14d} {case['optimum']:8d}"
            f" {plan.metrics.accelerators:6d} {roles['prefill']:8d} {roles['decode']:7d} {timed.seconds:6.2f}"
        )
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
