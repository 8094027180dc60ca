"""Spares: every site has enough spare servers of each type for those that are in repair."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from planner.plan.spares import in_service, spares_needed
from planner.plan.verify.context import Context
from planner.plan.verify.violation import Violation

FAMILY = "spares"


def check(context: Context) -> Iterator[Violation]:
    """Yield sites with too few spares, and spares of nothing."""
    setting, plan = context.setting, context.plan
    rules = setting.scenario.reliability.spares
    had: Counter[tuple[str, str]] = Counter()
    powered = in_service(plan)
    for spare in plan.spares:
        row = f"spares/{spare.site}/{spare.server}"
        had[spare.site, spare.server] += spare.count
        if spare.count < 1 or (spare.site, spare.server) not in powered or rules is None:
            text = f"{spare.count} spares of a server that is not powered there, or that nobody asked for"
            yield Violation(row, FAMILY, text, spare.count, 0, "servers")
    if rules is None:
        return
    for (site, server), count in powered.items():
        model = setting.catalog.servers.get(server)
        if model is None:
            continue
        needed = spares_needed(rules, model, count)
        if had[site, server] < needed:
            text = f"{had[site, server]} spares for {count} servers, {needed} are needed"
            yield Violation(f"spares/{site}/{server}", FAMILY, text, had[site, server], needed, "servers")
