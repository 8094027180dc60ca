"""What changed between two plans, and what each change is worth: exactly, to the last micro-dollar.

Every server, retrofit, open site, routed and unserved unit of a plan has its part of the cost. The parts of
both plans are laid side by side by what they are for; a change of a part is what is bought more or less of
(at the first plan's prices), and what became dearer (of the second plan's amounts).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from planner.explain.alternatives import figures
from planner.explain.rebuild import MICRO, Rebuilt, rebuild
from planner.optimize.forcing import COST, amounts_for
from planner.plan.types import Plan

SMALLEST = 5e-7
"""Half a micro-dollar per hour: smaller differences are rounding."""


@dataclass(frozen=True)
class Part:
    """Part of a plan's cost: so many of something, at so much each, USD/h."""

    amount: float
    usd_each: float

    @property
    def usd(self) -> float:
        """What it costs, USD/h."""
        return self.amount * self.usd_each


@dataclass(frozen=True)
class Change:
    """One difference. amount: before and after, in `unit`. by_amount and by_price add up to `change`."""

    part: str
    name: str
    unit: str
    before: float
    after: float
    by_amount: float
    by_price: float

    @property
    def change(self) -> float:
        """USD/h that it adds."""
        return self.by_amount + self.by_price


@dataclass(frozen=True)
class Diff:
    """Two plans compared. changes: the largest first; they add up to `after` less `before`, USD/h.

    by_part: cost by part of the books, before and after. figures: what people compare, before and after.
    replicas: (pool, before, after) where they differ.
    """

    before: float
    after: float
    same_question: bool
    changes: tuple[Change, ...]
    by_part: tuple[tuple[str, float, float], ...]
    figures: tuple[tuple[str, float, float], ...]
    replicas: tuple[tuple[str, int, int], ...]

    def record(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "cost_usd_per_h": {
                "before": self.before,
                "after": self.after,
                "change": self.after - self.before,
            },
            "same_question": self.same_question,
            "changes": [{**vars(one), "change": one.change} for one in self.changes],
            "cost_by_part": [{"part": p, "before": b, "after": a} for p, b, a in self.by_part],
            "figures": [{"name": n, "before": b, "after": a} for n, b, a in self.figures],
            "replicas": [{"pool": n, "before": b, "after": a} for n, b, a in self.replicas],
        }


def diff(first: Plan, second: Plan) -> Diff:
    """Return what changed from the first plan to the second.

    Raises:
        ValueError: the question inside a plan cannot be read.
    """
    before, after = (parts_of(rebuild(plan, every_shape=False)) for plan in (first, second))
    changes = []
    for key in dict.fromkeys([*before, *after]):
        part, name, unit = key
        price = before[key].usd_each if key in before else after[key].usd_each
        old = before.get(key, Part(0.0, price))
        new = after.get(key, Part(0.0, price))
        by_amount = (new.amount - old.amount) * old.usd_each
        by_price = new.amount * (new.usd_each - old.usd_each)
        if abs(by_amount) > SMALLEST or abs(by_price) > SMALLEST or abs(new.amount - old.amount) > SMALLEST:
            changes.append(Change(part, name, unit, old.amount, new.amount, by_amount, by_price))
    cost_before, cost_after = first.cost.model_dump(), second.cost.model_dump()
    old_figures, new_figures = figures(first), figures(second)
    return Diff(
        before=first.cost.total,
        after=second.cost.total,
        same_question=first.scenario == second.scenario and first.topology == second.topology,
        changes=tuple(sorted(changes, key=lambda one: -abs(one.change))),
        by_part=tuple(
            (part.replace("_", " "), cost_before[part], cost_after[part])
            for part in cost_before
            if abs(cost_before[part] - cost_after[part]) > SMALLEST
        ),
        figures=tuple(
            (name, old_figures[name], new_figures[name])
            for name in old_figures
            if old_figures[name] != new_figures[name]
        ),
        replicas=tuple(_replicas(first, second)),
    )


def _replicas(first: Plan, second: Plan) -> Iterator[tuple[str, int, int]]:
    counts: dict[str, list[int]] = defaultdict(lambda: [0, 0])
    for side, plan in enumerate((first, second)):
        for group in plan.replicas:
            counts[group.pool][side] += group.count
    for pool, (before, after) in counts.items():
        if before != after:
            yield pool, before, after


def parts_of(rebuilt: Rebuilt) -> dict[tuple[str, str, str], Part]:
    """Return the parts of a plan's cost by (part, what for, unit of its amount)."""
    problem, assembly = rebuilt.problem, rebuilt.assembly
    costs = amounts_for(problem, COST)
    usd: dict[tuple[str, str, str], float] = defaultdict(float)
    amount: dict[tuple[str, str, str], float] = defaultdict(float)

    def add(kind: str, number: int, key: tuple[str, str, str], cost: int, scale: float = 1.0) -> None:
        value = float(rebuilt.values[rebuilt.arrays.block(kind)][number])
        if value:
            usd[key] += value * cost / MICRO
            amount[key] += value * scale

    total = rebuilt.question.scenario.solver.units
    rate = {w.name: w.rate_rps / total for w in rebuilt.question.scenario.workloads}
    for j, offer in enumerate(assembly.offers):
        key = ("servers", f"{offer.origin} {offer.host.label} at {offer.site}", "servers")
        add("servers", j, key, int(costs["servers"][j]))
    for m, (rack_class, mix) in enumerate(assembly.mixes):
        if mix.retrofit:
            add("mixes", m, ("retrofits", f"racks {rack_class.name}", "racks"), int(costs["mixes"][m]))
    for p, q in enumerate(problem.hostings.pool.tolist()):
        key = ("energy", f"{assembly.pools[q].name} (awake)", "replicas")
        add("replicas", p, key, int(costs["replicas"][p]))
    for f, route in enumerate(assembly.flow_routes):
        key = ("network", f"{route.workload} from {route.origin} to {route.site}", "requests/s")
        add("flow", f, key, int(costs["flow"][f]), rate[route.workload])
    for a, path in enumerate(assembly.paths):
        promise, site = assembly.lanes[path.lane]
        pool = assembly.pools[path.pools[-1]].entry.shape
        key = ("energy", f"{promise.workload} at {site} on {pool.accelerator} (load)", "requests/s")
        add("assign", a, key, int(costs["assign"][a]), rate[promise.workload])
    for i, demand in enumerate(assembly.demands):
        key = ("unserved", f"{demand.workload} from {demand.origin}", "requests/s")
        add("unserved", i, key, int(costs["unserved"][i]), rate[demand.workload])
    for s, site in enumerate(problem.sites.names):
        add("open", s, ("sites", f"{site} open", "sites"), int(costs["open"][s]))
    return {key: Part(amount[key], usd[key] / amount[key]) for key in amount}
