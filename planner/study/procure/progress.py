"""What a procurement says while it runs, and at the end."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.table import Table

from planner.report.numbers import counted, millions_usd, percent
from planner.report.progress import SearchProgress
from planner.study.procure.measures import Interval
from planner.study.procure.output import plans_summary
from planner.study.procure.run import Procurement
from planner.study.procure.search import relative_gap_of

SAY_EVERY_S = 10.0
"""Shortest time between two lines about the same stage where there is no terminal."""


class ProcureProgress:
    """A status line on a terminal; elsewhere a line for each stage, and every ten seconds."""

    def __init__(self, console: Console, *, enabled: bool = True) -> None:
        self._shown = SearchProgress(console, enabled=enabled)
        self._terminal = console.is_terminal
        self._stage = ""
        self._said = 0.0

    def __enter__(self) -> Self:
        """Start the clock."""
        self._shown.__enter__()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Take the status line away."""
        self._shown.stop()

    def tell(self, stage: str, cost: float | None, bound: float | None) -> None:
        """Say where the run is."""
        now = time.perf_counter()
        if not self._terminal and stage == self._stage and now - self._said < SAY_EVERY_S:
            return
        self._stage, self._said = stage, now
        text = stage
        if cost is not None:
            text += f": plan {millions_usd(cost)}"
            if bound is not None:
                text += f", bound {millions_usd(bound)}, gap {relative_gap_of(cost, bound):.2%}"
        elif bound is not None:
            text += f": no plan yet, bound {millions_usd(bound)}"
        self._shown.stage(text)


def print_procurement(found: Procurement, console: Console) -> None:
    """Print the result: costs, what to order now, alternatives."""
    solved, measures = found.solved, found.measures
    assert solved is not None
    console.print(headline(found), markup=False, highlight=False, soft_wrap=True)
    first = [row for row in found.tables["purchases"] if row["period"] == 1]
    if first:
        table = Table("order now", "servers", "delivered", "USD", title_justify="left")
        for row in first:
            amount = f"{row['total_usd']:,.0f}"
            table.add_row(row["server"], str(row["count"]), row["delivery_date"], amount)
        console.print(table)
    if measures is not None:
        table = Table("way to go", "expected", "largest regret", "")
        for way in (measures.plan, *measures.alternatives):
            regrets = measures.regrets(way)
            table.add_row(
                way.name,
                "–" if way.expected is None else millions_usd(way.expected),
                "–" if regrets is None else millions_usd(max(0.0, float(regrets.max()))),
                way.reason,
            )
        console.print(table)
        for words, value in (
            ("knowing the future would be worth", measures.expected_information_value),
            ("planning for all futures instead of their mean is worth", measures.stochastic_solution_value),
        ):
            if value is not None and len(measures.futures) > 1:
                console.print(f"{words} {interval_words(value)}", highlight=False, markup=False)
    plans = plans_summary(found)
    if plans is not None:
        console.print(plans_words(plans), markup=False, highlight=False, soft_wrap=True)
    for violation in found.violations:
        console.print(f"does not hold: {violation}", markup=False, highlight=False, soft_wrap=True)


def plans_words(plans: dict[str, Any]) -> str:
    """Return what the full plans of the moments showed, in one sentence."""
    if "refused" in plans:
        return f"no full plans were made: {plans['refused']}"
    more = percent(plans["largest_unserved_share_beyond_the_schedule"])
    return (
        f"{plans['verified']} of {plans['moments']} moments have a full plan that verifies; at most {more} of"
        " requests are unserved beyond what the schedule says"
    )


def headline(found: Procurement) -> str:
    """Return the result in one sentence."""
    solved = found.solved
    assert solved is not None
    orders = found.tables.get("purchases", [])
    words = f"{millions_usd(solved.expected)} over {counted(found.study.periods, 'period')}"
    if len(solved.costs) > 1:
        words = f"{words} on average of {len(solved.costs)} futures"
    now = sum(row["total_usd"] for row in orders if row["period"] == 1)
    ordered = "nothing to order now" if not now else f"{millions_usd(now)} of servers to order now"
    return f"{words}, {ordered}; proven within {percent(solved.gap)}"


def interval_words(interval: Interval) -> str:
    """Return an interval of money in words."""
    if interval.high is None:
        return "everything: planning for the mean leaves some future without a way out"
    return f"{millions_usd(interval.low)} to {millions_usd(interval.high)}"
