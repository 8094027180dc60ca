"""The outcome of a replay on the terminal."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from planner.files import write_text_atomic
from planner.report.figures.replay import replay_picture, standalone
from planner.report.wide import print_wide, wide_table
from planner.simulate.result import ReplayResult


def print_replay(result: ReplayResult, console: Console) -> None:
    """Print percentiles and attainment of each workload, and how busy each pool was."""
    data = result.to_json()
    table = wide_table(
        f"Replay of {result.duration_s:,.0f} s (seed {result.seed}); ms, network included",
        "workload",
        "requests",
        "TTFT p50",
        "p95",
        "p99",
        "TPOT p50",
        "p95",
        "p99",
        "attainment",
    )
    for name, seen in data["workloads"].items():
        times = [f"{seen[kind][p]:,.1f}" for kind in ("ttft_ms", "tpot_ms") for p in ("p50", "p95", "p99")]
        requests = f"{seen['requests']:,}" + (f" ({seen['failed']:,} failed)" if seen["failed"] else "")
        table.add_row(name, requests, *times, f"{seen['attainment']:.3%}")
    print_wide(table, console)
    if data["pools"]:
        pools = wide_table("Pools", *data["pools"][0])
        for pool in data["pools"]:
            pools.add_row(
                *(f"{value:,.3g}" if isinstance(value, float) else str(value) for value in pool.values())
            )
        print_wide(pools, console)


def write_replay_picture(result: ReplayResult, folder: Path) -> Path:
    """Write `replay.svg` (latencies, queues, utilisation and watts) into a folder and return its path."""
    path = folder / "replay.svg"
    write_text_atomic(path, standalone(replay_picture(result)))
    return path
