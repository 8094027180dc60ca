"""The plan in force as the program sees it: which hostings stand already, and what starting others costs."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from planner.optimize.problem import Churn, Hostings, Ledger, integers
from planner.plan.assemble.limits import Rows
from planner.plan.assemble.paths import Pool
from planner.plan.churn import standing
from planner.scenario import Scenario


def churn_table(
    scenario: Scenario, pools: Sequence[Pool], groups: Sequence[tuple[str, str]], hostings: Hostings
) -> tuple[Hostings, Churn | None, list[Ledger]]:
    """Return the hostings with the price of starting where nothing stands, what stands, and the limit.

    Nothing changes where no plan is in force.
    """
    if not scenario.churn.in_force:
        return hostings, None, []
    running = standing(scenario)
    here = np.array(
        [
            running[(pools[q].name, *groups[h])]
            for q, h in zip(hostings.pool.tolist(), hostings.host_group.tolist(), strict=True)
        ],
        dtype=np.int64,
    )
    price = scenario.churn.micro_usd_per_h
    stands = np.flatnonzero(here > 0)
    churn = Churn(stands, here[stands], integers([price] * len(stands)))
    ledgers: list[Ledger] = []
    if scenario.churn.max_moves is not None:
        rows = Rows("churn", "replicas")
        row = rows.add("churn/moves", scenario.churn.max_moves, "churn.max_moves")
        for p in np.flatnonzero(here == 0).tolist():
            rows.use("replicas", row, p, 1)
        for c in range(len(stands)):
            rows.use("moves", row, c, 1)
        ledgers.append(rows.ledger())
    return replace(hostings, cost=hostings.cost + price * (here == 0)), churn, ledgers
