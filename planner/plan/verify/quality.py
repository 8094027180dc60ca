"""Which LLMs may answer a workload: those it lists, in precisions it allows, good enough for its floor."""

from __future__ import annotations

from planner.plan.verify.context import Context
from planner.scenario import Workload


def may_answer(workload: Workload, llm: str, weights: str, context: Context) -> bool:
    """Return whether an LLM in a weight precision is good enough for a workload.

    Where the workload states no precision: the one the LLM was published in, and fp8; with a quality floor
    those of known loss. Measured rates speak for themselves, but for the score of the LLM.
    """
    if llm not in context.setting.llms_of(workload):
        return False
    score = score_of(workload, llm, weights, context)
    if workload.quality is not None and (score is None or score < workload.quality):
        return False
    if context.table.measured:
        return True
    if workload.precision is not None:
        return weights in workload.precision
    return workload.quality is not None or weights in (native_weights(llm, context), "fp8")


def native_weights(llm: str, context: Context) -> str:
    """Return the precision an LLM was published in."""
    return str(context.setting.catalog.llm(context.setting.llm_names[llm]).native_weights)


def score_of(workload: Workload, llm: str, weights: str, context: Context) -> float | None:
    """Return the score of an LLM in a precision, None where nobody knows it."""
    quality = context.setting.scenario.quality
    if quality is None:
        return None
    scores = {context.setting.llm_id(name): score for name, score in quality.scores.items()}
    if llm not in scores:
        return None
    if context.table.measured or weights == native_weights(llm, context):
        return scores[llm]
    if weights in quality.loss:
        return scores[llm] - quality.loss[weights]  # type: ignore[index]
    allowed = workload.precision is not None and weights in workload.precision
    return scores[llm] if allowed else None
