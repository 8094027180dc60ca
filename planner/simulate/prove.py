"""Plan, replay, tighten: until the replay of a plan keeps the promises that it was sized for.

The formulas time every shape; the few that a plan uses are then timed again by replaying pools of them
(`refine`). Where the replay of the whole plan misses an SLO, and where a pool could do with a replica less,
the rates found so replace those of the formulas and the question is solved again.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from planner.performance.service import service_columns
from planner.performance.types import ReplicaModel
from planner.plan.content import pools_of
from planner.plan.reuse import Reuse
from planner.plan.service_table import ServiceTable, objective_at, request_profile
from planner.plan.solve import Hooks, NoPlan, solve
from planner.plan.types import Plan
from planner.plan.verify.context import read_context
from planner.scenario import Slo
from planner.scenario.request_trace import RequestTable
from planner.simulate.refine import refined_rate
from planner.simulate.replay import CannotReplay, replay_plan
from planner.simulate.result import ReplayResult, WorkloadReplay
from planner.simulate.traced import traced_requests
from planner.topology import Question, load_question

MOST_ROUNDS = 5
"""How often a plan is solved and replayed; then the best is returned with what its replay showed."""

DERATE_STEP = 0.93
"""Share of its rate that a replica keeps after a replay that missed although its pools, replayed alone,
take what they carry; several rounds multiply."""

SIGMAS = 3.0
"""Attainment may fall short of the percentile by this many standard deviations of a sample of so many
requests before it counts as missed."""

LARGEST_FLEET = 2_000
"""Accelerators of a plan up to which it is replayed unless asked not to: a replay takes seconds then."""

WORTH_A_LOOK = 1.4
"""Pools that would need rates higher by more than this factor to do with a replica less are left alone."""

LARGEST_POOL = 16
"""Replicas of a pool that is replayed alone; more gain nothing further by pooling."""

CALM_CV = 1.5
"""Burstiness up to which a pool counts as larger than one replica. Real bursts follow one another, those of
a replay do not, so pooling helps less than it seems: two replicas that the replay found enough for the Azure
code trace (burstiness 4.6) instead of five missed their p99 on minutes not used for sizing."""

LEAST_RAISE = 1.01
"""Rates that replays find less than this factor above are left as they are."""

DECIMALS = 4  # of the factors that are kept


@dataclass(frozen=True)
class Proved:
    """A plan with what its replay showed.

    result: None where the plan was not replayed (`why_not` says why). rounds: plans tried. missed: workloads
    whose replay still misses the SLO. refined: rate found by replay over that of the formulas, by workload
    and shape, as used by the plan.
    """

    plan: Plan
    result: ReplayResult | None
    rounds: int
    missed: tuple[str, ...]
    why_not: str = ""

    @property
    def refined(self) -> Mapping[str, Mapping[str, float]]:
        """Rates found by replay over those of the formulas, by workload and shape."""
        found: Mapping[str, Mapping[str, float]] = self.plan.scenario["performance"].get("refined", {})
        return found


def solve_and_replay(
    source: str | Path | Mapping[str, Any] | Question,
    overrides: Iterable[str] = (),
    hooks: Hooks | None = None,
    *,
    seed: int = 0,
    largest: int = LARGEST_FLEET,
    reuse: Reuse | None = None,
) -> Proved:
    """Solve a scenario, replay the plan, and solve again with other rates while the replay disagrees.

    Of the plans that keep their SLOs in the replay the best is returned; if none does, the last.

    Args:
        source: scenario path, plain data or a loaded question.
        overrides: `path=value` changes.
        hooks: told stages and the progress of the search.
        seed: of the replay.
        largest: plans with more accelerators are not replayed.
        reuse: what earlier solves left, a plan to start from; the solves add to it.

    Raises:
        InputFaults: the scenario or its topology is wrong.
        NoPlan: no plan exists, or none was found in time.
    """
    hooks = hooks or Hooks()
    question = source if isinstance(source, Question) else load_question(source, overrides)
    rates = _Rates(question)
    traces = traced_requests(question.scenario)
    solver = question.scenario.solver
    started = time.perf_counter()
    best: Proved | None = None
    reuse = reuse or Reuse()
    for number in range(1, MOST_ROUNDS + 1):
        try:
            plan = solve(rates.question(), hooks=hooks, reuse=reuse)
        except NoPlan:
            if best is not None:
                return replace(best, rounds=number)
            raise
        if plan.metrics.accelerators > largest:
            return Proved(plan, None, number, (), f"it has more than {largest:,} accelerators")
        hooks.stage("replaying the plan")
        try:
            result = replay_plan(plan, trace=_of_plan(traces, plan), seed=seed, catalog=question.catalog)
        except CannotReplay as reason:
            return Proved(plan, None, number, (), str(reason))
        missed = tuple(
            name
            for name, seen in result.workloads.items()
            if _misses(seen, question.scenario.workload(name).slo)
        )
        proved = Proved(with_replayed(plan, question, result), result, number, missed)
        if best is None or best.missed or (not missed and plan.objective < best.plan.objective):
            best = proved
            rates.keep()
        elif not missed:
            return replace(best, rounds=number)
        late = time.perf_counter() - started > solver.time_limit_s / 2 and not solver.reproducible
        if number == MOST_ROUNDS or (late and not missed):
            break
        hooks.stage("replaying pools of the plan")
        changed = rates.tighten(plan, missed) if missed else rates.raise_where_it_pays(plan)
        if not changed:
            break
    return replace(best, rounds=number) if best is not None else proved


def _of_plan(traces: Mapping[str, RequestTable], plan: Plan) -> dict[str, RequestTable] | None:
    """Return the traces of the workloads that a plan serves; None: all requests are sampled."""
    served = {route.workload for route in plan.at_peak().routes if route.rate_rps > 0}
    return {name: table for name, table in traces.items() if name in served} or None


class _Rates:
    """The question, with the corrections to its service columns found so far."""

    def __init__(self, question: Question) -> None:
        self._question = question
        self.derate = dict(question.scenario.performance.derate)
        self.refined = {name: dict(by) for name, by in question.scenario.performance.refined.items()}
        self._kept: dict[str, dict[str, float]] = {}
        self._known: dict[tuple[str, str, int, float], float] = {}

    def question(self) -> Question:
        """Return the question with these rates."""
        changes = {
            "derate": dict(self.derate),
            "refined": {name: dict(by) for name, by in self.refined.items()},
        }
        performance = self._question.scenario.performance.model_copy(update=changes)
        scenario = self._question.scenario.model_copy(update={"performance": performance})
        return replace(self._question, scenario=scenario)

    def keep(self) -> None:
        """Note that the plan with these rates kept its promises (or is the best so far)."""
        self._kept = {name: dict(by) for name, by in self.refined.items()}

    def tighten(self, plan: Plan, missed: Iterable[str]) -> bool:
        """Lower the rates of the workloads that missed.

        A rate that was raised goes half the way back; others to what replays of their pools find, or by a
        step where those find nothing.
        """
        for name in missed:
            lower = False
            for shape, factor in self.refined.get(name, {}).items():
                kept = self._kept.get(name, {}).get(shape, 1.0)
                if factor > kept:
                    self.refined[name][shape] = round(math.sqrt(factor * kept), DECIMALS)
                    lower = True
            if lower:
                continue
            for workload, shape, factor in self._found(plan, 0.0):
                if workload == name and factor < self._now(name, shape):
                    self.refined.setdefault(name, {})[shape] = factor
                    lower = True
            if not lower:
                self.derate[name] = self.derate.get(name, 1.0) * DERATE_STEP
        return True

    def raise_where_it_pays(self, plan: Plan) -> bool:
        """Raise rates that replays find higher, where a pool could then do with a replica less."""
        raised = False
        for workload, shape, factor in self._found(plan, WORTH_A_LOOK):
            if factor > self._now(workload, shape) * LEAST_RAISE:
                self.refined.setdefault(workload, {})[shape] = factor
                raised = True
        return raised

    def _now(self, workload: str, shape: str) -> float:
        return self.refined.get(workload, {}).get(shape, 1.0)

    def _found(self, plan: Plan, worth: float) -> list[tuple[str, str, float]]:
        """What replays of the pools of its busiest period find: (workload, shape, rate over the formulas').

        Pools on a path of two, and workloads without an SLO, are left to the replay of the whole.

        worth: leave out pools that need more than this factor to do with a replica less (0: none).
        """
        context, plan = read_context(plan, self._question.catalog), plan.at_peak()
        pools = pools_of(plan)
        table = ServiceTable(context.setting, pools)
        single = {(r.workload, r.pools[0]) for r in plan.routes if len(r.pools) == 1 and r.rate_rps > 0}
        busy = {name: sum(u.load for u in plan.pools if u.pool == name) for name in pools}
        survives = bool(self._question.scenario.reliability.survive)
        keys: list[tuple[tuple[str, str, int, float], ReplicaModel]] = []
        for used in plan.pools:
            workload = self._question.scenario.workload(used.workload)
            replica = table.replica(used.pool) if (used.workload, used.pool) in single else None
            count = pools[used.pool].count
            if workload.slo is None or objective_at(workload, used.rtt_ms) is None:
                continue
            if replica is None or not replica.fits:
                continue
            if worth and (count < 2 or busy[used.pool] / (count - 1) > worth):
                continue
            # what a failure leaves of a pool has to keep the promise as well
            size = max(count // 2, 1) if survives else count
            size = 1 if workload.burstiness_cv > CALM_CV else size
            key = (used.workload, replica.shape.name, min(size, LARGEST_POOL), used.rtt_ms)
            keys.append((key, replica))
        found: dict[tuple[str, str], float] = {}
        # The lowest rate of a shape counts: small pools and long round trips first. One that is not above the
        # rate of now settles it.
        for key, replica in sorted(keys, key=lambda pair: (pair[0][:2], pair[0][2], -pair[0][3])):
            at = key[:2]
            if worth and found.get(at, math.inf) <= self._now(*at) * LEAST_RAISE:
                continue
            found[at] = min(found.get(at, math.inf), self._factor(key, replica))
        return [(workload, shape, factor) for (workload, shape), factor in found.items()]

    def _factor(self, key: tuple[str, str, int, float], replica: ReplicaModel) -> float:
        """Return the rate that replays of a pool find over that of the formulas, remembered."""
        name, _, size, rtt_ms = key
        if key not in self._known:
            workload = self._question.scenario.workload(name)
            objective = objective_at(workload, rtt_ms)
            assert objective is not None
            profile = request_profile(workload)
            alone = service_columns([replica], profile, [objective])[0][0].rate_rps
            rate = refined_rate(replica, profile, objective, size).rate_rps
            self._known[key] = round(rate / alone, DECIMALS) if alone > 0 else 1.0
        return self._known[key]


def _misses(seen: WorkloadReplay, slo: Slo | None) -> bool:
    """Return whether a replay falls short of the objective by more than chance explains."""
    if slo is None or not seen.requests:
        return False
    if slo.percentile == "mean":
        limits = ((slo.ttft_ms, "ttft"), (slo.tpot_ms, "tpot"), (slo.e2e_ms, "e2e"))
        return any(
            limit is not None and seen.percentile(name, None) > limit * (1 + 1 / math.sqrt(seen.requests))
            for limit, name in limits
        )
    share = float(slo.percentile) / 100.0
    slack = SIGMAS * math.sqrt(share * (1 - share) / seen.requests)
    return seen.attainment < share - slack


def with_replayed(plan: Plan, question: Question, result: ReplayResult) -> Plan:
    """Return the plan with replayed latencies beside the predicted ones."""
    rows = []
    replayed = {route.period for route in plan.at_peak().routes}
    for row in plan.slo:
        if row.period not in replayed:
            rows.append(row)
            continue
        seen = result.workloads[row.workload]
        slo = question.scenario.workload(row.workload).slo
        at = None if slo is None or slo.percentile == "mean" else float(slo.percentile)
        ttft = row.ttft_ms.model_copy(update={"replayed": round(seen.percentile("ttft", at), 3)})
        tpot = row.tpot_ms.model_copy(update={"replayed": round(seen.percentile("tpot", at), 3)})
        rows.append(row.model_copy(update={"ttft_ms": ttft, "tpot_ms": tpot}))
    return plan.model_copy(update={"slo": rows})
