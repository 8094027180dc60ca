"""Read the calibration: coefficients by accelerator and engine, and error bands."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from planner.performance.coefficients import NAMES, UNCALIBRATED, Coefficients, from_logs
from planner.performance.types import Array, ErrorBand

# On Blackwell vLLM, SGLang and TensorRT-LLM run the same attention and expert kernels, NVIDIA's, which the
# first two call through FlashInfer (flags trtllm_mla, flashinfer_trtllm and VLLM_USE_FLASHINFER_MOE_* of
# public recipes): an engine's offsets for its own kernels do not apply there.
SHARED_KERNELS_ON = frozenset({"blackwell"})
SHARED_KERNELS = frozenset(
    {
        "attention_compute",
        "cache_memory",
        "latent_attention",
        "expert_compute",
        "expert_memory",
        "expert_pad_tokens",
    }
)
# Before any calibration: what a roofline with textbook efficiencies is worth.
UNCALIBRATED_BAND = ErrorBand(ttft=0.8, tpot=0.4)


@dataclass(frozen=True)
class Calibration:
    """Coefficients as sums of logarithms: global + generation + accelerator + engine + software.

    Each level maps a coefficient name to a natural-logarithm offset; a level that says nothing
    leaves the coarser value in force, which is what an unmeasured accelerator gets.
    """

    values: Mapping[str, float] = field(default_factory=lambda: dict(UNCALIBRATED))
    generations: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    accelerators: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    engines: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    software: Mapping[str, Mapping[str, float]] = field(default_factory=dict)
    generation_of: Mapping[str, str] = field(default_factory=dict)
    bands: Mapping[str, ErrorBand] = field(default_factory=dict)

    def generation(self, accelerator: str) -> str:
        """Return the architecture generation of an accelerator id (empty when unknown)."""
        best = ""
        for prefix in self.generation_of:
            if accelerator.startswith(prefix) and len(prefix) > len(best):
                best = prefix
        return self.generation_of.get(best, "")

    def _engine(self, accelerator: str, engine: str) -> Mapping[str, float]:
        """Return an engine's offsets on an accelerator: none for kernels that all engines share there."""
        own = self.engines.get(engine, {})
        if self.generation(accelerator) not in SHARED_KERNELS_ON:
            return own
        return {name: value for name, value in own.items() if name not in SHARED_KERNELS}

    def logs(self, accelerator: str, engine: str, year: float = math.nan) -> Array:
        """Return the natural logarithms of all coefficients, shape (len(NAMES),).

        ``year`` is that of the engine's release; not given, it is a current one.
        """
        levels = (
            self.generations.get(self.generation(accelerator), {}),
            self.accelerators.get(accelerator, {}),
            self._engine(accelerator, engine),
            self.software.get(software_of(engine, year), {}),
        )
        return np.array(
            [
                math.log(self.values.get(name, UNCALIBRATED[name]))
                + sum(level.get(name, 0.0) for level in levels)
                for name in NAMES
            ]
        )

    def coefficients(self, accelerator: str, engine: str) -> Coefficients:
        """Return the coefficients of one accelerator under one engine (scalars)."""
        return from_logs(self.logs(accelerator, engine))

    def band(self, accelerator: str, engine: str) -> ErrorBand:
        """Return the error band of the nearest measured kind."""
        for key in (f"{accelerator}/{engine}", accelerator, self.generation(accelerator), "global"):
            if key in self.bands:
                return self.bands[key]
        return UNCALIBRATED_BAND


# vLLM's first engine (V0) schedules in Python between iterations; the second became the default in
# version 0.8 of March 2025. Results of 2023 and 2024 are the first.
FIRST_ENGINES = {"vllm": ("vllm-v0", 2024)}


def software_of(engine: str, year: float) -> str:
    """Return the name of an older software generation of an engine; empty for the current one."""
    name, last = FIRST_ENGINES.get(engine, ("", 0))
    return name if year <= last else ""


def calibration_from(document: Mapping[str, Any]) -> Calibration:
    """Build a calibration from the plain data of a calibration file."""
    bands = {
        key: ErrorBand(ttft=float(value["ttft"]), tpot=float(value["tpot"]))
        for key, value in document.get("error_bands", {}).items()
    }
    return Calibration(
        values={**UNCALIBRATED, **document.get("global", {})},
        generations=document.get("generations", {}),
        accelerators=document.get("accelerators", {}),
        engines=document.get("engines", {}),
        software=document.get("software", {}),
        generation_of=document.get("generation_of", {}),
        bands=bands,
    )


@lru_cache(maxsize=8)
def load_calibration(path: Path | None = None) -> Calibration:
    """Load the shipped calibration, or another file written by ``benchmarks/calibrate.py``."""
    from ruamel.yaml import YAML

    source = path or Path(__file__).parent / "calibration" / "analytic.yaml"
    if path is None and not source.exists():
        return Calibration()
    with source.open(encoding="utf-8") as stream:
        document = YAML(typ="safe", pure=True).load(stream)
    return calibration_from(document)
