"""All checks in order: first that things exist, then what they use, then what they add up to."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from pathlib import Path

from planner.catalog import Catalog
from planner.files import content_hash
from planner.performance.version import model_version
from planner.plan.costs import plan_micro_cost
from planner.plan.ledgers import plan_ledgers
from planner.plan.metrics import plan_metrics
from planner.plan.slo import slo_rows
from planner.plan.types import Plan
from planner.plan.verify import (
    capacity,
    counts,
    goals,
    inventory,
    limits,
    periods,
    placement,
    power,
    reliability,
    spares,
    sums,
    traffic,
)
from planner.plan.verify.context import Context, read_context
from planner.plan.verify.violation import Violation
from planner.plan.watts import server_expectations

STRUCTURE: tuple[tuple[str, Callable[[Context], Iterator[Violation]]], ...] = (
    ("servers", inventory.check),
    ("placement", placement.check),
    ("periods", periods.check),
    ("demand", traffic.check),
    ("capacity", capacity.check),
    ("counts", counts.check),
    ("power", power.check),
    ("reliability", reliability.check),
    ("spares", spares.check),
)
"""Checks that read the content of a plan."""


def verify(plan: Plan | str | Path, catalog: Catalog | None = None) -> list[Violation]:
    """Return everything in a plan that does not hold; empty when all of it does.

    Args:
        plan: the plan, or the path of its plan.json.
        catalog: facts to check against; None: the shipped catalog with the scenario's own entries.
    """
    if not isinstance(plan, Plan):
        plan = Plan.load(plan)
    try:
        context = read_context(plan, catalog)
    except (ValueError, LookupError, OSError) as error:
        return [Violation("scenario", "scenario", f"the question in the plan cannot be read: {error}")]
    found = list(_provenance(context))
    for family, check in STRUCTURE:
        found += _guarded(family, lambda check=check: check(context))  # type: ignore[misc]
    found += _guarded("sums", lambda: _figures(context))
    return _once([*_made_otherwise(plan), *found] if found else [])


def _made_otherwise(plan: Plan) -> Iterator[Violation]:
    """Yield the versions that a plan was made with where they are not these: why it may not hold."""
    made_by, version = plan.provenance.get("planner"), _version()
    if made_by is None:
        return
    if made_by != version:
        text = f"was made by planner {made_by}; this is {version}, whose models may differ"
        yield Violation("provenance/planner", "provenance", text)
    model, current = plan.provenance.get("performance_model"), model_version()
    if model != current:
        sized_by = model or "(it does not say which)"
        text = (
            f"was sized by performance model {sized_by} of planner {made_by}; this is model {current} of "
            f"planner {version}, whose rates may differ: solve the scenario again or verify with the planner "
            "that made it"
        )
        yield Violation("provenance/performance_model", "provenance", text)


def _version() -> str:
    """Return this planner's version; looked up by name, so that nothing of its API is imported here."""
    return str(sys.modules["planner"].__dict__["__version__"])


def _figures(context: Context) -> Iterator[Violation]:
    """Yield limits that are exceeded and figures that differ from what the content makes."""
    lost = [server.name for server in context.plan.servers if not context.known(server)]
    if lost:
        names = ", ".join(lost[:5])
        yield Violation("sums", "sums", f"cannot be made: {names} cannot be counted (see above)")
        return
    plan, setting, columns = context.plan, context.setting, context.columns
    ledgers = plan_ledgers(plan, setting, columns)
    yield from limits.check(ledgers)
    yield from sums.check_watts(context, server_expectations(plan, setting, columns))
    yield from sums.check_ledgers(context, ledgers)
    cost = plan_micro_cost(plan, setting, columns)
    yield from sums.check_cost(context, cost)
    yield from goals.check(context, cost)
    yield from sums.check_slo(context, slo_rows(plan, setting, columns))
    yield from sums.check_metrics(context, plan_metrics(plan, setting, columns))


def _provenance(context: Context) -> Iterator[Violation]:
    """Yield an embedded scenario or topology, or facts, that are not those that were planned with."""
    plan = context.plan
    for name, stated, found in (
        ("scenario", plan.scenario_file.sha256, content_hash(plan.scenario)),
        ("topology", plan.provenance.get("topology_sha256"), content_hash(plan.topology)),
        ("catalog", plan.provenance.get("catalog_sha256"), context.setting.catalog.hash),
    ):
        if stated is not None and stated != found:
            text = "is not the one that the plan was made with (its hash differs)"
            yield Violation(f"provenance/{name}", "provenance", text)


def _guarded(family: str, check: Callable[[], Iterator[Violation]]) -> list[Violation]:
    """Run a check; what it cannot look up or compute in a corrupted plan is a violation, no crash."""
    found: list[Violation] = []
    try:
        for violation in check():
            found.append(violation)
    except (LookupError, ValueError, ArithmeticError, TypeError, ImportError, OSError) as error:
        reason = f"cannot be checked: {type(error).__name__}: {error}"
        found.append(Violation(family, family, reason))
    return found


def _once(found: list[Violation]) -> list[Violation]:
    """Drop the second of two violations that say the same."""
    return list(dict.fromkeys(found))
