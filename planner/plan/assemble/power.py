"""Power nodes: what servers provision, what is left of it once they are shed, and their short peaks."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np

from planner.optimize.problem import Ledger
from planner.plan.assemble.limits import WATTS_PER_KW, Rows
from planner.plan.assemble.offers import Offer
from planner.topology import PowerCase, RackClass, power_cases
from planner.topology.nodes import Graph

Watts = Callable[[Offer], int]


def power_rows(graph: Graph, classes: Sequence[RackClass], offers: Sequence[Offer]) -> list[Ledger]:
    """Return the rows of every power node, in normal operation and after the loss of what backs it.

    Provisioned watts stay within what the node carries all the time, times its oversubscription; where it
    is oversubscribed, what is left after shedding stays within what it carries (`.../shed`). Where its
    short peaks are limited, all peaks at once stay within them (`.../peak`).
    """
    rows, peaks = Rows("power", "W"), Rows("peak", "W")
    by_class: dict[str, list[int]] = defaultdict(list)
    for j, offer in enumerate(offers):
        if offer.rack_class is not None:
            by_class[offer.rack_class.name].append(j)
    first = {rack_class.members[0]: by_class[rack_class.name] for rack_class in classes}

    def add(to: Rows, case: PowerCase, name: str, limit_kw: float, source: str, watts: Watts) -> None:
        row = to.add(name, int(round(limit_kw * WATTS_PER_KW, 6)), f"topology: {source} of {case.node}")
        for rack, share in case.shares.items():
            for j in first.get(rack, ()):
                to.use("servers", row, j, int(np.ceil(watts(offers[j]) * share - 1e-6)))

    for case in power_cases(graph):
        node = graph.nodes[case.node]
        name = f"power/{node['level']}/{case.node}"
        if case.lost is not None:
            name += f"/without/{case.lost}"
        factor = node["oversubscription"]
        add(rows, case, name, case.usable_kw * factor, "capacity_kw", lambda offer: offer.provisioned_w)
        if factor > 1:
            add(rows, case, f"{name}/shed", case.usable_kw, "capacity_kw", lambda offer: offer.shed_w)
        if node["peak_kw"] is not None:
            add(peaks, case, f"{name}/peak", node["peak_kw"], "peak_share", lambda offer: offer.peak_w)
    return [ledger for ledger in (rows.ledger(), peaks.ledger()) if ledger.names or ledger.family == "power"]
