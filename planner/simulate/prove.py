"""Plan, replay, tighten: until the replay of a plan keeps the promises that it was sized for."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from planner.plan.solve import Hooks, solve
from planner.plan.types import Plan
from planner.scenario import Slo
from planner.simulate.replay import CannotReplay, replay_plan
from planner.simulate.result import ReplayResult, WorkloadReplay
from planner.topology import Question, load_question

MOST_ROUNDS = 4
"""How often a plan is tightened; after that the last one is returned with what its replay showed."""

DERATE_STEP = 0.93
"""Share of its rate that a replica keeps after a replay that missed; several rounds multiply."""

SIGMAS = 3.0
"""Attainment may fall short of the percentile by this many standard deviations of a sample of so many
requests before it counts as missed."""

LARGEST_FLEET = 2_000
"""Accelerators of a plan up to which it is replayed unless asked not to: a replay takes seconds then."""


@dataclass(frozen=True)
class Proved:
    """A plan with what its replay showed.

    result: None where the plan was not replayed (`why_not` says why). rounds: plans tried. missed: workloads
    whose replay still misses the SLO.
    """

    plan: Plan
    result: ReplayResult | None
    rounds: int
    missed: tuple[str, ...]
    why_not: str = ""


def solve_and_replay(
    source: str | Path | Mapping[str, Any] | Question,
    overrides: Iterable[str] = (),
    hooks: Hooks | None = None,
    *,
    seed: int = 0,
    largest: int = LARGEST_FLEET,
) -> Proved:
    """Solve a scenario, replay the plan, and solve again with lower rates while the replay misses an SLO.

    Args:
        source: scenario path, plain data or a loaded question.
        overrides: `path=value` changes.
        hooks: told stages and the progress of the search.
        seed: of the replay.
        largest: plans with more accelerators are not replayed.

    Raises:
        InputFaults: the scenario or its topology is wrong.
        NoPlan: no plan exists, or none was found in time.
    """
    hooks = hooks or Hooks()
    question = source if isinstance(source, Question) else load_question(source, overrides)
    derate = dict(question.scenario.performance.derate)
    for number in range(1, MOST_ROUNDS + 1):
        plan = solve(_derated(question, derate), hooks=hooks)
        if plan.metrics.accelerators > largest:
            return Proved(plan, None, number, (), f"it has more than {largest:,} accelerators")
        hooks.stage("replaying the plan")
        try:
            result = replay_plan(plan, seed=seed, catalog=question.catalog)
        except CannotReplay as reason:
            return Proved(plan, None, number, (), str(reason))
        missed = tuple(
            name
            for name, seen in result.workloads.items()
            if _misses(seen, question.scenario.workload(name).slo)
        )
        if not missed or number == MOST_ROUNDS:
            return Proved(with_replayed(plan, question, result), result, number, missed)
        for name in missed:
            derate[name] = derate.get(name, 1.0) * DERATE_STEP
    raise AssertionError("the last round returns")


def _derated(question: Question, derate: Mapping[str, float]) -> Question:
    """Return the question with the share of predicted rates that may be used."""
    performance = question.scenario.performance.model_copy(update={"derate": dict(derate)})
    scenario = question.scenario.model_copy(update={"performance": performance})
    return replace(question, scenario=scenario)


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
