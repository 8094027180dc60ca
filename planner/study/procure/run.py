"""A procurement from the study file to its results: solve, compare, check, keep.

What is there is kept as it comes: the first plan within seconds, every better one, the alternatives one by
one. An interrupted run leaves the best plan it had.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from planner.files import InputFaults
from planner.optimize.program import Floats
from planner.plan.assemble import assemble
from planner.shapes import Timings
from planner.study.procure.aims import Risk, conditional_value_at_risk
from planner.study.procure.audit import audit
from planner.study.procure.deployment import Deployment, deployment
from planner.study.procure.market import Market
from planner.study.procure.measures import Alternative, Measures, best_of_each, measure
from planner.study.procure.program import Built, build
from planner.study.procure.schedule import Record, Schedule
from planner.study.procure.search import Effort, Solved, Tell, minimize
from planner.study.procure.setting import Setting, dated_node
from planner.study.procure.shortage import Shortage, shortage
from planner.study.procure.study import ProcureStudy
from planner.study.procure.tree import build_tree
from planner.study.procure.unfold import CannotUnfold, Unfolded, unfold
from planner.study.store import question_key
from planner.study.study_file import Opened
from planner.topology import Question


@dataclass
class Procurement:
    """What is known so far; fields are filled as the run goes on.

    violations: what the independent check found wrong with the plan. plans: of its moments, if asked for;
    plans_refused: why there are none. search_s: seconds from the finished
    program to the plan; seconds: of everything.
    """

    opened: Opened[ProcureStudy]
    question: Question
    setting: Setting | None = None
    solved: Solved | None = None
    tables: dict[str, list[Record]] = field(default_factory=dict)
    violations: list[str] = field(default_factory=list)
    measures: Measures | None = None
    shortage: Shortage | None = None
    plans: list[Unfolded] = field(default_factory=list)
    plans_refused: str = ""
    finished: bool = False
    assembled_s: float = 0.0
    search_s: float = 0.0
    seconds: float = 0.0

    @property
    def study(self) -> ProcureStudy:
        """The study."""
        return self.opened.study

    @property
    def risk(self) -> float | None:
        """CVaR of the plan at the study's level, USD; None without a plan."""
        if self.solved is None or self.solved.values is None:
            return None
        probabilities = self.solved.built.probabilities()
        return conditional_value_at_risk(self.solved.costs, probabilities, self.study.cvar_level)


TIMING = "timing servers and laying out sites"
"""What comes before the program; told as a stage."""

Heard = Callable[[Procurement], None]
"""Given the procurement whenever something worth keeping was added."""


@dataclass
class Kept:
    """What one run leaves to the next in the same session: timed shapes, and places by question."""

    timings: Timings = field(default_factory=Timings)
    places: dict[str, Deployment] = field(default_factory=dict)


def setting_of(
    opened: Opened[ProcureStudy], question: Question | None = None, kept: Kept | None = None
) -> Setting:
    """Return what a study asks.

    Raises:
        InputFaults: something is said to come online later that limits nothing.
    """
    asked = opened.question() if question is None else question
    study = opened.study
    kept = Kept() if kept is None else kept
    key = f"{question_key(asked)}/{study.reserve!r}/{study.unserved_usd_per_request!r}"
    places = kept.places.get(key)
    if places is None:
        assembly = assemble(asked, kept.timings)
        places = deployment(assembly, study.reserve, study.unserved_usd_per_request)
        kept.places[key] = places
    names = [workload.name for workload in asked.scenario.workloads]
    servers = list(dict.fromkeys([*places.types, *asked.scenario.fleet.buy]))
    setting = Setting(study, places, build_tree(study, names, servers), Market(study, asked))
    dated = {dated_node(limit) for limit in places.limits}
    faults = [
        opened.document.fault(("online", at, "at"), f"'{online.at}'", "a node that limits something")
        for at, online in enumerate(study.online)
        if online.at not in dated
    ]
    if faults:
        raise InputFaults(faults)
    return setting


def run_procure(
    opened: Opened[ProcureStudy],
    *,
    tell: Tell = lambda stage, cost, bound: None,
    heard: Heard = lambda found: None,
    kept: Kept | None = None,
    base: Path | None = None,
    plans: Path | None = None,
) -> Procurement:
    """Return the cheapest plan of a study with its alternatives.

    Args:
        opened: the study.
        tell: told where the run is.
        heard: given the results so far whenever there are new ones.
        kept: what runs before it left; this one adds to it.
        base: folder of an earlier run of a study with the same periods, futures and places, to start from.
        plans: folder for a full plan of every moment, made and verified one by one; None: none is made.

    Raises:
        InputFaults: something is said to come online later that limits nothing.
    """
    began = time.perf_counter()
    study = opened.study
    question = opened.question()
    found = Procurement(opened, question)
    tell(TIMING, None, None)
    setting = found.setting = setting_of(opened, question, kept)
    found.assembled_s = time.perf_counter() - began
    built = build(setting)

    def keep(solved: Solved) -> None:
        found.solved = solved
        found.search_s = time.perf_counter() - began - found.assembled_s
        found.seconds = time.perf_counter() - began
        heard(found)

    effort = Effort(study.time_limit_s, study.relative_gap, tell, keep)
    later = Effort(study.time_limit_s, study.relative_gap, tell)
    alone: list[Alternative] = []
    risk = Risk(study.cvar_level, study.cvar_weight)
    if study.objective == "regret":
        alone = best_of_each(setting, later)
        costs = [np.inf if a.expected is None else a.expected for a in alone]
        if np.all(np.isfinite(costs)):
            risk = Risk(study.cvar_level, study.cvar_weight, np.array(costs))
    hint = None if base is None else earlier_decisions(built, base)
    solved = minimize(built, effort, study.objective, risk=risk, hint=hint)
    found.solved = solved
    found.search_s = time.perf_counter() - began - found.assembled_s
    if solved.values is None:
        if solved.status == "infeasible":
            tell("looking for the reason why there is no plan", None, None)
            found.shortage = shortage(setting)
        return _done(found, began)
    found.tables = Schedule(solved).tables()
    tell("checking every row of the plan", solved.objective, solved.bound)
    names = [setting.tree.moments[leaf].branch for leaf in setting.tree.leaves]
    stated = dict(zip(names, solved.costs.tolist(), strict=True))
    found.violations = audit(study, question, setting.places, found.tables, stated)
    found.seconds = time.perf_counter() - began
    heard(found)
    if study.alternatives:

        def compared(measures: Measures) -> None:
            found.measures = measures
            found.seconds = time.perf_counter() - began
            heard(found)

        alone = alone or best_of_each(setting, later, solved)
        is_expected = study.objective == "expected"
        found.measures = measure(solved, alone, later, compared, expected_aim=is_expected)
    if plans is not None:
        try:
            for plan in unfold(Schedule(solved), plans, lambda words: tell(words, None, None)):
                found.plans.append(plan)
                found.seconds = time.perf_counter() - began
                heard(found)
        except CannotUnfold as error:
            found.plans_refused = str(error)
    return _done(found, began)


def _done(found: Procurement, began: float) -> Procurement:
    found.finished = True
    found.seconds = time.perf_counter() - began
    return found


def earlier_decisions(built: Built, folder: Path) -> Floats | None:
    """Return the decisions that a run left in a folder, None if there are none or they do not fit."""
    path = folder / DECISIONS
    if not path.is_file():
        return None
    try:
        stored = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        return None
    values = np.zeros(len(built.arrays.cost))
    for q, moment in enumerate(built.setting.tree.moments):
        for kind in built.decisions.kinds:
            columns = built.decisions(kind, q)
            known = stored.get(f"{kind}@{moment.name}") if isinstance(stored, dict) else None
            if not isinstance(known, list) or len(known) != len(columns):
                return None
            values[columns] = known
    return values


DECISIONS = "decisions.json"
"""File of the decisions by kind and moment."""


def decisions(built: Built, values: Floats) -> dict[str, list[float]]:
    """Return the values by kind and moment: what a later run of a similar study can start from."""
    return {
        f"{kind}@{moment.name}": [round(float(v), 6) for v in values[built.decisions(kind, q)]]
        for q, moment in enumerate(built.setting.tree.moments)
        for kind in built.decisions.kinds
    }
