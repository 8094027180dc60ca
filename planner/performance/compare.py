"""Predicted against measured: errors by LLM, accelerator and engine, and a plot."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd

from planner.performance.calibration_file import Calibration
from planner.performance.estimate import INPUT_COLUMNS, OPTIONAL_COLUMNS, estimate
from planner.performance.measured import MEASURED, read_measured

if TYPE_CHECKING:
    from planner.catalog.catalog import Catalog

QUANTITIES = ("ttft_ms", "tpot_ms", "output_tokens_per_s")
# Groups smaller than this have no meaningful rank correlation.
SMALLEST_RANKED_GROUP = 5


@dataclass(frozen=True)
class Comparison:
    """Estimates beside measurements; ``rows`` has ``<quantity>_error`` = predicted/measured - 1."""

    rows: pd.DataFrame

    def errors(self, by: str | None = None) -> pd.DataFrame:
        """Return rows compared, median |error|, bias and 90th percentile, by a column or overall."""
        groups = [("all", self.rows)] if by is None else list(self.rows.groupby(by, sort=True))
        lines = []
        for name, group in groups:
            line: dict[str, object] = {by or "": name}
            for quantity in QUANTITIES:
                error = group[f"{quantity}_error"].dropna().to_numpy(dtype=float)
                short = quantity.split("_")[0] if quantity != "output_tokens_per_s" else "rate"
                line[f"{short}_rows"] = len(error)
                if len(error):
                    line[f"{short}_median"] = float(np.median(np.abs(error)))
                    line[f"{short}_bias"] = float(np.median(error))
                    line[f"{short}_p90"] = float(np.quantile(np.abs(error), 0.9))
            if by is None or any(value for key, value in line.items() if key.endswith("_rows")):
                lines.append(line)
        return pd.DataFrame(lines)

    def rank_correlation(self) -> pd.DataFrame:
        """Return Spearman's rank correlation of throughput inside each (LLM, accelerator)."""
        return rank_correlation(
            self.rows.assign(
                predicted=self.rows["output_tokens_per_s"],
                measured=self.rows["measured_rate_per_accelerator"] * self.rows["accelerators"],
            )
        )

    def summary(self) -> str:
        """Return the tables a person reads."""
        parts = []
        for by in (None, "engine", "accelerator", "llm"):
            table = self.errors(by)
            if len(table):
                parts += [f"by {by}" if by else "overall", format_errors(table)]
        ranks = self.rank_correlation()
        if len(ranks):
            parts.append(
                "rank correlation of throughput inside (llm, accelerator) groups: "
                f"median {ranks['correlation'].median():.3f} over {len(ranks)} groups"
            )
        failed = self.rows[self.rows["error"] != ""]
        estimated = self.rows[self.rows["error"] == ""]
        unread = int(estimated[[f"{name}_error" for name in QUANTITIES]].isna().all(axis=1).sum())
        if unread:
            measured = ", ".join(QUANTITIES)
            parts.append(f"{unread} rows without a number to compare with ({measured})")
        if len(failed):
            parts.append(f"{len(failed)} rows without an estimate:")
            parts += [
                f"  {count} x {text}" for text, count in failed["error"].value_counts().head(10).items()
            ]
        return "\n".join(parts)

    def write(self, folder: Path) -> list[Path]:
        """Write ``comparison.csv`` and, where matplotlib is installed, ``comparison.png``."""
        folder.mkdir(parents=True, exist_ok=True)
        table = folder / "comparison.csv"
        self.rows.to_csv(table, index=False, float_format="%.6g")
        written = [table]
        plot = folder / "comparison.png"
        if self.plot(plot):
            written.append(plot)
        return written

    def plot(self, path: Path) -> bool:
        """Plot predicted against measured on logarithmic axes; False without matplotlib."""
        try:
            from matplotlib.figure import Figure
        except ImportError:
            return False
        titles = {
            "ttft_ms": "Time to first token, ms",
            "tpot_ms": "Time per output token, ms",
            "output_tokens_per_s": "Output tokens per second",
        }
        figure = Figure(figsize=(15, 5), layout="constrained")
        axes = figure.subplots(1, len(QUANTITIES))
        for axis, quantity in zip(axes, QUANTITIES, strict=True):
            known = self.rows.dropna(subset=[f"{quantity}_error"])
            for engine, group in known.groupby("engine"):
                axis.loglog(
                    group[f"measured_{quantity}"],
                    group[quantity],
                    ".",
                    label=str(engine),
                    alpha=0.5,
                    markersize=4,
                )
            if len(known):
                low = float(known[f"measured_{quantity}"].min())
                high = float(known[f"measured_{quantity}"].max())
                axis.loglog([low, high], [low, high], color="black", linewidth=1)
                for factor in (0.8, 1.25):
                    axis.loglog([low, high], [low * factor, high * factor], color="grey", linewidth=0.5)
                axis.legend(fontsize="small")
            axis.set_title(titles[quantity])
            axis.set_xlabel("measured")
            axis.set_ylabel("predicted")
        figure.savefig(path, dpi=120)
        return True


def compare(
    measured: Path | pd.DataFrame, catalog: Catalog, calibration: Calibration | None = None
) -> Comparison:
    """Estimate every measured row and put the errors beside it.

    ``measured`` is a CSV (or frame) in either layout of ``planner.performance.measured``.
    """
    table = read_measured(measured).reset_index(drop=True)
    wanted = [name for name in (*INPUT_COLUMNS, *OPTIONAL_COLUMNS) if name in table]
    answer = estimate(table[wanted], catalog, calibration=calibration)
    names = [str(name) for name in table.columns]
    kept = [name for name in names if name not in answer and not name.startswith(QUANTITIES)]
    rows = pd.concat([table[kept], answer], axis=1)
    degrees = rows[["tp", "pp", "dp"]].astype(int)
    rows["accelerators"] = degrees.prod(axis=1)
    rows["output_tokens_per_s"] = rows["output_tokens_per_s_per_accelerator"] * rows["accelerators"]
    for quantity in QUANTITIES:
        rows[f"{quantity}_error"] = rows[quantity] / rows[f"measured_{quantity}"] - 1.0
    rows["measured_rate_per_accelerator"] = measured_rate(rows) / rows["accelerators"]
    return Comparison(rows)


def measured_rate(rows: pd.DataFrame) -> pd.Series:
    """Return measured output tokens/s, worked out from latencies where it was not printed.

    A closed loop of N clients delivers N x output / (TTFT + (output - 1) x TPOT).
    """
    printed = rows[MEASURED[2]].astype(float)
    clients = pd.to_numeric(rows["concurrency"], errors="coerce")
    outputs = pd.to_numeric(rows["output_tokens"], errors="coerce")
    cycle_s = (rows[MEASURED[0]] + (outputs - 1.0) * rows[MEASURED[1]]) / 1e3
    return printed.fillna(clients * outputs / cycle_s)


def rank_correlation(rows: pd.DataFrame) -> pd.DataFrame:
    """Return Spearman correlation of ``predicted`` and ``measured`` by (llm, accelerator)."""
    from scipy.stats import spearmanr

    lines = []
    known = rows.dropna(subset=["predicted", "measured"])
    for (llm, accelerator), group in known.groupby(["llm", "accelerator"]):
        if len(group) < SMALLEST_RANKED_GROUP or group["measured"].nunique() < 2:
            continue
        value = float(spearmanr(group["predicted"], group["measured"]).statistic)
        lines.append({"llm": llm, "accelerator": accelerator, "rows": len(group), "correlation": value})
    return pd.DataFrame(lines, columns=["llm", "accelerator", "rows", "correlation"])


def format_errors(table: pd.DataFrame) -> str:
    """Return an error table as aligned text, errors in percent."""
    text = table.copy()
    for name in text.columns:
        if name.endswith(("_median", "_bias", "_p90")):
            text[name] = [
                ""
                if pd.isna(value)
                else f"{100 * value:+.1f}%"
                if name.endswith("_bias")
                else f"{100 * value:.1f}%"
                for value in text[name]
            ]
    return text.fillna("").to_string(index=False)
