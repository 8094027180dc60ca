"""Do plans sized on some minutes of real traffic keep their p99 on others, and do plans sized on means?

    python -m benchmarks.azure [--figure FILE.svg] [--shorter N]

The Azure LLM inference traces of November 2023 (conversation and code, an hour each) are cut into blocks
of ten minutes. Every other block is the `trace:` of a workload; a plan is found for each, with the loop of
replays (`p99`), with the formulas alone (`p99, formulas`) and with the same limits on mean latencies
(`mean`). All are then replayed on the blocks that were not used. `--shorter N` keeps the first N blocks.

Data: Microsoft Azure, AzurePublicDataset, CC-BY-4.0; Patel et al., Splitwise, ISCA 2024 (data/LICENCES.md).
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from planner.plan.solve import solve
from planner.plan.types import Plan
from planner.scenario.request_trace import RequestTable, Trace, read_trace
from planner.simulate.prove import solve_and_replay
from planner.simulate.replay import replay_plan
from planner.simulate.result import WorkloadReplay

DATA = Path(__file__).with_name("data")
BLOCK_S = 600.0
_RAREST = 1e-3  # share of requests at which the figure ends

SERVICES: dict[str, dict[str, Any]] = {
    "conv": {
        "llms": ["llama-3.3-70b"],
        "slo": {"ttft_ms": 2000, "tpot_ms": 50},
        "rent": [{"accelerator": "a100-80-sxm", "count": 4, "usd_per_h": 8.0, "max_count": 64}],
    },
    "code": {
        "llms": ["llama-3.1-8b"],
        "slo": {"ttft_ms": 4000, "tpot_ms": 150},
        "rent": [{"accelerator": "l40s", "count": 1, "usd_per_h": 1.0, "max_count": 64}],
    },
}
"""What answers each trace, its limits, and what may be rented (USD of a rented box of `count`)."""


@dataclass(frozen=True)
class Row:
    """A plan and what unseen traffic made of it. predicted_ms, replayed_ms: p99 of (TTFT, TPOT)."""

    trace: str
    sized_on: str
    replicas: int
    usd_per_h: float
    predicted_ms: tuple[float, float]
    replayed: WorkloadReplay

    @property
    def replayed_ms(self) -> tuple[float, float]:
        """p99 of TTFT and TPOT on the unseen blocks."""
        return self.replayed.percentile("ttft", 99), self.replayed.percentile("tpot", 99)

    @property
    def kept(self) -> bool:
        """Whether both p99 are within their limits there."""
        limits = self.replayed.limits
        return all(
            limit is None or found <= limit
            for found, limit in zip(self.replayed_ms, (limits.ttft_ms, limits.tpot_ms), strict=True)
        )


def blocks(trace: Trace, first: int, block_s: float = BLOCK_S) -> Trace:
    """Every other block of a trace, from block `first` (0 or 1), at the times they were recorded."""
    number = np.floor(trace.requests.arrival_s / block_s).astype(np.int64)
    part: RequestTable = trace.requests.where(number % 2 == first)
    return Trace(part, trace.format, trace.start, 0, trace.has_prefixes)


def as_csv(trace: Trace) -> str:
    """A trace as the plain CSV that scenarios read."""
    table = trace.requests
    rows = zip(table.arrival_s.tolist(), table.prompt.tolist(), table.output.tolist(), strict=True)
    return "t_s,in_tokens,out_tokens\n" + "".join(f"{t:.3f},{i},{o}\n" for t, i, o in rows)


def scenario(name: str, trace: Path, percentile: float | str) -> dict[str, Any]:
    """The question for the requests in a trace file."""
    service = SERVICES[name]
    workload = {"name": name, "llms": service["llms"], "trace": str(trace)}
    return {
        "name": f"azure-{name}",
        "topology": "cloud",
        "workloads": [{**workload, "slo": {**service["slo"], "percentile": percentile}}],
        "fleet": {"rent": service["rent"]},
        "engines": ["vllm"],
        "solver": {"time_limit_s": 60, "relative_gap": 0.0, "reproducible": True},
    }


def compare(name: str, trace: Trace, block_s: float = BLOCK_S) -> Iterator[Row]:
    """Plans sized on the even blocks, replayed on the odd ones."""
    seen, unseen = blocks(trace, 0, block_s), blocks(trace, 1, block_s)
    with tempfile.TemporaryDirectory(prefix="azure-") as folder:
        path = Path(folder) / f"{name}.csv"
        path.write_text(as_csv(seen), encoding="utf-8")
        for sized_on, percentile, replays in (
            ("p99", 99, True),
            ("p99, formulas", 99, False),
            ("mean", "mean", False),
        ):
            question = scenario(name, path, percentile)
            plan = solve_and_replay(question).plan if replays else solve(question)
            yield row(name, sized_on, plan, unseen)


def row(name: str, sized_on: str, plan: Plan, unseen: Trace) -> Row:
    """Replay a plan on a trace."""
    found = replay_plan(plan, trace=unseen.requests).workloads[name]
    promise = plan.slo[0]
    return Row(
        trace=name,
        sized_on=sized_on,
        replicas=sum(group.count for group in plan.replicas),
        usd_per_h=plan.cost.total,
        predicted_ms=(promise.ttft_ms.predicted or 0.0, promise.tpot_ms.predicted or 0.0),
        replayed=found,
    )


def summary(rows: list[Row]) -> str:
    """The table a person reads."""
    lines = [
        "| trace | sized on | replicas | USD/h | p99 TTFT, TPOT predicted (ms) | on unseen minutes (ms) "
        "| attained | p99 |",
        "|---|---|---|---|---|---|---|---|",
    ]
    for found in rows:
        predicted, replayed = (f"{a:,.0f}, {b:,.0f}" for a, b in (found.predicted_ms, found.replayed_ms))
        lines.append(
            f"| {found.trace} | {found.sized_on} | {found.replicas} | {found.usd_per_h:.2f} | {predicted} "
            f"| {replayed} | {found.replayed.attainment:.2%} | {'kept' if found.kept else 'MISSED'} |"
        )
    return "\n".join(lines)


def figure(rows: list[Row], path: Path) -> None:
    """Draw the share of unseen requests above each latency, over the limit, for p99 and mean sizing."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    names = list(dict.fromkeys(found.trace for found in rows))
    drawn, axes = plt.subplots(
        len(names), 2, figsize=(9, 3.2 * len(names)), squeeze=False, layout="constrained"
    )
    for across, name in zip(axes, names, strict=True):
        for axis, kind in zip(across, ("ttft", "tpot"), strict=True):
            for found in (found for found in rows if found.trace == name):
                above = np.geomspace(1.0, _RAREST, 200)
                values = {"ttft": found.replayed.ttft_ms, "tpot": found.replayed.tpot_ms}[kind]
                values = np.quantile(values[~np.isnan(values)], 1.0 - above)
                axis.loglog(values, above, label=f"sized on {found.sized_on} ({found.replicas} replicas)")
            limit = next(getattr(f.replayed.limits, f"{kind}_ms") for f in rows if f.trace == name)
            axis.axvline(limit, color="black", linewidth=0.8)
            axis.axhline(0.01, color="black", linewidth=0.8, linestyle=":")
            axis.set(
                xlabel=f"{kind.upper()}, ms",
                ylabel="share of requests above",
                title=f"{name}: {kind.upper()}",
            )
            axis.set_ylim(_RAREST, 1.0)
        across[0].legend(fontsize=8, loc="lower left")
    drawn.savefig(path, dpi=80)
    plt.close(drawn)


def load(name: str, shorter: int | None = None) -> Trace:
    """The kept trace, or its first `shorter` blocks."""
    trace = read_trace(DATA / f"azure_2023_{name}.csv.gz")
    return trace if shorter is None else trace.between(0.0, shorter * BLOCK_S)


def main() -> int:
    """Print the table; fail if a plan sized on p99 misses it."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--shorter", type=int, help="first blocks of ten minutes to use")
    arguments.add_argument("--figure", type=Path, help="draw the distributions here (.svg, .png)")
    chosen = arguments.parse_args()
    rows = [found for name in SERVICES for found in compare(name, load(name, chosen.shorter))]
    print(summary(rows))
    if chosen.figure is not None:
        figure(rows, chosen.figure)
    return int(any(found.sized_on != "mean" and not found.kept for found in rows))


if __name__ == "__main__":
    sys.exit(main())
