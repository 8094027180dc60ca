"""The menu of shapes as rows and as tables: what can be chosen, what was pruned, and why."""

from __future__ import annotations

from collections import Counter
from typing import Any

from rich.console import Console

from planner.plan.assemble.serving import Offering
from planner.report.wide import print_wide, wide_table


def shape_rows(offering: Offering) -> dict[str, list[dict[str, Any]]]:
    """Return the shapes on the menu (a row for each workload and round trip) and those left out."""
    chosen = [
        {
            "shape": entry.shape.name,
            "server": entry.server,
            "accelerators": entry.shape.accelerators,
            "workload": promise.workload,
            "rtt_ms": promise.rtt_ms,
            "max_rps_per_replica": round(column.rate_rps, 4),
            "max_rps_per_accelerator": round(column.rate_rps / entry.shape.accelerators, 5),
            "joules_per_request": round(column.joules_per_request, 2),
            "limited_by": column.limited_by,
        }
        for entry in offering.menu.entries
        for promise, column in entry.columns.items()
    ]
    left_out = [
        {"shape": gone.shape.name, "reason": "dominated", "text": gone.text}
        for gone in offering.menu.dominated
    ]
    left_out += [
        {
            "shape": entry.shape.name,
            "reason": "misses the SLO",
            "text": "; ".join(
                f"{promise.workload} at {promise.rtt_ms:g} ms away: at best TTFT "
                f"{column.best_ttft_ms:.0f} ms, TPOT {column.best_tpot_ms:.1f} ms"
                for promise, column in entry.best.items()
            ),
        }
        for entry in offering.menu.useless
    ]
    left_out += [
        {"shape": refusal.shape.name, "reason": "does not run", "text": refusal.reason}
        for refusal in offering.refused
    ]
    return {"shapes": chosen, "left_out": left_out}


def print_shapes(offering: Offering, console: Console, *, everything: bool = False) -> None:
    """Print the menu, best rate per accelerator first; with `everything`, each shape left out as well."""
    rows = shape_rows(offering)
    headings = ("workload", "shape", "server", "RTT ms", "rps/replica", "rps/accelerator", "limited by")
    table = wide_table("Shapes to choose from", *headings)
    rows["shapes"].sort(key=lambda row: (row["workload"], row["rtt_ms"], -row["max_rps_per_accelerator"]))
    for row in rows["shapes"]:
        table.add_row(
            row["workload"],
            row["shape"],
            row["server"],
            f"{row['rtt_ms']:g}",
            f"{row['max_rps_per_replica']:.3f}",
            f"{row['max_rps_per_accelerator']:.4f}",
            row["limited_by"],
        )
    print_wide(table, console)
    reasons = Counter(row["reason"] for row in rows["left_out"])
    console.print(
        f"{len(offering.menu.entries)} shapes on the menu; left out: "
        + (", ".join(f"{count} {reason}" for reason, count in reasons.items()) or "none"),
        highlight=False,
    )
    for row in rows["left_out"] if everything else rows["left_out"][:0]:
        console.print(f"  {row['shape']}: {row['reason']}: {row['text']}", highlight=False, markup=False)
    if rows["left_out"] and not everything:
        console.print("planner shapes --all prints each of them with its reason", highlight=False)
