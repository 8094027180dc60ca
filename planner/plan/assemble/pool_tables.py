"""The tables of pools: every shape wherever it could stand."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

import numpy as np

from planner.optimize.problem import Hostings
from planner.plan.assemble.offers import Offer
from planner.plan.assemble.paths import Pool, awake_of
from planner.plan.assemble.serving import Offering
from planner.plan.fabric import oversubscribed
from planner.shapes import Timings
from planner.topology import Question
from planner.topology.nodes import Graph


def pool_tables(
    question: Question,
    offering: Offering,
    offers: Sequence[Offer],
    groups: Sequence[tuple[str, str]],
    graph: Graph,
    timings: Timings,
) -> tuple[list[Pool], Hostings]:
    """Return every pool that could exist, and the host groups it could stand on.

    A replica of several servers needs them in one fabric domain; rented servers share none. The pools of a
    split are made for each fabric domain, so that both ends of a handover stand in one.
    """
    narrow = oversubscribed(graph)
    site_of = {offer.host_group: offer.site for offer in offers}
    owned = {offer.host_group for offer in offers if offer.origin != "rent"}
    pools: list[Pool] = []
    rows: list[tuple[int, int, int, int]] = []
    groups_of: dict[str, list[int]] = defaultdict(list)
    for h, (_, host) in enumerate(groups):
        groups_of[host].append(h)
    for entry in offering.menu.entries:
        number_at: dict[tuple[str, str | None], int] = {}
        awake: int | None = None
        for h in groups_of[entry.server]:
            group = groups[h]
            if entry.whole_servers and group not in owned:
                continue
            stays = entry.shape.role != "aggregated" or (entry.whole_servers and group[0] in narrow)
            where = (site_of[group], group[0] if stays else None)
            if where not in number_at:
                number_at[where] = len(pools)
                awake = awake_of(entry, question, timings) if awake is None else awake
                pools.append(Pool(entry, *where, awake_w=awake))
            inside = 0 if entry.whole_servers else entry.shape.accelerators
            rows.append((number_at[where], h, inside, entry.whole_servers))
    array = np.array(rows, dtype=np.int64).reshape(-1, 4)
    return pools, Hostings(array[:, 0], array[:, 1], array[:, 2], array[:, 3])
