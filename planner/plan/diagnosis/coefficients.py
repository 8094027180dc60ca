"""Promises that are no rows: latencies, headroom, residency, what a rack can hold, what may be bought.

They decide what stands in the rows, so a question without one of them is put together anew.
"""

from __future__ import annotations

import json
from collections.abc import Iterator

from planner.plan.assemble import Assembly
from planner.plan.diagnosis.lever import Lever, shown
from planner.plan.diagnosis.places import places_of
from planner.plan.diagnosis.service_levers import service_levers
from planner.scenario import Workload
from planner.topology import Question

NO_LIMIT_MS = 1e9
"""What drops a latency objective: eleven days."""

NO_LIMIT_KW = 1e4
"""What drops a limit of a rack: ten megawatts."""

LATENCIES = {"ttft_ms": "TTFT", "tpot_ms": "TPOT", "e2e_ms": "end-to-end latency"}
"""Fields of an SLO in words."""


def coefficient_levers(assembly: Assembly) -> Iterator[Lever]:
    """Yield the promises of a question that are no rows of its program."""
    question = assembly.question
    yield from _rack_levers(assembly)
    yield from _fleet_levers(assembly)
    yield from _reliability_levers(question)
    for workload in question.scenario.workloads:
        if workload.rate_rps > 0:
            yield from _residency_levers(question, workload)
            yield from _latency_levers(question, workload)
            yield from service_levers(question, workload)


def _latency_levers(question: Question, workload: Workload) -> Iterator[Lever]:
    if workload.slo is None or question.scenario.performance.measured_throughout:
        return
    percentile = workload.slo.percentile
    at = "on average" if percentile == "mean" else f"at p{percentile:g}"
    for name, words in LATENCIES.items():
        stated = getattr(workload.slo, name)
        if stated is None:
            continue
        path = f"workloads.{workload.name}.slo.{name}"
        yield Lever(
            row=f"slo/{workload.name}/{name}",
            kind="slo",
            path=path,
            stated=float(stated),
            unit="ms",
            end=NO_LIMIT_MS,
            says=f"{workload.name}: {words} of at most {shown(stated)} ms {at}",
            subject=f"{words} of `{workload.name}`",
            edit=lambda value, path=path: (f"{path}={value!r}",),  # type: ignore[misc]
            dropped=(f"{path}={NO_LIMIT_MS:g}",),
        )


def _residency_levers(question: Question, workload: Workload) -> Iterator[Lever]:
    if workload.regions is None:
        return
    path = f"workloads.{workload.name}.regions"
    regions = ", ".join(workload.regions)
    yield Lever(
        row=f"regions/{workload.name}",
        kind="residency",
        path=path,
        stated=float(len(workload.regions)),
        unit="regions",
        end=float(len({site.region for site in question.topology.sites})),
        says=f"{workload.name} may only be served in {regions}",
        subject=f"let every site serve `{workload.name}`, not only those in {regions}",
        edit=lambda _: (f"{path}=null",),
        dropped=(f"{path}=null",),
        numeric=False,
    )


def _reliability_levers(question: Question) -> Iterator[Lever]:
    reliability = question.scenario.reliability
    if reliability.headroom > 0:
        yield Lever(
            row="reliability/headroom",
            kind="reliability",
            path="reliability.headroom",
            stated=reliability.headroom,
            unit="of capacity",
            end=0.0,
            says=f"{reliability.headroom:.0%} of every pool's capacity is kept free",
            subject="headroom",
            edit=lambda value: (f"reliability.headroom={value!r}",),
            dropped=("reliability.headroom=0",),
            up=False,
        )
    if reliability.confidence is not None and reliability.confidence > CENTRAL:
        yield Lever(
            row="reliability/confidence",
            kind="reliability",
            path="reliability.confidence",
            stated=reliability.confidence,
            unit="",
            end=CENTRAL,
            says=f"with {reliability.confidence:.0%} certainty replicas are no slower than sized for",
            subject="certainty of the predicted rates",
            edit=lambda value: (f"reliability.confidence={value!r}",),
            dropped=(f"reliability.confidence={CENTRAL:g}",),
            up=False,
        )

    if reliability.spares is not None:
        availability = reliability.spares.availability
        yield Lever(
            row="reliability/spares",
            kind="spares",
            path="reliability.spares.availability",
            stated=availability,
            unit="",
            end=CENTRAL,
            says=f"with a probability of {availability:.4g} a spare server is at hand for each one in repair",
            subject="probability that a spare is at hand",
            edit=lambda value: (f"reliability.spares.availability={value!r}",),
            dropped=("reliability.spares=null",),
            up=False,
        )


CENTRAL = 0.5
"""Confidence of the central estimate."""

SLOTS_END = 48
"""No rack of the catalog holds more servers."""


def _rack_levers(assembly: Assembly) -> Iterator[Lever]:
    """Yield what limits one rack of each group, where anything may still be placed or powered there."""
    places = places_of(assembly.question.topology)
    used = {offer.rack_class.name for offer in assembly.offers if offer.rack_class is not None}
    seen: set[str] = set()
    for rack_class in assembly.classes:
        name = str(rack_class.attributes["template"])
        place = places.get(name)
        if place is None or place.path in seen or rack_class.name not in used:
            continue
        seen.add(place.path)
        for field, words in (("power_kw", "power"), ("air_kw", "air heat"), ("liquid_kw", "liquid heat")):
            stated = getattr(place.entry, field)
            if stated is None:
                continue
            path = f"{place.path}.{field}"
            yield Lever(
                row=f"rack/{field.removesuffix('_kw')}/{name}",
                kind="rack",
                path=path,
                stated=float(stated),
                unit="kW",
                end=NO_LIMIT_KW,
                says=f"each rack {name} takes at most {shown(stated)} kW of {words}",
                subject=f"of {words} in each rack {name}",
                edit=lambda value, path=path: (f"{path}={value!r}",),  # type: ignore[misc]
                dropped=(f"{path}={NO_LIMIT_KW:g}",),
            )
        if place.entry.slots is not None:
            path = f"{place.path}.slots"
            yield Lever(
                row=f"rack/slots/{name}",
                kind="rack",
                path=path,
                stated=float(place.entry.slots),
                unit="slots",
                end=float(SLOTS_END),
                whole=True,
                says=f"each rack {name} has {place.entry.slots} server slots",
                subject=f"in each rack {name}",
                edit=lambda value, path=path: (f"{path}={int(value)}",),  # type: ignore[misc]
                dropped=(f"{path}={SLOTS_END}",),
            )


def _fleet_levers(assembly: Assembly) -> Iterator[Lever]:
    """Yield the lever of buying more of what stands there, where nothing may be bought or rented."""
    question = assembly.question
    fleet = question.scenario.fleet
    if fleet.needed_in_weeks is not None and fleet.delivery:
        yield Lever(
            row="fleet/needed_in_weeks",
            kind="delivery",
            path="fleet.needed_in_weeks",
            stated=fleet.needed_in_weeks,
            unit="weeks",
            end=max(max(b.weeks for b in batches) for batches in fleet.delivery.values() if batches),
            says=f"the plan must run in {shown(fleet.needed_in_weeks)} weeks",
            subject="until the plan must run",
            edit=lambda value: (f"fleet.needed_in_weeks={value!r}",),
            dropped=("fleet.needed_in_weeks=null",),
        )
    standing = sorted(
        {
            server
            for rack_class in assembly.classes
            for server in rack_class.existing
            if _priced(question, server)
        }
    )
    if fleet.buy or not standing:
        return
    change = f"fleet.buy={json.dumps(standing)}"
    yield Lever(
        row="fleet/buy",
        kind="fleet",
        path="fleet.buy",
        stated=0.0,
        unit="kinds of servers",
        end=float(len(standing)),
        says="nothing may be bought: only the servers that stand there already can be used",
        subject=f"allow buying {', '.join(standing)}",
        edit=lambda _: (change,),
        dropped=(change,),
        numeric=False,
    )


def _priced(question: Question, server: str) -> bool:
    known = question.catalog.servers.get(server)
    stated = question.scenario.fleet.prices_usd.get(server)
    return known is not None and (stated is not None or known.price_usd is not None)
