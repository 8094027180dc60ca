"""Stated numbers of replicas, and slots for LoRA adapters, over the hostings of the program."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from planner.optimize.problem import UNLIMITED, Counts, Entries, Hostings, integers
from planner.plan.assemble.paths import Pool
from planner.topology import Question


def counts_table(question: Question, pools: Sequence[Pool], hostings: Hostings) -> Counts:
    """Return the rows of `replicas` rules and of the adapters of each LLM.

    An adapter needs a slot on a replica that serves whole requests of a workload that asks for it.
    """
    scenario = question.scenario
    names: list[str] = []
    least: list[int] = []
    most: list[int] = []
    units: list[str] = []
    sources: list[str] = []
    entries: list[tuple[int, int, int]] = []
    of_pool = [int(q) for q in hostings.pool]

    def add(name: str, low: int, high: int | None, unit: str, source: str, amount: dict[int, int]) -> None:
        entries.extend((len(names), p, amount[q]) for p, q in enumerate(of_pool) if q in amount)
        names.append(name)
        least.append(low)
        most.append(UNLIMITED if high is None else high)
        units.append(unit)
        sources.append(source)

    for number, rule in enumerate(scenario.replicas):
        llm = llm_id(question, rule.llm)
        chosen = {
            q: 1
            for q, pool in enumerate(pools)
            if pool.entry.shape.llm == llm and rule.site in (None, pool.site)
        }
        ending = rule.llm if rule.site is None else f"{rule.llm}/{rule.site}"
        if rule.at_least:
            source = f"replicas.{number}.at_least"
            add(f"replicas/at_least/{ending}", rule.at_least, None, "replicas", source, chosen)
        if rule.at_most is not None:
            source = f"replicas.{number}.at_most"
            add(f"replicas/at_most/{ending}", 0, rule.at_most, "replicas", source, chosen)
    asking = [workload for workload in scenario.workloads if workload.loras and workload.rate_rps > 0]
    for llm in dict.fromkeys(llm_id(question, workload.llms[0]) for workload in asking):
        members = [workload for workload in asking if llm_id(question, workload.llms[0]) == llm]
        wanted = {workload.name for workload in members}
        slots = {
            q: scenario.performance.max_loras
            for q, pool in enumerate(pools)
            if pool.entry.shape.llm == llm
            and pool.entry.shape.role == "aggregated"
            and wanted & {promise.workload for promise in pool.entry.columns}
        }
        adapters = sum(workload.loras for workload in members)
        add(f"lora/{llm}", adapters, None, "adapters", f"workloads.{members[0].name}.loras", slots)
    array = np.array(entries, dtype=np.int64).reshape(-1, 3)
    return Counts(
        tuple(names),
        integers(least),
        integers(most),
        tuple(units),
        tuple(sources),
        Entries(array[:, 0], array[:, 1], array[:, 2]),
    )


def llm_id(question: Question, name: str) -> str:
    """Return the catalog id of an LLM; a name in a table of measured rates is its own id."""
    measured = question.scenario.performance.measured_throughout
    return name if measured else question.catalog.llm(name).id
