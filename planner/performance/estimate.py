"""Estimate latency, throughput and memory of many points at once.

Rows with the same configuration share one counting of work; all rows are then timed together in
arrays. TTFT and TPOT are means of a closed loop of ``concurrency`` clients per replica
(docs/performance-model.md, Closed loop).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planner.files import InputFault, InputFaults, write_text_atomic
from planner.performance.calibration_file import Calibration, load_calibration
from planner.performance.closed_loop import Latency, Load, closed_loop, saturated, static_batch
from planner.performance.configuration import Configuration, Stacked, stack_configurations
from planner.performance.memory import EngineLimits
from planner.performance.points import (
    INPUT_COLUMNS,
    OPTIONAL_COLUMNS,
    PointReader,
    asks_largest,
    numbers_of,
)
from planner.performance.replica import GB
from planner.performance.speculation import accepted_tokens
from planner.performance.types import Array, Index, Text

if TYPE_CHECKING:
    from planner.catalog.catalog import Catalog

__all__ = [
    "EXTRA_COLUMNS",
    "INPUT_COLUMNS",
    "OPTIONAL_COLUMNS",
    "OUTPUT_COLUMNS",
    "compare_file",
    "estimate",
    "estimate_file",
]
OUTPUT_COLUMNS = (
    "ttft_ms",
    "tpot_ms",
    "output_tokens_per_s_per_accelerator",
    "memory_gb_per_accelerator",
    "fits",
    "provider",
    "error",
)
EXTRA_COLUMNS = ("ttft_error_band", "tpot_error_band", "advice")
UNKNOWN_SCATTER = 0.5
"""Where nothing says whether lengths differ between requests: half of each."""


def estimate(
    points: pd.DataFrame,
    catalog: Catalog,
    *,
    calibration: Calibration | None = None,
    engines: Mapping[str, EngineLimits] | None = None,
) -> pd.DataFrame:
    """Estimate every row of ``points``.

    Parameters
    ----------
    points
        Columns ``INPUT_COLUMNS`` (``engine``, ``weights``, ``kv_cache`` and the degrees may be
        missing or empty) and any of ``OPTIONAL_COLUMNS``: ``cached_tokens`` of the prompt found in
        the prefix cache, ``draft_tokens`` and ``acceptance_rate`` of speculative decoding,
        ``memory_fraction`` of the engine, ``load`` (``closed``, ``static`` or ``max``),
        ``length_spread`` (0: all requests are equally long and stay in step; above: they are not),
        ``wait_steps`` that flags of the engine hold a request back, ``software_year`` of its release.
    catalog
        Where LLMs and accelerators are looked up.

    Returns
    -------
    pandas.DataFrame
        The input, row by row in order, with ``OUTPUT_COLUMNS`` and ``EXTRA_COLUMNS`` added.
        A row that cannot be estimated says why in ``error``; no row is dropped.
    """
    calibration = calibration or load_calibration()
    table = points.reset_index(drop=True)
    reader = PointReader(catalog, calibration, engines)
    configurations, index, errors = reader.read(table)
    count = len(table)
    result = {
        name: np.full(count, np.nan) for name in (*OUTPUT_COLUMNS[:4], "ttft_error_band", "tpot_error_band")
    }
    fits = np.zeros(count, dtype=bool)
    advice = np.full(count, "", dtype=object)
    good: Index = np.flatnonzero(np.array([not e for e in errors], dtype=bool))
    if len(good):
        numbers = _numbers(table, reader, good, index, configurations, errors)
        good = numbers.rows
        timed = numbers.time(stack_configurations(configurations), index[good])
        accelerators = np.array([configurations[i].shape.accelerators for i in index[good]])
        result["ttft_ms"][good] = timed.ttft_ms
        result["tpot_ms"][good] = np.where(numbers.load.output_tokens > 1, timed.tpot_ms, np.nan)
        result["output_tokens_per_s_per_accelerator"][good] = timed.output_tokens_per_s / accelerators
        result["memory_gb_per_accelerator"][good] = numbers.memory_gb
        fits[good] = numbers.fits
        advice[good] = numbers.advice
        bands = [configurations[i].band for i in index[good]]
        result["ttft_error_band"][good] = [b.ttft for b in bands]
        result["tpot_error_band"][good] = [b.tpot for b in bands]
    refused = [i for i in range(count) if index[i] >= 0 and errors[i]]
    for i in refused:
        memory = configurations[index[i]].memory
        result["memory_gb_per_accelerator"][i] = memory.reserved_bytes / GB
    output = table.copy()
    output["engine"] = reader.engine
    output["weights"] = reader.weights
    output["kv_cache"] = reader.kv_cache
    for name in OUTPUT_COLUMNS[:4]:
        output[name] = result[name]
    output["fits"] = fits
    output["provider"] = "analytic"
    output["error"] = errors
    output["ttft_error_band"] = result["ttft_error_band"]
    output["tpot_error_band"] = result["tpot_error_band"]
    output["advice"] = advice
    return output


@dataclass(frozen=True)
class _Numbers:
    """The loads of the rows that can be timed."""

    rows: Index
    load: Load
    kinds: Text
    fits: NDArray[np.bool_]
    memory_gb: Array
    advice: Text

    def time(self, stacked: Stacked, index: Index) -> Latency:
        """Time all rows, each under its kind of load."""
        names = [f.name for f in fields(Latency)]
        answers = {name: np.full(len(self.rows), np.nan) for name in names}
        solve = {"closed": closed_loop, "static": static_batch, "max": saturated}
        for kind, function in solve.items():
            chosen = np.flatnonzero(self.kinds == kind)
            if not len(chosen):
                continue
            work, chip, rates = stacked.rows(index[chosen])
            load = Load(**{k: v[chosen] for k, v in vars(self.load).items()})
            timed = function(work, chip, rates, load)
            for name in names:
                answers[name][chosen] = getattr(timed, name)
        return Latency(**answers)


def _numbers(
    table: pd.DataFrame,
    reader: PointReader,
    good: Index,
    index: Index,
    configurations: list[Configuration],
    errors: list[str],
) -> _Numbers:
    """Read the load columns of the rows that have a configuration."""

    def column(name: str, default: float) -> Array:
        if name not in table:
            return np.full(len(good), default)
        return np.nan_to_num(numbers_of(table[name])[good], nan=default)

    inputs, outputs = column("input_tokens", 0.0), column("output_tokens", 0.0)
    cached = np.minimum(column("cached_tokens", 0.0), np.maximum(inputs - 1.0, 0.0))
    drafts = column("draft_tokens", 0.0)
    acceptance = column("acceptance_rate", np.nan)
    spread = column("length_spread", np.nan)
    largest = asks_largest(table)[good]
    concurrency = numbers_of(table["concurrency"])[good]
    kinds = np.full(len(good), "closed", dtype=object)
    if "load" in table:
        written = table["load"].fillna("").astype(str).str.lower().to_numpy(dtype=object)[good]
        known = np.isin(written.astype(str), ["static", "max"])
        kinds[known] = written[known]
    kinds[largest] = "max"
    own = [configurations[i] for i in index[good]]
    share = np.array([c.limits.reserved_output for c in own])
    budget = np.array([max(c.memory.kv_budget_bytes, 0.0) for c in own])
    per_token = np.array([c.memory.kv_bytes_per_token for c in own])
    fixed = np.array([c.memory.kv_bytes_fixed for c in own])
    dp = np.array([float(c.shape.dp) for c in own])
    most = np.array([float(c.limits.max_sequences * c.shape.dp) for c in own])
    each = per_token * (inputs + share * outputs) + fixed
    held = np.minimum(np.floor(budget / np.maximum(each, 1e-9) * dp + 1e-9), most)
    concurrency = np.where(kinds == "max", np.maximum(held, 1.0), concurrency)
    for position, row in enumerate(good):
        if drafts[position] > 0 and not 0.0 <= acceptance[position] <= 1.0:
            errors[row] = "draft_tokens needs acceptance_rate: the share of drafted tokens accepted, 0 to 1"
        elif held[position] < 1.0:
            errors[row] = (
                f"one request of {inputs[position]:.0f} + {outputs[position]:.0f} tokens does not "
                f"fit beside the weights: {each[position] / GB:.1f} GB of cache per accelerator, "
                f"{budget[position] / GB:.1f} GB free; try a larger tp, kv_cache fp8 or "
                "a shorter context"
            )
    keep = np.array([not errors[row] for row in good], dtype=bool)
    runs = np.maximum(np.minimum(concurrency, held), 1.0)
    fits = concurrency <= held
    reserved = np.array([c.memory.reserved_bytes for c in own])
    peak = per_token * (inputs + outputs) + fixed
    memory_gb = (reserved + np.minimum(np.ceil(runs / dp) * peak, budget)) / GB
    advice = np.array(
        [
            ""
            if ok
            else f"{int(n)} requests at once need more cache than is free: about {int(h)} run, "
            "the others wait; try a larger tp, kv_cache fp8 or fewer requests"
            for ok, n, h in zip(fits, np.nan_to_num(concurrency), held, strict=True)
        ],
        dtype=object,
    )
    accepted = np.where(drafts > 0, accepted_tokens(drafts, np.nan_to_num(acceptance)), 1.0)
    load = Load(
        input_tokens=inputs,
        output_tokens=outputs,
        cached_tokens=cached,
        concurrency=concurrency,
        held=held,
        chunk=np.array([float(c.limits.max_batched_tokens) for c in own]),
        tokens_each=1.0 + drafts,
        accepted_each=accepted,
        draft_share=0.0 * drafts,
        scattered=np.where(np.isnan(spread), UNKNOWN_SCATTER, spread > 0),
        wait_steps=np.maximum(column("wait_steps", 0.0), 0.0),
    )
    layers = np.array([float(c.llm.layers) for c in own])
    load = replace(load, draft_share=drafts / np.maximum(layers, 1.0))
    return _Numbers(
        rows=good[keep],
        load=Load(**{k: v[keep] for k, v in vars(load).items()}),
        kinds=kinds[keep],
        fits=fits[keep],
        memory_gb=memory_gb[keep],
        advice=advice[keep],
    )


def estimate_file(points: Path, output: Path, catalog: Path | None = None) -> tuple[int, int]:
    """Estimate a CSV into a CSV; return the number of rows and of rows without an estimate.

    ``catalog`` names a file with the user's own accelerators, LLMs or engines.
    """
    from planner.catalog import load_catalog

    try:
        table = pd.read_csv(points, dtype=str, keep_default_na=False, skipinitialspace=True)
    except (pd.errors.ParserError, pd.errors.EmptyDataError, UnicodeDecodeError) as error:
        found = " ".join(str(error).split())
        allowed = "a CSV with a header and as many cells in every row"
        raise InputFaults([InputFault(str(points), None, "", found, allowed)]) from None
    answer = estimate(table, load_catalog(catalog))
    text = answer.copy()
    text["fits"] = np.where(answer["fits"], "true", "false")
    write_text_atomic(output, text.to_csv(index=False, float_format="%.6g", lineterminator="\n"))
    return len(answer), int((answer["error"] != "").sum())


def _measured_table(path: Path) -> pd.DataFrame:
    """Return measured rows as they are written, or say what is wrong with the file.

    Raises
    ------
    InputFaults
        The file is no CSV, has no rows, lacks columns, or holds nothing that was measured.
    """
    from planner.performance.measured import MEASURED, read_measured

    def fault(found: str, allowed: str) -> InputFaults:
        return InputFaults([InputFault(str(path), None, "", " ".join(found.split()), allowed)])

    allowed = "a CSV with a header and as many cells in every row"
    try:
        table = pd.read_csv(path, low_memory=False, skipinitialspace=True)
    except (pd.errors.ParserError, pd.errors.EmptyDataError) as error:
        raise fault(str(error), allowed) from None
    except UnicodeDecodeError:
        raise fault("bytes that are no text", allowed + ", in UTF-8") from None
    if table.empty:
        raise fault("no rows", "one row per measurement")
    try:
        read = read_measured(table)
    except ValueError as error:
        raise fault(str(error), "the columns of `planner estimate` and what was measured") from None
    if read[list(MEASURED)].isna().all(axis=None):
        raise fault("no measured numbers", "a column ttft_ms, tpot_ms or output_tokens_per_s with numbers")
    return table


def compare_file(measured: Path, output: Path | None = None, catalog: Path | None = None) -> str:
    """Compare estimates with a measured CSV; return the tables as text.

    With ``output`` (a folder) the row-by-row comparison and a plot are written there.
    """
    from planner.catalog import load_catalog
    from planner.performance.compare import compare

    comparison = compare(_measured_table(measured), load_catalog(catalog))
    if output is not None:
        comparison.write(output)
    return comparison.summary()
