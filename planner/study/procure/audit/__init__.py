"""An independent check of a procurement: every order, server, rack, limit and dollar, from the tables alone.

Shares no code with the program: growth, prices, lead times, balances, limits and money are worked out again
from the study file, the catalog and the tables that are written.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

from planner.study.procure.audit import fleet, money, places
from planner.study.procure.audit.history import Tables, histories
from planner.study.procure.deployment import Deployment
from planner.study.procure.study import ProcureStudy
from planner.topology import Question

COST_TOLERANCE = 1e-6
"""Relative difference between the cost found here and the one stated: rounding of traffic and payments."""

__all__ = ["audit"]


def audit(
    study: ProcureStudy,
    question: Question,
    deployment: Deployment,
    tables: Tables,
    costs: Mapping[str, float],
) -> list[str]:
    """Return everything in a plan that does not hold, in sentences; empty when all of it does.

    Args:
        study: the study.
        question: its scenario and topology.
        deployment: where servers can stand and what they serve there.
        tables: the tables as they are written, or read back.
        costs: discounted cost that the plan states for each future, USD.
    """
    standing: dict[str, int] = defaultdict(int)
    for (kind, _), count in deployment.standing.items():
        standing[deployment.types[kind]] += count
    named = zip(deployment.names, deployment.offers, strict=True)
    most = {name: offer.maximum for name, offer in named if offer.origin == "rent"}
    found: list[str] = []
    for history in histories(study, tables):
        found += fleet.check_orders(history, question.scenario)
        found += fleet.check_balance(history, standing)
        found += fleet.check_rents(history, most)
        for period in range(1, study.periods + 1):
            found += places.check_racks(history, period, deployment, question.catalog)
            found += places.check_limits(history, period, deployment)
            found += places.check_traffic(history, period, deployment)
        ledger = money.Ledger(history, question, deployment)
        found += money.check_budget(history, ledger)
        stated, total = costs.get(history.name), ledger.total()
        if stated is None or abs(stated - total) > COST_TOLERANCE * max(1.0, abs(total), abs(stated)):
            words = "nothing is" if stated is None else f"{stated:,.2f} USD are"
            found.append(f"{history.name}: costs {total:,.2f} USD, {words} stated")
    return list(dict.fromkeys(found))
