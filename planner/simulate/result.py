"""What a replay found: latencies per workload, load and watts per pool, states over time."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from planner.files import write_text_atomic

FloatArray = npt.NDArray[np.float64]

PERCENTILES = (50, 95, 99)
_DECIMALS = 3


@dataclass(frozen=True)
class Limits:
    """The latency objective of a workload, ms (None: no limit), network included."""

    ttft_ms: float | None = None
    tpot_ms: float | None = None
    e2e_ms: float | None = None


@dataclass(frozen=True)
class WorkloadReplay:
    """Latencies of the counted requests of one workload, network included.

    Attributes:
        name: of the workload.
        limits: its objective.
        arrival_s, ttft_ms, tpot_ms, e2e_ms: one entry per answered request, in order of completion (of
            very many requests an even sample); `tpot_ms` is NaN for answers of one token.
        answered: requests that were.
        output_tokens: tokens answered.
        failed: requests never answered (no replica left, or too large for any cache).

    """

    name: str
    limits: Limits
    arrival_s: FloatArray
    ttft_ms: FloatArray
    tpot_ms: FloatArray
    e2e_ms: FloatArray
    answered: int
    output_tokens: int
    failed: int

    @property
    def requests(self) -> int:
        """Requests counted, failed ones included."""
        return self.answered + self.failed

    @property
    def attainment(self) -> float:
        """Share of the requests that kept every limit; failed ones kept none."""
        if self.requests == 0:
            return 1.0
        kept = np.ones(len(self.ttft_ms), dtype=bool)
        for values, limit in (
            (self.ttft_ms, self.limits.ttft_ms),
            (self.tpot_ms, self.limits.tpot_ms),
            (self.e2e_ms, self.limits.e2e_ms),
        ):
            if limit is not None:
                kept &= ~(values > limit)  # one token has no time per further token
        return float(kept.mean() * self.answered / self.requests) if len(kept) else 0.0

    def percentile(self, name: str, percentile: float | None) -> float:
        """A percentile (None: the mean) of "ttft", "tpot" or "e2e" in ms; 0 without requests."""
        values = {"ttft": self.ttft_ms, "tpot": self.tpot_ms, "e2e": self.e2e_ms}[name]
        values = values[~np.isnan(values)]
        if len(values) == 0:
            return 0.0
        return float(values.mean() if percentile is None else np.percentile(values, percentile))

    def summary(self, name: str) -> dict[str, float]:
        """Mean, p50, p95 and p99 of a latency, ms."""
        found = {"mean": self.percentile(name, None)}
        found |= {f"p{p}": self.percentile(name, p) for p in PERCENTILES}
        return {key: round(value, _DECIMALS) for key, value in found.items()}


@dataclass(frozen=True)
class PoolReplay:
    """Load of one pool while requests arrived.

    Attributes:
        name: of the pool.
        replicas: replicas at the start.
        requests: requests given to it.
        preemptions: sequences whose cache was dropped and computed again.
        utilization: share of time its replicas were in an iteration.
        watts: mean draw of all its accelerators.
        waiting_mean, waiting_max, running_mean: requests in line and admitted, over its replicas.

    """

    name: str
    replicas: int
    requests: int
    preemptions: int
    utilization: float
    watts: float
    waiting_mean: float
    waiting_max: int
    running_mean: float


@dataclass(frozen=True)
class ReplayResult:
    """Outcome of a replay.

    Attributes:
        workloads: by name.
        pools: in the plan's order.
        series: states over time: columns time_s, pool, waiting, running, utilization, watts.
        seed: of the random numbers.
        duration_s: time in which requests arrived.
        warm_up_s: time at the start whose requests are not counted.

    """

    workloads: dict[str, WorkloadReplay]
    pools: tuple[PoolReplay, ...]
    series: pd.DataFrame
    seed: int
    duration_s: float
    warm_up_s: float

    @property
    def attainment(self) -> float:
        """Share of all requests that kept their limits."""
        requests = sum(w.requests for w in self.workloads.values())
        kept = sum(w.attainment * w.requests for w in self.workloads.values())
        return kept / requests if requests else 1.0

    def to_json(self) -> dict[str, Any]:
        """The object `planner simulate --json` prints."""
        return {
            "workloads": {
                name: {
                    "requests": found.requests,
                    "failed": found.failed,
                    "ttft_ms": found.summary("ttft"),
                    "tpot_ms": found.summary("tpot"),
                    "e2e_ms": found.summary("e2e"),
                    "attainment": round(found.attainment, 6),
                    "output_tokens": found.output_tokens,
                }
                for name, found in self.workloads.items()
            },
            "pools": [
                {
                    key: round(value, 4) if isinstance(value, float) else value
                    for key, value in vars(p).items()
                }
                for p in self.pools
            ],
            "seed": self.seed,
            "duration_s": round(self.duration_s, _DECIMALS),
            "warm_up_s": round(self.warm_up_s, _DECIMALS),
        }

    def tables(self) -> dict[str, pd.DataFrame]:
        """Tables to write as CSV: `workloads`, `pools`, `series`."""
        rows = [
            {
                "workload": name,
                "requests": w.requests,
                "failed": w.failed,
                "attainment": w.attainment,
                **{f"ttft_{key}_ms": value for key, value in w.summary("ttft").items()},
                **{f"tpot_{key}_ms": value for key, value in w.summary("tpot").items()},
                **{f"e2e_{key}_ms": value for key, value in w.summary("e2e").items()},
            }
            for name, w in self.workloads.items()
        ]
        pools = pd.DataFrame([vars(pool) for pool in self.pools])
        return {"workloads": pd.DataFrame(rows), "pools": pools, "series": self.series}

    def write_tables(self, folder: str | Path) -> list[Path]:
        """Write `replay-*.csv` into a folder and return their paths."""
        paths = []
        for name, table in self.tables().items():
            path = Path(folder) / f"replay-{name}.csv"
            write_text_atomic(path, table.to_csv(index=False))
            paths.append(path)
        return paths
