"""The day: its periods, what is served in each, how busy the replicas are, what electricity costs."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

from markupsafe import Markup

from planner.plan.content import Setting
from planner.plan.types import Plan
from planner.report.figures.day import day_picture
from planner.report.numbers import percent, quantity

TONES = 8
"""Colours that the pages know."""


@dataclass(frozen=True)
class PeriodRow:
    """One period: its hours, requests/s served of each workload, busy replicas, tariffs by site."""

    name: str
    hours: int
    rates: list[str]
    busy: str
    tariffs: list[str]


@dataclass(frozen=True)
class DayView:
    """The section; None stands for a day of one period."""

    picture: Markup
    workloads: list[tuple[str, str]]
    sites: list[str]
    rows: list[PeriodRow]
    merged: bool


def day_view(plan: Plan, setting: Setting) -> DayView | None:
    """Return the section, None where the whole day is one period."""
    if len(plan.periods) <= 1:
        return None
    served: dict[tuple[str, str], float] = defaultdict(float)
    for route in plan.routes:
        served[route.period, route.workload] += route.rate_rps
    load: dict[tuple[str, str], float] = defaultdict(float)
    for used in plan.pools:
        load[used.period, used.workload] += used.load
    replicas = max(sum(group.count for group in plan.replicas), 1)
    names = list(dict.fromkeys(name for _, name in served))
    tones = {name: f"t{number % TONES + 1}" for number, name in enumerate(names)}
    owned = list(dict.fromkeys(server.site for server in plan.servers if server.origin != "rent"))
    nodes, economics = setting.graph.nodes, setting.scenario.economics
    period_of = {hour: period.name for period in plan.periods for hour in period.hours}
    busy = [{name: load[period_of[hour], name] / replicas for name in names} for hour in sorted(period_of)]
    rows = [
        PeriodRow(
            name=period.name,
            hours=len(period.hours),
            rates=[f"{quantity(served[period.name, name])}/s" for name in names],
            busy=percent(sum(load[period.name, name] for name in names) / replicas),
            tariffs=[f"{setting.day.usd_per_kwh(nodes[site], economics, period.name):.3f}" for site in owned],
        )
        for period in plan.periods
    ]
    label = "Share of the replicas that each workload keeps busy, hour by hour"
    return DayView(
        picture=day_picture(busy, tones, label),
        workloads=[(name, tones[name]) for name in names],
        sites=owned,
        rows=rows,
        merged=any(_planned_above_an_hour(plan, setting)),
    )


def _planned_above_an_hour(plan: Plan, setting: Setting) -> list[bool]:
    """Return for each period and workload whether some hour has less demand than is planned."""
    found = []
    for period in plan.periods:
        for name, factor in period.factors.items():
            workload = setting.workload(name)
            if workload is not None and workload.profile is not None:
                found.append(min(workload.profile[hour] for hour in period.hours) < factor)
    return found
