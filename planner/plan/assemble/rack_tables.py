"""The tables of racks: what each class holds at most, and the servers that could stand in it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Hashable, Sequence

import numpy as np

from planner.optimize.problem import Candidates, Integers, RackMixes, integers
from planner.plan.assemble.mixes import Mix, mixes_key, rack_mixes
from planner.plan.assemble.offers import MICRO, Offer
from planner.scenario.economics import HOURS_PER_YEAR
from planner.topology import RackClass

UNBOUNDED = 1_000_000
"""Servers of one kind that no plan exceeds; keeps coefficients small where nothing else bounds them."""


def mix_table(
    classes: Sequence[RackClass], offers: Sequence[Offer], life_years: float
) -> tuple[list[tuple[RackClass, Mix]], RackMixes]:
    """Return the mixes of every class of racks, and the table of them.

    Racks that are alike but for their place share their mixes, and the numbers read of them.
    """
    of_class: dict[str, list[int]] = defaultdict(list)
    for j, offer in enumerate(offers):
        if offer.rack_class is not None:
            of_class[offer.rack_class.name].append(j)
    mixes: list[tuple[RackClass, Mix]] = []
    known: dict[Hashable, tuple[list[Mix], tuple[Integers, Integers, Integers]]] = {}
    parts: list[tuple[Integers, Integers, Integers]] = []
    sizes: list[int] = []
    costs: list[int] = []
    for rack_class in classes:
        members = of_class[rack_class.name]
        here = [offers[j] for j in members]
        key = mixes_key(rack_class, here)
        if key not in known:
            found = rack_mixes(rack_class, here)
            known[key] = (found, _nonzeros(found))
        found, (row, member, servers) = known[key]
        parts.append((row + len(mixes), integers(members)[member], servers))
        usd = 0.0
        if any(mix.retrofit for mix in found):
            usd = float(rack_class.attributes["retrofit"]["usd"])
        turned = round(usd / (life_years * HOURS_PER_YEAR) * MICRO)
        costs += [turned if mix.retrofit else 0 for mix in found]
        sizes.append(len(found))
        mixes += [(rack_class, mix) for mix in found]
    each = [np.concatenate(part) for part in zip(*parts, strict=True)] if parts else [integers([])] * 3
    return mixes, RackMixes(np.repeat(np.arange(len(classes)), sizes), integers(costs), *each)


def _nonzeros(mixes: Sequence[Mix]) -> tuple[Integers, Integers, Integers]:
    """Return (mix, member, servers) where a mix has servers of a member."""
    if not mixes:  # racks that take nothing
        return integers([]), integers([]), integers([])
    counts = np.array([mix.counts for mix in mixes], dtype=np.int64)
    row, member = np.nonzero(counts)
    return row, member, counts[row, member]


def candidate_table(
    offers: Sequence[Offer], group_of: Sequence[int], classes: Sequence[RackClass]
) -> Candidates:
    """Return the offers as the program sees them."""
    class_number = {rack_class.name: k for k, rack_class in enumerate(classes)}
    return Candidates(
        names=tuple(offer.name for offer in offers),
        host_group=integers(group_of),
        rack_class=integers(
            [-1 if offer.rack_class is None else class_number[offer.rack_class.name] for offer in offers]
        ),
        maximum=integers([UNBOUNDED if offer.maximum is None else offer.maximum for offer in offers]),
        cost=integers([offer.cost for offer in offers]),
    )
