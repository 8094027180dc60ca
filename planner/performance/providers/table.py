"""Rates the user measured: requests per second of a shape, straight from a CSV.

Columns ``llm, accelerator, max_rps`` and, where they matter, ``tp, pp, dp, ep`` (1 where left out),
``role`` (aggregated) and ``workload`` (empty: every workload). A missing row, an empty cell or a
zero means the shape cannot serve the workload within its promise.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from planner.performance.service import ServiceColumn
from planner.performance.shape import Role
from planner.scenario.rates import Measurement, read_measurements

ShapeKey = tuple[str, str, int, int, int, int, Role]
"""(llm, accelerator, tp, pp, dp, ep, role)."""

EVERY_WORKLOAD = ""


@dataclass(frozen=True)
class RateTable:
    """Measured rates by shape and workload."""

    rates: Mapping[ShapeKey, Mapping[str, float]] = field(default_factory=dict)

    @staticmethod
    def load(path: str | Path) -> RateTable:
        """Read a table.

        Raises
        ------
        InputFaults
            Everything wrong in the file, each with its line: a missing column, a rate that is no
            number, a degree below 1, an unknown role, a shape and workload given twice.
        """
        rates: dict[ShapeKey, dict[str, float]] = {}
        for row in read_measurements(Path(path)):
            rates.setdefault(_key(row), {})[row.workload] = row.max_rps
        return RateTable(rates)

    def renamed(self, name_of: Callable[[str], str]) -> RateTable:
        """Return the table with the LLMs called otherwise, as a catalog calls them perhaps."""
        return RateTable({(name_of(llm), *rest): rates for (llm, *rest), rates in self.rates.items()})  # type: ignore[misc]

    def rate_rps(
        self,
        llm: str,
        accelerator: str,
        tp: int,
        pp: int,
        dp: int,
        ep: int,
        role: Role,
        workload: str,
    ) -> float:
        """Return requests per second of one replica; 0 when it cannot serve the workload.

        A row for the workload itself counts before one for every workload.
        """
        known = self.rates.get((llm, accelerator, tp, pp, dp, ep, role), {})
        return known.get(workload, known.get(EVERY_WORKLOAD, 0.0))

    def shapes(self) -> list[ShapeKey]:
        """Return the shapes that can serve something, in order of appearance."""
        return [key for key, rates in self.rates.items() if any(rate > 0 for rate in rates.values())]


def _key(row: Measurement) -> ShapeKey:
    return (row.llm, row.accelerator, row.tp, row.pp, row.dp, row.ep, row.role)


def measured_column(rate_rps: float) -> ServiceColumn:
    """Return the column of a measured rate: the rate keeps the SLO, nothing else is known."""
    return ServiceColumn(
        rate_rps=rate_rps,
        concurrency=0.0,
        utilization=1.0,
        ttft_ms=0.0,
        tpot_ms=0.0,
        joules_per_request=0.0,
        watts_at_rate=0.0,
        limited_by="none",
        best_ttft_ms=0.0,
        best_tpot_ms=0.0,
    )
