"""Fit the power model to measured watts and say how far it is from what it has not seen.

Run ``python -m benchmarks.calibrate_power``. Reads ``benchmarks/data/measured_watts.csv`` (mean watts
of one accelerator while it serves at a known batch and step time), counts the arithmetic and memory
utilization behind each row, fits three coefficients (power awake, energy per byte, energy per
FLOP), prints the error left out accelerator by accelerator and LLM by LLM, and with ``--write`` stores
them in ``planner/performance/calibration/power.yaml``.

Sources of the rows: ``ml-energy-v3`` github.com/ml-energy/leaderboard (text tasks; prompts taken as 250
tokens for GPQA and 200 for LM Arena, which its files do not print), ``inferencex``
github.com/SemiAnalysisAI/InferenceX (attribute SemiAnalysis InferenceX; one node), ``argonne``
github.com/argonne-lcf/LLM-Inference-Bench (GH200 only: its A100 and H100 watts are of a four-GPU node),
``splitwise`` github.com/Mutinifni/splitwise-sim (A100; short prompts, so that decoding sets the mean).
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from scipy.optimize import least_squares

from planner.catalog import LLM, Accelerator, Catalog, load_catalog
from planner.files import write_text_atomic
from planner.performance.power import CALIBRATION, PowerCoefficients, power_model
from planner.performance.replica import chip_of, replica_model
from planner.performance.shape import Shape
from planner.performance.steps import Batch
from planner.performance.types import Array
from planner.performance.utilization import utilization
from planner.performance.work import count_work

ROWS = Path(__file__).parent / "data" / "measured_watts.csv"
FITTED = ("busy", "byte_pj", "flop_pj")
START = np.array([0.15, 120.0, 0.8])
LOWEST = np.array([0.0, 20.0, 0.1])
HIGHEST = np.array([0.5, 400.0, 5.0])
CAP_SHARES = (0.9, 0.8, 0.7, 0.6, 0.5, 0.4)
OUTLIER = 0.1
"""Relative residual from which a row weighs less (soft L1)."""


def main() -> None:
    """Fit, report, and store with ``--write``."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("--rows", type=Path, default=ROWS, help="measured watts, CSV")
    parser.add_argument("--write", action="store_true", help="store the coefficients")
    arguments = parser.parse_args()
    catalog = load_catalog()
    rows = with_utilization(pd.read_csv(arguments.rows), catalog)
    best = fit(rows, catalog)
    left_out = {kind: left_out_errors(rows, catalog, kind) for kind in ("accelerator", "llm")}
    report(rows, catalog, best, left_out)
    planned = with_utilization(with_predicted_steps(rows, catalog), catalog)
    energy = planned.assign(watts=rows.watts * rows.step_ms / planned.step_ms)
    for what, table in (("watts", planned), ("energy per token", energy)):
        print(f"{what} at the analytic model's own step times:")
        for name, part in table.groupby("accelerator"):
            print(f"    {name:26s}" + summary(relative_error(part, catalog, best)))
    if arguments.write:
        write_text_atomic(CALIBRATION, as_yaml(rows, catalog, best, left_out["accelerator"]))
        print(f"wrote {CALIBRATION}")


def with_utilization(rows: pd.DataFrame, catalog: Catalog) -> pd.DataFrame:
    """Return the rows with ``compute`` and ``memory`` utilization at the measured step time.

    Prompts are counted beside decoding, in the steady proportion of one prompt per answer.
    """
    found = [_utilization(row, catalog) for row in rows.to_dict("records")]
    return rows.assign(
        compute=np.minimum([compute for compute, _ in found], 1.0),
        memory=np.minimum([memory for _, memory in found], 1.0),
    )


def _utilization(row: Mapping[Any, Any], catalog: Catalog) -> tuple[float, float]:
    llm, accelerator, shape = _served(row, catalog)
    work, chip, zero = count_work(llm, shape), chip_of(accelerator, shape), np.asarray(0.0)
    sequences, step_ms = np.asarray(float(row["batch"])), np.asarray(float(row["step_ms"]))
    context = np.asarray(_mean_context(row))
    prompt = np.asarray(float(row["input_tokens"]))
    between_prompts_ms = step_ms * float(row["output_tokens"]) / sequences
    parts = (
        utilization(work, chip, Batch(sequences, context, zero, zero, zero), step_ms),
        utilization(work, chip, Batch(zero, zero, prompt, zero, np.asarray(1.0)), between_prompts_ms),
    )
    return float(sum(part[0] for part in parts)), float(sum(part[1] for part in parts))


def _served(row: Mapping[Any, Any], catalog: Catalog) -> tuple[LLM, Accelerator, Shape]:
    llm, accelerator = catalog.llm(str(row["llm"])), catalog.accelerators[str(row["accelerator"])]
    shape = Shape(
        llm=llm.id,
        accelerator=accelerator.id,
        engine="vllm",
        tp=int(row["accelerators"]),
        ep=int(row["ep"]),
        weights=str(row["weights"]),
    )
    return llm, accelerator, shape


def _mean_context(row: Mapping[Any, Any]) -> float:
    return float(row["input_tokens"]) + float(row["output_tokens"]) / 2.0


def with_predicted_steps(rows: pd.DataFrame, catalog: Catalog) -> pd.DataFrame:
    """Return the rows with the analytic model's step times instead of the measured ones.

    A step carries the share of prompts that keeps the batch full.
    """

    def step_ms(row: Mapping[Any, Any]) -> float:
        model = replica_model(*_served(row, catalog))
        prompts = float(row["batch"]) / float(row["output_tokens"])
        alone_ms = float(model.step_ms(float(row["batch"]), _mean_context(row)))
        return alone_ms + prompts * float(model.prefill_ms(float(row["input_tokens"])))

    return rows.assign(step_ms=[step_ms(row) for row in rows.to_dict("records")])


def predicted_w(rows: pd.DataFrame, catalog: Catalog, coefficients: PowerCoefficients) -> Array:
    """Return the model's watts of each row, shape [rows]."""
    watts = np.zeros(len(rows))
    for name in rows.accelerator.unique():
        chosen = (rows.accelerator == name).to_numpy()
        model = power_model(catalog.accelerators[name], coefficients=coefficients)
        watts[chosen] = model.draw_w(rows.compute[chosen].to_numpy(), rows.memory[chosen].to_numpy())
    return watts


def relative_error(rows: pd.DataFrame, catalog: Catalog, coefficients: PowerCoefficients) -> Array:
    """Return predicted / measured - 1 of each row, shape [rows]."""
    return np.asarray(predicted_w(rows, catalog, coefficients) / rows.watts.to_numpy() - 1.0)


def fit(rows: pd.DataFrame, catalog: Catalog) -> PowerCoefficients:
    """Return the coefficients nearest to the rows.

    Each accelerator counts by the root of its LLMs, each LLM on it once, whatever its rows.
    """
    series = rows.groupby(["accelerator", "llm", "accelerators"]).watts.transform("size")
    llms = rows.groupby("accelerator").llm.transform("nunique")
    weights = np.asarray(1.0 / np.sqrt(series.to_numpy() * np.sqrt(llms.to_numpy())), dtype=np.float64)

    def residuals(scaled: Array) -> Array:
        return np.asarray(relative_error(rows, catalog, _coefficients(scaled * START)) * weights)

    solution = least_squares(
        residuals, np.ones(3), bounds=(LOWEST / START, HIGHEST / START), loss="soft_l1", f_scale=OUTLIER
    )
    return _coefficients(np.asarray(solution.x) * START)


def _coefficients(values: Array) -> PowerCoefficients:
    busy, byte_pj, flop_pj = (float(value) for value in values)
    return replace(PowerCoefficients(), busy=busy, byte_pj=byte_pj, flop_pj=flop_pj)


def left_out_errors(rows: pd.DataFrame, catalog: Catalog, kind: str) -> dict[str, Array]:
    """Return the relative errors of each accelerator (or LLM) under coefficients fitted without it."""

    def each() -> Iterator[tuple[str, Array]]:
        for name in sorted(rows[kind].unique()):
            inside = rows[kind] == name
            yield name, relative_error(rows[inside], catalog, fit(rows[~inside], catalog))

    return dict(each())


def summary(errors: Array) -> str:
    """Return one line: median absolute error, bias, 90th percentile."""
    size = np.abs(errors)
    return (
        f"{len(errors):4d} rows  median error {np.median(size):6.1%}  bias {np.median(errors):+6.1%}  "
        f"90th percentile {np.quantile(size, 0.9):6.1%}"
    )


def report(
    rows: pd.DataFrame, catalog: Catalog, best: PowerCoefficients, left_out: dict[str, dict[str, Array]]
) -> None:
    """Print coefficients and errors."""
    print("coefficients: " + ", ".join(f"{name} {getattr(best, name):.4g}" for name in FITTED))
    print("fitted to all rows:      " + summary(relative_error(rows, catalog, best)))
    for kind, errors in left_out.items():
        print(f"left out, {kind} by {kind}: " + summary(np.concatenate(list(errors.values()))))
        for name, error in errors.items():
            print(f"    {name:26s}" + summary(error))
    print("slowdown under a cap, prefill / decode at typical utilization:")
    print("    cap, share of TDP         " + "".join(f"{share:>14.0%}" for share in CAP_SHARES))
    for name in left_out["accelerator"]:
        sku = catalog.accelerators[name]
        models = [power_model(sku, share * sku.tdp_w, best) for share in CAP_SHARES]
        cells = "".join(
            f"{model.slowdown('prefill'):9.2f}/{model.slowdown('decode'):.2f}" for model in models
        )
        print(f"    {name:26s}" + cells)


def as_yaml(rows: pd.DataFrame, catalog: Catalog, best: PowerCoefficients, left_out: dict[str, Array]) -> str:
    """Return the text of the calibration file."""
    everything = np.abs(relative_error(rows, catalog, best))
    unseen = np.abs(np.concatenate(list(left_out.values())))
    sources = "".join(
        f"  {name}: {count}\n" for name, count in rows.source.value_counts().sort_index().items()
    )
    per_accelerator = "".join(
        f"  {name}: {{rows: {len(error)}, median: {np.median(np.abs(error)):.3f}, "
        f"bias: {np.median(error):.3f}}}\n"
        for name, error in left_out.items()
    )
    return (
        "# Written by benchmarks/calibrate_power.py; equations and sources: docs/power-model.md.\n"
        "coefficients:\n"
        f"  busy: {best.busy:.4f}        # share of the thermal design power, awake\n"
        f"  byte_pj: {best.byte_pj:.1f}      # energy of one byte from memory, pJ\n"
        f"  flop_pj: {best.flop_pj:.3f}      # energy of one bf16 FLOP, pJ\n"
        "rows_by_source:\n" + sources + "relative_error:\n"
        f"  median: {np.median(everything):.3f}\n"
        f"  median_left_out: {np.median(unseen):.3f}\n"
        f"  p80_left_out: {np.quantile(unseen, 0.8):.3f}\n"
        "left_out_by_accelerator:\n" + per_accelerator
    )


if __name__ == "__main__":
    main()
