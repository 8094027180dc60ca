"""The whole way: question -> shapes -> problem -> solution -> plan, verified before anyone sees it."""

from __future__ import annotations

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
from planner.optimize.solution import Keeper, Listener, Settings, Solution, relative_gap
from planner.plan.assemble import Assembly, assemble
from planner.plan.books import keep_books
from planner.plan.content import Setting
from planner.plan.diagnosis import Infeasible, diagnosis, unservable
from planner.plan.edit import edited
from planner.plan.objective import stated
from planner.plan.repair import repaired
from planner.plan.reuse import Reuse, start_values
from planner.plan.survival import Losses, with_losses
from planner.plan.types import PeriodPlan, Plan, ScenarioFile
from planner.plan.unfold import unfold
from planner.plan.verify import verify
from planner.plan.verify.violation import Violation
from planner.scenario import Solver
from planner.topology import Question, load_question

MOST_ROUNDS = 12
"""How often a plan whose replicas do not survive where they stand is solved again."""

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
    bound: int | None = None
    mended: tuple[Solution, Plan] | None = None

    def checked(solution: Solution) -> tuple[Plan, list[Violation]]:
        plan = to_plan(assembly, with_bound(solution, bound, settings), time.perf_counter() - started)
        return plan, verify(plan)

    for _ in range(MOST_ROUNDS):
        hooks.stage("solving")
        problem = with_losses(assembly.problem, losses)
        solution = solve_problem(problem, settings, hooks.search, start, hooks.keeper)
        if solution.status == "infeasible":
            hooks.stage("looking for the reason why there is no plan")
            raise NoPlan(_reason(assembly, reuse, losses, diagnosis_s, settings.workers))
        if solution.status == "unknown":
            raise NoPlan(None)
        start = solution.values
        if losses.valid:
            bound = solution.bound
        hooks.stage("placing servers and replicas, verifying")
        plan, violations = checked(solution)
        if not violations:
            if mended is None or solution.objective <= mended[0].objective:
                mended = (solution, plan)
            break
        unsurvived = [violation for violation in violations if violation.family == "reliability"]
        if len(unsurvived) < len(violations):
            raise BrokenPlan("\n".join(str(violation) for violation in violations[:20]))
        found = repaired(problem, solution, plan, checked)
        if found is not None and (mended is None or found[0].objective < mended[0].objective):
            mended = found
        if mended is not None and mended[1].status == "optimal":
            break
        if not losses.add_from(plan, assembly, unsurvived):
            break
    if mended is None:
        raise BrokenPlan("no placement was found that survives the failures asked for")
    plan = mended[1]
    reuse.plan, reuse.losses = plan, reuse.losses | losses.named(assembly)
    return plan


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


def with_bound(solution: Solution, bound: int | None, settings: Settings) -> Solution:
    """Return the solution with the bound of the last program that every plan has to keep."""
    if bound is None or bound >= solution.bound:
        return solution
    proven = relative_gap(solution.objective, bound) <= settings.relative_gap
    return replace(solution, bound=bound, status="optimal" if proven else "feasible")


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


def to_plan(assembly: Assembly, solution: Solution, seconds: float) -> Plan:
    """Return the plan of a solution, every derived figure filled in."""
    question = assembly.question
    parts = unfold(assembly, solution)
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
        },
    )
