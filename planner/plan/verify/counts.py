"""Stated numbers: least and most replicas, slots for LoRA adapters, counted on what is placed."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from planner.plan.verify.context import Context
from planner.plan.verify.violation import Violation

FAMILY = "counts"


def check(context: Context) -> Iterator[Violation]:
    """Yield rules about replicas that the placed ones break, and adapters without a slot."""
    scenario, setting = context.setting.scenario, context.setting
    standing: Counter[tuple[str, str]] = Counter()
    for group in context.plan.replicas:
        standing[group.shape.llm, group.site] += len(group.placements)
    for rule in scenario.replicas:
        llm = setting.llm_id(rule.llm)
        found = sum(
            count for (name, site), count in standing.items() if name == llm and rule.site in (None, site)
        )
        ending = rule.llm if rule.site is None else f"{rule.llm}/{rule.site}"
        if found < rule.at_least:
            text = f"{found} replicas stand of at least {rule.at_least}"
            yield Violation(f"replicas/at_least/{ending}", FAMILY, text, found, rule.at_least, "replicas")
        if rule.at_most is not None and found > rule.at_most:
            text = f"{found} replicas stand of at most {rule.at_most}"
            yield Violation(f"replicas/at_most/{ending}", FAMILY, text, found, rule.at_most, "replicas")
    yield from _adapters(context)


def _adapters(context: Context) -> Iterator[Violation]:
    """Yield LLMs whose replicas have fewer slots than their workloads have adapters."""
    setting = context.setting
    wanted: Counter[str] = Counter()
    asking: dict[str, set[str]] = {}
    for workload in setting.scenario.workloads:
        if workload.loras and workload.rate_rps > 0:
            llm = setting.llm_id(workload.llms[0])
            wanted[llm] += workload.loras
            asking.setdefault(llm, set()).add(workload.name)
    for llm, adapters in wanted.items():
        replicas = sum(
            len(group.placements)
            for group in context.plan.replicas
            if group.shape.llm == llm and group.shape.role == "aggregated"
        )
        slots = replicas * setting.scenario.performance.max_loras
        if slots < adapters:
            text = f"{replicas} replicas have {slots} slots for {adapters} adapters"
            yield Violation(f"lora/{llm}", FAMILY, text, slots, adapters, "adapters")
