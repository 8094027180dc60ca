"""Levers of what workloads and tenants are promised: rates, least shares, replicas, adapters, quotas."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Any

from planner.optimize.program import Arrays
from planner.plan.assemble import Assembly
from planner.plan.diagnosis.lever import Lever, shown, stating
from planner.scenario import Scenario
from planner.topology import Question

MANY = 1_000_000
"""Replicas that no plan has."""

OWN = ("minimum/", "replicas/", "lora/", "quota/")
"""How the names of rows begin that are promises of these kinds."""

LEAST_RPS = 0.0
"""A rate that asks for nothing."""

QUOTAS = {
    "accelerators": ("accelerators", "keep at most {} accelerators busy"),
    "rps": ("requests/s", "are served at most {} requests/s"),
    "usd_per_h": ("USD/h", "cost at most {} USD/h"),
}
"""Limits of a tenant: unit, and the promise."""


def demand_levers(assembly: Assembly, arrays: Arrays) -> Iterator[Lever]:
    """Yield one lever for each workload that must be served."""
    names = assembly.problem.demands.names
    workload_of = {name: demand.workload for name, demand in zip(names, assembly.demands, strict=True)}
    bounds: dict[str, dict[str, float]] = defaultdict(dict)
    origins: dict[str, list[str]] = defaultdict(list)
    for i, name in enumerate(names):
        if assembly.problem.demands.unserved_cost[i] < 0 or assembly.problem.failures is not None:
            origins[workload_of[name]].append(assembly.demands[i].origin)
    for r, row in enumerate(arrays.rows):
        if not row.is_promise or row.family not in ("demand", "reliability"):
            continue
        if row.name.startswith("minimum/"):
            continue
        name = row.name.removeprefix("demand/") if row.family == "demand" else ""
        name = name or row.name.rsplit("/demand/", 1)[-1]
        workload = workload_of.get(name)
        if workload in origins:
            bounds[str(workload)][row.name] = float(arrays.row_lower[r])
    for workload, from_where in origins.items():
        rate = assembly.question.scenario.workload(workload).rate_rps
        path = f"workloads.{workload}.rate_rps"
        origin = from_where[0] if len(from_where) == 1 else "*"
        yield Lever(
            row=f"demand/{workload}/{origin}",
            kind="demand",
            path=path,
            stated=rate,
            unit="requests/s",
            end=LEAST_RPS,
            says=f"{workload}: {shown(rate)} requests/s must be served",
            subject=f"`{workload}`",
            edit=stating(path),
            dropped=(f"{path}=0",),
            up=False,
            gives={name: bound / rate for name, bound in bounds[workload].items()}
            | _gone_with(assembly.question, workload, arrays),
        )


def _gone_with(question: Question, workload: str, arrays: Arrays) -> dict[str, float]:
    """Return rows that are gone once nothing of a workload is asked for, but do not move with its rate.

    Adapters that no other workload of the LLM asks for.
    """
    source = f"workloads.{workload}.loras"
    asking = [one.name for one in question.scenario.workloads if one.loras and one.rate_rps > 0]
    own = question.scenario.workload(workload).llms[0]
    alone = not any(name != workload and question.scenario.workload(name).llms[0] == own for name in asking)
    return {row.name: 0.0 for row in arrays.rows if alone and row.source == source}


def promised_levers(assembly: Assembly, arrays: Arrays) -> Iterator[Lever]:
    """Yield one lever for each field that states rows of these kinds."""
    scenario = assembly.question.scenario
    rows: dict[str, list[int]] = defaultdict(list)
    for r, row in enumerate(arrays.rows):
        if row.is_promise and row.name.startswith(OWN):
            rows[row.source].append(r)
    for path, numbers in rows.items():
        names = [arrays.rows[r].name for r in numbers]
        lower = {arrays.rows[r].name: float(arrays.row_lower[r]) for r in numbers}
        upper = {arrays.rows[r].name: float(arrays.row_upper[r]) for r in numbers}
        kind = names[0].split("/")[0]
        if kind == "minimum":
            yield _minimum(scenario, path, names, lower)
        elif kind == "quota":
            yield _quota(scenario, path, names, upper)
        elif kind == "lora":
            yield _adapters(scenario, path, names)
        else:
            yield _replicas(scenario, path, names)


def _minimum(scenario: Scenario, path: str, names: list[str], bounds: dict[str, float]) -> Lever:
    name = path.split(".")[1]
    share = scenario.workload(name).minimum_served or 0.0
    return Lever(
        row=names[0], kind="minimum", path=path, stated=share, unit="of its demand", end=0.0, up=False,
        says=f"at least {share:.0%} of {name} is served however short capacity is",
        subject=f"least share of `{name}`", edit=stating(path), dropped=(f"{path}=0",),
        gives={row: bound / share for row, bound in bounds.items()},
    )  # fmt: skip


def _replicas(scenario: Scenario, path: str, names: list[str]) -> Lever:
    rule = scenario.replicas[int(path.split(".")[1])]
    where = "" if rule.site is None else f" at {rule.site}"
    least = path.endswith(".at_least")
    stated = rule.at_least if least else int(rule.at_most or 0)
    words = "least" if least else "most"
    shared: dict[str, Any] = {"row": names[0], "path": path, "stated": float(stated), "whole": True}
    # A rule without any number is none: what drops its least number states a most that limits nothing.
    unlimited = f"{path.rpartition('.')[0]}.at_most={MANY}"
    none_left = (f"{path}=0", *([unlimited] if rule.at_most is None else ()))
    return Lever(
        kind="replicas", unit="replicas", end=0.0 if least else float("inf"), up=not least,
        says=f"at {words} {stated} replicas of {rule.llm} stand{where}",
        subject=f"of {rule.llm}{where} that {'must' if least else 'may'} stand",
        edit=lambda value: none_left if least and value <= 0 else (f"{path}={int(value)}",),
        dropped=none_left if least else (f"{path}={MANY}",), gives=dict.fromkeys(names, 1.0), **shared,
    )  # fmt: skip


def _adapters(scenario: Scenario, path: str, names: list[str]) -> Lever:
    name = path.split(".")[1]
    adapters = scenario.workload(name).loras
    slots = scenario.performance.max_loras
    return Lever(
        row=names[0], kind="lora", path=path, stated=float(adapters), unit="adapters", whole=True, end=0.0,
        up=False,
        says=f"{name} asks for {adapters} adapters, a replica holds {slots} (performance.max_loras)",
        subject=f"of `{name}`", edit=lambda value: (f"{path}={int(value)}",), dropped=(f"{path}=0",),
        gives=dict.fromkeys(names, 1.0),
    )  # fmt: skip


def _quota(scenario: Scenario, path: str, names: list[str], bounds: dict[str, float]) -> Lever:
    _, number, field = path.split(".")
    tenant = scenario.tenants[int(number)]
    stated = float(getattr(tenant, field))
    unit, says = QUOTAS[field]
    per_unit = {"accelerators": 1e7, "rps": 1e9, "usd_per_h": 1e6}[field]
    return Lever(
        row=names[0], kind="quota", path=path, stated=stated, unit=unit, end=float("inf"),
        says=f"the workloads of tenant {tenant.name} ({', '.join(tenant.workloads)}) "
        + says.format(shown(stated)),
        subject=f"for tenant {tenant.name}", edit=stating(path),
        dropped=(f"{path}=1e9",),
        gives={row: bounds[row] / stated if stated > 0 else per_unit for row in names},
    )  # fmt: skip
