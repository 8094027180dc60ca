"""Estimate latency, throughput and memory of many points at once.

Rows with the same configuration share one counting of work; all rows are then timed together in
arrays. TTFT and TPOT are means of a closed loop of ``concurrency`` clients per replica
(docs/performance-model.md, Closed loop).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planner.performance.calibration_file import Calibration, load_calibration
from planner.performance.closed_loop import Latency, Load, closed_loop, saturated, static_batch
from planner.performance.coefficients import Coefficients, from_logs
from planner.performance.links import Links
from planner.performance.measured import ENGINE_NAMES
from planner.performance.memory import EngineLimits, memory_breakdown
from planner.performance.precision import canonical
from planner.performance.replica import GB, chip_of, engine_limits, refusal
from planner.performance.shape import Shape
from planner.performance.speculation import accepted_tokens
from planner.performance.steps import Chip
from planner.performance.types import Array, ErrorBand, Index, MemoryBreakdown, Text
from planner.performance.work import Work, count_work, stack

if TYPE_CHECKING:
    from planner.catalog.accelerators import Accelerator
    from planner.catalog.catalog import Catalog
    from planner.catalog.llm import LLM

INPUT_COLUMNS = (
    "llm",
    "accelerator",
    "engine",
    "weights",
    "kv_cache",
    "tp",
    "pp",
    "dp",
    "ep",
    "input_tokens",
    "output_tokens",
    "concurrency",
)
OPTIONAL_COLUMNS = ("cached_tokens", "draft_tokens", "acceptance_rate", "memory_fraction", "load")
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
NEEDED = ("llm", "accelerator", "input_tokens", "output_tokens", "concurrency")
DEGREES = ("tp", "pp", "dp", "ep")
DEFAULT_ENGINE = "vllm"
# The largest share of memory that operators give an engine (InferenceX and vendor recipes run
# 0.90 to 0.95); beyond it allocator fragments and NCCL run out.
HIGHEST_MEMORY_FRACTION = 0.92


@dataclass(frozen=True)
class Configuration:
    """What rows with one shape share."""

    shape: Shape
    llm: LLM
    accelerator: Accelerator
    limits: EngineLimits
    memory: MemoryBreakdown
    work: Work
    chip: Chip
    logs: Array
    band: ErrorBand
    refusal: str


def chosen_kv_cache(llm: LLM, engine: str, weights: str, accelerator: Accelerator) -> str:
    """Return the cache precision an engine picks when none is asked for.

    vLLM and SGLang keep the activation precision ("auto" = bf16) unless the checkpoint says
    otherwise; TensorRT-LLM follows NVIDIA's fp8 and fp4 checkpoints, whose hf_quant_config.json
    sets kv_cache_quant_algo FP8. SGLang serves latent-attention LLMs with an fp8 cache where the
    accelerator has fp4 arithmetic (its trtllm_mla attention back end).
    """
    if llm.native_kv_cache == "fp8":
        return "fp8"
    if engine == "trtllm" and weights in ("fp8", "fp4"):
        return "fp8"
    latent = any(group.attention.kind == "mla" for group in llm.groups)
    if engine == "sglang" and latent and weights in ("fp8", "fp4"):
        return "fp8" if accelerator.tflops.get("fp4") else "bf16"
    return "bf16"


def build_configuration(
    llm: LLM,
    accelerator: Accelerator,
    shape: Shape,
    calibration: Calibration,
    limits: EngineLimits,
    known: tuple[Array, ErrorBand] | None = None,
) -> Configuration:
    """Count and look up everything that does not depend on the load."""
    memory = memory_breakdown(llm, shape, accelerator.memory_bytes, limits)
    logs, band = known or _coefficients(calibration, shape)
    return Configuration(
        shape=shape,
        llm=llm,
        accelerator=accelerator,
        limits=limits,
        memory=memory,
        work=count_work(llm, shape),
        chip=chip_of(accelerator, shape),
        logs=logs,
        band=band,
        refusal=refusal(llm, accelerator, shape, memory, limits),
    )


def _coefficients(calibration: Calibration, shape: Shape) -> tuple[Array, ErrorBand]:
    pair = (shape.accelerator, shape.engine)
    return calibration.logs(*pair), calibration.band(*pair)


@dataclass(frozen=True)
class Stacked:
    """Configurations side by side: every field has one row per configuration."""

    work: Work
    chip: Chip
    logs: Array

    def rows(self, index: Index) -> tuple[Work, Chip, Coefficients]:
        """Return work, chip and coefficients with one row per point."""
        work = Work(**{f.name: getattr(self.work, f.name)[index] for f in fields(Work)})
        links = Links(**{f.name: getattr(self.chip.links, f.name)[index] for f in fields(Links)})
        chip = Chip(
            **{f.name: getattr(self.chip, f.name)[index] for f in fields(Chip) if f.name != "links"},
            links=links,
        )
        return work, chip, from_logs(self.logs[index].T)


def stack_configurations(configurations: list[Configuration]) -> Stacked:
    """Stack the arrays of configurations for timing them together."""
    chips = [c.chip for c in configurations]
    links = Links(
        **{f.name: np.array([float(getattr(c.links, f.name)) for c in chips]) for f in fields(Links)}
    )
    chip = Chip(
        **{
            f.name: np.array([float(getattr(c, f.name)) for c in chips])
            for f in fields(Chip)
            if f.name != "links"
        },
        links=links,
    )
    return Stacked(
        work=stack([c.work for c in configurations]),
        chip=chip,
        logs=np.stack([c.logs for c in configurations]),
    )


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
        ``memory_fraction`` of the engine, ``load`` (``closed``, ``static`` or ``max``).
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
    reader = _Reader(catalog, calibration, engines)
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
    reader: _Reader,
    good: Index,
    index: Index,
    configurations: list[Configuration],
    errors: list[str],
) -> _Numbers:
    """Read the load columns of the rows that have a configuration."""

    def column(name: str, default: float) -> Array:
        if name not in table:
            return np.full(len(good), default)
        return np.nan_to_num(_numeric(table[name])[good], nan=default)

    inputs, outputs = column("input_tokens", 0.0), column("output_tokens", 0.0)
    cached = np.minimum(column("cached_tokens", 0.0), np.maximum(inputs - 1.0, 0.0))
    drafts = column("draft_tokens", 0.0)
    acceptance = column("acceptance_rate", np.nan)
    largest = _asks_largest(table)[good]
    concurrency = _numeric(table["concurrency"])[good]
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


class _Reader:
    """Turns rows into configurations, once per distinct configuration."""

    def __init__(
        self,
        catalog: Catalog,
        calibration: Calibration,
        engines: Mapping[str, EngineLimits] | None,
    ) -> None:
        self.catalog = catalog
        self.calibration = calibration
        self.engines = dict(engines or {})
        self.engine: list[str] = []
        self.weights: list[str] = []
        self.kv_cache: list[str] = []
        self._llms: dict[str, LLM | str] = {}
        self._accelerators: dict[str, Accelerator | str] = {}
        self._known: dict[tuple[str, str], tuple[Array, ErrorBand]] = {}

    def read(self, table: pd.DataFrame) -> tuple[list[Configuration], Index, list[str]]:
        """Return distinct configurations, the one of each row (-1: none) and row errors."""
        missing = [name for name in NEEDED if name not in table]
        count = len(table)
        if missing:
            text = "missing column " + ", ".join(missing)
            empty = [""] * count
            self.engine, self.weights, self.kv_cache = empty, empty, empty
            return [], np.full(count, -1), [text] * count
        text_of = {
            name: table[name].fillna("").astype(str).str.strip().tolist() if name in table else [""] * count
            for name in ("llm", "accelerator", "engine", "weights", "kv_cache", "memory_fraction")
        }
        degrees = {
            name: pd.to_numeric(table[name], errors="coerce").fillna(1.0).tolist()
            if name in table
            else [1.0] * count
            for name in DEGREES
        }
        bad_load = _bad_loads(table)
        found: dict[tuple[Any, ...], tuple[int, str, str, str, str]] = {}
        configurations: list[Configuration] = []
        index = np.full(count, -1)
        errors: list[str] = []
        columns = [*text_of.values(), *degrees.values()]
        for row, key in enumerate(zip(*columns, strict=True)):
            if key not in found:
                found[key] = self._configure(key, configurations)
            at, error, engine, weights, kv_cache = found[key]
            index[row] = at
            errors.append(error or bad_load[row])
            self.engine.append(engine)
            self.weights.append(weights)
            self.kv_cache.append(kv_cache)
        return configurations, index, errors

    def _configure(
        self, key: tuple[Any, ...], configurations: list[Configuration]
    ) -> tuple[int, str, str, str, str]:
        name, chip, engine, weights, kv_cache, fraction, tp, pp, dp, ep = key
        engine = (engine or DEFAULT_ENGINE).lower()
        engine = ENGINE_NAMES.get(engine, engine)
        llm, accelerator = self._llm(name), self._accelerator(chip)
        errors = [found for found in (llm, accelerator) if isinstance(found, str)]
        limits = self._limits(engine, fraction)
        if isinstance(limits, str):
            errors.append(limits)
        wrong = [d for d in (tp, pp, dp, ep) if d < 1 or d != int(d)]
        if wrong:
            errors.append("tp, pp, dp and ep must be whole numbers of at least 1")
        if errors or isinstance(llm, str) or isinstance(accelerator, str):
            return -1, "; ".join(errors), engine, weights, kv_cache
        assert not isinstance(limits, str)
        weights = canonical(weights) if weights else llm.native_weights
        kv_cache = canonical(kv_cache) if kv_cache else chosen_kv_cache(llm, engine, weights, accelerator)
        shape = Shape(
            llm=llm.id,
            accelerator=accelerator.id,
            engine=engine,
            tp=int(tp),
            pp=int(pp),
            dp=int(dp),
            ep=int(ep),
            weights=weights,
            kv_cache=kv_cache,
        )
        wrong_precision = _precision_fault(shape)
        if wrong_precision or shape.faults():
            error = "; ".join(filter(None, [wrong_precision, *shape.faults()]))
            return -1, error, engine, weights, kv_cache
        pair = (shape.accelerator, shape.engine)
        if pair not in self._known:
            self._known[pair] = _coefficients(self.calibration, shape)
        known = self._known[pair]
        built = build_configuration(llm, accelerator, shape, self.calibration, limits, known)
        tight = limits.memory_fraction < HIGHEST_MEMORY_FRACTION and not limits.fraction_of_free
        if built.refusal.startswith("does not fit") and tight and not fraction:
            # An operator raises the fraction when the weights need it.
            raised = replace(limits, memory_fraction=HIGHEST_MEMORY_FRACTION)
            built = build_configuration(llm, accelerator, shape, self.calibration, raised, known)
        configurations.append(built)
        return len(configurations) - 1, built.refusal, engine, weights, kv_cache

    def _llm(self, name: str) -> LLM | str:
        if name not in self._llms:
            try:
                self._llms[name] = self.catalog.llm(name)
            except Exception as error:  # any reader fault becomes the row's error
                self._llms[name] = str(error).strip("'\"")
        return self._llms[name]

    def _accelerator(self, name: str) -> Accelerator | str:
        if name not in self._accelerators:
            try:
                self._accelerators[name] = self.catalog.accelerators[name]
            except LookupError as error:
                self._accelerators[name] = str(error).strip("'\"")
        return self._accelerators[name]

    def _limits(self, engine: str, fraction: str) -> EngineLimits | str:
        if engine not in self.engines:
            known = sorted({*self.catalog.engines, *self.calibration.engines})
            if engine not in known:
                return f"unknown engine {engine!r}: use one of {', '.join(known)}"
            self.engines[engine] = engine_limits(engine)
        limits = self.engines[engine]
        if not fraction or fraction == "nan":
            return limits
        try:
            value = float(fraction)
        except ValueError:
            return f"memory_fraction must be a number between 0 and 1, found {fraction!r}"
        if not 0.0 < value <= 1.0:
            return f"memory_fraction must be between 0 and 1, found {value:g}"
        return replace(limits, memory_fraction=value)


def _precision_fault(shape: Shape) -> str:
    from planner.performance.precision import KV_BYTES, WEIGHT_BYTES

    if shape.weights not in WEIGHT_BYTES:
        return f"unknown weights {shape.weights!r}: use one of {', '.join(WEIGHT_BYTES)}"
    if shape.kv_cache not in KV_BYTES:
        return f"unknown kv_cache {shape.kv_cache!r}: use one of {', '.join(KV_BYTES)}"
    return ""


def _numeric(column: pd.Series) -> Array:
    """Return a column as floats, NaN where it is no number."""
    numbers: Array = np.asarray(pd.to_numeric(column, errors="coerce"), dtype=float)
    return numbers


def _asks_largest(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rows ask for the largest batch that fits."""
    written = table["concurrency"].astype(str).str.strip().str.lower()
    return np.asarray(written == "max", dtype=bool)


def _bad_loads(table: pd.DataFrame) -> list[str]:
    """Say for each row what is wrong with its token counts and concurrency."""
    inputs, outputs = _numeric(table["input_tokens"]), _numeric(table["output_tokens"])
    concurrency = np.where(_asks_largest(table), 1.0, _numeric(table["concurrency"]))
    texts = []
    for new, answer, clients in zip(inputs, outputs, concurrency, strict=True):
        wrong = []
        if not new >= 1:
            wrong.append("input_tokens must be at least 1")
        if not answer >= 1:
            wrong.append("output_tokens must be at least 1")
        if not clients >= 1:
            wrong.append("concurrency must be at least 1, or max")
        texts.append("; ".join(wrong))
    return texts


def estimate_file(points: Path, output: Path, catalog: Path | None = None) -> tuple[int, int]:
    """Estimate a CSV into a CSV; return the number of rows and of rows without an estimate.

    ``catalog`` names a file with the user's own accelerators, LLMs or engines.
    """
    from planner.catalog import load_catalog

    table = pd.read_csv(points, dtype=str, keep_default_na=False, skipinitialspace=True)
    answer = estimate(table, load_catalog(catalog))
    text = answer.copy()
    text["fits"] = np.where(answer["fits"], "true", "false")
    text.to_csv(output, index=False, float_format="%.6g")
    return len(answer), int((answer["error"] != "").sum())


def compare_file(measured: Path, output: Path | None = None, catalog: Path | None = None) -> str:
    """Compare estimates with a measured CSV; return the tables as text.

    With ``output`` (a folder) the row-by-row comparison and a plot are written there.
    """
    from planner.catalog import load_catalog
    from planner.performance.compare import compare

    comparison = compare(measured, load_catalog(catalog))
    if output is not None:
        comparison.write(output)
    return comparison.summary()
