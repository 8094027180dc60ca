"""Read the points of a table: names, degrees and loads, with what is wrong with each row."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from planner.performance.calibration_file import Calibration
from planner.performance.configuration import (
    Configuration,
    build_configuration,
    chosen_kv_cache,
    coefficients_and_band,
)
from planner.performance.engine_limits import engine_limits, limits_on, raised_fraction, unsupported
from planner.performance.measured import ENGINE_NAMES
from planner.performance.memory import EngineLimits
from planner.performance.precision import KV_BYTES, WEIGHT_BYTES, canonical
from planner.performance.shape import Shape, cut_faults
from planner.performance.types import Array, ErrorBand, Index

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
OPTIONAL_COLUMNS = (
    "cached_tokens",
    "draft_tokens",
    "acceptance_rate",
    "memory_fraction",
    "load",
    "length_spread",
    "wait_steps",
    "software_year",
)
NEEDED = ("llm", "accelerator", "input_tokens", "output_tokens", "concurrency")
DEGREES = ("tp", "pp", "dp", "ep")
DEFAULT_ENGINE = "vllm"
CURRENT_YEAR = 9999.0
"""Where no year of the engine's release is given: the newest there is."""


class PointReader:
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
        self._own_limits = frozenset(self.engines)
        self.engine: list[str] = []
        self.weights: list[str] = []
        self.kv_cache: list[str] = []
        self._llms: dict[str, LLM | str] = {}
        self._accelerators: dict[str, Accelerator | str] = {}
        self._known: dict[tuple[str, str, float], tuple[Array, ErrorBand]] = {}

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
        years = numbers_of(table["software_year"]) if "software_year" in table else np.full(count, np.nan)
        degrees = {
            name: degrees_of(table[name]).tolist() if name in table else [1.0] * count for name in DEGREES
        }
        bad_load = bad_loads(table)
        found: dict[tuple[Any, ...], tuple[int, str, str, str, str]] = {}
        configurations: list[Configuration] = []
        index = np.full(count, -1)
        errors: list[str] = []
        columns = [*text_of.values(), *degrees.values(), np.nan_to_num(years, nan=CURRENT_YEAR).tolist()]
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
        name, chip, engine, weights, kv_cache, fraction, tp, pp, dp, ep, year = key
        engine = (engine or DEFAULT_ENGINE).lower()
        engine = ENGINE_NAMES.get(engine, engine)
        llm, accelerator = self._llm(name), self._accelerator(chip)
        errors = [found for found in (llm, accelerator) if isinstance(found, str)]
        limits = self._limits(engine, fraction)
        if isinstance(limits, str):
            errors.append(limits)
        wrong = [d for d in (tp, pp, dp, ep) if not 1 <= d <= MOST_ACCELERATORS or d != int(d)]
        if wrong:
            errors.append(f"tp, pp, dp and ep must be whole numbers from 1 to {MOST_ACCELERATORS}")
        if errors or isinstance(llm, str) or isinstance(accelerator, str):
            return -1, "; ".join(errors), engine, weights, kv_cache
        assert not isinstance(limits, str)
        if engine not in self._own_limits:
            limits = limits_on(limits, engine, accelerator)
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
        faults = [*shape.faults(), *cut_faults(llm, shape)]
        if not wrong_precision:
            faults += filter(None, [unsupported(engine, accelerator, weights, kv_cache)])
        if wrong_precision or faults:
            error = "; ".join(filter(None, [wrong_precision, *faults]))
            return -1, error, engine, weights, kv_cache
        pair = (shape.accelerator, shape.engine, year)
        if pair not in self._known:
            self._known[pair] = coefficients_and_band(self.calibration, shape, year)
        known = self._known[pair]
        built = build_configuration(llm, accelerator, shape, self.calibration, limits, known)
        raised = raised_fraction(limits, engine)
        if built.refusal.startswith("does not fit") and raised is not None and not fraction:
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
    if shape.weights not in WEIGHT_BYTES:
        return f"unknown weights {shape.weights!r}: use one of {', '.join(WEIGHT_BYTES)}"
    if shape.kv_cache not in KV_BYTES:
        return f"unknown kv_cache {shape.kv_cache!r}: use one of {', '.join(KV_BYTES)}"
    return ""


MOST_ACCELERATORS = 1024
"""Largest parallel degree that is taken for meant."""

MOST_TOKENS = 100_000_000
MOST_CLIENTS = 1_000_000
"""Beyond these a length or a concurrency is taken for a slip of the pen."""


def degrees_of(column: pd.Series) -> Array:
    """Return parallel degrees as floats: 1 where nothing is written, NaN where it is no number."""
    written = column.notna() & (column.astype(str).str.strip() != "")
    return np.where(written, numbers_of(column), 1.0)


def numbers_of(column: pd.Series) -> Array:
    """Return a column as floats, NaN where it is no number."""
    numbers: Array = np.asarray(pd.to_numeric(column, errors="coerce"), dtype=float)
    return numbers


def asks_largest(table: pd.DataFrame) -> NDArray[np.bool_]:
    """Return which rows ask for the largest batch that fits."""
    written = table["concurrency"].astype(str).str.strip().str.lower()
    return np.asarray(written == "max", dtype=bool)


def bad_loads(table: pd.DataFrame) -> list[str]:
    """Say for each row what is wrong with its token counts and concurrency."""
    inputs, outputs = numbers_of(table["input_tokens"]), numbers_of(table["output_tokens"])
    concurrency = np.where(asks_largest(table), 1.0, numbers_of(table["concurrency"]))
    texts = []
    for new, answer, clients in zip(inputs, outputs, concurrency, strict=True):
        wrong = []
        if not 1 <= new <= MOST_TOKENS:
            wrong.append(f"input_tokens must be a number from 1 to {MOST_TOKENS:,}")
        if not 1 <= answer <= MOST_TOKENS:
            wrong.append(f"output_tokens must be a number from 1 to {MOST_TOKENS:,}")
        if not 1 <= clients <= MOST_CLIENTS:
            wrong.append(f"concurrency must be a number from 1 to {MOST_CLIENTS:,}, or max")
        texts.append("; ".join(wrong))
    return texts
