"""Solve one job inside a worker process and turn whatever happens into a message."""

from __future__ import annotations

import json
import time
import traceback
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from planner.batch.checkpoint import Checkpoint
from planner.batch.job import FilesChanged, question_of
from planner.batch.limits import Limits
from planner.batch.messages import Ended, Progressed, Task
from planner.files import InputFaults
from planner.optimize.solution import Progress
from planner.plan.reuse import Reuse
from planner.plan.solve import Hooks, NoPlan, solve
from planner.plan.types import Plan
from planner.shapes import KeptTimings
from planner.topology import Question

MICRO = 1e-6
"""Micro-USD per hour to USD per hour."""

_timings = KeptTimings()
"""Shapes timed by earlier jobs of this process: most jobs of a batch differ in what does not change them."""


def solve_task(task: Task, tell: Callable[[Progressed], None], checkpoint: Checkpoint) -> Ended:
    """Return what becomes of a job; only the end of the process keeps it from returning.

    Plans never depend on which jobs were solved before: only times of shapes are reused.

    Raises:
        MemoryError: after it the process should not go on.
    """
    began = time.perf_counter()
    try:
        question = limited(question_of(task.document), task.limits)
        hooks = _hooks(task.key, question, tell, checkpoint)
        plan = solve(question, (), hooks, Reuse(timings=_timings))
    except NoPlan as no_plan:
        seconds = time.perf_counter() - began
        found = no_plan.infeasible
        if found is None:
            return Ended(task.key, "stopped", seconds, str(no_plan))
        reason = "; ".join(row.text for row in found.conflict) or "the promises collide"
        answer = json.dumps(found.record(), indent=2, ensure_ascii=False) + "\n"
        return Ended(task.key, "infeasible", seconds, reason, answer=answer)
    except (InputFaults, FilesChanged) as error:
        return Ended(task.key, "failed", time.perf_counter() - began, str(error))
    except MemoryError:
        raise
    except Exception as error:
        text = f"{type(error).__name__}: {error}\n{traceback.format_exc()}"
        return Ended(task.key, "failed", time.perf_counter() - began, text)
    answer = json.dumps(plan.model_dump(mode="json"), indent=2, ensure_ascii=False, allow_nan=False) + "\n"
    return Ended(
        task.key,
        plan.status,
        time.perf_counter() - began,
        objective=plan.objective,
        bound=plan.bound,
        gap=plan.gap,
        figures=figures(plan),
        answer=answer,
    )


def limited(question: Question, limits: Limits) -> Question:
    """Return the question with the threads and the search time it may use."""
    solver = question.scenario.solver
    allowed = {
        "workers": min(solver.workers or limits.threads, limits.threads),
        "time_limit_s": limits.search_s(solver.model_dump()),
    }
    scenario = question.scenario.model_copy(update={"solver": solver.model_copy(update=allowed)})
    return replace(question, scenario=scenario)


def _hooks(key: str, question: Question, tell: Callable[[Progressed], None], checkpoint: Checkpoint) -> Hooks:
    """Return hooks that pass on stages, and incumbents where cost is the only goal."""
    began = time.perf_counter()
    in_money = question.scenario.objective.goals == [("minimize", "cost")]

    def stage(name: str) -> None:
        tell(Progressed(key, name, time.perf_counter() - began))

    def search(progress: Progress) -> None:
        seconds = time.perf_counter() - began
        if in_money:
            incumbent = None if progress.incumbent is None else progress.incumbent * MICRO
            tell(Progressed(key, "searching", seconds, incumbent, progress.bound * MICRO))
        else:
            tell(Progressed(key, "searching", seconds))

    return Hooks(stage, search, checkpoint)


def figures(plan: Plan) -> dict[str, Any]:
    """Return the figures of a plan that the table of results shows."""
    return {
        "usd_per_h": plan.cost.total,
        **plan.metrics.model_dump(),
        "unserved_rps": round(plan.unserved_rps(), 6),
    }
