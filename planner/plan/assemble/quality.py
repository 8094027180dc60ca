"""Which precisions of which LLMs are good enough for a workload."""

from __future__ import annotations

from collections.abc import Sequence

from planner.catalog import Catalog
from planner.scenario import Scenario, Workload


def good_enough(workload: Workload, name: str, scenario: Scenario) -> bool:
    """Return whether an LLM, as published, reaches the floor of a workload; without a floor any does."""
    if workload.quality is None or scenario.quality is None:
        return True
    return scenario.quality.scores.get(name, float("-inf")) >= workload.quality


def allowed_weights(workload: Workload, name: str, scenario: Scenario, catalog: Catalog) -> list[str]:
    """Return the weight precisions that may serve a workload with an LLM.

    Where the workload says nothing: the precision the LLM was published in, and fp8 (its loss of quality
    is small enough for production, and engines quantize on load). With a quality floor: those of known
    loss that stay above it; precisions that the workload lists without a known loss count as lossless.
    """
    native = str(catalog.llm(name).native_weights)
    quality = scenario.quality
    if workload.quality is None or quality is None:
        if workload.precision is not None:
            return list(workload.precision)
        return [native] if native != "bf16" else ["bf16", "fp8"]
    known: dict[str, float] = {str(weights): loss for weights, loss in quality.loss.items()}
    known[native] = 0.0
    tried: Sequence[str] = workload.precision or [native, *(w for w in known if w != native)]
    score = quality.scores.get(name, float("-inf"))
    return [weights for weights in tried if score - known.get(weights, 0.0) >= workload.quality]
