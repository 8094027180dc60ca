"""Are the queueing formulas right? Predicted against replayed latencies over random cases.

    python -m benchmarks.queueing [--cases 200] [--first 0] [--rows OUT.csv] [--no-rates]

Each case draws a shape of the catalog, a workload, a burstiness, a pool size, a load and an SLO. Two
questions are asked of it. At the load: how far are the predicted p50, p95 and p99 of TTFT and TPOT from
those of the replay (target: median error 10 %)? Under the SLO: is the rate found within 5 % of the rate
at which a long replay just keeps the p99 (target: 90 % of the cases)? It is, when the replay keeps the
SLO at 95 % of that rate and misses it at 105 %. Two rates are judged: that of the formulas alone, and
the same refined by short replays, as `planner solve` refines the columns its plan uses. The judge draws
other random numbers than the refinement. Misses are judged again with two other seeds, to tell how many
of them are the judge's own noise; they count as misses all the same.

Formulas and replay share the step times of the performance model and nothing else. A run of 200 cases
takes about twenty minutes on one core.
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
from planner.performance.latency import SATURATION_SHARE
from planner.performance.replica import replica_model
from planner.performance.service import (
    LatencyObjective,
    RequestProfile,
    latency_curves,
    service_columns,
)
from planner.performance.shape import Shape
from planner.performance.types import ReplicaModel
from planner.scenario.distributions import TokenDistribution
from planner.simulate.refine import refined_rate
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
MISSES = ("low", "high")
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
        """Whether the rates found for the SLO lie within the margin of the replay's.

        Two rates are judged: that of the formulas, and the same refined by short replays (other random
        numbers than the judge's), as `planner solve` does for the columns its plan uses.
        """
        replica = self.replica(case.shape)
        columns = service_columns([replica], case.profile, [case.objective], case.pool_size)
        column = columns[0][0]
        refined = refined_rate(replica, case.profile, case.objective, case.pool_size)
        row: dict[str, Any] = {
            "case": case.number,
            "ttft_ms": case.objective.ttft_ms,
            "tpot_ms": case.objective.tpot_ms,
            "utilization": column.utilization,
            "limited_by": column.limited_by,
            "replays": refined.replays,
        }
        for name, rate in (("formula", column.rate_rps), ("refined", refined.rate_rps)):
            verdict, near = self._verdict(case, rate, column.concurrency, seed=1)
            row |= {
                f"{name}_rps": rate,
                f"{name}_verdict": verdict,
                f"{name}_near": near,
                f"{name}_chance": False,
            }
            if verdict in MISSES:
                others = {self._verdict(case, rate, column.concurrency, seed)[0] for seed in (2, 3)}
                row[f"{name}_chance"] = others != {verdict}
        return row

    def _verdict(self, case: Case, rate: float, concurrency: float, seed: int) -> tuple[str, bool]:
        """Judge a rate by a long replay.

        Returns:
            hit, high (the replay misses the SLO a margin below), low (it keeps it a margin above), or
            cannot (no rate found, and the replay of a nearly idle pool misses); and whether it is
            within twice the margin.

        """
        idle_rps, saturated_rps = self._range(case)
        if rate <= 0:
            kept = self._keeps(case, idle_rps, 1.0, seed)
            return ("low", False) if kept else ("cannot", True)
        if not self._keeps(case, rate * (1 - MARGIN), concurrency, seed):
            return "high", self._keeps(case, rate * (1 - 2 * MARGIN), concurrency, seed)
        if rate >= saturated_rps or not self._keeps(case, rate * (1 + MARGIN), concurrency, seed):
            return "hit", True  # above saturation there is no steady state to compare with
        return "low", not self._keeps(case, rate * (1 + 2 * MARGIN), concurrency, seed)

    def _range(self, case: Case) -> tuple[float, float]:
        """Rates (1/s and replica) at which nothing queues, and from which the pool counts as saturated."""
        loads = np.asarray([LOWEST_LOAD])
        curves = latency_curves(self.replica(case.shape), case.profile, case.pool_size, loads=loads)
        if len(curves.rates_rps) == 0:
            return 1e-3, 0.0
        return float(curves.rates_rps[0]), curves.saturation_rps * SATURATION_SHARE * (1 - 1e-9)

    def _keeps(self, case: Case, rate_rps: float, concurrency: float, seed: int) -> bool:
        replay = self._replay(case, rate_rps, concurrency, seed)
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
        lines.append("")
        lines.append(f"the rate for a p99 SLO against the replay's, {len(rates)} cases")
        lines.append(
            "| rate | servable | within 5 % | within 10 % | too low | too high | misses by one seed only |"
        )
        lines.append("|---|---|---|---|---|---|---|")
        for name in ("formula", "refined"):
            verdict = rates[f"{name}_verdict"]
            servable = verdict != "cannot"
            shares = [(verdict[servable] == kind).mean() for kind in ("hit", "low", "high")]
            near = rates.loc[servable, f"{name}_near"].mean()
            misses, chance = int(verdict.isin(MISSES).sum()), int(rates[f"{name}_chance"].sum())
            within = f"{shares[0]:.1%} | {near:.1%}"
            lines.append(
                f"| {name} | {servable.sum()} | {within} | {shares[1]:.1%} | {shares[2]:.1%} "
                f"| {chance} of {misses} |"
            )
        lines.append(f"replays for a refined rate: {rates['replays'].mean():.1f} on average")
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
        if chosen.rows is not None:
            _write(chosen.rows, latencies, rates)
    print(summary(pd.DataFrame(latencies), pd.DataFrame(rates)))
    print(f"\n{time.perf_counter() - started:.0f} s")


def _write(path: Path, latencies: list[dict[str, Any]], rates: list[dict[str, Any]]) -> None:
    table = pd.DataFrame(latencies)
    if rates:
        table = pd.DataFrame(rates).drop(columns="description").merge(table, on="case", how="left")
    table.to_csv(path, index=False)


if __name__ == "__main__":
    main()
