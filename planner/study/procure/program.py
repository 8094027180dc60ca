"""The program of a procurement: every moment has the rows of one period, and one fleet runs through all.

Rows, for each moment:

- `demand`, `lane`, `capacity`: traffic is served by servers that run; demand grows, servers do not.
- `rack`, `racks`, `liquid`, and the limits of power, heat, grid and network, as in the program of one plan.
- `fleet`: servers that run are servers that arrived and were not sold; `sold`: no more are sold than came.
- `installed`, `moved`: what runs at a site and did not before was installed; what the store could not give
  came from another site.
- `running`, `rent/most`: rented units that run have a term that is not over.
- `order/...`, `stock`: discounts for large orders, what can be had; `budget`: what there is to pay.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np

from planner.optimize.program import Arrays, Floats
from planner.study.procure import fleet_rows, place_rows
from planner.study.procure.builder import MICRO, Builder
from planner.study.procure.decisions import Decisions, Payments
from planner.study.procure.setting import Setting


@dataclass(frozen=True)
class Built:
    """The program, its decisions, and what they pay."""

    setting: Setting
    arrays: Arrays
    decisions: Decisions
    payments: Payments

    def leaf_costs(self) -> Floats:
        """Return (leaves, columns) discounted USD along the path to each leaf."""
        tree = self.setting.tree
        per_moment = self.payments.per_moment(len(self.arrays.cost), *self.setting.discount())
        return np.array([per_moment[tree.path(leaf)].sum(axis=0) for leaf in tree.leaves])

    def probabilities(self) -> Floats:
        """Return (leaves,) the probability of each future."""
        tree = self.setting.tree
        return np.array([tree.moments[leaf].probability for leaf in tree.leaves])


def build(setting: Setting) -> Built:
    """Return the program that minimizes the expected discounted cost, in micro-USD."""
    builder = Builder(setting)
    moments = range(len(setting.tree.moments))
    for q in moments:
        builder.columns(q)
    for q in moments:
        place_rows.traffic_rows(builder, q)
        place_rows.rack_rows(builder, q)
        place_rows.limit_rows(builder, q)
        place_rows.running_costs(builder, q)
        fleet_rows.fleet_rows(builder, q)
        fleet_rows.rent_rows(builder, q)
        fleet_rows.order_rows(builder, q)
    fleet_rows.ownership(builder)
    fleet_rows.budget_rows(builder)
    arrays = builder.program.finish()
    per_moment = builder.payments.per_moment(len(arrays.cost), *setting.discount())
    weights = np.array([moment.probability for moment in setting.tree.moments])
    cost: Floats = np.rint(weights @ per_moment * MICRO)
    return Built(setting, replace(arrays, cost=cost), builder.decisions, builder.payments)
