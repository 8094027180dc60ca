"""What is out of reach before anything is solved: demand that no shape can serve at any site, and why."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from planner.plan.assemble import Assembly
from planner.plan.diagnosis.coefficients import LATENCIES
from planner.plan.diagnosis.lever import shown
from planner.shapes import MenuEntry, Promise

MOST_REASONS = 3
"""Reasons of refused shapes that are told."""


@dataclass(frozen=True)
class OutOfReach:
    """Demand that nothing offered can serve.

    workload, origin: whose. text: what is missing, in words. missed: SLO field -> best value that a shape
    reaches without load, network included, ms; {} where no shape runs at all. shape: which one reaches it.
    """

    workload: str
    origin: str
    text: str
    missed: Mapping[str, float]
    shape: str


def out_of_reach(assembly: Assembly) -> list[OutOfReach]:
    """Return the demands that must be served and that no shape at any site can serve, [] if there are none.

    Found from the tables alone: no path of pools leads to any lane of the demand.
    """
    problem = assembly.problem
    served = np.zeros(len(assembly.lanes), dtype=bool)
    served[problem.assignments.lane] = True
    found = []
    for i, demand in enumerate(assembly.demands):
        lanes = problem.flows.lane[problem.flows.demand == i]
        if problem.demands.unserved_cost[i] >= 0 or served[lanes].any():
            continue
        promises = [assembly.lanes[int(lane)][0] for lane in lanes]
        text, missed, shape = _reach(assembly, demand.workload, promises)
        found.append(OutOfReach(demand.workload, demand.origin, text, missed, shape))
    return found


def _reach(
    assembly: Assembly, name: str, promises: Sequence[Promise]
) -> tuple[str, Mapping[str, float], str]:
    """Return what the best shape could reach: in words, as the SLO fields it misses, and its name."""
    wanted = set(promises)
    menu = assembly.offering.menu
    entries: list[MenuEntry] = [
        entry
        for entry in (*menu.useless, *menu.entries, *menu.beaten)
        if any(promise in wanted for promise in entry.best)
    ]
    workload = assembly.question.scenario.workload(name)
    slo, llms = workload.slo, ", ".join(workload.llms)
    if not promises:
        return f"no site may serve {name}", {}, ""
    if not assembly.offers:
        return f"there is no server to run {llms} on: none stands, may be bought or rented", {}, ""
    if not entries or slo is None:
        return _no_shape_runs(assembly, name, llms), {}, ""
    best: tuple[float, str, dict[str, float]] | None = None
    for entry in entries:
        for promise in wanted & set(entry.best):
            column = entry.best[promise]
            reached = {"ttft_ms": column.best_ttft_ms + promise.rtt_ms, "tpot_ms": column.best_tpot_ms}
            missed = {
                field: value
                for field, value in reached.items()
                if getattr(slo, field) is not None and value > getattr(slo, field)
            }
            excess = sum(value / getattr(slo, field) for field, value in missed.items())
            if missed and np.isfinite(excess) and (best is None or excess < best[0]):
                best = (excess, entry.shape.name, missed)
    if best is None:
        return f"no shape of {llms} keeps the SLO of {name} under any load", {}, ""
    _, shape, missed = best
    asked = " and ".join(f"{LATENCIES[f]} {shown(getattr(slo, f))} ms" for f in missed)
    reached_text = " and ".join(f"{shown(round(value, 1))} ms" for value in missed.values())
    text = f"{name} asks for {asked}; the best shape ({shape}) reaches {reached_text} without load"
    return text, missed, shape


def _no_shape_runs(assembly: Assembly, name: str, llms: str) -> str:
    """Say that nothing offered runs the LLMs of a workload, with the reasons of its own shapes."""
    question = assembly.question
    workload, quality = question.scenario.workload(name), question.scenario.quality
    if workload.quality is not None and quality is not None:
        scores = {llm: quality.scores.get(llm, float("-inf")) for llm in workload.llms}
        best = max(scores, key=lambda llm: scores[llm])
        if scores[best] < workload.quality:
            known = np.isfinite(scores[best])
            told = f"the best, {best}, has {shown(scores[best])}" if known else "none is scored"
            return f"no LLM of {name} has the {shown(workload.quality)} points of quality asked for: {told}"
    if question.scenario.performance.measured_throughout:
        kinds = ", ".join(sorted({offer.host.accelerator for offer in assembly.offers}))
        return f"the table of rates has no rate of {llms} for {name} on anything offered ({kinds})"
    own = {question.catalog.llm(llm).id for llm in question.scenario.workload(name).llms}
    reasons: dict[str, None] = {}
    for refusal in assembly.offering.refused:
        if refusal.shape.llm in own:
            reasons.setdefault(f"{refusal.shape.name}: {refusal.reason}")
    # The largest shapes come last: what keeps even those from running is what matters.
    told = "; ".join(list(reasons)[-MOST_REASONS:])
    return f"none of the allowed servers runs any shape of {llms}" + (f" ({told})" if told else "")
