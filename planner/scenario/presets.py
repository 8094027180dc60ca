"""Workloads to start from, with sources: chat, code, retrieval, long context, agents, reasoning, MLPerf."""

from __future__ import annotations

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal

from pydantic import ConfigDict, Field

from planner.files import FileModel, read_document, validate
from planner.scenario.distributions import TokenDistribution
from planner.scenario.workload import Slo

PRESETS = Path(__file__).with_name("presets.yaml")


class PresetUse(FileModel):
    """The part of a preset that goes into a workload."""

    input_tokens: TokenDistribution
    output_tokens: TokenDistribution
    prefix_hit_rate: float = Field(default=0.0, ge=0, lt=1)
    burstiness_cv: float = Field(default=1.0, gt=0)
    slo: Slo


class Preset(FileModel):
    """A workload to start from."""

    title: str = Field(min_length=1, description="What it is, for people.")
    use: PresetUse
    source: str = Field(min_length=1, description="Where the numbers come from.")
    confidence: Literal["high", "medium", "low"]

    def as_workload(self, name: str) -> dict[str, Any]:
        """The entry that `preset: NAME` stands for (add `llms`, `origins`, `rate_rps`)."""
        return {"name": name, **self.use.model_dump(mode="json", exclude_unset=True, exclude_none=True)}


class _PresetFile(FileModel):
    model_config = ConfigDict(extra="forbid", frozen=True)

    presets: dict[str, Preset]


@lru_cache(maxsize=1)
def workload_presets() -> Mapping[str, Preset]:
    """All presets by name, in the file's order."""
    document = read_document(PRESETS)
    return validate(_PresetFile, document.with_data({"presets": document.data})).presets
