"""Melange (github.com/tyler-griggs/melange-release @d46ab43): which mix of rented GPUs is the cheapest?

`python -m benchmarks.peers.melange` asks each instance as an ordinary scenario without a topology: a workload
for every bucket of (input, output) lengths, the GPUs under `fleet.rent`, their rates as a table. It prints
the cost, the gap and the time beside Melange's own answer (its ILP by CBC, 60 s, two cores).

Melange cuts a bucket into 1 or 8 slices that stay whole; here a workload is 1,000 units, so that a bucket may
be shared more finely. `any split` is the optimum with fractions of any size.

Where the instances come from: `toy_shipped` is the one profile in its repository, `toy_rate*` vary its rate;
`aibrix_*` are profiles shipped by vllm-project/aibrix @e3e10f9, a fork; `roof_*` are synthetic roofline rates
on its grid of sizes with histograms of the Azure traces of 2023.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

from benchmarks.peers.measured import Rate, Timed, solve_measured

INSTANCES = Path(__file__).parent / "data" / "melange.json"

TOLERANCE_USD = 1e-6


def load() -> list[dict[str, Any]]:
    """Return the instances."""
    found: list[dict[str, Any]] = json.loads(INSTANCES.read_text(encoding="utf-8"))
    return found


def solve(instance: dict[str, Any]) -> Timed:
    """Solve an instance to proven optimality."""
    buckets = {
        f"in{i}-out{j}": (i, j, share)
        for i, row in enumerate(instance["workload_distribution"])
        for j, share in enumerate(row)
        if share > 0
    }
    total = instance["total_request_rate"]
    return solve_measured(
        instance["name"],
        [{"name": name, "rate_rps": share * total} for name, (_, _, share) in buckets.items()],
        [
            {"accelerator": gpu, "count": 1, "usd_per_h": facts["usd_per_h"], "region": "any"}
            for gpu, facts in instance["gpus"].items()
        ],
        [
            Rate(gpu, facts["max_rps"][i][j], name)
            for name, (i, j, _) in buckets.items()
            for gpu, facts in instance["gpus"].items()
        ],
    )


def main() -> int:
    """Print a line for each instance; return 1 where Melange is cheaper or a proof is missing."""
    missed = 0
    print(
        f"{'instance':32s} {'Melange':>9s} {'any split':>9s} {'ours':>9s} {'gap':>7s}"
        f" {'theirs s':>8s} {'ours s':>7s}"
    )
    solve(load()[0])  # imports and the catalog are not the solver's time
    for instance in load():
        timed = solve(instance)
        cost = timed.plan.cost.rent
        theirs, split = instance["melange"]["usd_per_h"], instance["optimum_usd_per_h"]["any_split"]
        missed += cost > theirs + TOLERANCE_USD or timed.plan.status != "optimal"
        print(
            f"{instance['name']:32s} {theirs:9.3f} {split:9.3f} {cost:9.3f} {timed.plan.gap:7.2%}"
            f" {instance['melange']['seconds']:8.3f} {timed.seconds:7.3f}"
        )
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
