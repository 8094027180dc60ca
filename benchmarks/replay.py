"""How fast is a replay, and how much memory does it take?

    python -m benchmarks.replay [--requests 50000 200000 400000]

Plans 40 conversations a second on rented accelerators and replays the plan for so many requests, each time
in a process of its own on one core: CPU seconds, and the peak of resident memory above that of a replay of
a tenth. The first replay is repeated with its seed: the results have to be equal to the last digit. Target:
50,000 requests (about 10 million answer tokens) in 60 s, and memory that does not grow with the duration.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

from planner.plan.solve import solve
from planner.plan.types import Plan
from planner.simulate.replay import WARM_UP, replay_plan

RATE_RPS = 40.0
SCENARIO: dict[str, Any] = {
    "name": "replay-speed",
    "topology": "cloud",
    "workloads": [{"name": "chat", "preset": "chat", "llms": ["llama-3.1-8b"], "rate_rps": RATE_RPS}],
    "fleet": {"rent": [{"accelerator": "h100-sxm", "usd_per_h": 3.0, "max_count": 64}]},
    "engines": ["vllm"],
    "solver": {"time_limit_s": 30, "reproducible": True},
}
TARGET_S, TARGET_REQUESTS = 60.0, 50_000
_KIB_PER_MIB = 1024.0


def measure(plan: Path, requests: int, seed: int) -> dict[str, Any]:
    """Replay about so many counted requests in this process and say what it took."""
    loaded = Plan.load(plan)
    started = time.process_time()
    result = replay_plan(loaded, duration_s=requests / RATE_RPS / (1.0 - WARM_UP), seed=seed).to_json()
    seconds = time.process_time() - started
    chat = result["workloads"]["chat"]
    return {
        "requests": chat["requests"],
        "output_tokens": chat["output_tokens"],
        "cpu_s": seconds,
        "peak_mib": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / _KIB_PER_MIB,
        "result": result,
    }


def in_own_process(plan: Path, requests: int, seed: int = 0) -> dict[str, Any]:
    """Run `measure` in a fresh process, so that its peak of memory is its own."""
    call = [sys.executable, "-m", "benchmarks.replay", "--plan", str(plan), "--requests", str(requests)]
    done = subprocess.run([*call, "--seed", str(seed)], capture_output=True, text=True, check=True)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


def main() -> int:
    """Print the table; fail when a target is missed."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--requests", type=int, nargs="+", default=[50_000, 200_000, 400_000])
    arguments.add_argument("--plan", type=Path, help=argparse.SUPPRESS)
    arguments.add_argument("--seed", type=int, default=0, help=argparse.SUPPRESS)
    chosen = arguments.parse_args()
    if chosen.plan is not None:
        print(json.dumps(measure(chosen.plan, chosen.requests[0], chosen.seed)))
        return 0
    with tempfile.TemporaryDirectory() as folder:
        plan = Path(folder) / "plan.json"
        found = solve(SCENARIO)
        found.save(plan)
        print(f"{sum(group.count for group in found.replicas)} replicas at {RATE_RPS:g} requests/s")
        base = in_own_process(plan, chosen.requests[0] // 10)
        print("| requests | answer tokens | CPU s | per 50,000 | peak memory, MiB | above a short replay |")
        print("|---|---|---|---|---|---|")
        missed = False
        for requests in chosen.requests:
            row = in_own_process(plan, requests)
            each = row["cpu_s"] / row["requests"] * TARGET_REQUESTS
            missed = missed or each > TARGET_S
            print(
                f"| {row['requests']:,} | {row['output_tokens'] / 1e6:.1f} M | {row['cpu_s']:.1f} s "
                f"| {each:.1f} s | {row['peak_mib']:.0f} | {row['peak_mib'] - base['peak_mib']:+.0f} |",
                flush=True,
            )
            if requests == chosen.requests[0]:
                first = row["result"]
        again = in_own_process(plan, chosen.requests[0])["result"] == first
        other = in_own_process(plan, chosen.requests[0], seed=1)["result"] == first
    print(f"equal seeds: {'equal results' if again else 'DIFFERENT RESULTS'}; another seed: ", end="")
    print("EQUAL RESULTS" if other else "other results")
    return int(missed or not again or other)


if __name__ == "__main__":
    sys.exit(main())
