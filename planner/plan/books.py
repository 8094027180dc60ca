"""Everything of a plan that follows from its content: costs, watts, ledgers, metrics, promises."""

from __future__ import annotations

from dataclasses import dataclass

from planner.plan.content import Columns, Content, Setting
from planner.plan.costs import plan_cost
from planner.plan.ledgers import plan_ledgers
from planner.plan.metrics import plan_metrics
from planner.plan.service_table import plan_columns
from planner.plan.slo import slo_rows
from planner.plan.types import Cost, Ledgers, Metrics, ServerPlan, SloRow
from planner.plan.watts import server_expectations


@dataclass(frozen=True)
class Books:
    """What follows from the content of a plan; `servers` are the content's, with expected watts."""

    servers: list[ServerPlan]
    cost: Cost
    ledgers: Ledgers
    metrics: Metrics
    slo: list[SloRow]


def keep_books(content: Content, setting: Setting, columns: Columns | None = None) -> Books:
    """Return the books of a plan.

    Args:
        content: its decisions; `expected_w` of its servers does not matter.
        setting: scenario, graph and catalog.
        columns: the service column of each (pool, workload, round trip) in `content.pools`; None
            computes them.

    Raises:
        LookupError: something the content names does not exist.
        ValueError: something has no price.
    """
    known = plan_columns(content, setting) if columns is None else columns
    expected = server_expectations(content, setting, known)
    return Books(
        servers=[s.model_copy(update={"expected_w": expected[s.name]}) for s in content.servers],
        cost=plan_cost(content, setting, known),
        ledgers=plan_ledgers(content, setting, known),
        metrics=plan_metrics(content, setting, known),
        slo=slo_rows(content, setting, known),
    )
