"""What rows with one shape share, counted once and laid side by side for timing."""

from __future__ import annotations

import math
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

import numpy as np

from planner.performance.calibration_file import Calibration
from planner.performance.coefficients import Coefficients, from_logs
from planner.performance.links import Links
from planner.performance.memory import EngineLimits, memory_breakdown
from planner.performance.replica import chip_of, refusal
from planner.performance.shape import Shape
from planner.performance.steps import Chip
from planner.performance.types import Array, ErrorBand, Index, MemoryBreakdown
from planner.performance.work import Work, count_work, stack

if TYPE_CHECKING:
    from planner.catalog.accelerators import Accelerator
    from planner.catalog.llm import LLM


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
    logs, band = known or coefficients_and_band(calibration, shape)
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


def coefficients_and_band(
    calibration: Calibration, shape: Shape, year: float = math.nan
) -> tuple[Array, ErrorBand]:
    """Return the log coefficients and the error band of a shape's accelerator and engine of a year."""
    pair = (shape.accelerator, shape.engine)
    return calibration.logs(*pair, year), calibration.band(*pair)


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
