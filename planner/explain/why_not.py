"""Why a plan does not choose something else: what it would cost, what forbids it, what beats it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from typing import Any

import numpy as np

from planner.explain.rebuild import Rebuilt, rebuild
from planner.optimize.forcing import amounts_of, at_least, at_most
from planner.optimize.method import solve_problem
from planner.optimize.problem import Problem
from planner.optimize.solution import Solution
from planner.performance.shape import Shape
from planner.plan.diagnosis.search import ConflictSearch
from planner.plan.diagnosis.tester import PromiseTester
from planner.plan.reuse import start_values
from planner.plan.solve import search_settings
from planner.plan.types import Plan
from planner.shapes import KeptTimings, MenuEntry

WHY_NOT_S = 20.0
"""Time to solve the question with something forced."""

MOST_REASONS = 5
"""Shapes that are named where many match."""


@dataclass(frozen=True)
class Choice:
    """What is asked for: every field that is given must match.

    count: so many replicas (servers, where no field of a shape is given); None: one more than the plan has.
    """

    llm: str | None = None
    accelerator: str | None = None
    tp: int | None = None
    pp: int | None = None
    dp: int | None = None
    ep: int | None = None
    weights: str | None = None
    role: str | None = None
    server: str | None = None
    site: str | None = None
    count: int | None = None

    @property
    def of_shapes(self) -> bool:
        """True if it asks for replicas of a shape, not for servers."""
        return any(getattr(self, name) is not None for name in SHAPE_FIELDS)

    @property
    def text(self) -> str:
        """The choice in words."""
        words = [
            f"{field.name} {getattr(self, field.name)}"
            for field in fields(self)
            if getattr(self, field.name) is not None and field.name != "count"
        ]
        return ", ".join(words)

    def matches_shape(self, shape: Shape, llm_id: str | None) -> bool:
        """Return whether a shape has every field asked for; `llm_id`: the LLM by its catalog id."""
        wanted = {name: getattr(self, name) for name in SHAPE_FIELDS if name != "llm"}
        same = all(value is None or getattr(shape, name) == value for name, value in wanted.items())
        return same and (llm_id is None or shape.llm == llm_id)


SHAPE_FIELDS = ("llm", "accelerator", "tp", "pp", "dp", "ep", "weights", "role")


@dataclass(frozen=True)
class WhyNot:
    """The answer. verdict: `costs`, `forbidden`, `dominated`, `impossible`, `already`, `unknown`.

    text: a sentence. change: of the objective, in `unit`; certainly: ends between which the change of the
    best possible plan lies. reasons: what forbids or beats it. differences: what the plan would change
    (servers by kind and place: before, after). rates: requests/s and USD/h of one replica of what is asked
    for and of what the plan uses.
    """

    choice: str
    verdict: str
    text: str
    unit: str = "USD/h"
    change: float | None = None
    certainly: tuple[float, float] | None = None
    reasons: tuple[str, ...] = ()
    differences: tuple[tuple[str, int, int], ...] = ()
    rates: tuple[tuple[str, str, float, float], ...] = ()

    def record(self) -> dict[str, Any]:
        """Return it as plain data."""
        return {
            "choice": self.choice,
            "verdict": self.verdict,
            "text": self.text,
            "unit": self.unit,
            "change": self.change,
            "certainly_between": None if self.certainly is None else list(self.certainly),
            "reasons": list(self.reasons),
            "servers": [{"name": n, "before": b, "after": a} for n, b, a in self.differences],
            "replicas": [
                {"shape": s, "workload": w, "rate_rps": r, "usd_per_h_per_rps": c}
                for s, w, r, c in self.rates
            ],
        }


def why_not(
    plan: Plan, choice: Choice, time_limit_s: float = WHY_NOT_S, timings: KeptTimings | None = None
) -> WhyNot:
    """Return why a plan does not do what is asked for.

    `timings`: what was timed for the plan already.

    Raises:
        ValueError: nothing is asked for, or the question inside the plan cannot be read.
    """
    if not choice.text:
        raise ValueError("say what the plan should do: --llm, --accelerator, --tp, --server, --site ...")
    rebuilt = rebuild(plan, timings=timings)
    llm_id = _llm_id(rebuilt, choice)
    kind, columns = _columns(rebuilt, choice, llm_id)
    if not columns:
        return _impossible(rebuilt, choice, llm_id)
    now = int(rebuilt.values[rebuilt.arrays.block(kind)][columns].sum())
    count = now + 1 if choice.count is None else choice.count
    thing = "replicas" if kind == "replicas" else "servers"
    if count == now:
        text = f"the plan has exactly {now} {thing} with {choice.text}"
        return WhyNot(choice.text, "already", text, rates=tuple(_rates(rebuilt, choice, llm_id)))
    force = at_least if count > now else at_most
    forced = force(rebuilt.problem, kind, columns, count)
    wish = (
        f"{'at least' if count > now else 'at most'} {count} {thing} with {choice.text} (the plan has {now})"
    )
    settings = replace(search_settings(rebuilt.question.scenario.solver), time_limit_s=time_limit_s)
    solution = solve_problem(forced, settings, start=start_values(plan, rebuilt.assembly))
    if solution.status == "infeasible":
        return _forbidden(rebuilt, choice, forced, wish, time_limit_s)
    if solution.status == "unknown":
        return WhyNot(choice.text, "unknown", f"{wish}: no plan was found in time (--time-limit-s)")
    return _costs(rebuilt, choice, llm_id, wish, solution)


def _llm_id(rebuilt: Rebuilt, choice: Choice) -> str | None:
    if choice.llm is None:
        return None
    scenario, catalog = rebuilt.question.scenario, rebuilt.question.catalog
    if scenario.performance.measured_throughout:
        return choice.llm
    return str(catalog.llm(choice.llm).id)


def _columns(rebuilt: Rebuilt, choice: Choice, llm_id: str | None) -> tuple[str, list[int]]:
    """Return the variables that are asked for: replicas of matching pools, or matching servers."""
    assembly = rebuilt.assembly
    if choice.of_shapes:
        hostings = rebuilt.problem.hostings
        return "replicas", [
            p
            for p, q in enumerate(hostings.pool.tolist())
            if choice.matches_shape(assembly.pools[q].entry.shape, llm_id)
            and choice.site in (None, assembly.pools[q].site)
            and choice.server in (None, assembly.pools[q].entry.server)
        ]
    return "servers", [
        j
        for j, offer in enumerate(assembly.offers)
        if choice.site in (None, offer.site) and choice.server in (None, offer.host.name, offer.host.label)
    ]


def _costs(rebuilt: Rebuilt, choice: Choice, llm_id: str | None, wish: str, solution: Solution) -> WhyNot:
    plan = rebuilt.plan
    name, unit, divisor = rebuilt.goal
    before, after = rebuilt.objective, amounts_of(rebuilt.problem, solution.values) / divisor
    change = after - before
    same = name == (rebuilt.problem.goals[0].name if rebuilt.problem.goals else "cost")
    certainly = (solution.bound / divisor - before, after - rebuilt.bound) if same else None
    if change > 1e-9 * max(abs(before), 1.0):
        text = f"{wish} costs {change:,.2f} {unit} more"
    elif change < -1e-9 * max(abs(before), 1.0):
        text = (
            f"{wish} is {-change:,.2f} {unit} better than this plan: the plan is only proven within "
            f"{plan.gap:.2%} of the best; solve again with a smaller --relative-gap"
        )
    else:
        text = f"{wish} costs the same: the plan might as well do it"
    if certainly is not None:
        text += f" (for certain between {certainly[0]:+,.2f} and {certainly[1]:+,.2f})"
    return WhyNot(
        choice.text,
        "costs",
        text,
        unit=unit,
        change=change,
        certainly=certainly,
        differences=tuple(_differences(rebuilt, solution)),
        rates=tuple(_rates(rebuilt, choice, llm_id)),
    )


def _differences(rebuilt: Rebuilt, solution: Solution) -> Iterator[tuple[str, int, int]]:
    before = np.rint(rebuilt.values[rebuilt.arrays.block("servers")]).astype(int)
    for j, offer in enumerate(rebuilt.assembly.offers):
        if before[j] != solution.values["servers"][j]:
            yield offer.name, int(before[j]), int(solution.values["servers"][j])


def _forbidden(rebuilt: Rebuilt, choice: Choice, forced: Problem, wish: str, seconds: float) -> WhyNot:
    """Name the promises that leave no room for what is asked for."""
    assembly = replace(rebuilt.assembly, problem=forced)
    deadline = time.perf_counter() + seconds
    tester = PromiseTester(assembly, (), rebuilt.timings, deadline, 1)
    # What is no row would be put together anew, without what is forced.
    tester.levers = [lever for lever in tester.levers if lever.in_rows]
    conflict, _ = ConflictSearch(tester).conflict()
    reasons = tuple(f"{lever.says} ({lever.row}, {lever.path})" for lever in conflict)
    told = "; ".join(lever.says for lever in conflict) or "no server that could run it has room"
    return WhyNot(choice.text, "forbidden", f"{wish} is impossible: {told}", reasons=reasons)


def _impossible(rebuilt: Rebuilt, choice: Choice, llm_id: str | None) -> WhyNot:
    """Say why nothing that is offered matches: beaten, no SLO kept, does not fit, not allowed."""
    offering = rebuilt.assembly.offering
    if choice.of_shapes:
        beaten = [d.text for d in offering.menu.dominated if choice.matches_shape(d.shape, llm_id)]
        if beaten and choice.site is None:
            text = f"{choice.text} is never worth it: {beaten[0]}"
            return WhyNot(choice.text, "dominated", text, reasons=tuple(beaten[:MOST_REASONS]))
        useless = [
            _misses(rebuilt, e) for e in offering.menu.useless if choice.matches_shape(e.shape, llm_id)
        ]
        refused = [
            f"{r.shape.name}: {r.reason}" for r in offering.refused if choice.matches_shape(r.shape, llm_id)
        ]
        for found, words in ((useless, "keeps no SLO"), (refused, "cannot run")):
            if found:
                text = f"{choice.text} {words}: {found[0]}"
                return WhyNot(choice.text, "impossible", text, reasons=tuple(found[:MOST_REASONS]))
    return WhyNot(choice.text, "impossible", f"{choice.text}: {_not_offered(rebuilt, choice, llm_id)}")


def _misses(rebuilt: Rebuilt, entry: MenuEntry) -> str:
    parts = []
    for promise, column in entry.best.items():
        slo = rebuilt.question.scenario.workload(promise.workload).slo
        if slo is None:
            continue
        ttft, tpot = column.best_ttft_ms + promise.rtt_ms, column.best_tpot_ms
        parts.append(
            f"{promise.workload} would see TTFT {ttft:,.0f} ms"
            + ("" if slo.ttft_ms is None else f" (of {slo.ttft_ms:,.0f})")
            + f" and TPOT {tpot:,.1f} ms"
            + ("" if slo.tpot_ms is None else f" (of {slo.tpot_ms:,.1f})")
            + " without load"
        )
    return (
        f"{entry.shape.name} on {entry.server}: {'; '.join(dict.fromkeys(parts)) or 'it serves no workload'}"
    )


def _not_offered(rebuilt: Rebuilt, choice: Choice, llm_id: str | None) -> str:
    """Return what of the choice is not part of the question at all."""
    scenario, offers = rebuilt.question.scenario, rebuilt.assembly.offers
    sites = {site.name for site in rebuilt.question.topology.sites}
    if choice.site is not None and choice.site not in sites:
        return f"there is no site {choice.site} (there are {', '.join(sorted(sites))})"
    servers = {offer.host.name for offer in offers}
    if choice.server is not None and choice.server not in servers:
        return f"no {choice.server} stands, may be bought or rented (there are {', '.join(sorted(servers))})"
    accelerators = {offer.host.accelerator for offer in offers}
    if choice.accelerator is not None and choice.accelerator not in accelerators:
        return (
            f"no server with {choice.accelerator} stands, may be bought (fleet.buy) or rented (fleet.rent); "
            f"there are {', '.join(sorted(accelerators))}"
        )
    served = {pool.entry.shape.llm for pool in rebuilt.assembly.pools}
    if llm_id is not None and llm_id not in served:
        asked = ", ".join(sorted({llm for workload in scenario.workloads for llm in workload.llms}))
        return f"no workload may be answered by {choice.llm} (llms: {asked})"
    return (
        "no such shape is offered there: degrees are powers of two that divide heads and experts, inside one "
        "server or on whole servers (planner shapes lists them)"
    )


def _rates(rebuilt: Rebuilt, choice: Choice, llm_id: str | None) -> Iterator[tuple[str, str, float, float]]:
    """Yield (shape, workload, requests/s of a replica, USD/h for each): of the choice and of the plan."""
    cost = {offer.host.label: offer.cost / 1e6 / offer.host.accelerators for offer in rebuilt.assembly.offers}
    used = {group.pool for group in rebuilt.plan.replicas}
    seen: set[tuple[str, str]] = set()
    for pool in rebuilt.assembly.pools:
        asked = choice.of_shapes and choice.matches_shape(pool.entry.shape, llm_id)
        if not asked and pool.name not in used:
            continue
        for promise, column in pool.entry.columns.items():
            key = (f"{pool.entry.shape.name} on {pool.entry.server}", promise.workload)
            price = cost.get(pool.entry.server)
            if key in seen or price is None:
                continue
            seen.add(key)
            yield *key, column.rate_rps, price * pool.entry.shape.accelerators / column.rate_rps
