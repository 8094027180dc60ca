"""Which hours of the day are planned as one: few periods, so that the program stays small.

Hours that are alike in every demand and every tariff are one period, exactly. Where more periods would be
left than `solver.periods`, those are merged that differ least; a merged period is planned with the larger
demand of its hours, so that the plan serves every hour, and costs a little more than it will.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from planner.plan.day import WHOLE_DAY, Day, Period, hourly_factors, moves_freely, waits
from planner.plan.tariff import usd_per_kwh
from planner.scenario import HOURS_PER_DAY, Scenario
from planner.topology.nodes import Graph

Vector = tuple[float, ...]
"""What one hour is like: rates of the workloads, then tariffs of the sites, each by its own largest."""


def day_of(scenario: Scenario, graph: Graph) -> Day:
    """Return the periods that a scenario is planned in.

    Where batch work must be served within less than a day only hours next to each other are merged: when
    it arrives and when it is served then stays clear.
    """
    vectors = _hour_vectors(scenario, graph)
    if len(set(vectors)) <= 1:
        return Day()
    adjacent = any(waits(workload) and workload.rate_rps > 0 for workload in scenario.workloads)
    blocks = _runs(vectors) if adjacent else _alike(vectors)
    while len(blocks) > scenario.solver.periods:
        blocks = _merged(blocks, vectors, adjacent)
    if len(blocks) == 1:
        return Day()
    ordered = sorted(tuple(sorted(block)) for block in blocks)
    return Day(tuple(Period(period_name(hours), hours) for hours in ordered))


def _hour_vectors(scenario: Scenario, graph: Graph) -> list[Vector]:
    """Return what each hour is like; what does not matter by the hour is left out."""
    series: list[list[float]] = []
    for workload in scenario.workloads:
        if workload.rate_rps > 0 and not moves_freely(workload):
            factors = hourly_factors(workload)
            series.append([factor / max(factors) for factor in factors])
    for _, about in graph.nodes(data=True):
        if about["kind"] == "site" and about.get("electricity_hourly_factors") is not None:
            tariffs = [usd_per_kwh(about, scenario.economics, (hour,)) for hour in range(HOURS_PER_DAY)]
            if max(tariffs) > 0:
                series.append([tariff / max(tariffs) for tariff in tariffs])
    return [tuple(values[hour] for values in series) for hour in range(HOURS_PER_DAY)]


def _alike(vectors: Sequence[Vector]) -> list[list[int]]:
    """Return the hours of each different vector."""
    blocks: dict[Vector, list[int]] = {}
    for hour, vector in enumerate(vectors):
        blocks.setdefault(vector, []).append(hour)
    return list(blocks.values())


def _runs(vectors: Sequence[Vector]) -> list[list[int]]:
    """Return the runs of equal hours, around midnight too."""
    blocks: list[list[int]] = []
    for hour, vector in enumerate(vectors):
        if blocks and vectors[blocks[-1][-1]] == vector:
            blocks[-1].append(hour)
        else:
            blocks.append([hour])
    if len(blocks) > 1 and vectors[blocks[0][0]] == vectors[blocks[-1][0]]:
        blocks[0] = blocks.pop() + blocks[0]
    return blocks


def _merged(blocks: list[list[int]], vectors: Sequence[Vector], adjacent: bool) -> list[list[int]]:
    """Return the blocks with the two merged that add the least to what is planned for."""
    count = len(blocks)
    pairs: Iterable[tuple[int, int]]
    if adjacent:
        pairs = [(a, (a + 1) % count) for a in range(count)]
    else:
        pairs = [(a, b) for a in range(count) for b in range(a + 1, count)]
    first, second = min(
        pairs,
        key=lambda pair: (
            _planned([*blocks[pair[0]], *blocks[pair[1]]], vectors)
            - _planned(blocks[pair[0]], vectors)
            - _planned(blocks[pair[1]], vectors)
        ),
    )
    together = [*blocks[first], *blocks[second]]
    return [together if number == first else block for number, block in enumerate(blocks) if number != second]


def _planned(hours: Sequence[int], vectors: Sequence[Vector]) -> float:
    """Return the hours of a block at the largest of each of its values."""
    return len(hours) * sum(max(vectors[hour][n] for hour in hours) for n in range(len(vectors[0])))


def period_name(hours: Sequence[int]) -> str:
    """Return the name of a period: its runs of hours, `h00-07,22-23`; all of them: `day`."""
    if len(hours) == HOURS_PER_DAY:
        return WHOLE_DAY
    runs: list[list[int]] = []
    for hour in sorted(hours):
        if runs and runs[-1][-1] == hour - 1:
            runs[-1].append(hour)
        else:
            runs.append([hour])
    return "h" + ",".join(f"{run[0]:02d}" + (f"-{run[-1]:02d}" if len(run) > 1 else "") for run in runs)
