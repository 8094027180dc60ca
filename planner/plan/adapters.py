"""Slots for LoRA adapters: how much of them the replicas of each LLM hold."""

from __future__ import annotations

from collections.abc import Callable

from planner.scenario import Scenario


def adapter_ranks(scenario: Scenario, llm: str, id_of: Callable[[str], str]) -> int:
    """Return slots times the largest rank of the adapters of an LLM; 0 where no workload has any.

    Args:
        scenario: the workloads.
        llm: id of the LLM.
        id_of: id of an LLM by the name that a workload gives it.
    """
    ranks = [
        workload.lora_rank
        for workload in scenario.workloads
        if workload.loras and workload.rate_rps > 0 and id_of(workload.llms[0]) == llm
    ]
    return scenario.performance.max_loras * max(ranks, default=0)
