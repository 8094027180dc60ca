"""The question as integers: what the mathematical program sees, and nothing else.

No YAML, graph, physics or names of files reach this room. A `Problem` is a set of small immutable
tables; a row of a table is one thing of the question (a workload's demand from one origin, a kind of
server that may stand in a class of racks, a pool that may exist at a site ...). Columns are NumPy
integer arrays; fields that end in an entity's name hold row numbers of that entity's table.

Units: money in micro-USD per hour, power and heat in watts, traffic in units of its workload (a
workload's demand is cut into equal units), load in `LOAD_SCALE`ths of one replica. Integers make the
optimum a number that can be compared exactly.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

Integers = NDArray[np.int64]

LOAD_SCALE = 10_000_000
"""Load of one fully used replica. A unit of traffic that keeps a replica 2 % busy has load 200,000."""

SHARE_SCALE = 1_000_000
"""All of a demand; what is promised of it after a loss is counted in millionths."""

UNLIMITED = 2**52
"""An upper bound that never binds; below 2**53, so that every solver holds it exactly."""


def integers(values: object) -> Integers:
    """Return `values` as a one-dimensional int64 array."""
    return np.asarray(values, dtype=np.int64).reshape(-1)


@dataclass(frozen=True)
class Demands:
    """Traffic of one workload from one origin in one period that must be served: rows i.

    Batch work may be served in several periods: its flows lead to lanes of all of them.
    units: traffic to serve, in the workload's units.
    unserved_cost: micro-USD/h for each unit left unserved; -1 where everything must be served.
    source: the field of the scenario that states the demand.
    least: units that must be served however short capacity is; left out: 0. least_source: who says so.
    """

    names: tuple[str, ...]
    workload: Integers
    units: Integers
    unserved_cost: Integers
    source: tuple[str, ...]
    least: Integers = field(default_factory=lambda: integers([]))
    least_source: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Fill in what is left out."""
        if not self.least.size:
            object.__setattr__(self, "least", np.zeros_like(self.units))
        if not self.least_source:
            object.__setattr__(self, "least_source", self.source)


@dataclass(frozen=True)
class Sites:
    """Places a request can be sent to: rows s. open_cost: micro-USD/h if any server stands there."""

    names: tuple[str, ...]
    open_cost: Integers


@dataclass(frozen=True)
class RackClasses:
    """Racks that are alike in every respect (limits, feeds, loops, fabric domain): rows k.

    count: how many racks the class has. source: the field of the topology that states it.
    """

    names: tuple[str, ...]
    count: Integers
    source: tuple[str, ...]


@dataclass(frozen=True)
class RackMixes:
    """What one rack of a class can hold at most: rows m.

    A mix is a maximal set of servers that keeps all limits of a single rack (height, weight, power,
    air, liquid, ports). Whatever is a part of a mix is allowed as well, since those limits only add
    up. Every rack takes at most one mix; `sum of mixes of a class <= count of the class` and
    `servers[j] <= sum over mixes of (servers of j in the mix) x (racks with the mix)`.
    The triples (`row`, `candidate`, `servers`) are the nonzeros of the matrix mixes x candidates.
    cost: micro-USD/h of turning one rack into this kind (retrofit to liquid).
    """

    rack_class: Integers
    cost: Integers
    row: Integers
    candidate: Integers
    servers: Integers


@dataclass(frozen=True)
class HostGroups:
    """Servers that are interchangeable as hosts: same fabric domain, server type and power cap, and stopped
    by the same losses of feeds, loops, racks of a class and rented terms: rows h.

    accelerators: accelerators per server, all in one scale-up domain.
    """

    names: tuple[str, ...]
    site: Integers
    accelerators: Integers


@dataclass(frozen=True)
class Candidates:
    """Servers that may be powered: rows j; the variable `servers[j]` counts them.

    host_group: the group the server belongs to. rack_class: where it stands, -1 for a rented server.
    maximum: most that can exist (existing servers, rentable instances, or what racks hold).
    cost: micro-USD/h of each, independent of its load (depreciation or rent, idle electricity, ...).
    """

    names: tuple[str, ...]
    host_group: Integers
    rack_class: Integers
    maximum: Integers
    cost: Integers


@dataclass(frozen=True)
class Pools:
    """Equal replicas at one site: rows q. Its replicas stand on one or several host groups."""

    names: tuple[str, ...]
    site: Integers
    maximum: Integers
    minimum: Integers


@dataclass(frozen=True)
class Hostings:
    """A pool on a host group: rows p; the variable `replicas[p]` counts its replicas there.

    accelerators: accelerators of one replica, if it stays inside one server (0 otherwise).
    whole_servers: servers that one replica takes whole, if it needs more than one (0 otherwise).
    Sizes inside one server divide each other (1, 2, 4, 8 ...), so that counting per level is exact.
    cost: micro-USD/h of each replica, whatever its load (electricity while awake); empty: nothing.
    """

    pool: Integers
    host_group: Integers
    accelerators: Integers
    whole_servers: Integers
    cost: Integers = field(default_factory=lambda: integers([]))


@dataclass(frozen=True)
class Flows:
    """Traffic of a demand sent to a site: rows f; the variable `flow[f]` counts units.

    lane: the (workload, site, latency budget, period) lane that the traffic joins.
    cost: micro-USD/h for each unit (network egress).
    """

    demand: Integers
    lane: Integers
    cost: Integers


@dataclass(frozen=True)
class Assignments:
    """Traffic of a lane served by a path of pools: rows a; the variable `assign[a]` counts units.

    A path is one pool (aggregated serving) or a prefill pool and a decode pool. Its loads are the
    triples (`load_row`, `load_pool`, `load`): `load` `LOAD_SCALE`ths of a replica of the pool for
    each unit. cost: micro-USD/h for each unit (electricity above idle). warm: for each load, what more
    must be free in normal operation, for traffic that rises faster than replicas start; left out: 0.
    """

    lane: Integers
    cost: Integers
    load_row: Integers
    load_pool: Integers
    load: Integers
    warm: Integers = field(default_factory=lambda: integers([]))

    def __post_init__(self) -> None:
        """Fill in what is left out."""
        if self.warm.size != self.load.size:
            if self.warm.size:
                raise ValueError(f"{self.warm.size} warm loads for {self.load.size} loads")
            object.__setattr__(self, "warm", np.zeros_like(self.load))


@dataclass(frozen=True)
class Entries:
    """Nonzeros of rows over one kind of variable: `amount[n]` of variable `column[n]` in `row[n]`."""

    row: Integers
    column: Integers
    amount: Integers


@dataclass(frozen=True)
class Counts:
    """Stated numbers of replicas: rows g. The sum of amount x replicas lies between `least` and `most`.

    names: `replicas/at_least/llama-3.1-8b/ams`, `lora/chat` ... unit: what is counted. least: 0 for none;
    most: `UNLIMITED` for none. source: the field of the scenario that states it.
    entries: amounts by hosting.
    """

    names: tuple[str, ...]
    least: Integers
    most: Integers
    unit: tuple[str, ...]
    source: tuple[str, ...]
    entries: Entries


NO_COUNTS = Counts((), integers([]), integers([]), (), (), Entries(integers([]), integers([]), integers([])))
"""No numbers are stated."""


@dataclass(frozen=True)
class Ledger:
    """Rows of one family of limits: what is used must not exceed `limit`.

    names: row names that a person can read (`power/feed/fra1-A`). unit: of used and limit.
    source: the field of the scenario or topology that states the limit.
    entries: use by variable kind: `VARIABLE_KINDS`.
    """

    family: str
    names: tuple[str, ...]
    limit: Integers
    unit: str
    source: tuple[str, ...]
    entries: Mapping[str, Entries]


@dataclass(frozen=True)
class Failures:
    """Losses to survive: rows e. After each one the kept share of demand is served by what is left.

    names: `survive/feed/fra1-A`. kept_share: matrix (failures x demands), `SHARE_SCALE`ths of what is
    served of each demand in normal times that must still be served; 0: the demand needs no routing of its
    own after this failure (a busier period has it).
    lost_candidate_row / lost_candidate: pairs (failure, candidate) whose servers are all lost.
    lost_one_of: host group that loses single servers (-1: none). lost_rack_of: rack class that loses
    single racks (-1: none). lost_count: how many of them; all there are, if those are fewer. Both: the rack
    of the class that holds most servers of the host group, which stands in that class only.
    lost_replica_row / lost_hosting / lost_replicas: triples (failure, hosting, n): the failure takes n
    replicas of the hosting, or all it has, if that is fewer.
    known: for the loss of one of several equal things (a server, a batch of them, a rack): of up to how many
    of them it is told that the worst one holds at least the average; 0: places are counted only.
    fullest: the hosting of which the lost one holds most replicas, then at least the average rounded up; -1:
    nothing is rounded. Either holds for every plan: one of several things is at least the average of all.
    """

    names: tuple[str, ...]
    kept_share: NDArray[np.int64]
    lost_candidate_row: Integers
    lost_candidate: Integers
    lost_one_of: Integers
    lost_rack_of: Integers
    lost_count: Integers
    lost_replica_row: Integers = field(default_factory=lambda: integers([]))
    lost_hosting: Integers = field(default_factory=lambda: integers([]))
    lost_replicas: Integers = field(default_factory=lambda: integers([]))
    known: Integers = field(default_factory=lambda: integers([]))
    fullest: Integers = field(default_factory=lambda: integers([]))

    def __post_init__(self) -> None:
        """Fill in what is left out."""
        if not self.known.size:
            object.__setattr__(self, "known", np.zeros_like(self.lost_one_of))
        if not self.fullest.size:
            object.__setattr__(self, "fullest", np.full_like(self.lost_one_of, -1))


@dataclass(frozen=True)
class Spares:
    """Spare servers by number in service: rows g, a group of candidates that share spares.

    A group with at most `base` servers needs no spare; each further step z (0 or 1, in order) is one spare
    more and covers `step[z]` servers more. names, source: of the groups. member_group / member: pairs
    (group, candidate). group, step, cost: of each step; cost in micro-USD/h of one spare.
    """

    names: tuple[str, ...]
    source: tuple[str, ...]
    base: Integers
    member_group: Integers
    member: Integers
    group: Integers
    step: Integers
    cost: Integers


@dataclass(frozen=True)
class Churn:
    """Replicas that run already: rows c; the variable `moves[c]` counts those started beyond them.

    hosting: the hosting. standing: replicas that run there now. cost: micro-USD/h of a move. Where nothing
    runs every replica is a move, and `Hostings.cost` has its price.
    """

    hosting: Integers
    standing: Integers
    cost: Integers


@dataclass(frozen=True)
class Goal:
    """Something to minimize: the sum of `amounts` times the variables of each kind.

    name: `cost`, `power`, `served/1` ... unit: of the value. Kinds that are absent count nothing.
    cost_factor: how often the costs of the tables count, besides the amounts.
    lost: (demands,) for a ratio: what is minimized is then the amount over what is served, `served_most`
    less `lost` for every unit left unserved. None: the amount itself.
    """

    name: str
    unit: str
    amounts: Mapping[str, Integers]
    cost_factor: int = 0
    lost: Integers | None = None
    served_most: int = 0


@dataclass(frozen=True)
class Problem:
    """The whole question as tables. See the module's docstring for units."""

    workloads: tuple[str, ...]
    demands: Demands
    sites: Sites
    rack_classes: RackClasses
    mixes: RackMixes
    host_groups: HostGroups
    candidates: Candidates
    pools: Pools
    hostings: Hostings
    lane_workload: Integers
    lane_site: Integers
    flows: Flows
    assignments: Assignments
    ledgers: tuple[Ledger, ...] = ()
    failures: Failures | None = None
    spares: Spares | None = None
    churn: Churn | None = None
    goals: tuple[Goal, ...] = ()
    """What to minimize, in order; each keeps the values reached before. Empty: cost alone. A goal named
    `cost` has no amounts of its own: the costs of the tables count."""
    usable_load: int = LOAD_SCALE
    """Load that one replica may carry in normal times, in `LOAD_SCALE`ths: 1 less the headroom. After a
    failure the headroom may be used."""
    periods: tuple[str, ...] = ("day",)
    """The periods of the day: one fleet of replicas, a routing of its own in each."""
    counts: Counts = NO_COUNTS
    lane_period: Integers = field(default_factory=lambda: integers([]))
    """The period of each lane; left out where there is only one."""

    def __post_init__(self) -> None:
        """Check that every row number points into its table.

        Raises:
            ValueError: a table refers to a row that does not exist, or lengths differ.
        """
        if len(self.periods) == 1:
            object.__setattr__(self, "lane_period", np.zeros_like(self.lane_site))
        checks = (
            ("demands.workload", self.demands.workload, len(self.workloads)),
            ("mixes.rack_class", self.mixes.rack_class, len(self.rack_classes.names)),
            ("mixes.candidate", self.mixes.candidate, len(self.candidates.names)),
            ("mixes.row", self.mixes.row, len(self.mixes.rack_class)),
            ("host_groups.site", self.host_groups.site, len(self.sites.names)),
            ("candidates.host_group", self.candidates.host_group, len(self.host_groups.names)),
            ("pools.site", self.pools.site, len(self.sites.names)),
            ("hostings.pool", self.hostings.pool, len(self.pools.names)),
            ("hostings.host_group", self.hostings.host_group, len(self.host_groups.names)),
            ("lane_workload", self.lane_workload, len(self.workloads)),
            ("lane_site", self.lane_site, len(self.sites.names)),
            ("lane_period", self.lane_period, len(self.periods)),
            ("flows.demand", self.flows.demand, len(self.demands.names)),
            ("flows.lane", self.flows.lane, len(self.lane_site)),
            ("assignments.lane", self.assignments.lane, len(self.lane_site)),
            ("counts.row", self.counts.entries.row, len(self.counts.names)),
            ("counts.column", self.counts.entries.column, len(self.hostings.pool)),
            ("assignments.load_row", self.assignments.load_row, len(self.assignments.lane)),
            ("assignments.load_pool", self.assignments.load_pool, len(self.pools.names)),
        )
        for name, rows, length in checks:
            if rows.size and (rows.min() < 0 or rows.max() >= length):
                raise ValueError(f"{name} points outside its table of {length} rows")

    def period_suffix(self, period: int) -> str:
        """Return what names of rows of a period end in: nothing where there is only one period."""
        return "" if len(self.periods) == 1 else f"/{self.periods[period]}"

    def variable_count(self, kind: str) -> int:
        """Return how many variables of `kind` the program has (see `Ledger.entries`)."""
        return {
            "servers": len(self.candidates.names),
            "mixes": len(self.mixes.rack_class),
            "replicas": len(self.hostings.pool),
            "flow": len(self.flows.demand),
            "assign": len(self.assignments.lane),
            "unserved": len(self.demands.names),
            "open": len(self.sites.names),
            "spares": 0 if self.spares is None else len(self.spares.step),
            "moves": 0 if self.churn is None else len(self.churn.hosting),
        }[kind]


VARIABLE_KINDS = (
    "servers", "mixes", "replicas", "flow", "assign", "unserved", "open", "spares", "moves",
)  # fmt: skip
"""Kinds of variables, in the order of the program's columns."""
