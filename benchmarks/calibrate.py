"""Fit the analytic model to measured results and write its calibration file.

    python -m benchmarks.calibrate DATA_FOLDER [-o planner/performance/calibration/analytic.yaml]

``DATA_FOLDER`` (default: the environment variable PLANNER_BENCHMARK_DATA, else
``benchmarks/data``) holds ``calibration.csv``: one measured end-to-end result per row.
"""

from __future__ import annotations

import argparse
import datetime
import math
import os
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks.calibration_fit import (
    LEVELS,
    PRIORS,
    Design,
    fit,
    leave_pairs_out,
)
from benchmarks.calibration_rows import Rows, prepare, select_rows
from benchmarks.older_llms import BenchmarkCatalog
from planner.catalog import load_catalog
from planner.performance.closed_loop import Latency
from planner.performance.coefficients import NAMES, UNCALIBRATED

KERNELS = Path("planner/performance/calibration/kernels.yaml")
DEFAULT_OUTPUT = Path("planner/performance/calibration/analytic.yaml")
# Architecture generation by the beginning of the catalog id (vendors' own names).
GENERATION_OF = {
    "a100": "ampere",
    "a10": "ampere",
    "t4": "turing",
    "l4": "ada",
    "l40s": "ada",
    "rtx-4090": "ada",
    "h100": "hopper",
    "h200": "hopper",
    "h20": "hopper",
    "gh200": "hopper",
    "b200": "blackwell",
    "b300": "blackwell",
    "gb200": "blackwell",
    "gb300": "blackwell",
    "rtx-pro-6000": "blackwell-pcie",
    "rtx-5090": "blackwell-pcie",
    "vr200": "rubin",
    "mi300x": "cdna3",
    "mi325x": "cdna3",
    "mi350x": "cdna4",
    "mi355x": "cdna4",
    "mi455x": "cdna5",
    "gaudi": "gaudi",
    "tpu": "tpu",
    "trainium": "neuron",
    "inferentia": "neuron",
    "xeon": "cpu",
    "epyc": "cpu",
    "grace": "cpu",
}
SOURCES = {
    "aic_silicon_sample": "NVIDIA AIConfigurator, silicon_sample.csv (Apache-2.0)",
    "inferencex_fixture": "SemiAnalysis InferenceX, published benchmark results",
    "inferencex_git": "SemiAnalysis InferenceX, results in its repository",
    "trtllm_docs_ifb": "NVIDIA TensorRT-LLM documentation, performance overview (Apache-2.0)",
    "trtllm_docs_static": "NVIDIA TensorRT-LLM documentation, performance (Apache-2.0)",
    "argonne_llm_inference_bench": "Argonne LLM-Inference-Bench (arXiv:2411.00136)",
    "splitwise": "Splitwise simulator, perf_model.csv (arXiv:2311.18677, MIT)",
    "mlenergy_v3": "ML.ENERGY leaderboard v3 (Apache-2.0)",
    "lmdeploy_docs": "LMDeploy documentation (Apache-2.0)",
}
# The band that four of five measurements keep.
BAND_QUANTILE = 0.8
# An accelerator that was never measured is known less well than its generation; one of an
# unmeasured generation less still.
UNSEEN_WIDENING = 1.25
SMALLEST_BAND_GROUP = 8


def main() -> None:
    """Read, fit, report, write."""
    arguments = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    arguments.add_argument("data", nargs="?", type=Path, default=data_folder())
    arguments.add_argument("-o", "--output", type=Path, default=DEFAULT_OUTPUT)
    chosen = arguments.parse_args()
    rows = read_rows(chosen.data)
    print(f"{len(rows)} measured configurations")
    design = Design.of(rows, GENERATION_OF, read_kernels())
    parameters = fit(rows, design, iterations=60, report=True)
    shipped, _ = leave_pairs_out(rows, design, parameters)
    held_out = rows.predict(shipped)
    document = calibration_document(rows, design, parameters, held_out)
    write(document, chosen.output)
    print(f"wrote {chosen.output}")


def data_folder() -> Path:
    """Return the folder of measured data when none is named."""
    return Path(os.environ.get("PLANNER_BENCHMARK_DATA", "benchmarks/data"))


def read_rows(folder: Path) -> Rows:
    """Return the prepared rows of ``calibration.csv`` in a folder."""
    source = folder / "calibration.csv"
    if not source.exists():
        raise SystemExit(
            f"{source} is missing: name the folder that holds calibration.csv, or set PLANNER_BENCHMARK_DATA"
        )
    table = pd.read_csv(source, low_memory=False)
    rows, left_out = prepare(select_rows(table), BenchmarkCatalog(load_catalog()))
    print("left out: " + "; ".join(f"{count} x {why}" for why, count in left_out.head(8).items()))
    return rows


def read_kernels(path: Path = KERNELS) -> dict[str, dict[str, float]]:
    """Return kernel values by accelerator, as ``benchmarks/kernel_fit.py`` wrote them."""
    from ruamel.yaml import YAML

    with path.open(encoding="utf-8") as stream:
        document = YAML(typ="safe", pure=True).load(stream)
    return {name: entry["values"] for name, entry in document["accelerators"].items()}


def errors(rows: Rows, timed: Latency) -> pd.DataFrame:
    """Return relative errors of every row: columns ttft, tpot, rate."""
    median = (rows.table["ttft_statistic"] == "median").to_numpy()
    ttft = np.where(median, timed.settled_ttft_ms, timed.ttft_ms)
    measured = rows.measured
    return rows.table.assign(
        ttft=ttft / measured["measured_ttft_ms"] - 1.0,
        tpot=timed.tpot_ms / measured["measured_tpot_ms"] - 1.0,
        rate=timed.output_tokens_per_s / measured["measured_output_tokens_per_s"] - 1.0,
    )


def calibration_document(
    rows: Rows, design: Design, parameters: np.ndarray, held_out: Latency
) -> dict[str, Any]:
    """Return the plain data of the calibration file."""
    levels: dict[str, dict[str, dict[str, float]]] = {level: {} for level in LEVELS[1:]}
    overall: dict[str, float] = {}
    for name in NAMES:
        column = design.columns.get(("overall", "all", name))
        shift = 0.0 if column is None else parameters[column]
        overall[name] = _rounded(UNCALIBRATED[name] * math.exp(shift))
    for (level, label, name), column in design.columns.items():
        if level != "overall" and abs(parameters[column]) > 0.005:
            levels[level].setdefault(label, {})[name] = round(float(parameters[column]), 4)
    fitted = rows.predict(design.logs(parameters, without_variants=True))
    table = errors(rows, fitted)
    return {
        "written_by": "benchmarks/calibrate.py",
        "date": datetime.date.today().isoformat(),
        "sources": {name: text for name, text in SOURCES.items() if name in set(table["source"])},
        "rows_used": {source: int(count) for source, count in table["source"].value_counts().items()},
        "residuals": {
            "shipped_fit": _residuals(table),
            "held_out_pair": _residuals(errors(rows, held_out)),
        },
        "generation_of": GENERATION_OF,
        "global": overall,
        "generations": levels["generation"],
        "accelerators": levels["accelerator"],
        "engines": levels["engine"],
        "software": levels["software"],
        "source_offsets": levels["variant"],
        "prior_deviations": {name: [getattr(PRIORS[name], level) for level in LEVELS] for name in NAMES},
        "error_bands": _bands(errors(rows, held_out)),
    }


def _rounded(value: float) -> float:
    return float(f"{value:.4g}")


def _residuals(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    found = {}
    for name in ("ttft", "tpot", "rate"):
        values = table[name].dropna().to_numpy(dtype=float)
        found[name] = {
            "rows": len(values),
            "median_absolute": round(float(np.median(np.abs(values))), 4),
            "median": round(float(np.median(values)), 4),
        }
    return found


def _bands(table: pd.DataFrame) -> dict[str, dict[str, float]]:
    """Return error bands by accelerator/engine, accelerator, generation and global."""
    shipped = table[table["variant"] == ""]
    generations = shipped["accelerator"].map(
        lambda name: GENERATION_OF.get(
            max((p for p in GENERATION_OF if name.startswith(p)), key=len, default="")
        )
    )
    bands: dict[str, dict[str, float]] = {}
    widest = _band(shipped)
    assert widest is not None
    bands["global"] = {key: round(value * UNSEEN_WIDENING**2, 3) for key, value in widest.items()}
    for name, group in shipped.groupby(generations):
        band = _band(group)
        if band is not None:
            bands[str(name)] = {key: round(value * UNSEEN_WIDENING, 3) for key, value in band.items()}
    for name, group in shipped.groupby("accelerator"):
        band = _band(group)
        if band is not None:
            bands[str(name)] = {key: round(value, 3) for key, value in band.items()}
    for (accelerator, engine), group in shipped.groupby(["accelerator", "engine"]):
        band = _band(group)
        if band is not None:
            bands[f"{accelerator}/{engine}"] = {k: round(v, 3) for k, v in band.items()}
    return bands


def _band(group: pd.DataFrame) -> dict[str, float] | None:
    """Return the error most rows keep; throughput stands in where latency was not measured."""
    tpot = group["tpot"].fillna(group["rate"]).dropna().abs()
    ttft = group["ttft"].dropna().abs()
    if len(tpot) < SMALLEST_BAND_GROUP:
        return None
    band = {"tpot": float(tpot.quantile(BAND_QUANTILE))}
    enough = len(ttft) >= SMALLEST_BAND_GROUP
    # TTFT errors run about twice TPOT errors wherever both are known.
    band["ttft"] = float(ttft.quantile(BAND_QUANTILE)) if enough else 2.0 * band["tpot"]
    return band


def write(document: dict[str, Any], path: Path) -> None:
    """Write the calibration file with its notice."""
    from ruamel.yaml import YAML

    path.parent.mkdir(parents=True, exist_ok=True)
    yaml = YAML()
    yaml.default_flow_style = None
    yaml.width = 100
    with path.open("w", encoding="utf-8") as stream:
        stream.write(
            "# Coefficients of the analytic performance model; docs/performance-model.md explains\n"
            "# each. Levels below `global` are natural-logarithm offsets that add up; `source_offsets`\n"
            "# are kept for the record and not used. Written by benchmarks/calibrate.py: do not edit.\n"
        )
        yaml.dump(document, stream)


if __name__ == "__main__":
    main()
