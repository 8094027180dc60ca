"""Answers of why-not, alternatives, diff and rooflines on the terminal."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.table import Table

from planner.explain.alternatives import Alternative, figures
from planner.explain.changes import Diff
from planner.explain.roofline import Roofline
from planner.explain.why_not import WhyNot
from planner.plan.diagnosis.lever import shown
from planner.plan.types import Plan
from planner.report.wide import print_wide, wide_table

MOST_ROWS = 25
"""Rows of a table that are printed; --json has all."""


def _say(console: Console, text: str) -> None:
    console.print(text, highlight=False, markup=False, soft_wrap=True)


def print_why_not(found: WhyNot, console: Console) -> None:
    """Print the verdict, the reasons, what would change, and what replicas carry for their money."""
    _say(console, found.text)
    for reason in found.reasons[1:] if found.verdict in ("dominated", "impossible") else found.reasons:
        _say(console, f"  - {reason}")
    if found.differences:
        table = wide_table("What would change", "servers", "now", "then")
        for name, before, after in found.differences[:MOST_ROWS]:
            table.add_row(name, str(before), str(after))
        print_wide(table, console)
    if found.rates:
        table = wide_table("What it carries", "replica", "workload", "requests/s", "USD/h for each request/s")
        for shape, workload, rate, usd in sorted(found.rates, key=lambda row: (row[1], row[3])):
            table.add_row(shape, workload, f"{rate:,.2f}", f"{usd:,.4f}")
        print_wide(table, console)


def print_alternatives(plan: Plan, found: Iterable[Alternative], console: Console) -> None:
    """Print the plan and its alternatives side by side."""
    table = wide_table("", "plan", "USD/h", "more", "sites", "types", "new servers", "kW", "capex USD", "")
    _row(table, "this plan", plan, "", "")
    for one in found:
        least = f"{shown(round(one.amount, 3))} {one.unit}" + ("" if one.proven else ", perhaps fewer")
        problem = "" if one.verified else f" (does not hold as placed: {one.problem})"
        _row(table, one.wish, one.plan, f"{one.change_share:+.2%}", least + problem)
    print_wide(table, console)


def _row(table: Table, name: str, plan: Plan, more: str, note: str) -> None:
    f = figures(plan)
    table.add_row(
        name, f"{f['cost_usd_per_h']:,.2f}", more, f"{f['sites']:.0f}", f"{f['accelerator_types']:.0f}",
        f"{f['new_servers']:.0f}", f"{f['expected_kw']:,.1f}", f"{f['capex_usd']:,.0f}", note,
    )  # fmt: skip


def print_diff(found: Diff, console: Console) -> None:
    """Print what changed, the dearest first, and what it adds up to."""
    if not found.same_question:
        _say(console, "The plans answer different questions: prices and what is offered may differ too.")
    change = found.after - found.before
    _say(console, f"{found.before:,.2f} -> {found.after:,.2f} USD/h ({change:+,.2f}):")
    table = wide_table("", "what", "before", "after", "unit", "USD/h", "by amount", "by price")
    for one in found.changes[:MOST_ROWS]:
        table.add_row(
            one.name, f"{one.before:,.6g}", f"{one.after:,.6g}", one.unit, f"{one.change:+,.3f}",
            f"{one.by_amount:+,.3f}", f"{one.by_price:+,.3f}",
        )  # fmt: skip
    print_wide(table, console)
    for pool, before, after in found.replicas[:MOST_ROWS]:
        _say(console, f"replicas of {pool}: {before} -> {after}")
    for name, old, new in found.figures:
        _say(console, f"{name.replace('_', ' ')}: {shown(round(old, 3))} -> {shown(round(new, 3))}")


def print_roofline(found: Roofline, console: Console) -> None:
    """Print what a replica waits for in each phase, and its memory by part."""
    _say(console, found.shape)
    if not found.fits:
        _say(console, f"cannot run: {found.refusal}")
    for phase in found.phases:
        _say(console, f"{phase.name}: {phase.total_ms:,.2f} ms, waits for {phase.waits_for} most")
        for name, saved in phase.saved_ms.items():
            _say(
                console,
                f"  {name}: free of charge it would take {saved:,.2f} ms less ({saved / phase.total_ms:.0%})",
            )
        _say(console, f"  host and what is left: {phase.host_ms:,.2f} ms")
    _say(console, "Memory of the fullest accelerator:")
    for name, size in found.memory_gb.items():
        _say(console, f"  {name}: {size:,.1f} GB")
    if found.fits:
        _say(
            console,
            f"room for {found.kv_tokens:,.0f} tokens of cache, {found.requests:,} such requests at once",
        )
        _say(
            console,
            f"error band: TTFT {found.error_ttft:.0%}, TPOT {found.error_tpot:.0%} (four times in five)",
        )
