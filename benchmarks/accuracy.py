"""Error of the analytic model on measured results it was not fitted to.

    python -m benchmarks.accuracy DATA_FOLDER [--in-sample] [--rows OUT.csv]

Every (LLM, accelerator) pair is predicted by a fit that never saw a row of that pair, with the
coefficients that would be shipped (no offsets of single sources). Targets: median error 15 % on
TPOT and 30 % on TTFT, bias within 10 %, rank correlation of throughput inside a pair 0.98.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
import pandas as pd

from benchmarks.calibrate import GENERATION_OF, data_folder, errors, read_kernels, read_rows
from benchmarks.calibration_fit import Design, fit, leave_pairs_out
from benchmarks.calibration_rows import Rows
from planner.performance.calibration_file import load_calibration
from planner.performance.closed_loop import Latency
from planner.performance.compare import format_errors, rank_correlation

QUANTITIES = ("tpot", "ttft", "rate")


def main() -> None:
    """Fit without each pair, predict it, print the tables."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("data", nargs="?", type=Path, default=data_folder())
    arguments.add_argument("--in-sample", action="store_true", help="use the shipped calibration as it is")
    arguments.add_argument("--rows", type=Path, help="write the errors of every row here")
    chosen = arguments.parse_args()
    rows = read_rows(chosen.data)
    if chosen.in_sample:
        calibration = load_calibration()
        logs = np.stack(
            [
                calibration.logs(accelerator, engine, year)
                for accelerator, engine, year in zip(
                    rows.table["accelerator"],
                    rows.table["engine"],
                    rows.table["software_year"],
                    strict=True,
                )
            ]
        )
        title = "shipped calibration (its own rows included)"
    else:
        design = Design.of(rows, GENERATION_OF, read_kernels())
        logs, with_source = leave_pairs_out(rows, design, fit(rows, design, iterations=60))
        title = "each (llm, accelerator) pair predicted without its own rows"
    timed = rows.predict(logs)
    table = errors(rows, timed)
    print(f"\n{title}\n")
    print_tables(table)
    print_ranks(rows, timed, table)
    if not chosen.in_sample:
        print("\nthe same, with the software offsets of each source learned from its other pairs\n")
        known = errors(rows, rows.predict(with_source))
        print_tables(known, short=True)
        print_ranks(rows, rows.predict(with_source), known)
    if chosen.rows:
        table.to_csv(chosen.rows, index=False, float_format="%.5g")


def print_tables(table: pd.DataFrame, short: bool = False) -> None:
    """Print errors overall and, unless short, by source, engine, accelerator and LLM."""
    current = table[table["variant"] == ""]
    groups: list[tuple[str, pd.DataFrame, str | None]] = [
        ("overall", table, None),
        ("tier A (fully specified)", table[table["tier"] == "A"], None),
        ("current engines (without 2023-24 software and single-source harnesses)", current, None),
        ("by source", table, "source"),
        ("by engine (current)", current, "engine"),
        ("by accelerator (current)", current, "accelerator"),
        ("by llm (current)", current, "llm"),
    ]
    for title, part, by in groups[:4] if short else groups:
        print(title)
        print(format_errors(summary(part, by)))
        print()


def summary(table: pd.DataFrame, by: str | None) -> pd.DataFrame:
    """Return rows, median |error|, bias and 90th percentile of each quantity."""
    parts = [("all", table)] if by is None else list(table.groupby(by, sort=True))
    lines = []
    for name, group in parts:
        line: dict[str, object] = {by or "": name}
        for quantity in QUANTITIES:
            values = group[quantity].dropna().to_numpy(dtype=float)
            line[f"{quantity}_rows"] = len(values)
            if len(values):
                line[f"{quantity}_median"] = float(np.median(np.abs(values)))
                line[f"{quantity}_bias"] = float(np.median(values))
                line[f"{quantity}_p90"] = float(np.quantile(np.abs(values), 0.9))
        lines.append(line)
    return pd.DataFrame(lines)


def print_ranks(rows: Rows, timed: Latency, table: pd.DataFrame) -> None:
    """Print the rank correlation of throughput per accelerator inside each pair."""
    accelerators = rows.stacked.work.tp * rows.stacked.work.pp * rows.stacked.work.dp
    both = table.assign(
        predicted=timed.output_tokens_per_s / accelerators,
        measured=rows.measured_rate() / accelerators,
    )
    for title, part in (
        ("all sources", both),
        ("tier A", both[both["tier"] == "A"]),
        ("current engines", both[both["variant"] == ""]),
    ):
        ranks = rank_correlation(part)
        weights = ranks["rows"] / ranks["rows"].sum()
        print(
            f"rank correlation of throughput inside (llm, accelerator), {title}: "
            f"median {ranks['correlation'].median():.3f}, "
            f"mean by rows {(ranks['correlation'] * weights).sum():.3f}, {len(ranks)} groups"
        )


if __name__ == "__main__":
    main()
