"""What a plan decides, and the world it is set in: all that bookkeeping needs.

Costs, ledgers and metrics are computed from these alone, both to fill plan.json and to check it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Protocol

from planner.catalog import Catalog
from planner.performance.service import ServiceColumn
from planner.plan.day import Day
from planner.plan.types import (
    PoolLoad,
    ReplicaGroup,
    RoutePlan,
    ServerPlan,
    ShapePlan,
    SparePlan,
    Unserved,
)
from planner.scenario import Scenario, Workload
from planner.topology.nodes import Graph

RTT_TOLERANCE_MS = 1e-9
"""Two round trips nearer than this are the same one."""

ColumnKey = tuple[str, str, float]
"""(pool, workload, promised round trip in ms): one service column."""

Columns = Mapping[ColumnKey, ServiceColumn]


class Content(Protocol):
    """The decisions of a plan; a `Plan` has them, and so has what becomes one."""

    @property
    def servers(self) -> Sequence[ServerPlan]:
        """Every powered server."""
        ...

    @property
    def retrofitted_racks(self) -> Sequence[str]:
        """Racks turned to liquid."""
        ...

    @property
    def replicas(self) -> Sequence[ReplicaGroup]:
        """Replicas with their places."""
        ...

    @property
    def routes(self) -> Sequence[RoutePlan]:
        """Traffic that is served."""
        ...

    @property
    def unserved(self) -> Sequence[Unserved]:
        """Traffic that is not."""
        ...

    @property
    def spares(self) -> Sequence[SparePlan]:
        """Spare servers by site and type."""
        ...

    @property
    def pools(self) -> Sequence[PoolLoad]:
        """What each workload keeps busy of each pool, with the round trip it was sized for."""
        ...


@dataclass(frozen=True)
class Setting:
    """The question a plan answers: scenario, full topology graph and catalog; and its periods."""

    scenario: Scenario
    graph: Graph
    catalog: Catalog
    day: Day = field(default_factory=Day)

    @property
    def units_total(self) -> int:
        """Equal units that each workload's traffic is cut into."""
        return self.scenario.solver.units

    def workload(self, name: str) -> Workload | None:
        """Return a workload, None if the scenario has none of that name."""
        return next((w for w in self.scenario.workloads if w.name == name), None)

    def unit_rps(self, workload: Workload, period: str) -> float:
        """Return the rate of one unit of a workload while it is served in a period, requests/s."""
        return self.day.unit_rps(workload, period, self.units_total)

    def mean_unit_rps(self, workload: Workload, period: str) -> float:
        """Return the rate of one unit served in a period, spread over the day, requests/s."""
        return self.day.mean_unit_rps(workload, period, self.units_total)

    def missing_unit_rps(self, workload: Workload) -> float:
        """Return the rate of one unit that is not served (of batch work: over the day), requests/s."""
        return self.day.missing_unit_rps(workload, self.units_total)

    def mean_missing_unit_rps(self, workload: Workload, arrived: str) -> float:
        """Return the rate of one unit that is not served, spread over the day, requests/s."""
        return self.day.mean_missing_unit_rps(workload, arrived, self.units_total)

    def llm_id(self, name: str) -> str:
        """Return the catalog id of an LLM; a name in a table of measured rates is its own id."""
        return name if self.scenario.performance.measured_throughout else self.catalog.llm(name).id

    def known_id(self, name: str) -> str:
        """Return the id of an LLM of the table of rates; one that no workload asks for stays as it is."""
        asked = {llm for workload in self.scenario.workloads for llm in workload.llms}
        return self.llm_id(name) if name in asked else name

    def llms_of(self, workload: Workload) -> set[str]:
        """Return the ids of the LLMs that may answer a workload."""
        return {self.llm_id(name) for name in workload.llms}

    @cached_property
    def llm_names(self) -> Mapping[str, str]:
        """The name by which the scenario calls each LLM, by id (a path, perhaps)."""
        return {self.llm_id(name): name for workload in self.scenario.workloads for name in workload.llms}


@dataclass(frozen=True)
class PoolFacts:
    """One pool as its replica groups describe it.

    servers: the server behind each slice of each replica, once per accelerator taken: name ->
    accelerators. first: a server that hosts it. count: replicas. awake_w: of each replica.
    """

    name: str
    shape: ShapePlan
    site: str
    server: str
    count: int
    first: ServerPlan
    accelerators_on: Mapping[str, int]
    awake_w: int = 0

    @property
    def rented(self) -> bool:
        """True if its servers are rented."""
        return self.first.origin == "rent"


MOST_SLICES = 2**20
"""Slices that are remembered as read: books and checks go through all of a plan many times."""


@dataclass(frozen=True, slots=True)
class Slice:
    """Accelerators `first` to `last` of one server."""

    server: str
    first: int
    last: int

    @property
    def accelerators(self) -> int:
        """How many they are."""
        return self.last - self.first + 1


@lru_cache(maxsize=MOST_SLICES)
def read_slice(text: str) -> Slice:
    """Return what `server-name:first-last` says.

    Raises:
        ValueError: it does not read so.
    """
    name, separator, numbers = text.rpartition(":")
    first, dash, last = numbers.partition("-")
    if not (separator and dash and first.isdecimal() and last.isdecimal() and int(first) <= int(last)):
        raise ValueError(f"'{text}' is not server-name:first-last")
    return Slice(name, int(first), int(last))


def slices_of(group: ReplicaGroup) -> Iterator[Slice]:
    """Yield every readable slice of a group; unreadable ones are reported by the verifier."""
    for placement in group.placements:
        for text in placement:
            try:
                yield read_slice(text)
            except ValueError:
                continue


def pools_of(content: Content) -> dict[str, PoolFacts]:
    """Return every pool that stands on at least one server of the plan, by name."""
    servers = {server.name: server for server in content.servers}
    groups: dict[str, list[ReplicaGroup]] = {}
    for group in content.replicas:
        groups.setdefault(group.pool, []).append(group)
    pools: dict[str, PoolFacts] = {}
    for name, members in groups.items():
        taken: dict[str, int] = {}
        for group in members:
            for part in slices_of(group):
                server = part.server
                if server in servers:
                    taken[server] = taken.get(server, 0) + part.last - part.first + 1
        if taken:
            leader = members[0]
            pools[name] = PoolFacts(
                name=name,
                shape=leader.shape,
                site=leader.site,
                server=leader.server,
                count=sum(group.count for group in members),
                first=servers[next(iter(taken))],
                accelerators_on=taken,
                awake_w=leader.awake_w,
            )
    return pools


class Promises:
    """The round trip each route's traffic was sized for.

    Many different round trips may be rounded up to few; the plan's pools say which were taken. A
    route keeps the nearest one that is not below its own.
    """

    def __init__(self, content: Content) -> None:
        self._trips: dict[tuple[str, str], list[float]] = {}
        for load in content.pools:
            self._trips.setdefault((load.pool, load.workload), []).append(load.rtt_ms)
        for trips in self._trips.values():
            trips.sort()

    def rtt_ms(self, pool: str, route: RoutePlan) -> float | None:
        """Return the promised round trip of a route in one of its pools, None if there is none.

        In the prefill pool of a split the time to hand the cache over comes on top of it.
        """
        first_of_two = len(route.pools) > 1 and pool == route.pools[0]
        needed = route.rtt_ms + (route.transfer_ms if first_of_two else 0.0)
        for trip in self._trips.get((pool, route.workload), ()):
            if trip >= needed - RTT_TOLERANCE_MS:
                return trip
        return None


@dataclass(frozen=True)
class RouteUse:
    """A route in one of its pools, with the service column it was sized by."""

    route: RoutePlan
    workload: Workload
    pool: PoolFacts
    rtt_ms: float
    column: ServiceColumn

    def accelerators(self, setting: Setting) -> float:
        """Return the accelerators that the route keeps busy while its period lasts."""
        if self.column.rate_rps <= 0:
            return 0.0
        rate = self.route.units * setting.unit_rps(self.workload, self.route.period)
        return rate / self.column.rate_rps * self.pool.shape.shape().accelerators


def route_uses(content: Content, setting: Setting, columns: Columns) -> Iterator[RouteUse]:
    """Yield every route in each of its pools; what leads nowhere is left to the verifier."""
    pools = pools_of(content)
    promises = Promises(content)
    for route in content.routes:
        workload = setting.workload(route.workload)
        if workload is None:
            continue
        for name in route.pools:
            pool = pools.get(name)
            trip = promises.rtt_ms(name, route)
            if pool is None or trip is None:
                continue
            column = columns.get((name, route.workload, trip))
            if column is not None:
                yield RouteUse(route, workload, pool, trip, column)
