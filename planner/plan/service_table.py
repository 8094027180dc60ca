"""Service columns of the pools of a plan, computed from scratch.

A column says how much of a workload one replica of a pool serves within the SLO, after the round trip
is taken out of the time to first token.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace

from planner.performance.handover import side_objective, wire_rate_rps
from planner.performance.links import DEFAULT_NIC_GB_S
from planner.performance.precision import KV_BYTES, WEIGHT_BYTES
from planner.performance.providers.choose import TimingProvider, replica_from
from planner.performance.providers.table import RateTable, measured_column
from planner.performance.service import LatencyCurves, LatencyObjective, RequestProfile, ServiceColumn
from planner.performance.shape import Role, Shape
from planner.performance.types import ReplicaModel
from planner.plan.adapters import adapter_ranks
from planner.plan.content import ColumnKey, Columns, Content, PoolFacts, Setting, pools_of
from planner.plan.hosts import server_model
from planner.plan.remembered import Known, known
from planner.plan.traffic import mean_requests
from planner.scenario import Workload

ReplicaKind = tuple[Shape, str]
"""What a replica is and the server it runs on: all that its times depend on."""


def request_profile(workload: Workload) -> RequestProfile:
    """Return what the requests of a workload are like."""
    return RequestProfile(
        input_tokens=workload.input_tokens,
        output_tokens=workload.output_tokens,
        prefix_hit_rate=workload.prefix_hit_rate,
        burstiness_cv=workload.burstiness_cv,
    )


def objective_at(workload: Workload, rtt_ms: float, role: Role = "aggregated") -> LatencyObjective | None:
    """Return the latency left to a replica of a role when `rtt_ms` goes to the network.

    None: nothing is left, the workload cannot be served over that distance, or not by such a role.
    """
    if workload.slo is None:
        return LatencyObjective(ttft_ms=None, tpot_ms=None, e2e_ms=None, percentile=None)
    left = {}
    for name in ("ttft_ms", "e2e_ms"):
        limit = getattr(workload.slo, name)
        left[name] = None if limit is None else limit - rtt_ms
        if limit is not None and limit - rtt_ms <= 0:
            return None
    percentile = workload.slo.percentile
    whole = LatencyObjective(
        ttft_ms=left["ttft_ms"],
        tpot_ms=workload.slo.tpot_ms,
        e2e_ms=left["e2e_ms"],
        percentile=None if percentile == "mean" else float(percentile),
    )
    return side_objective(whole, role)


class ServiceTable:
    """Columns of pools, each computed once.

    Args:
        setting: scenario, graph and catalog.
        pools: the pools by name.
    """

    def __init__(self, setting: Setting, pools: Mapping[str, PoolFacts]) -> None:
        self.setting = setting
        self.pools = pools
        self.columns: dict[ColumnKey, ServiceColumn] = {}
        self._known: dict[ReplicaKind, Known | None] = {}
        self._computed: dict[tuple[ReplicaKind, str], dict[float, ServiceColumn]] = {}
        self._rates: RateTable | None = None

    @property
    def measured(self) -> bool:
        """True if all rates are the user's own measurements."""
        return self.setting.scenario.performance.measured_throughout

    def measures(self, pool: str) -> bool:
        """True if the rates of a pool are the user's own measurements."""
        return self.setting.scenario.performance.provider_of(self.pools[pool].shape.accelerator) == "table"

    def replica(self, pool: str) -> ReplicaModel | None:
        """Return the timed replica of a pool; None where rates are measured or facts are missing."""
        known = self._about(pool)
        return None if known is None else known.replica

    def _about(self, pool: str) -> Known | None:
        """Return what is known of the replica of a pool; None like `replica`."""
        kind = self._kind(pool)
        if kind not in self._known:
            self._known[kind] = None if self.measures(pool) else self._model(self.pools[pool])
        return self._known[kind]

    def refinement(self, pool: str, workload: str) -> float:
        """Return the rate that replays found for a pool's shape over the one that the formulas predict."""
        performance = self.setting.scenario.performance
        return performance.refinement(workload, self.pools[pool].shape.shape().name)

    def _kind(self, pool: str) -> ReplicaKind:
        """Return what pools at different sites have in common: they need computing once."""
        facts = self.pools[pool]
        return facts.shape.shape(), facts.server

    def _model(self, pool: PoolFacts) -> Known | None:
        scenario, catalog = self.setting.scenario, self.setting.catalog
        server = server_model(pool.first, scenario, catalog)
        name = self.setting.llm_names.get(pool.shape.llm)
        accelerator = catalog.accelerators.get(pool.shape.accelerator)
        weighed = pool.shape.weights in WEIGHT_BYTES and pool.shape.kv_cache in KV_BYTES
        if server is None or name is None or accelerator is None or not weighed:
            return None
        llm, shape, performance = catalog.llm(name), pool.shape.shape(), scenario.performance
        provider: TimingProvider = "analytic"
        if performance.provider_of(accelerator.id) == "aiconfigurator":
            provider = "aiconfigurator"
        confidence = scenario.reliability.confidence
        ranks = adapter_ranks(scenario, pool.shape.llm, self.setting.llm_id)
        options = (
            performance.memory_fraction,
            performance.analytic_where_unknown,
            performance.expert_skew,
            confidence,
            ranks,
        )

        def made() -> ReplicaModel:
            return replica_from(
                provider,
                llm,
                accelerator,
                shape,
                server=server,
                memory_fraction=performance.memory_fraction,
                analytic_where_unknown=performance.analytic_where_unknown,
                confidence=confidence,
                expert_skew=performance.expert_skew,
                adapter_ranks=ranks,
            )

        key = (provider, llm.id, accelerator.id, server.id, shape, options)
        return known(key, (llm, accelerator, server), made)

    def awake_w(self, pool: str) -> int:
        """Return what a replica of a pool draws above idle while it is in service, whole watts."""
        about = self._about(pool)
        llm = self.pools[pool].shape.llm
        workloads = self.setting.scenario.workloads
        served = [workload for workload in workloads if llm in self.setting.llms_of(workload)]
        return 0 if about is None else about.awake_w(mean_requests(served))

    def curves(self, pool: str, workload: Workload) -> LatencyCurves | None:
        """Return latency over load of a pool's replica; None where nothing is predicted."""
        about = self._about(pool)
        return None if about is None else about.curves(request_profile(workload))

    def fill(self, keys: Iterable[ColumnKey]) -> Columns:
        """Compute the columns of `keys` that are not there yet, and return all there are.

        Promises that the network alone breaks get no column; pools that cannot run get a rate of 0.
        """
        wanted: dict[tuple[ReplicaKind, str], dict[float, None]] = {}
        kept = [key for key in dict.fromkeys(keys) if key not in self.columns and key[0] in self.pools]
        for pool, workload, trip in kept:
            kind = (self._kind(pool), workload)
            if trip not in self._computed.get(kind, {}):
                wanted.setdefault(kind, {})[trip] = None
        examples = {(self._kind(pool), workload): pool for pool, workload, _ in kept}
        for kind, trips in wanted.items():
            self._computed.setdefault(kind, {}).update(self._compute(examples[kind], kind[1], trips))
        for pool, workload, trip in kept:
            column = self._computed.get((self._kind(pool), workload), {}).get(trip)
            if column is not None:
                self.columns[pool, workload, trip] = column
        return self.columns

    def _compute(self, pool: str, name: str, trips: Iterable[float]) -> dict[float, ServiceColumn]:
        """Return the column at each round trip; rate 0 where the pool cannot serve the workload."""
        workload = self.setting.workload(name)
        if workload is None:
            return {}
        role = self.pools[pool].shape.role
        reachable = {
            trip: objective for trip in trips if (objective := objective_at(workload, trip, role)) is not None
        }
        if self.measures(pool):
            rate = self._measured_rate(self.pools[pool], workload)
            return {trip: measured_column(rate) for trip in reachable}
        about = self._about(pool)
        if about is None or not about.replica.fits:
            return {trip: measured_column(0.0) for trip in reachable}
        found = about.columns(request_profile(workload), list(reachable.values()))
        used = self.setting.scenario.performance.derate.get(name, 1.0) * self.refinement(pool, name)
        most = float("inf") if role == "aggregated" else self._wire_rps(pool, workload)
        return {
            trip: replace(column, rate_rps=min(column.rate_rps * used, most))
            for trip, column in zip(reachable, found, strict=True)
        }

    def _wire_rps(self, pool: str, workload: Workload) -> float:
        """Return the requests whose cache the links of a replica carry."""
        facts = self.pools[pool]
        server = server_model(facts.first, self.setting.scenario, self.setting.catalog)
        llm = self.setting.catalog.llm(self.setting.llm_names[facts.shape.llm])
        speed = DEFAULT_NIC_GB_S if server is None else server.nic_gb_s
        return wire_rate_rps(llm, facts.shape.shape(), float(workload.input_tokens.mean), speed)

    def _measured_rate(self, pool: PoolFacts, workload: Workload) -> float:
        if self._rates is None:
            rates = RateTable.load(str(self.setting.scenario.performance.path))
            self._rates = rates.renamed(self.setting.known_id)
        shape = pool.shape
        if shape.llm not in self.setting.llms_of(workload):
            return 0.0
        return self._rates.rate_rps(
            shape.llm, shape.accelerator, shape.tp, shape.pp, shape.dp, shape.ep, shape.role, workload.name
        )


def plan_columns(content: Content, setting: Setting) -> Columns:
    """Return the columns of everything that the plan's pools say they carry."""
    table = ServiceTable(setting, pools_of(content))
    return table.fill((load.pool, load.workload, load.rtt_ms) for load in content.pools)
