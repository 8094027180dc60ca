"""A plan, or the finding that there is none, on the terminal."""

from __future__ import annotations

from collections import defaultdict

from rich.console import Console
from rich.table import Table

from planner.plan.diagnosis import Infeasible
from planner.plan.types import Latency, LedgerRow, Plan
from planner.report.wide import print_wide, wide_table

FULLEST_LIMITS = 8
"""Limits printed, the fullest first."""

HOURS_PER_MONTH = 730.0


def summary_text(plan: Plan) -> str:
    """Return the headline of a plan in a few plain lines."""
    m = plan.metrics
    proof = "proven optimal" if plan.gap < 1e-6 else f"proven within {plan.gap:.2%} of the optimum"
    if plan.status == "feasible":
        proof = f"best found in time; the optimum may be up to {plan.gap:.2%} better"
    return "\n".join(
        (
            f"{plan.cost.total:,.2f} USD/h ({plan.cost.total * HOURS_PER_MONTH:,.0f} USD a month), {proof}",
            f"{m.servers} servers, {m.accelerators} accelerators, {m.replicas} replicas, "
            f"{m.utilization:.0%} used",
            f"{m.usd_per_mtok_output:,.3f} USD per million output tokens, {m.expected_kw:,.1f} kW expected, "
            f"{m.provisioned_kw:,.1f} kW provisioned, {m.grid_kw:,.1f} kW from the grid",
        )
    )


def print_summary(plan: Plan, console: Console) -> None:
    """Print the headline, pools, cost, latency and the fullest limits."""
    console.print(summary_text(plan), highlight=False, markup=False, soft_wrap=True)
    print_wide(_pools(plan), console)
    print_wide(_latency(plan), console)
    print_wide(_limits(plan), console)
    for gone in plan.unserved:
        console.print(
            f"unserved: {gone.rate_rps:g} requests/s of {gone.workload} from {gone.origin}"
            + ("" if len(plan.periods) == 1 else f" ({gone.period})"),
            style="yellow",
            highlight=False,
        )


def _pools(plan: Plan) -> Table:
    table = wide_table("Replicas", "site", "server", "LLM", "shape", "weights/cache", "replicas", "load")
    load: dict[str, float] = defaultdict(float)
    for used in plan.at_peak().pools:
        load[used.pool] += used.load
    total: dict[str, int] = defaultdict(int)
    for group in plan.replicas:
        total[group.pool] += group.count
    for group in sorted(plan.replicas, key=lambda g: (g.site, g.server, g.pool)):
        s = group.shape
        degrees = [f"tp{s.tp}"]
        degrees += [
            f"{name}{degree}" for name, degree in (("pp", s.pp), ("dp", s.dp), ("ep", s.ep)) if degree > 1
        ]
        role = "" if s.role == "aggregated" else f" {s.role}"
        table.add_row(
            group.site,
            group.server,
            s.llm,
            " ".join(degrees) + role,
            f"{s.weights}/{s.kv_cache}",
            str(group.count),
            f"{load[group.pool] / max(total[group.pool], 1):.0%}",
        )
    return table


def _latency(plan: Plan) -> Table:
    table = wide_table(
        "Latency, predicted of asked", "workload", "from", "at", "percentile", "TTFT ms", "TPOT ms"
    )
    seen = set()
    for row in plan.slo:
        cells = (
            row.workload,
            row.origin,
            row.site if len(plan.periods) == 1 else f"{row.site} {row.period}",
            "-" if row.percentile is None else str(row.percentile),
            _of(row.ttft_ms),
            _of(row.tpot_ms),
        )
        if cells not in seen:
            seen.add(cells)
            table.add_row(*cells)
    return table


def _of(latency: Latency) -> str:
    words = "measured" if latency.predicted is None else f"{latency.predicted:,.1f}"
    words += "" if latency.asked is None else f" of {latency.asked:,.0f}"
    return words + ("" if latency.replayed is None else f", replayed {latency.replayed:,.1f}")


def _limits(plan: Plan) -> Table:
    table = wide_table("Fullest limits", "limit", "used", "of", "unit", "share")
    rows = [row for family in ledger_rows(plan) for row in family if row.limit]
    rows.sort(key=lambda row: -row.used / (row.limit or 1.0))
    for row in rows[:FULLEST_LIMITS]:
        limit = row.limit or 0.0
        table.add_row(row.name, f"{row.used:,.0f}", f"{limit:,.0f}", row.unit, f"{row.used / limit:.0%}")
    return table


def ledger_rows(plan: Plan) -> list[list[LedgerRow]]:
    """Return the ledgers of a plan, family by family."""
    ledgers = plan.ledgers
    return [ledgers.power, ledgers.grid, ledgers.heat, ledgers.network, ledgers.budget, ledgers.quota]


def print_infeasible(found: Infeasible, console: Console) -> None:
    """Print the promises that collide and the ways out."""
    console.print(found.summary(), highlight=False, markup=False, soft_wrap=True)
