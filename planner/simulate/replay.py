"""Replay a plan: the planned replicas at their places under sampled or traced requests.

Requests are routed in the proportions of the plan's routes; inside a pool the least loaded replica
takes the next one. Times come from the same performance model as the plan's columns, queues do not:
here every request waits its turn.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd

from planner.catalog import Catalog
from planner.performance.handover import HANDOVER_LATENCY_MS, handover_ms
from planner.performance.profile import RequestProfile
from planner.performance.types import ReplicaModel
from planner.plan.content import read_slice
from planner.plan.hosts import server_model
from planner.plan.service_table import request_profile
from planner.plan.types import Plan, RoutePlan
from planner.plan.verify.context import Context, read_context
from planner.scenario import Workload
from planner.scenario.request_trace import RequestTable
from planner.simulate.arrivals import Arrival, renewal_stream, trace_stream
from planner.simulate.failures import read_failure, replicas_lost, servers_lost
from planner.simulate.latencies import Latencies
from planner.simulate.loop import Failure, Link, Path, Replay, Stream
from planner.simulate.pool import Pool, engine_limits
from planner.simulate.result import Limits, PoolReplay, ReplayResult, WorkloadReplay
from planner.simulate.step_clock import StepClock

REQUESTS_EACH = 20_000
"""Requests of the rarest workload that a replay without a stated duration aims at: 200 of them lie
beyond p99."""

MOST_REQUESTS = 200_000
"""Requests of all workloads after which a replay without a stated duration stops."""

WARM_UP = 0.1
"""Share of a sampled replay that fills the empty engines and is not counted. Traces count whole."""

SAMPLES = 240
"""States kept over the duration."""

_LONGEST = 0.9999  # quantile of the lengths up to which step times are tabulated
_LONG_PROMPT = 4096

Traces = RequestTable | Mapping[str, RequestTable]


class CannotReplay(ValueError):
    """The plan has no step times to replay: its rates are measured, or its facts are missing."""


def replay_plan(
    plan: Plan,
    *,
    trace: Traces | None = None,
    seed: int = 0,
    duration_s: float | None = None,
    fail: Sequence[str] = (),
    catalog: Catalog | None = None,
) -> ReplayResult:
    """Replay a plan request by request; of a day in several periods the busiest one.

    Args:
        plan: what to replay; its scenario and topology are embedded.
        trace: requests to send instead of sampled ones: one table (for a plan of one workload), or
            tables by workload; the other workloads are sampled.
        seed: of the random numbers; equal seeds give equal results.
        duration_s: time in which requests arrive; by default long enough for `REQUESTS_EACH`
            requests of each workload, or as long as the trace.
        fail: what dies, such as "server:NAME@600" (seconds; the middle without).
        catalog: facts to use; None: those the scenario names.

    Raises:
        CannotReplay: a pool of the plan cannot be timed.
        ValueError: a failure or a trace does not belong to the plan, or the duration is no time.

    """
    if duration_s is not None and not 0 < duration_s < math.inf:
        raise ValueError(f"a replay lasts for a positive number of seconds, found {duration_s:g}")
    deployment = _Deployment(plan.at_peak(), read_context(plan, catalog))
    traces = _traces_by_workload(trace, deployment.workloads)
    duration = _duration_s(deployment, traces) if duration_s is None else duration_s
    warm_up = 0.0 if traces else WARM_UP * duration
    replay = Replay(len(deployment.workloads), sample_every_s=duration / SAMPLES, warm_up_s=warm_up)
    deployment.stand(replay)
    failures = deployment.failures(fail, duration)
    rngs = np.random.default_rng(seed).spawn(len(plan.routes) + len(deployment.workloads))
    replay.run(list(deployment.streams(traces, duration, rngs)), failures)
    return deployment.result(replay, seed, duration, warm_up)


def _traces_by_workload(trace: Traces | None, workloads: Mapping[str, Workload]) -> dict[str, RequestTable]:
    if trace is None:
        return {}
    if isinstance(trace, RequestTable):
        if len(workloads) != 1:
            names = ", ".join(workloads)
            raise ValueError(
                f"the plan serves {len(workloads)} workloads ({names}); say whose trace it is: NAME=FILE"
            )
        return dict.fromkeys(workloads, trace)
    unknown = [name for name in trace if name not in workloads]
    if unknown:
        raise ValueError(f"a trace for '{unknown[0]}', but the plan serves: {', '.join(workloads)}")
    return dict(trace)


def _duration_s(deployment: _Deployment, traces: Mapping[str, RequestTable]) -> float:
    if traces:
        return max(float(t.arrival_s[-1] - t.arrival_s[0]) for t in traces.values()) + 1e-3
    rates = [rate for rate in deployment.rates.values() if rate > 0]
    if not rates:
        raise CannotReplay("the plan serves no traffic")
    return min(REQUESTS_EACH / min(rates), MOST_REQUESTS / sum(rates)) / (1.0 - WARM_UP)


@dataclass
class _Stand:
    """One pool of the plan standing in the replay."""

    pool: Pool
    replica: ReplicaModel
    servers_of: dict[int, set[str]]


class _Deployment:
    """The plan's pools, routes and workloads, ready to run."""

    def __init__(self, plan: Plan, context: Context) -> None:
        self.plan = plan
        self.context = context
        served = {route.workload for route in plan.routes if route.rate_rps > 0}
        known = {w.name: w for w in context.setting.scenario.workloads}
        self.workloads: dict[str, Workload] = {name: known[name] for name in known if name in served}
        self.profiles: dict[str, RequestProfile] = {
            name: request_profile(w) for name, w in self.workloads.items()
        }
        self.rates = {
            name: sum(r.rate_rps for r in plan.routes if r.workload == name) for name in self.workloads
        }
        self.stands: dict[str, _Stand] = {}

    def stand(self, replay: Replay) -> None:
        """Put every pool that carries traffic into the replay."""
        clocks: dict[tuple[object, str, tuple[str, ...]], StepClock] = {}
        used = dict.fromkeys(name for route in self.plan.routes for name in route.pools)
        index = 0
        for name in used:
            facts = self.context.pools.get(name)
            replica = None if facts is None else self.context.table.replica(name)
            if facts is None or replica is None or not replica.fits:
                reason = "rates are measured" if self.context.table.measured else "its facts are missing"
                raise CannotReplay(f"the pool '{name}' has no step times to replay: {reason}")
            carried = tuple(
                sorted({r.workload for r in self.plan.routes if name in r.pools} & set(self.workloads))
            )
            key = (facts.shape.shape(), facts.server, carried)
            if key not in clocks:
                clocks[key] = self._clock(replica, carried)
            places = [p for g in self.plan.replicas if g.pool == name for p in g.placements]
            pool = Pool(name, replica, len(places), clocks[key], replay.on_first, replay.on_done, index)
            standing = {
                index + i: {read_slice(text).server for text in place} for i, place in enumerate(places)
            }
            self.stands[name] = _Stand(pool, replica, standing)
            replay.add_pool(pool)
            index += len(places)

    def _clock(self, replica: ReplicaModel, carried: Sequence[str]) -> StepClock:
        references, longest, rates = [], 0.0, []
        for name in carried:
            prompt, output = self.profiles[name].input_tokens, self.profiles[name].output_tokens
            references.append(prompt.mean + output.moments()[1] / output.mean / 2.0)
            rates.append(self.rates[name] * output.mean)
            longest = max(longest, float(prompt.quantile(_LONGEST) + output.quantile(_LONGEST)))
        reference = float(np.average(references, weights=rates))
        return StepClock(replica, engine_limits(replica).sequences, reference, longest)

    def failures(self, fail: Sequence[str], duration_s: float) -> list[Failure]:
        """Turn orders into engines that die."""
        found = []
        for order in map(read_failure, fail):
            lost = servers_lost(order, self.plan.servers)
            engines = [
                engine
                for stand in self.stands.values()
                for engine in stand.pool.engines
                if engine.index in set(replicas_lost(lost, stand.servers_of))
            ]
            time_s = duration_s / 2 if order.time_s is None else order.time_s
            found.append(Failure(time_s * 1e3, tuple(engines)))
        return found

    def streams(
        self,
        traces: Mapping[str, RequestTable],
        duration_s: float,
        rngs: Sequence[np.random.Generator],
    ) -> Iterator[Stream]:
        """One stream per workload and origin, or per trace."""
        numbers = {name: i for i, name in enumerate(self.workloads)}
        generators = iter(rngs)
        for name in self.workloads:
            routes = [r for r in self.plan.routes if r.workload == name and r.rate_rps > 0]
            if name in traces:
                rng = next(generators)
                arrivals: Iterator[Arrival] = trace_stream(traces[name], duration_s)
                yield Stream(numbers[name], arrivals, [self._path(r) for r in routes], rng)
                continue
            for origin in dict.fromkeys(route.origin for route in routes):
                own = [route for route in routes if route.origin == origin]
                rng = next(generators)
                rate = sum(route.rate_rps for route in own)
                arrivals = renewal_stream(self.profiles[name], rate, duration_s, rng)
                yield Stream(numbers[name], arrivals, [self._path(r) for r in own], rng)

    def _path(self, route: RoutePlan) -> Path:
        stands = [self.stands[name] for name in route.pools]
        return Path(
            pools=tuple(stand.pool for stand in stands),
            weight=route.rate_rps,
            network_ms=route.rtt_ms,
            overhead_ms=stands[0].replica.request_overhead_ms,
            link=self._link(route) if len(stands) > 1 else None,
        )

    def _link(self, route: RoutePlan) -> Link:
        """The wire between the two pools of a split route, at the slower server's network."""
        setting = self.context.setting
        llm = setting.catalog.llm(setting.llm_names[route.llm])
        shapes = [self.stands[name].replica.shape for name in route.pools]
        firsts = [self.context.pools[name].first for name in route.pools]
        servers = [server_model(first, setting.scenario, setting.catalog) for first in firsts]
        speed = min(server.nic_gb_s for server in servers if server is not None)
        times = handover_ms(llm, shapes[0], shapes[1], np.asarray([0, _LONG_PROMPT]), link_gb_s=speed)
        return Link(HANDOVER_LATENCY_MS, float(times[1] - times[0]) / _LONG_PROMPT)

    def result(self, replay: Replay, seed: int, duration_s: float, warm_up_s: float) -> ReplayResult:
        """Collect what was measured after the warm-up."""
        found = {}
        for number, (name, workload) in enumerate(self.workloads.items()):
            slo = workload.slo
            limits = Limits() if slo is None else Limits(slo.ttft_ms, slo.tpot_ms, slo.e2e_ms)
            found[name] = _workload_replay(name, limits, replay.latencies[number])
        series = _series(replay)
        return ReplayResult(
            workloads=found,
            pools=tuple(_pool_replay(stand.pool, series, duration_s) for stand in self.stands.values()),
            series=series,
            seed=seed,
            duration_s=duration_s,
            warm_up_s=warm_up_s,
        )


def _workload_replay(name: str, limits: Limits, log: Latencies) -> WorkloadReplay:
    return WorkloadReplay(
        name=name,
        limits=limits,
        arrival_s=np.asarray(log.arrival_ms) / 1e3,
        ttft_ms=np.asarray(log.ttft_ms),
        tpot_ms=np.asarray(log.tpot_ms),
        e2e_ms=np.asarray(log.e2e_ms),
        answered=log.answered,
        output_tokens=log.output_tokens,
        failed=log.failed,
    )


def _series(replay: Replay) -> pd.DataFrame:
    samples = replay.samples
    count = len(replay.pools)
    return pd.DataFrame(
        {
            "time_s": np.repeat(np.asarray(samples.time_s), count),
            "pool": [pool.name for pool in replay.pools] * len(samples.time_s),
            "waiting": np.asarray(samples.waiting, dtype=np.int64).ravel(),
            "running": np.asarray(samples.running, dtype=np.int64).ravel(),
            "utilization": np.asarray(samples.utilization, dtype=np.float64).ravel(),
            "watts": np.asarray(samples.watts, dtype=np.float64).ravel(),
        }
    )


def _pool_replay(pool: Pool, series: pd.DataFrame, duration_s: float) -> PoolReplay:
    own = series[(series["pool"] == pool.name) & (series["time_s"] <= duration_s * (1 + 1e-9))]

    def mean(column: str) -> float:
        return float(own[column].mean()) if len(own) else 0.0

    return PoolReplay(
        name=pool.name,
        replicas=len(pool.engines),
        requests=pool.requests,
        preemptions=sum(engine.preemptions for engine in pool.engines),
        utilization=mean("utilization"),
        watts=mean("watts"),
        waiting_mean=mean("waiting"),
        waiting_max=int(own["waiting"].max()) if len(own) else 0,
        running_mean=mean("running"),
    )
