"""Where requests go, from origins through sites to pools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from markupsafe import Markup

from planner.plan.types import Plan, RoutePlan
from planner.report.figures.flow import Band, Labels, flow_picture
from planner.report.numbers import milliseconds, percent, quantity
from planner.report.recipes import Recipe

MOST_ROWS = 300
"""Routes that are printed; the tables beside the report have all."""

SHORT_LIST = 25
"""Routes that are open at once."""

UNSERVED = "not served"


@dataclass(frozen=True)
class RouteRow:
    """One route in words."""

    workload: str
    origin: str
    site: str
    recipes: list[Recipe]
    pools: str
    llm: str
    share: str
    rate: str
    rtt: str


@dataclass(frozen=True)
class RouteView:
    """The section; rows by rate, the largest first."""

    picture: Markup | None
    first: list[RouteRow]
    further: list[RouteRow]
    left_out: int


def route_view(plan: Plan, recipes: Mapping[str, Recipe]) -> RouteView:
    """Return the section, of the busiest period of the day."""
    plan = plan.at_peak()
    rows = [_row(route, recipes) for route in sorted(plan.routes, key=lambda route: -route.rate_rps)]
    rows += [
        RouteRow(
            gone.workload, gone.origin, UNSERVED, [], UNSERVED, "", "", f"{quantity(gone.rate_rps)}/s", ""
        )
        for gone in plan.unserved
    ]
    return RouteView(
        picture=_picture(plan, recipes) if plan.routes else None,
        first=rows[:SHORT_LIST],
        further=rows[SHORT_LIST:MOST_ROWS],
        left_out=max(len(rows) - MOST_ROWS, 0),
    )


def _row(route: RoutePlan, recipes: Mapping[str, Recipe]) -> RouteRow:
    return RouteRow(
        workload=route.workload,
        origin=route.origin,
        site=route.site,
        recipes=[recipes[pool] for pool in route.pools if pool in recipes],
        pools=" → ".join(route.pools),
        llm=route.llm,
        share=percent(route.units / route.units_total) if route.units_total else "",
        rate=f"{quantity(route.rate_rps)}/s",
        rtt=milliseconds(route.rtt_ms),
    )


def _picture(plan: Plan, recipes: Mapping[str, Recipe]) -> Markup:
    single = len({route.workload for route in plan.routes}) == 1
    names: dict[tuple[int, str], str] = {}
    details: dict[tuple[int, str], str] = {}
    tones: dict[tuple[int, str], str] = {}

    def origin(workload: str, place: str) -> str:
        key = f"{workload} from {place}"
        names[0, key] = place if single else f"{workload} · {place}"
        return key

    bands: list[Band] = []
    for route in sorted(plan.routes, key=lambda route: (route.workload, -route.rate_rps)):
        tone = ""
        for column, pool in enumerate(route.pools, start=2):
            recipe = recipes.get(pool)
            if recipe is not None:
                tone = tone or f"t{recipe.tone} r{recipe.number}"
                tones[column, pool] = f"t{recipe.tone} r{recipe.number}"
                names[column, pool] = f"{recipe.letter} · {recipe.shape.llm}"
                details[column, pool] = f"{recipe.role} {recipe.degrees}".strip()
        path = (origin(route.workload, route.origin), route.site, *route.pools)
        bands.append(Band(path, route.rate_rps, tone))
    for gone in plan.unserved:
        bands.append(Band((origin(gone.workload, gone.origin), UNSERVED), gone.rate_rps, "bad"))
    split = any(len(route.pools) > 1 for route in plan.routes)
    last = ("prefill pool", "decode pool") if split else ("pool",)
    return flow_picture(bands, Labels(("from", "site", *last), names, details, tones))
