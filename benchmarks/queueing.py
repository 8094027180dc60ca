"""Are the queueing formulas right? Predicted against replayed latencies over random cases.

    python -m benchmarks.queueing [--cases 200] [--first 0] [--rows OUT.csv] [--no-rates]

Each case draws a shape of the catalog, a workload, a burstiness, a pool size, a load and an SLO. Two
questions are asked of it. At the load: how far are the predicted p50, p95 and p99 of TTFT and TPOT from
those of the replay (target: median error 10 %)? Under the SLO: is the rate that the formulas find
within 5 % of the rate at which the replay just keeps the p99 (target: 90 % of the cases)? It is, when
the replay keeps the SLO at 95 % of that rate and misses it at 105 %.

Formulas and replay share the step times of the performance model and nothing else. A run of 200 cases
takes about ten minutes on one core.
"""

from __future__ import annotations

import argparse
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from planner.catalog import load_catalog
from planner.performance.replica import replica_model
from planner.performance.service import (
    LatencyObjective,
    RequestProfile,
    ServiceColumn,
    latency_curves,
    service_columns,
)
from planner.performance.shape import Shape
from planner.performance.types import ReplicaModel
from planner.scenario.distributions import TokenDistribution
from planner.simulate.single import PoolReplay, replay_pool, step_clock

SHAPES = (
    Shape("llama-3.1-8b", "h100-sxm", "vllm", weights="bf16", kv_cache="bf16"),
    Shape("llama-3.1-8b", "l40s", "vllm", weights="fp8", kv_cache="bf16"),
    Shape("qwen3-32b", "h100-sxm", "vllm", tp=2, weights="bf16", kv_cache="bf16"),
    Shape("llama-3.3-70b", "h200-sxm", "vllm", tp=4, weights="fp8", kv_cache="fp8"),
    Shape("llama-3.3-70b", "h100-sxm", "vllm", tp=8, weights="bf16", kv_cache="bf16"),
    Shape("llama-3.3-70b", "a100-80-sxm", "vllm", tp=4, weights="bf16", kv_cache="bf16"),
    Shape("qwen3-30b-a3b", "h100-sxm", "vllm", weights="fp8", kv_cache="fp8"),
    Shape("gpt-oss-120b", "h100-sxm", "vllm", tp=2, weights="fp4", kv_cache="fp8"),
    Shape("deepseek-v3", "h200-sxm", "vllm", tp=8, ep=8, weights="fp8", kv_cache="bf16"),
    Shape("mixtral-8x7b", "h100-sxm", "vllm", tp=2, weights="bf16", kv_cache="bf16"),
)

# (TTFT, TPOT) pairs in ms: the MLPerf categories and what services commonly promise
OBJECTIVES = (
    (450.0, 40.0),
    (500.0, 30.0),
    (1000.0, 50.0),
    (2000.0, 50.0),
    (2000.0, 80.0),
    (2000.0, 100.0),
    (2000.0, 200.0),
    (3000.0, 80.0),
    (4500.0, 80.0),
    (6000.0, 175.0),
)

BURSTINESS = (0.7, 1.0, 1.0, 1.5, 2.0, 3.0)
POOL_SIZES = (1, 1, 2, 4, 8, 16)
PREFIX_HITS = (0.0, 0.0, 0.3, 0.6)
PERCENTILES = (50.0, 95.0, 99.0)
MARGIN = 0.05
LOWEST_LOAD = 0.02  # where nothing queues: a shape that misses the SLO there cannot keep it

_Z_99 = 2.3263478740408408
_FEWEST_REQUESTS, _MOST_REQUESTS = 60_000, 150_000
_REQUESTS_PER_PLACE = 60  # turnovers of the requests in service that a replay lasts


@dataclass(frozen=True)
class Case:
    """One random case. `load` is a share of the saturated rate."""

    number: int
    shape: Shape
    profile: RequestProfile
    pool_size: int
    load: float
    objective: LatencyObjective
    description: str


def draw_case(number: int) -> Case:
    """Return the case of that number; the same number is always the same case."""
    rng = np.random.default_rng(1000 + number)
    shape = SHAPES[int(rng.integers(len(SHAPES)))]
    prompt_mean, prompt_spread = _log_uniform(rng, 80, 8000), rng.uniform(0.2, 1.1)
    answer_mean, answer_spread = _log_uniform(rng, 30, 1500), rng.uniform(0.2, 1.0)
    hits, cv = float(rng.choice(PREFIX_HITS)), float(rng.choice(BURSTINESS))
    pool_size, load = int(rng.choice(POOL_SIZES)), float(rng.uniform(0.2, 0.95))
    ttft_ms, tpot_ms = OBJECTIVES[int(rng.integers(len(OBJECTIVES)))]
    profile = RequestProfile(
        _lognormal(prompt_mean, prompt_spread), _lognormal(answer_mean, answer_spread), hits, cv
    )
    words = (
        f"{shape.llm} {shape.accelerator} in {prompt_mean:.0f} ({prompt_spread:.1f}) out {answer_mean:.0f} "
        f"({answer_spread:.1f}) hits {hits} cv {cv} pool {pool_size} load {load:.2f}"
    )
    return Case(number, shape, profile, pool_size, load, LatencyObjective(ttft_ms, tpot_ms), words)


def _log_uniform(rng: np.random.Generator, low: float, high: float) -> float:
    return float(np.exp(rng.uniform(np.log(low), np.log(high))))


def _lognormal(mean: float, spread: float) -> TokenDistribution:
    p50 = mean * np.exp(-(spread**2) / 2)
    return TokenDistribution(p50=p50, p99=p50 * np.exp(_Z_99 * spread))


class Bench:
    """Runs cases; replica models are built once per shape."""

    def __init__(self) -> None:
        self._catalog = load_catalog()
        self._replicas: dict[Shape, ReplicaModel] = {}

    def replica(self, shape: Shape) -> ReplicaModel:
        """The timed replica of a shape."""
        if shape not in self._replicas:
            llm, accelerator = self._catalog.llm(shape.llm), self._catalog.accelerators[shape.accelerator]
            self._replicas[shape] = replica_model(llm, accelerator, shape)
        return self._replicas[shape]

    def latencies(self, case: Case) -> dict[str, Any] | None:
        """Predicted and replayed percentiles at the case's load; None when it holds no request."""
        replica = self.replica(case.shape)
        curves = latency_curves(replica, case.profile, case.pool_size, loads=np.asarray([case.load]))
        if len(curves.rates_rps) == 0:
            return None
        rate = float(curves.rates_rps[0])
        replay = self._replay(case, rate, float(curves.concurrency[0]), seed=0)
        row: dict[str, Any] = {"case": case.number, "description": case.description, "rate_rps": rate}
        for name in ("ttft", "tpot"):
            for percentile in PERCENTILES:
                found = replay.percentile(name, percentile)
                predicted = float(curves.at_percentile(name, percentile)[0])
                row[f"{name}_p{percentile:.0f}_replayed_ms"] = found
                row[f"{name}_p{percentile:.0f}_predicted_ms"] = predicted
                row[f"{name}_p{percentile:.0f}_error"] = predicted / found - 1.0
        return row

    def rate(self, case: Case) -> dict[str, Any]:
        """Whether the rate found for the SLO lies within the margin of the replay's.

        `verdict`: hit, high (the replay misses the SLO a margin below), low (it keeps it a margin
        above), or cannot (no rate found and none replayed). `near`: within twice the margin.
        """
        replica = self.replica(case.shape)
        columns = service_columns([replica], case.profile, [case.objective], case.pool_size)
        column = columns[0][0]
        rate, concurrency, near = column.rate_rps, column.concurrency, True
        if rate <= 0:
            verdict = "low" if self._keeps(case, *_idle(replica, case)) else "cannot"
            near = verdict == "cannot"
        elif not self._keeps(case, rate * (1 - MARGIN), concurrency):
            verdict = "high"
            near = self._keeps(case, rate * (1 - 2 * MARGIN), concurrency)
        elif _saturated(column) or not self._keeps(case, rate * (1 + MARGIN), concurrency):
            verdict = "hit"
        else:
            verdict = "low"
            near = not self._keeps(case, rate * (1 + 2 * MARGIN), concurrency)
        return {
            "case": case.number,
            "ttft_ms": case.objective.ttft_ms,
            "tpot_ms": case.objective.tpot_ms,
            "found_rps": column.rate_rps,
            "utilization": column.utilization,
            "limited_by": column.limited_by,
            "verdict": verdict,
            "near": near,
        }

    def _keeps(self, case: Case, rate_rps: float, concurrency: float) -> bool:
        replay = self._replay(case, rate_rps, concurrency, seed=1)
        objective = case.objective
        assert objective.ttft_ms is not None
        assert objective.tpot_ms is not None
        kept = replay.percentile("ttft", objective.percentile) <= objective.ttft_ms
        return kept and replay.percentile("tpot", objective.percentile) <= objective.tpot_ms

    def _replay(self, case: Case, rate_rps: float, concurrency: float, seed: int) -> PoolReplay:
        replica = self.replica(case.shape)
        requests = _REQUESTS_PER_PLACE * max(concurrency, 1.0) * case.pool_size
        return replay_pool(
            replica,
            case.profile,
            rate_rps * case.pool_size,
            case.pool_size,
            requests=int(np.clip(requests, _FEWEST_REQUESTS, _MOST_REQUESTS)),
            seed=seed,
            clock=step_clock(replica, case.profile),
        )


def _saturated(column: ServiceColumn) -> bool:
    """Whether throughput, not latency, stops the rate: above it there is no steady state to compare."""
    return column.limited_by in ("throughput", "memory")


def _idle(replica: ReplicaModel, case: Case) -> tuple[float, float]:
    """Rate (1/s and replica) and concurrency at which nothing queues."""
    curves = latency_curves(replica, case.profile, case.pool_size, loads=np.asarray([LOWEST_LOAD]))
    return (float(curves.rates_rps[0]), 1.0) if len(curves.rates_rps) else (1e-3, 1.0)


def summary(latencies: pd.DataFrame, rates: pd.DataFrame) -> str:
    """The tables a person reads."""
    lines = [f"{len(latencies)} cases at a random load: |predicted / replayed - 1|"]
    lines.append("| quantity | median | 90th percentile | bias (median) |")
    lines.append("|---|---|---|---|")
    for name in ("ttft", "tpot"):
        for percentile in PERCENTILES:
            errors = latencies[f"{name}_p{percentile:.0f}_error"]
            size = errors.abs()
            lines.append(
                f"| {name.upper()} p{percentile:.0f} | {size.median():.1%} | {size.quantile(0.9):.1%} "
                f"| {errors.median():+.1%} |"
            )
    if len(rates):
        servable = rates[rates["verdict"] != "cannot"]
        hits = (servable["verdict"] == "hit").mean()
        lines.append("")
        lines.append(
            f"rate for a p99 SLO within {MARGIN:.0%} of the replay's: {hits:.1%} of {len(servable)} cases "
            f"(within {2 * MARGIN:.0%}: {servable['near'].mean():.1%}); "
            f"too low in {(servable['verdict'] == 'low').mean():.1%}, "
            f"too high in {(servable['verdict'] == 'high').mean():.1%}; "
            f"{len(rates) - len(servable)} more cannot keep theirs at any rate, as found"
        )
    return "\n".join(lines)


def main() -> None:
    """Run the cases and print the summary."""
    arguments = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    arguments.add_argument("--cases", type=int, default=200)
    arguments.add_argument("--first", type=int, default=0, help="number of the first case")
    arguments.add_argument("--rows", type=Path, help="write a row per case here (CSV)")
    arguments.add_argument("--no-rates", action="store_true", help="compare latencies only")
    chosen = arguments.parse_args()
    bench, started = Bench(), time.perf_counter()
    latencies, rates = [], []
    for number in range(chosen.first, chosen.first + chosen.cases):
        case = draw_case(number)
        row = bench.latencies(case)
        if row is not None:
            latencies.append(row)
        if not chosen.no_rates:
            rates.append({**bench.rate(case), "description": case.description})
    print(summary(pd.DataFrame(latencies), pd.DataFrame(rates)))
    print(f"\n{time.perf_counter() - started:.0f} s")
    if chosen.rows is not None:
        table = pd.DataFrame(latencies)
        if rates:
            table = pd.DataFrame(rates).drop(columns="description").merge(table, on="case", how="left")
        table.to_csv(chosen.rows, index=False)


if __name__ == "__main__":
    main()
