"""The files of a procurement: tables, a summary, decisions to start from, the report."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pandas as pd

from planner import __version__
from planner.files import write_json_atomic
from planner.study.procure.measures import Interval
from planner.study.procure.run import DECISIONS, Procurement, decisions
from planner.study.procure.schedule import Record, Schedule
from planner.study.store import question_key, write_table

SUMMARY = "procurement.json"
INFEASIBLE_FILE = "infeasible.json"


def write_tables(found: Procurement, folder: Path) -> None:
    """Write everything that is known so far; each file is written whole or not at all."""
    folder.mkdir(parents=True, exist_ok=True)
    if found.shortage is not None:
        write_json_atomic(folder / INFEASIBLE_FILE, found.shortage.record())
    else:
        (folder / INFEASIBLE_FILE).unlink(missing_ok=True)
    if found.solved is None or found.solved.values is None:
        return
    for name, rows in tables_of(found).items():
        write_table(pd.DataFrame(rows), folder, name)
    write_json_atomic(folder / DECISIONS, decisions(found.solved.built, found.solved.values))
    write_json_atomic(folder / SUMMARY, summary(found))


def tables_of(found: Procurement) -> dict[str, list[Record]]:
    """Return every table by name."""
    assert found.solved is not None
    tables = found.tables or Schedule(found.solved).tables()
    regrets = regret_rows(found)
    tables = {**tables, "regrets": regrets} if regrets else dict(tables)
    return {**tables, "plans": [plan.record() for plan in found.plans]} if found.plans else tables


def regret_rows(found: Procurement) -> list[Record]:
    """Return one row for each way to go: expected cost, cost and regret in each future."""
    measures = found.measures
    if measures is None:
        return []
    rows: list[Record] = []
    for way in (measures.plan, *measures.alternatives):
        regrets = measures.regrets(way)
        row: Record = {"way": way.name, "expected_usd": _cents(way.expected)}
        costs = way.costs
        for at, name in enumerate(measures.futures):
            row[f"cost_{name}_usd"] = None if costs is None else _cents(float(costs[at]))
        for at, name in enumerate(measures.futures):
            row[f"regret_{name}_usd"] = None if regrets is None else _cents(max(0.0, float(regrets[at])))
        row["largest_regret_usd"] = None if regrets is None else _cents(max(0.0, float(regrets.max())))
        rows.append({**row, "why_not": way.reason})
    best: Record = {"way": "the best of each future", "expected_usd": _cents(measures.wait_and_see)}
    for at, name in enumerate(measures.futures):
        best |= {f"cost_{name}_usd": _cents(float(measures.best[at])), f"regret_{name}_usd": 0.0}
    return [*rows, {**best, "largest_regret_usd": 0.0, "why_not": "needs to know the future"}]


def plans_summary(found: Procurement) -> dict[str, Any] | None:
    """Return what the full plans of the moments showed, None if none was asked for."""
    if found.plans_refused:
        return {"refused": found.plans_refused}
    if not found.plans:
        return None
    more = [max(0.0, plan.unserved - plan.planned) for plan in found.plans]
    return {
        "moments": len(found.plans),
        "verified": sum(plan.plan is not None and not plan.violations for plan in found.plans),
        "largest_unserved_share": round(max(plan.unserved for plan in found.plans), 6),
        "largest_unserved_share_beyond_the_schedule": round(max(more), 6),
    }


def _cents(usd: float | None) -> float | None:
    return None if usd is None or not math.isfinite(usd) else round(usd, 2)


def _interval(interval: Interval | None) -> dict[str, float | None] | None:
    if interval is None:
        return None
    return {"low": _cents(interval.low), "high": _cents(interval.high)}


def summary(found: Procurement) -> dict[str, Any]:
    """Return what procurement.json holds."""
    solved, study, measures = found.solved, found.study, found.measures
    assert solved is not None
    tree = solved.built.setting.tree
    futures = [tree.moments[leaf].branch for leaf in tree.leaves]
    schedule = Schedule(solved)
    record: dict[str, Any] = {
        "study": study.name,
        "status": solved.status if found.finished or found.tables else "stopped",
        "aim": study.objective,
        "objective_usd": _cents(solved.objective),
        "bound_usd": _cents(solved.bound),
        "gap": round(solved.gap, 6),
        "expected_usd": _cents(solved.expected),
        "cvar": {"level": study.cvar_level, "usd": _cents(found.risk)},
        "futures": [
            {"name": name, "probability": float(p), "cost_usd": _cents(float(cost))}
            for name, p, cost in zip(futures, solved.built.probabilities(), solved.costs, strict=True)
        ],
        "most_accelerators": max(schedule.accelerators(q) for q in range(len(tree.moments))),
        "checked": {"violations": list(found.violations)} if found.tables else None,
        "plans": plans_summary(found),
    }
    if measures is not None:
        mean = measures.alternative("plan for the mean")
        record |= {
            "wait_and_see_usd": _cents(measures.wait_and_see),
            "plan_for_the_mean_usd": None if mean is None else _cents(mean.expected),
            "value_of_perfect_information_usd": _interval(measures.expected_information_value),
            "value_of_the_stochastic_solution_usd": _interval(measures.stochastic_solution_value),
        }
    record["seconds"] = {
        "reading_and_timing": round(found.assembled_s, 2),
        "search": round(found.search_s, 2),
        "all": round(found.seconds, 2),
    }
    return {**record, "planner": __version__, "question": question_key(found.question)}
