"""Latency promised and predicted, by workload and origin; the tightest first."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from planner.plan.types import Latency, Plan, SloRow
from planner.report.figures.bars import latency_bar, latency_state
from planner.report.numbers import NOTHING, milliseconds, percent
from planner.report.recipes import Recipe

MOST_ROWS = 300
"""Rows that are printed; the tables beside the report have all."""

SHORT_LIST = 25
"""Rows that are open at once."""


@dataclass(frozen=True)
class LatencyCell:
    """One latency: asked, predicted (and what a replay showed), how much is left of what was asked."""

    asked: str
    predicted: str
    margin: str
    state: str
    bar: Markup | None


@dataclass(frozen=True)
class PromiseRow:
    """One promise in words."""

    workload: str
    origin: str
    site: str
    recipes: list[Recipe]
    percentile: str
    ttft: LatencyCell
    tpot: LatencyCell
    band: str
    provider: str


@dataclass(frozen=True)
class PromiseView:
    """The section."""

    first: list[PromiseRow]
    further: list[PromiseRow]
    left_out: int


def promise_view(plan: Plan, recipes: Mapping[str, Recipe]) -> PromiseView:
    """Return the section."""
    rows = [_row(row, recipes) for row in sorted(plan.slo, key=_tightness, reverse=True)]
    return PromiseView(rows[:SHORT_LIST], rows[SHORT_LIST:MOST_ROWS], max(len(rows) - MOST_ROWS, 0))


def _tightness(row: SloRow) -> float:
    """Return the larger share of what was asked that is used up."""
    return max(
        latency.predicted / latency.asked if latency.asked and latency.predicted is not None else 0.0
        for latency in (row.ttft_ms, row.tpot_ms)
    )


def _row(row: SloRow, recipes: Mapping[str, Recipe]) -> PromiseRow:
    percentile = row.percentile
    return PromiseRow(
        workload=row.workload,
        origin=row.origin,
        site=row.site,
        recipes=[recipes[pool] for pool in row.pools if pool in recipes],
        percentile=NOTHING
        if percentile is None
        else percentile
        if percentile == "mean"
        else f"p{percentile:g}",
        ttft=_cell(row.ttft_ms, row.error_band),
        tpot=_cell(row.tpot_ms, row.error_band),
        band=NOTHING if row.error_band is None else f"± {percent(row.error_band)}",
        provider=row.provider,
    )


def _cell(latency: Latency, band: float | None) -> LatencyCell:
    asked, predicted = latency.asked, latency.predicted
    replayed = "" if latency.replayed is None else f" (replayed {milliseconds(latency.replayed)})"
    if not asked or predicted is None:
        return LatencyCell(milliseconds(asked), milliseconds(predicted) + replayed, NOTHING, "none", None)
    return LatencyCell(
        asked=milliseconds(asked),
        predicted=milliseconds(predicted) + replayed,
        margin=percent(1 - predicted / asked),
        state=latency_state(asked, predicted, band),
        bar=latency_bar(asked, predicted, band),
    )
