"""Ways out beyond the promises that collide: a lower level of survival, other servers, other precisions."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence

from planner.plan.assemble import assemble
from planner.plan.diagnosis.amounts import AmountSearch
from planner.plan.diagnosis.lever import Lever
from planner.plan.diagnosis.reach import OutOfReach, out_of_reach
from planner.plan.diagnosis.tester import PromiseTester
from planner.plan.edit import edited

LOWEST_LEVEL = 0.05
"""Shares of demand below this are no survival worth the name."""

PRECISIONS = ("bf16", "fp8", "fp4", "int8", "int4")
"""Weight precisions, as a workload may list them."""

MOST_SERVERS_TRIED = 12
"""Kinds of servers that are tried where nothing allowed runs a model."""

MOST_SERVERS_OFFERED = 3
"""Kinds of servers that are offered as a way out."""


def further_ways(
    tester: PromiseTester,
    amounts: AmountSearch,
    conflict: Sequence[Lever],
    missing: Sequence[OutOfReach],
) -> Iterator[Mapping[Lever, float]]:
    """Yield changes that no promise of the conflict states alone but that leave a plan."""
    if any(lever.row.startswith("survive/") for lever in conflict):
        level = _level(tester)
        value = amounts.alone(level, {}, ())
        if value is not None:
            yield {level: value}
    workloads = {one.workload for one in missing if not one.missed}
    if workloads:
        for name in sorted(workloads):
            yield from _precisions(tester, name)
        yield from _servers(tester)


def _level(tester: PromiseTester) -> Lever:
    reliability = tester.question.scenario.reliability
    stated = reliability.level

    def edit(value: float) -> tuple[str, ...]:
        """Lower the level, and the levels of single losses that are above it."""
        single = [
            f"reliability.levels.{loss}={value!r}" for loss, at in reliability.levels.items() if at > value
        ]
        return (f"reliability.level={value!r}", *single)

    return Lever(
        row="reliability/level",
        kind="reliability",
        path="reliability.level",
        stated=stated,
        unit="of the demand",
        end=LOWEST_LEVEL,
        says=f"{stated:.0%} of the demand is served after a loss",
        subject="share of the demand still served after a loss",
        edit=edit,
        dropped=edit(LOWEST_LEVEL),
        up=False,
    )


def _precisions(tester: PromiseTester, name: str) -> Iterator[Mapping[Lever, float]]:
    """Yield the weight precisions that a workload excludes, one at a time, where one of them helps."""
    stated = tester.question.scenario.workload(name).precision
    for precision in PRECISIONS if stated is not None else ():
        if precision in (stated or ()) or tester.out_of_time:
            continue
        path = f"workloads.{name}.precision"
        wider = [*(stated or ()), precision]
        lever = _choice(
            row=f"precision/{name}/{precision}",
            kind="precision",
            path=path,
            subject=f"let `{name}` be served with {precision} weights",
            change=f"{path}={json.dumps(wider)}",
        )
        if _reachable(tester, lever):
            yield {lever: 1.0}


def _servers(tester: PromiseTester) -> Iterator[Mapping[Lever, float]]:
    """Yield kinds of servers that could be bought, the cheapest first, where they run what nothing runs."""
    question = tester.question
    if not tester.assembly.classes:
        return
    known = [
        (server.price_usd, server.id)
        for server in question.catalog.servers.values()
        if server.price_usd is not None and server.id not in question.scenario.fleet.buy
    ]
    offered = 0
    for _, server in sorted(known)[:: max(1, len(known) // MOST_SERVERS_TRIED)]:
        if offered >= MOST_SERVERS_OFFERED or tester.out_of_time:
            return
        lever = _choice(
            row=f"fleet/buy/{server}",
            kind="fleet",
            path="fleet.buy",
            subject=f"allow buying {server}",
            change=f"fleet.buy={json.dumps([*question.scenario.fleet.buy, server])}",
        )
        if _reachable(tester, lever):
            offered += 1
            yield {lever: 1.0}


def _choice(row: str, kind: str, path: str, subject: str, change: str) -> Lever:
    """Return a lever that allows something: from 0 to 1."""
    return Lever(
        row=row, kind=kind, path=path, stated=0.0, unit="allowed", end=1.0, says=subject, subject=subject,
        edit=lambda _: (change,), dropped=(change,), numeric=False,
    )  # fmt: skip


def _reachable(tester: PromiseTester, lever: Lever) -> bool:
    """Return whether every demand has a shape that could serve it once the lever is pulled."""
    try:
        changed = edited(tester.question, lever.dropped)
        return not out_of_reach(assemble(changed, tester.timings))
    except (ValueError, LookupError):
        return False
