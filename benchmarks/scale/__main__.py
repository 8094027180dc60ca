"""Scale: `python -m benchmarks scale`, or `python -m benchmarks.scale --sizes S M L XL --seeds 1 2 3 4 5`.

Every instance is solved by the whole product in a process of its own. Printed are wall seconds (and, after a
slash, processor seconds, which a busy machine changes less): shapes (enumerate and time them, put the program
together), first plan and 1 % (from the start of the search), solve, place and verify, all; then the gap of
the plan delivered, memory, and how value and bound compare with the best known. `--keep` stores what is
better.
"""

from __future__ import annotations

import argparse
import json
import statistics
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from benchmarks.scale.best_known import best_of, keep
from benchmarks.scale.generator import SIZES

TIME_LIMIT_S = {"S": 60, "M": 60, "L": 60, "XL": 300}
SHAPES = "enumerating and timing replica shapes"
PLACING = "placing servers and replicas, verifying"
COLUMNS = ("instance", "shapes", "first plan", "1 %", "solve", "place+verify", "all", "gap", "GiB",
           "accelerators", "USD/h", "to best", "bound to best")  # fmt: skip


def run(size: str, seed: int, changes: Sequence[str]) -> dict[str, Any] | None:
    """Return the result of an instance, None if its process failed."""
    sets = [f"--set=solver.time_limit_s={TIME_LIMIT_S[size]}", *(f"--set={change}" for change in changes)]
    command = [sys.executable, "-m", "benchmarks.scale.measure", size, str(seed), *sets]
    found = subprocess.run(command, stdout=subprocess.PIPE, text=True, check=False)
    if found.returncode != 0:
        print(f"{size}-{seed}: failed with exit code {found.returncode}", flush=True)
        return None
    result: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
    return result


def _both(seconds: Mapping[str, float] | None) -> str:
    return "-" if seconds is None else f"{seconds['wall']:.1f}/{seconds['cpu']:.1f}"


def line(result: Mapping[str, Any]) -> str:
    """Return a row of the table."""
    stages, best = result["stages_s"], best_of(result["size"], result["seed"])
    total = {kind: sum(spent[kind] for spent in stages.values()) for kind in ("wall", "cpu")}
    cells = [
        f"{result['size']}-{result['seed']}",
        _both(stages.get(SHAPES)),
        _both(result["first_plan_s"]),
        _both(result["within_1_percent_s"]),
        _both(stages.get("solving")),
        _both(stages.get(PLACING)),
        _both(total),
        f"{result['gap']:.2%}",
        f"{result['memory_gib']:.2f}",
        f"{result['accelerators']:,}",
        f"{result['usd_per_h']:.2f}",
        _against(result["usd_per_h"], best.usd_per_h),
        _against(result["bound_usd_per_h"], best.bound_usd_per_h),
    ]
    return _row(cells)


def _against(value: float, known: float | None) -> str:
    return "new" if known is None else f"{value / known - 1:+.2%}"


def _row(cells: Sequence[str]) -> str:
    return "".join(cell.rjust(14) for cell in cells)


def main() -> int:
    """Run the instances; return 1 if one of them failed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sizes", nargs="+", default=["S", "M", "L"], choices=list(SIZES))
    parser.add_argument("--seeds", nargs="+", type=int, default=[1])
    parser.add_argument("--set", action="append", default=[], help="change of the scenarios, path=value")
    parser.add_argument("--keep", action="store_true", help="store better values and bounds")
    given = parser.parse_args()
    failed = False
    print(_row(COLUMNS))
    for size in given.sizes:
        results = [result for seed in given.seeds if (result := _one(size, seed, given)) is not None]
        failed |= len(results) < len(given.seeds)
        if len(results) > 1:
            print(f"{size}: median {_median(results)}", flush=True)
    return int(failed)


def _one(size: str, seed: int, given: argparse.Namespace) -> dict[str, Any] | None:
    result = run(size, seed, given.set)
    if result is not None:
        print(line(result), flush=True)
        if given.keep:
            keep(result)
    return result


def _median(results: Sequence[Mapping[str, Any]]) -> str:
    """Return the medians over seeds of what is asked for, wall seconds."""
    never = float("inf")
    first = [never if (s := r["first_plan_s"]) is None else s["wall"] for r in results]
    within = [never if (s := r["within_1_percent_s"]) is None else s["wall"] for r in results]
    gaps = [r["gap"] for r in results]
    return (
        f"first plan {statistics.median(first):.1f} s, 1 % {statistics.median(within):.1f} s, "
        f"gap {statistics.median(gaps):.2%} (worst {max(gaps):.2%})"
    )


if __name__ == "__main__":
    sys.exit(main())
