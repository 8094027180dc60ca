"""Run the benchmarks: `python -m benchmarks`, or some by name: `python -m benchmarks speed power`.

| name | measures | needs |
|---|---|---|
| speed | 10,000 estimates in one call; the time to a verified plan of each example | nothing |
| scale | instances of 1,000 to 100,000 accelerators: first plan, 1 %, gap, memory | nothing; takes minutes |
| peers | other planners' own instances, their answers beside ours | nothing |
| power | error of the power model, each accelerator left out | nothing (rows are shipped) |
| explain | the time to explain a plan of 10,000 accelerators, by stage | nothing |
| studies | the time of a 10 % change against the first solve | nothing |
| procurement | the shipped procurement: time, gap, check; 10 % changes | nothing; takes minutes |
| queueing | predicted against replayed percentiles | nothing; takes minutes |
| azure | plans for real traces, replayed on minutes they were not sized on | nothing (traces are kept) |
| replay | requests replayed per second, peak memory, equal seeds | nothing |
| accuracy | error of the performance model, each (LLM, accelerator) pair left out | measured rows |

Measured rows are too large to ship: `PLANNER_BENCHMARK_DATA` names the folder that holds them
(docs/performance-model.md says what they are).
"""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from pathlib import Path

MODULES = {
    "speed": "benchmarks.speed",
    "scale": "benchmarks.scale",
    "peers": "benchmarks.peers",
    "power": "benchmarks.calibrate_power",
    "explain": "benchmarks.explain",
    "studies": "benchmarks.studies",
    "procurement": "benchmarks.procurement",
    "queueing": "benchmarks.queueing",
    "azure": "benchmarks.azure",
    "replay": "benchmarks.replay",
    "accuracy": "benchmarks.accuracy",
}
DATA = Path(os.environ.get("PLANNER_BENCHMARK_DATA", Path(__file__).parent / "data"))


def main() -> int:
    """Run each benchmark in a process of its own; return how many failed."""
    names = sys.argv[1:] or list(MODULES)
    failed = 0
    for name in names:
        if name not in MODULES:
            print(f"no benchmark '{name}'; there are {', '.join(MODULES)}")
            return 2
        if name == "accuracy" and not (DATA / "calibration.csv").is_file():
            print("accuracy: left out, PLANNER_BENCHMARK_DATA names no folder with calibration.csv")
            continue
        if importlib.util.find_spec(MODULES[name]) is None:
            continue
        print(f"== {name}", flush=True)
        failed += subprocess.run([sys.executable, "-m", MODULES[name]], check=False).returncode != 0
    return failed


if __name__ == "__main__":
    sys.exit(main())
