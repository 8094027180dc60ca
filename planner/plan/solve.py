"""The whole way: question -> shapes -> problem -> solution -> plan, verified before anyone sees it."""

from __future__ import annotations

import math
import os
import platform
import time
from collections.abc import Callable, Iterable, Mapping
from dataclasses import asdict, dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import Any

from planner import __version__
from planner.files import content_hash
from planner.optimize.method import solve_problem
from planner.optimize.problem import Problem
from planner.optimize.solution import Keeper, Listener, Settings, Solution, relative_gap
from planner.performance.version import model_version
from planner.plan.assemble import Assembly, assemble
from planner.plan.books import keep_books
from planner.plan.content import Setting
from planner.plan.diagnosis import Infeasible, diagnosis, unservable
from planner.plan.edit import edited
from planner.plan.objective import stated
from planner.plan.placement import placed
from planner.plan.repair import repaired
from planner.plan.reuse import Reuse, start_values
from planner.plan.survival import Losses, with_losses
from planner.plan.types import PeriodPlan, Plan, ScenarioFile
from planner.plan.unfold import Standing, unfold
from planner.plan.verify import verify
from planner.plan.verify.violation import Violation
from planner.scenario import Solver
from planner.topology import Question, load_question

MOST_ROUNDS = 12
"""How often a plan whose replicas do not survive where they stand is solved again."""

TIGHTER = 4.0
"""Part of the gap asked for that later rounds search with."""

DIAGNOSIS_S = 60.0
"""Time to look for the reason when there is no plan."""

Stage = Callable[[str], None]


class NoPlan(Exception):
    """There is no plan: `infeasible` says why; None when the search was stopped without one."""

    def __init__(self, infeasible: Infeasible | None) -> None:
        self.infeasible = infeasible
        super().__init__(
            "the search was stopped before a plan was found: give it more time (solver.time_limit_s)"
            if infeasible is None
            else infeasible.summary()
        )


class BrokenPlan(AssertionError):
    """The verifier refused the plan: a defect of the planner, never of the question."""


@dataclass(frozen=True)
class Hooks:
    """What a caller wants to hear: stages by name, incumbents and bounds of the search.

    keeper: remembers how far the search has come, to continue it when it is interrupted.
    """

    stage: Stage = lambda _: None
    search: Listener | None = None
    keeper: Keeper | None = None


def solve(
    source: str | Path | Mapping[str, Any] | Question,
    overrides: Iterable[str] = (),
    hooks: Hooks | None = None,
    reuse: Reuse | None = None,
    diagnosis_s: float = DIAGNOSIS_S,
) -> Plan:
    """Return the cheapest plan of a scenario (a path, plain data, or a loaded question).

    Args:
        source: what to solve.
        overrides: changes to a path or data, each `path=value`.
        hooks: told about the progress.
        reuse: what earlier solves left; this one adds to it.
        diagnosis_s: longest search for the reason when there is no plan; 0: no ways out are looked for.

    Raises:
        InputFaults: the scenario or its topology is wrong.
        NoPlan: no plan exists (with the reason), or none was found in time.
    """
    hooks = hooks or Hooks()
    hooks.stage("reading the scenario")
    question = source if isinstance(source, Question) else load_question(source, overrides)
    started = time.perf_counter()
    hooks.stage("enumerating and timing replica shapes")
    reuse = reuse or Reuse()
    assembly = assemble(question, reuse.timings)
    settings = search_settings(question.scenario.solver)
    missing = unservable(assembly)
    if missing is not None:
        if diagnosis_s > 0:
            hooks.stage("looking for what would make it possible")
            missing = _reason(assembly, reuse, Losses(), diagnosis_s, settings.workers)
        raise NoPlan(missing)
    losses = Losses()
    losses.state(reuse.losses, assembly)
    start = None if reuse.plan is None else start_values(reuse.plan, assembly)
    mattered = reuse.mattered
    bound = -math.inf
    best: tuple[Solution, Plan] | None = None
    idle = 0

    def checked(solution: Solution, standing: Standing | None = None) -> tuple[Plan, list[Violation]]:
        stated = with_bound(solution, bound, settings)
        plan = to_plan(assembly, stated, time.perf_counter() - started, standing)
        return plan, verify(plan)

    for _ in range(MOST_ROUNDS):
        hooks.stage("solving")
        problem = with_losses(assembly.problem, losses)
        # Where a plan is missing little to its bound, half of that may be the search's own gap.
        gap = settings.relative_gap / (1 if best is None else TIGHTER)
        closer = replace(settings, relative_gap=gap)
        solution = solve_problem(problem, closer, hooks.search, start, hooks.keeper, mattered)
        if solution.status == "infeasible" and losses.valid:
            hooks.stage("looking for the reason why there is no plan")
            raise NoPlan(_reason(assembly, reuse, losses, diagnosis_s, settings.workers))
        if not solution.values:
            break
        start, mattered = solution.values, solution.mattered
        if losses.valid:
            bound = max(bound, solution.bound)
        hooks.stage("placing servers and replicas, verifying")
        plan, violations = checked(solution)
        unsurvived = [violation for violation in violations if violation.family == "reliability"]
        if len(unsurvived) < len(violations):
            raise BrokenPlan("\n".join(str(violation) for violation in violations[:20]))
        found: tuple[Solution, Plan] | None = (solution, plan)
        if violations:
            found = _mended(problem, assembly, solution, plan, checked, settings)
        idle += 1
        if found is not None and (best is None or found[0].objective < best[0].objective):
            best, idle = found, 0
        late = time.perf_counter() - started > settings.time_limit_s and not settings.reproducible
        if not violations or (best is not None and (_proven(best[0], bound, settings) or late or idle > 1)):
            break
        if not losses.add_from(plan, assembly, unsurvived):
            break
    if best is None and not solution.values:
        raise NoPlan(None)
    if best is None:
        raise BrokenPlan("no placement was found that survives the failures asked for")
    plan = replaced_bound(best[1], with_bound(best[0], bound, settings))
    reuse.plan, reuse.losses = plan, reuse.losses | losses.named(assembly)
    reuse.mattered = mattered
    return plan


Checked = Callable[[Solution, Standing | None], tuple[Plan, list[Violation]]]


def _mended(
    problem: Problem,
    assembly: Assembly,
    solution: Solution,
    plan: Plan,
    checked: Checked,
    settings: Settings,
) -> tuple[Solution, Plan] | None:
    """Return a solution on the same servers whose plan survives as placed, None if none is found."""
    again = placed(assembly, solution, plan, settings)
    if again is not None:
        found, violations = checked(again.solution, again.standing)
        if not violations:
            return again.solution, found
    return repaired(problem, solution, plan, lambda grown: checked(grown, None))


def _proven(solution: Solution, bound: float, settings: Settings) -> bool:
    return relative_gap(solution.objective, bound) <= settings.relative_gap


TRIAL = ("solver.time_limit_s=15", "solver.relative_gap=0.05")
"""Effort of the solves that try ways out."""


def _reason(assembly: Assembly, reuse: Reuse, losses: Losses, diagnosis_s: float, workers: int) -> Infeasible:
    """Return why a question has no plan, as far as that is found in time."""
    if diagnosis_s <= 0:
        return Infeasible(conflict=[], minimal=False, relaxations=[])

    def trial(question: Question) -> Plan | None:
        try:
            return solve(edited(question, TRIAL), reuse=Reuse(timings=reuse.timings), diagnosis_s=0.0)
        except (NoPlan, BrokenPlan):
            return None

    return diagnosis(
        assembly,
        trial,
        timings=reuse.timings,
        time_limit_s=diagnosis_s,
        workers=workers,
        losses=losses.named(assembly),
    )


def with_bound(solution: Solution, bound: float, settings: Settings) -> Solution:
    """Return the solution with the best bound of the programs that every plan has to keep."""
    if not math.isfinite(bound):
        return solution
    value = min(int(bound), solution.objective)
    goals = (replace(solution.goals[0], bound=min(value, solution.goals[0].value)), *solution.goals[1:])
    status = "optimal" if relative_gap(solution.objective, value) <= settings.relative_gap else "feasible"
    return replace(solution, bound=value, status=status, goals=goals)


def replaced_bound(plan: Plan, solution: Solution) -> Plan:
    """Return the plan with what was proven since it was made."""
    stated_bound = stated(solution.bound, solution.goals[0].unit)[0]
    goals = [asdict(goal) for goal in solution.goals]
    return plan.model_copy(
        update={
            "status": "optimal" if solution.status == "optimal" else "feasible",
            "bound": stated_bound,
            "gap": round(solution.gap, 9),
            "solver": {**plan.solver, "goals": goals},
        }
    )


def search_settings(solver: Solver) -> Settings:
    """Return the search settings of a scenario; workers 0 means all cores."""
    return Settings(
        time_limit_s=solver.time_limit_s,
        relative_gap=solver.relative_gap,
        seed=solver.seed,
        workers=solver.workers or os.cpu_count() or 1,
        reproducible=solver.reproducible,
        method=solver.method,
    )


def stated_periods(setting: Setting) -> list[PeriodPlan]:
    """Return the periods as a plan states them, with the factors that demands are planned with."""
    workloads = [workload for workload in setting.scenario.workloads if workload.tier != "batch"]
    return [
        PeriodPlan(
            name=period.name,
            hours=list(period.hours),
            factors={workload.name: setting.day.factor(workload, period) for workload in workloads},
        )
        for period in setting.day.periods
    ]


def to_plan(assembly: Assembly, solution: Solution, seconds: float, standing: Standing | None = None) -> Plan:
    """Return the plan of a solution, every derived figure filled in.

    standing: which replicas stand on which server, where that is decided.
    """
    question = assembly.question
    parts = unfold(assembly, solution, standing)
    setting = Setting(question.scenario, assembly.graph, question.catalog, assembly.day)
    books = keep_books(parts, setting)
    unit = solution.goals[0].unit
    document = question.scenario.document
    scenario = question.scenario.model_dump(mode="json")
    topology = question.topology.model_dump(mode="json")
    return Plan(
        scenario=scenario,
        scenario_file=ScenarioFile(
            path=None if document is None or document.path is None else document.path.name,
            sha256=content_hash(scenario),
        ),
        topology=topology,
        status="optimal" if solution.status == "optimal" else "feasible",
        objective=stated(solution.objective, unit)[0],
        bound=stated(solution.bound, unit)[0],
        gap=round(solution.gap, 9),
        cost=books.cost,
        servers=books.servers,
        retrofitted_racks=parts.retrofitted_racks,
        replicas=parts.replicas,
        periods=stated_periods(setting),
        routes=parts.routes,
        unserved=parts.unserved,
        spares=parts.spares,
        pools=parts.pools,
        ledgers=books.ledgers,
        slo=books.slo,
        metrics=books.metrics,
        solver={
            "method": question.scenario.solver.method,
            "seconds": round(seconds, 3),
            "seed": question.scenario.solver.seed,
            "relative_gap": question.scenario.solver.relative_gap,
            "goals": [asdict(goal) for goal in solution.goals],
            "stages": [dict(stage) for stage in solution.stages],
        },
        provenance={
            "planner": __version__,
            "ortools": version("ortools"),
            "python": platform.python_version(),
            "scenario_sha256": content_hash(scenario),
            "topology_sha256": content_hash(topology),
            "catalog_sha256": question.catalog.hash,
            "performance_model": model_version(),
        },
    )
