"""A full plan for every moment: the fleet of that moment, put into its racks, serves the traffic of it.

The program counts servers by what they serve at best. Here the servers that run at a moment stand where the
schedule puts them, demand has grown as the moment says, nothing more may be bought or rented, and the
ordinary search makes a plan: whole replicas, traffic, survival of losses, checked by `planner verify`. What
it cannot serve is reported: then `reserve` was too small for this fleet.
"""

from __future__ import annotations

import string
import time
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from planner.plan.reuse import Reuse
from planner.plan.solve import NoPlan, solve
from planner.plan.types import Plan
from planner.plan.verify import verify
from planner.scenario import Limits
from planner.study.procure.schedule import WHOLE, Record, Schedule
from planner.topology import Question
from planner.topology.types import RackGroup, Site

UNSERVED_USD_PER_REQUEST = 1.0
"""Price of a request that is not served where nobody states one: a plan serves all it can."""

SEARCH_S = 30.0
"""Longest search for the plan of one moment."""

SEARCH_GAP = 0.02
"""Gap of that search: what is unserved costs far more than this."""


class CannotUnfold(ValueError):
    """A schedule whose moments cannot be written as topologies."""


Contents = tuple[tuple[tuple[str, int], ...], bool]
"""What a rack holds: (server, count) pairs, and whether the rack was turned to liquid."""


@dataclass(frozen=True)
class Unfolded:
    """The plan of a moment. unserved: share of all requests. planned: what the schedule leaves unserved."""

    when: Record
    plan: Plan | None
    reason: str
    unserved: float
    planned: float
    violations: tuple[str, ...]
    seconds: float

    def record(self) -> Record:
        """Return the row of plans.csv."""
        return {
            **self.when,
            "status": "no plan" if self.plan is None else self.plan.status,
            "servers": 0 if self.plan is None else len(self.plan.servers),
            "replicas": 0 if self.plan is None else sum(group.count for group in self.plan.replicas),
            "unserved_share": round(self.unserved, 6),
            "planned_unserved_share": round(self.planned, 6),
            "violations": len(self.violations),
            "reason": self.reason,
            "seconds": round(self.seconds, 2),
        }


def unfold(
    schedule: Schedule,
    folder: Path | None = None,
    tell: Callable[[str], None] = lambda words: None,
    search_s: float = SEARCH_S,
) -> Iterator[Unfolded]:
    """Yield the plan of every moment; written to `folder`/BRANCH-PERIOD/plan.json if there is a folder.

    Raises:
        CannotUnfold: racks stand in blocks.
    """
    setting, reuse = schedule.setting, Reuse()
    for q, moment in enumerate(setting.tree.moments):
        tell(f"the plan of {moment.name}")
        began = time.perf_counter()
        question = moment_question(schedule, q, search_s)
        plan, reason = None, ""
        try:
            plan = solve(question, (), None, reuse, 0.0)
        except NoPlan as no_plan:
            reason = "no plan was found in time" if no_plan.infeasible is None else "there is no plan"
        found = () if plan is None else tuple(str(violation) for violation in verify(plan))
        rate = sum(workload.rate_rps for workload in question.scenario.workloads)
        left = rate if plan is None else sum(gone.rate_rps for gone in plan.unserved)
        if plan is not None and folder is not None:
            where = folder / f"{moment.branch}-{moment.period}"
            where.mkdir(parents=True, exist_ok=True)
            plan.save(where / "plan.json")
        yield Unfolded(
            schedule.when(q), plan, reason, left / rate if rate else 0.0, _planned(schedule, q), found,
            time.perf_counter() - began,
        )  # fmt: skip


def moment_question(schedule: Schedule, q: int, search_s: float = SEARCH_S) -> Question:
    """Return the question of one moment: its demand, its fleet in its racks, nothing else to be had."""
    setting, moment = schedule.setting, schedule.setting.tree.moments[q]
    question = setting.market.question
    scenario, study = question.scenario, setting.study
    counts = [round(value) for value in schedule.values("servers", q)]
    workloads = []
    for workload in scenario.workloads:
        prices = (workload.unserved_usd_per_request, study.unserved_usd_per_request, UNSERVED_USD_PER_REQUEST)
        price = next(p for p in prices if p is not None)
        grown = workload.rate_rps * moment.demand[workload.name]
        workloads.append(workload.model_copy(update={"rate_rps": grown, "unserved_usd_per_request": price}))
    rented: Counter[int] = Counter()
    for offer, count in zip(setting.places.offers, counts, strict=True):
        if offer.rent_index is not None:
            rented[offer.rent_index] += count
    rent = [
        entry.model_copy(update={"max_count": rented[at]}) for at, entry in enumerate(scenario.fleet.rent)
    ]
    fleet = scenario.fleet.model_copy(update={"buy": [], "rent": rent, "stock": {}})
    solver = scenario.solver.model_copy(update={"time_limit_s": search_s, "relative_gap": SEARCH_GAP})
    asked = scenario.model_copy(
        update={"workloads": workloads, "fleet": fleet, "limits": Limits(), "solver": solver}
    )
    groups = _contents(schedule, q, counts)
    sites = [_with_racks(site, groups) for site in question.topology.sites]
    left = set(groups) - {
        f"{site.name}-{group.name}" for site in question.topology.sites for group in site.racks
    }
    if left:
        raise CannotUnfold(f"racks of blocks cannot be unfolded: {', '.join(sorted(left))}")
    return replace(question, scenario=asked, topology=question.topology.model_copy(update={"sites": sites}))


def _planned(schedule: Schedule, q: int) -> float:
    """Return the share of all requests that the schedule leaves unserved at a moment."""
    setting, moment = schedule.setting, schedule.setting.tree.moments[q]
    total = left = 0.0
    rates = {w.name: w.rate_rps for w in setting.market.question.scenario.workloads}
    units_total = setting.market.question.scenario.solver.units
    for demand, units in zip(setting.places.demands, schedule.values("unserved", q), strict=True):
        rate = rates[demand.workload] * moment.demand[demand.workload] / units_total
        total += rate * demand.units
        left += rate * float(units)
    return left / total if total else 0.0


def _contents(schedule: Schedule, q: int, counts: list[int]) -> dict[str, Counter[Contents]]:
    """Return for every group of racks how many of them hold what: servers by name."""
    places = schedule.setting.places
    found: dict[str, Counter[Contents]] = defaultdict(Counter)
    left = list(counts)
    for mix, racks in zip(places.mixes, schedule.values("mixes", q), strict=True):
        if racks < WHOLE:
            continue
        rack_class = places.classes[mix.rack_class]
        for _ in range(round(racks)):
            held: Counter[str] = Counter()
            for j, room in mix.counts.items():
                taken = min(room, left[j])
                left[j] -= taken
                if taken:
                    held[places.offers[j].host.name] += taken
            found[str(rack_class.attributes["template"])][tuple(sorted(held.items())), mix.retrofit] += 1
    for rack_class in places.classes:
        name = str(rack_class.attributes["template"])
        empty = rack_class.count - sum(found[name].values())
        if empty:
            found[name][(), False] += empty
    return found


def _with_racks(site: Site, groups: Mapping[str, Counter[Contents]]) -> Site:
    """Return the site with every group of racks split by what its racks hold."""
    racks: list[RackGroup] = []
    for group in site.racks:
        contents = groups.get(f"{site.name}-{group.name}", Counter({((), False): group.count}))
        for letter, ((held, turned), count) in zip(_letters(), sorted(contents.items()), strict=False):
            update = {"name": f"{group.name}-{letter}", "count": count, "servers": dict(held)}
            if turned and group.retrofit is not None:
                update |= {"liquid_loop": group.retrofit.liquid_loop, "liquid_kw": group.retrofit.liquid_kw}
            racks.append(group.model_copy(update={**update, "retrofit": None}))
    return site.model_copy(update={"racks": racks})


def _letters() -> Iterator[str]:
    """Yield a, b, ... z, aa, ab, ..."""
    yield from string.ascii_lowercase
    yield from (a + b for a in string.ascii_lowercase for b in string.ascii_lowercase)
