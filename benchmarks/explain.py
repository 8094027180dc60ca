"""How long a large plan takes to explain: `python -m benchmarks explain`, or `python -m benchmarks.explain`.

A question of ten sites and more than 10,000 accelerators is solved once and its plan kept (`--plan DIR` takes
one that is there already). Then `planner explain DIR/plan.json` runs in a fresh process, as a user would run
it: reading, putting the question together, explaining, printing. Its stages are printed with wall and
processor seconds, and what the whole command took, the interpreter's start included.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

SITES = (
    ("westeurope", 1.3), ("northeurope", 0.8), ("eastus", 1.5), ("westus2", 1.1), ("centralus", 0.9),
    ("francecentral", 0.6), ("uksouth", 0.7), ("swedencentral", 1.2), ("japaneast", 1.0),
    ("southeastasia", 0.9),
)  # fmt: skip
"""Region of each site, and how large it is against the mean."""

ROWS = (
    ("h100", "dgx-h100", 4, 40.8, 3),
    ("h200", "dgx-h200", 4, 40.8, 3),
    ("b200", "dgx-b200", 3, 42.9, 2),
)
"""Rows of a site of mean size: name, server that stands in half of its racks, servers to a rack, kW of a full
rack, how many such rows."""

RACKS = 8
"""Racks of a row."""

WORKLOADS = (
    ("chat", "llama-3.3-70b", 1155, 211, 2000, 50, 12_500.0, ("westeurope", "eastus", "japaneast")),
    ("assist", "llama-3.1-8b", 900, 220, 1000, 40, 65_000.0, ("eastus", "westus2", "southeastasia")),
    ("code", "qwen3-32b", 1800, 60, 800, 40, 10_500.0, ("northeurope", "centralus", "uksouth")),
    ("agent", "gpt-oss-120b", 2600, 350, 2500, 40, 14_500.0, ("francecentral", "eastus", "swedencentral")),
    ("reason", "deepseek-v3", 800, 900, 5000, 80, 3100.0, ("westus2", "westeurope", "japaneast")),
)
"""Name, LLM, tokens in and out, TTFT and TPOT at p99 in ms, requests/s, where users live."""


def question() -> dict[str, Any]:
    """Return the scenario as plain data, its topology inside."""
    return {
        "name": "explain-10k",
        "topology": {"name": "explain-10k", "sites": [_site(*site) for site in SITES]},
        "workloads": [
            {
                "name": name,
                "llms": [llm],
                "origins": {origins[0]: 0.4, origins[1]: 0.35, origins[2]: 0.25},
                "rate_rps": rate,
                "input_tokens": {"mean": given, "p99": 4 * given},
                "output_tokens": {"mean": answer, "p99": 4 * answer},
                "slo": {"ttft_ms": ttft, "tpot_ms": tpot, "percentile": 99},
            }
            for name, llm, given, answer, ttft, tpot, rate, origins in WORKLOADS
        ],
        "fleet": {"buy": ["dgx-h100", "dgx-h200", "dgx-b200", "mi300x-8"], "stock": {"dgx-b200": 300}},
        "limits": {"capex_usd": 3e8, "carbon_kg_per_h": 9000},
        "reliability": {"survive": ["feed"], "headroom": 0.05},
        "objective": {"minimize": "cost"},
        "solver": {"relative_gap": 0.03, "time_limit_s": 60},
    }


def _site(region: str, size: float) -> dict[str, Any]:
    """Return a site with rows of every kind; feeds, loops and the grid are a little too small for all."""
    rows = [(*row[:4], max(1, round(row[4] * size))) for row in ROWS]
    kw = sum(count * RACKS * full_kw for _, _, _, full_kw, count in rows)
    return {
        "name": f"{region}-1",
        "region": region,
        "grid_kw": round(1.1 * kw),
        "open_usd_per_h": round(100 * size, 2),
        "blocks": [_row(*row) for row in rows],
    }


def _row(name: str, server: str, per_rack: int, full_kw: float, count: int) -> dict[str, Any]:
    """Return a kind of row, half of its racks full."""
    rack: dict[str, Any] = {
        "feeds": ["A", "B"], "power_kw": 44, "air_kw": 44, "slots": 4, "air_loop": "crah",
    }  # fmt: skip
    row_kw = RACKS * full_kw
    return {
        "name": name,
        "count": count,
        "power": [{"name": side, "level": "feed", "capacity_kw": round(row_kw / 0.8)} for side in ("A", "B")],
        "cooling": [
            {
                "name": "crah",
                "medium": "air",
                "units": 6,
                "spare_units": 1,
                "unit_kw": round(0.95 * row_kw / 5),
            }
        ],
        "fabric_domains": [{"name": "fabric", "leaves": 8, "spines": 4}],
        "racks": [
            {"name": "r", "count": RACKS // 2, "servers": {server: per_rack}, **rack},
            {"name": "free", "count": RACKS // 2, **rack},
        ],
    }


STAGES = """
import json, resource, sys, time
started = time.perf_counter()
stages = []

def spent(name):
    now = resource.getrusage(resource.RUSAGE_SELF)
    stages.append((name, time.perf_counter() - started, now.ru_utime + now.ru_stime))

import planner.cli
import planner.explain.explanation as explanation
import planner.report.explaining.explanation
spent("start and imports")

def timed(name, function):
    def run(*given, **named):
        answer = function(*given, **named)
        spent(name)
        return answer
    return run

def drained(name, function):
    def run(*given, **named):
        yield from list(function(*given, **named))
        spent(name)
    return run

explanation.rebuild = timed("reading, putting together", explanation.rebuild)
explanation.Relaxation = timed("relaxation", explanation.Relaxation)
explanation.binding = drained("what promises are worth", explanation.binding)
explanation.price_effects = drained("prices", explanation.price_effects)
explanation.trades = drained("latencies, headroom, racks", explanation.trades)
try:
    planner.cli.app(sys.argv[1:])
finally:
    spent("the rest, printing")
    print(json.dumps(stages), file=sys.stderr)
"""
"""The command itself, each of its stages told on the error output when it ends."""


def solved(folder: Path) -> None:
    """Solve the question into a folder, as a user would."""
    scenario = folder / "scenario.json"
    scenario.write_text(json.dumps(question()))
    subprocess.run(
        [sys.executable, "-c", "from planner.cli import main; main()", "solve", str(scenario),
         "-o", str(folder), "--no-verify-by-replay", "--quiet"],
        check=True,
    )  # fmt: skip


def explained(plan: Path, options: list[str]) -> tuple[dict[str, Any], list[tuple[str, float, float]], float]:
    """Run the command in a fresh process; return what it says, its stages, and its wall seconds."""
    started = time.perf_counter()
    found = subprocess.run(
        [sys.executable, "-c", STAGES, "explain", str(plan), "--json", *options],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    wall_s = time.perf_counter() - started
    return json.loads(found.stdout), json.loads(found.stderr.splitlines()[-1]), wall_s


def main() -> int:
    """Print stages and seconds; return 1 if the answer left anything out or took 30 s of a processor."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--plan", type=Path, help="folder of a plan; solved into it where it has none")
    parser.add_argument("--shapes", default="auto", help="as of `planner explain`")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as temporary:
        folder = given.plan or Path(temporary)
        folder.mkdir(parents=True, exist_ok=True)
        if not (folder / "plan.json").is_file():
            solved(folder)
        metrics = json.loads((folder / "plan.json").read_text())["metrics"]
        print(f"a plan of {metrics['accelerators']:,} accelerators; load of this machine {_load()}")
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        said, stages, wall_s = explained(folder / "plan.json", ["--shapes", given.shapes])
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu_s = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    print(f"{'stage':<30}{'wall s':>9}{'processor s':>14}")
    last = (0.0, 0.0)
    for name, wall, cpu in stages:
        print(f"{name:<30}{wall - last[0]:>9.2f}{cpu - last[1]:>14.2f}")
        last = (wall, cpu)
    print(f"{'the whole command':<30}{wall_s:>9.2f}{cpu_s:>14.2f}   load {_load()}")
    counts = {name: len(said[name]) for name in ("binding", "prices", "trades", "full", "slack")}
    print(f"answered: {counts}; left out: {said['told'] or 'nothing'}")
    return int(cpu_s >= LIMIT_S or "time ran out" in said["told"])


LIMIT_S = 30.0
"""Seconds in which a plan of 10,000 accelerators is to be explained; of a processor, which others share."""


def _load() -> str:
    return f"{os.getloadavg()[0]:.1f}"


if __name__ == "__main__":
    sys.exit(main())
