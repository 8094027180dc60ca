"""plan.json: the whole answer, as people and programs read it.

Money is USD per hour with six decimals (whole micro-USD), power whole watts, traffic whole units. The
`scenario` and `topology` are embedded fully resolved, so that a plan can be verified on its own.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, Literal, Self

from pydantic import BaseModel, ConfigDict, Field

from planner.files import write_json_atomic
from planner.performance.shape import Shape
from planner.plan.day import WHOLE_DAY, Day, Period
from planner.scenario import HOURS_PER_DAY


class _Record(BaseModel):
    """Base of everything in a plan: unknown fields are errors, so that a corrupted file is noticed."""

    model_config = ConfigDict(extra="forbid")


class ScenarioFile(_Record):
    """Where the question came from."""

    path: str | None
    sha256: str


class Cost(_Record):
    """USD per hour by part; the parts add up to `total`."""

    depreciation: float = 0.0
    maintenance: float = 0.0
    infrastructure: float = 0.0
    retrofit: float = 0.0
    rent: float = 0.0
    electricity_idle: float = 0.0
    electricity_dynamic: float = 0.0
    water: float = 0.0
    network: float = 0.0
    site_opening: float = 0.0
    spares: float = 0.0
    moves: float = 0.0
    unserved: float = 0.0
    total: float = 0.0


class ServerPlan(_Record):
    """One powered server.

    name: unique; an existing server keeps the name it has in the topology graph.
    server: catalog id (or the name of a rented instance or accelerator). origin: existing, buy, rent.
    power_cap_w: per accelerator. shed_priority: it is capped when power is short, and serves only workloads
    of that priority or less important ones. provisioned_w: what breakers carry. expected_w: what the
    meter reads at the planned load. air_w, liquid_w: provisioned heat.
    """

    name: str
    server: str
    accelerator: str
    accelerators: int
    site: str
    fabric_domain: str | None = None
    rack: str | None = None
    origin: Literal["existing", "buy", "rent"]
    rent_index: int | None = Field(default=None, description="which offer of fleet.rent")
    power_cap_w: float | None = None
    shed_priority: int | None = None
    provisioned_w: int
    expected_w: int
    air_w: int = 0
    liquid_w: int = 0


class SparePlan(_Record):
    """Spare servers of a type that wait unpowered at a site."""

    site: str
    server: str
    count: int


class ShapePlan(_Record):
    """What each replica of a pool is (see `planner.performance.shape.Shape`)."""

    llm: str
    accelerator: str
    engine: str
    tp: int
    pp: int
    dp: int
    ep: int
    weights: str
    kv_cache: str
    role: Literal["aggregated", "prefill", "decode"] = "aggregated"
    power_cap_w: float | None = None

    def shape(self) -> Shape:
        """Return the shape as the performance room knows it."""
        return Shape(**self.model_dump())


class ReplicaGroup(_Record):
    """Equal replicas of one pool in one fabric domain (or one rented site).

    placements: for each replica the accelerators it takes, as `server-name:first-last` slices.
    awake_w: what each replica draws above idle while it is in service, whatever it carries.
    """

    pool: str
    shape: ShapePlan
    site: str
    fabric_domain: str | None = None
    server: str
    count: int
    placements: list[list[str]]
    awake_w: int = 0


class PeriodPlan(_Record):
    """Hours of the day (0 UTC first) that are planned as one, and the factor of its rate that each
    workload is planned with in them: the largest of their hourly factors.
    """

    name: str
    hours: list[int]
    factors: dict[str, float] = {}


class RoutePlan(_Record):
    """Traffic of a workload from an origin to a site, served by a path of pools (one, or prefill and
    decode) in a period of the day. `units` of `units_total` units of the workload's traffic: of its rate,
    or of the requests of a day for batch work. rate_rps: while the period lasts. transfer_ms: what the TTFT
    budget leaves for handing the cache from the first pool to the second. arrived: the period in which
    batch work came in, or `day`; the period itself for interactive work.
    """

    workload: str
    origin: str
    site: str
    pools: list[str]
    llm: str
    units: int
    units_total: int
    rate_rps: float
    rtt_ms: float
    transfer_ms: float = 0.0
    period: str = WHOLE_DAY
    arrived: str = WHOLE_DAY


class Unserved(_Record):
    """Demand left unserved, where the scenario allows it. period: when it comes in. rate_rps: meanwhile."""

    workload: str
    origin: str
    units: int
    rate_rps: float
    period: str = WHOLE_DAY


class PoolLoad(_Record):
    """How much of a pool a workload keeps busy in a period. service_rate_rps: of one replica; load:
    replicas.
    """

    pool: str
    workload: str
    rtt_ms: float
    service_rate_rps: float
    rate_rps: float
    load: float
    period: str = WHOLE_DAY


class LedgerRow(_Record):
    """One limit: what is used of it."""

    name: str
    used: float
    limit: float | None
    unit: str


class Ledgers(_Record):
    """Used and limit of everything that is limited."""

    power: list[LedgerRow] = []
    grid: list[LedgerRow] = []
    heat: list[LedgerRow] = []
    network: list[LedgerRow] = []
    budget: list[LedgerRow] = []
    quota: list[LedgerRow] = []


class Latency(_Record):
    """A latency at the SLO's percentile (network included), ms: asked, predicted at the planned load, and
    seen in a replay (over all routes of the workload; None without one).
    """

    asked: float | None
    predicted: float | None
    replayed: float | None = None


class SloRow(_Record):
    """What is promised to a workload from an origin at a site by a path of pools, in a period."""

    workload: str
    origin: str
    site: str
    pools: list[str]
    percentile: float | Literal["mean"] | None
    ttft_ms: Latency
    tpot_ms: Latency
    error_band: float | None = None
    provider: str = ""
    period: str = WHOLE_DAY


class Metrics(_Record):
    """Figures people compare plans by."""

    usd_per_mtok_input: float
    usd_per_mtok_output: float
    usd_per_mtok: float
    output_tokens_per_s: float
    tokens_per_s_per_mw: float
    accelerators: int
    servers: int
    replicas: int
    utilization: float
    expected_kw: float
    provisioned_kw: float
    grid_kw: float
    carbon_kg_per_h: float
    capex_usd: float


class Plan(_Record):
    """The whole answer."""

    scenario: dict[str, Any]
    scenario_file: ScenarioFile
    topology: dict[str, Any]
    status: Literal["optimal", "feasible"]
    objective: float
    bound: float
    gap: float
    cost: Cost
    servers: list[ServerPlan]
    retrofitted_racks: list[str] = []
    replicas: list[ReplicaGroup]
    periods: list[PeriodPlan] = [PeriodPlan(name=WHOLE_DAY, hours=list(range(HOURS_PER_DAY)))]
    routes: list[RoutePlan]
    unserved: list[Unserved] = []
    spares: list[SparePlan] = []
    pools: list[PoolLoad]
    ledgers: Ledgers
    slo: list[SloRow]
    metrics: Metrics
    solver: dict[str, Any]
    provenance: dict[str, Any]

    def day(self) -> Day:
        """Return the periods of the plan."""
        return Day(tuple(Period(period.name, tuple(period.hours)) for period in self.periods))

    def in_period(self, name: str) -> Self:
        """Return the plan with the traffic of one period: routes, loads, promises, what is missing."""
        return self.model_copy(
            update={
                "routes": [route for route in self.routes if route.period == name],
                "pools": [load for load in self.pools if load.period == name],
                "slo": [row for row in self.slo if row.period == name],
                "unserved": [gone for gone in self.unserved if gone.period in (name, WHOLE_DAY)],
            }
        )

    def unserved_rps(self) -> float:
        """Return the requests/s that are not served, mean over the day."""
        hours = {period.name: len(period.hours) for period in self.periods}
        return (
            sum(gone.rate_rps * hours.get(gone.period, HOURS_PER_DAY) for gone in self.unserved)
            / HOURS_PER_DAY
        )

    def at_peak(self) -> Self:
        """Return the plan with the traffic of its busiest period: the one that keeps most replicas busy."""
        if len(self.periods) <= 1:
            return self
        load = {period.name: 0.0 for period in self.periods}
        for used in self.pools:
            load[used.period] = load.get(used.period, 0.0) + used.load
        return self.in_period(max(load, key=lambda name: load[name]))

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """Read plan.json.

        Raises:
            OSError: it cannot be read.
            ValueError: it is not a plan (JSON or fields are wrong).
        """
        return cls.model_validate(json.loads(Path(path).read_text(encoding="utf-8")))

    def save(self, path: str | Path) -> None:
        """Write plan.json, whole or not at all."""
        write_json_atomic(Path(path), self.model_dump(mode="json"))
