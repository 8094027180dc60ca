"""What one rack can hold: all maximal sets of servers within the limits of the rack."""

from __future__ import annotations

from collections.abc import Hashable, Iterator, Sequence
from dataclasses import dataclass

from planner.plan.assemble.offers import Offer
from planner.topology import RackClass

MOST_MIXES = 5_000
"""Where a class of racks would have more mixes, a rack holds at most two kinds of servers."""


@dataclass(frozen=True)
class RackLimits:
    """Room of one rack that is left for servers: units, kilograms, watts, slots."""

    height_u: int
    weight_kg: float
    slots: int
    power_w: int
    air_w: int
    liquid_w: int


@dataclass(frozen=True)
class Mix:
    """A maximal set of servers for one rack: how many of each offer (indices into the class's offers)."""

    counts: tuple[int, ...]
    retrofit: bool


def rack_mixes(rack_class: RackClass, offers: Sequence[Offer]) -> list[Mix]:
    """Return the maximal mixes of a rack of the class; `offers` are those of this class."""
    ordinary = [offer for offer in offers if not offer.retrofit]
    index = {id(offer): position for position, offer in enumerate(offers)}
    found: list[Mix] = []
    for retrofit, members in ((False, ordinary), (True, list(offers))):
        if retrofit and len(members) == len(ordinary):
            continue
        limits = rack_limits(rack_class, retrofit)
        for counts in maximal_counts(rack_class, members, limits):
            full = [0] * len(offers)
            for offer, count in zip(members, counts, strict=True):
                full[index[id(offer)]] = count
            if retrofit and not any(offers[i].retrofit and count for i, count in enumerate(full)):
                continue
            found.append(Mix(tuple(full), retrofit))
    return found


def mixes_key(rack_class: RackClass, offers: Sequence[Offer]) -> Hashable:
    """Return what the mixes of a rack follow from: racks with equal keys take equal mixes."""
    servers = [
        (
            offer.host.name,
            offer.origin,
            offer.retrofit,
            offer.provisioned_w,
            offer.air_w,
            offer.liquid_w,
            offer.server.rack_units,
            offer.server.weight_kg,
        )
        for offer in offers
    ]
    turned = any(offer.retrofit for offer in offers)
    return (
        rack_limits(rack_class, retrofit=False),
        rack_limits(rack_class, retrofit=True) if turned else None,
        tuple(sorted(rack_class.existing.items())),
        tuple(servers),
    )


def rack_limits(rack_class: RackClass, retrofit: bool) -> RackLimits:
    """Return the limits of one rack; standing servers are counted by `maximal_counts`."""
    about = rack_class.attributes
    liquid_kw = float(about["liquid_kw"])
    if retrofit:
        liquid_kw = float(about["retrofit"]["liquid_kw"])
    unlimited_air = rack_class.air_loop is None and rack_class.liquid_loop is None
    return RackLimits(
        height_u=int(about["height_u"]),
        weight_kg=float(about["weight_kg"]),
        slots=int(about["slots"]),
        power_w=int(round(float(about["power_kw"]) * 1000, 6)),
        air_w=int(round(float(about["power_kw" if unlimited_air else "air_kw"]) * 1000, 6)),
        liquid_w=int(round(liquid_kw * 1000, 6)),
    )


def maximal_counts(
    rack_class: RackClass, offers: Sequence[Offer], limits: RackLimits
) -> Iterator[tuple[int, ...]]:
    """Yield every vector of counts that fits and to which no server can be added.

    Standing servers take their room whether or not they are powered; powered ones draw and heat.
    """
    standing: dict[str, int] = dict(rack_class.existing)
    size = {offer.host.name: offer.server for offer in offers}
    height, weight, slots = limits.height_u, limits.weight_kg, limits.slots
    for name, count in standing.items():
        if name in size:
            height -= size[name].rack_units * count
            weight -= size[name].weight_kg * count
        slots -= count
    counts = [0] * len(offers)
    kinds_allowed = len(offers) if _number_of_mixes(offers, slots) <= MOST_MIXES else 2

    def room(used: list[int], position: int) -> bool:
        """True if one more of `position` fits beside `used`."""
        offer = offers[position]
        trial = used.copy()
        trial[position] += 1
        if sum(1 for count in trial if count) > kinds_allowed:
            return False
        if offer.origin == "existing":
            same = sum(
                count
                for other, count in zip(offers, trial, strict=True)
                if other.origin == "existing" and other.host.name == offer.host.name
            )
            if same > standing[offer.host.name]:
                return False
        bought = [(o, c) for o, c in zip(offers, trial, strict=True) if c and o.origin == "buy"]
        return (
            sum(c for _, c in bought) <= slots
            and sum(c * o.server.rack_units for o, c in bought) <= height
            and sum(c * o.server.weight_kg for o, c in bought) <= weight
            and sum(c * o.provisioned_w for o, c in zip(offers, trial, strict=True)) <= limits.power_w
            and sum(c * o.air_w for o, c in zip(offers, trial, strict=True)) <= limits.air_w
            and sum(c * o.liquid_w for o, c in zip(offers, trial, strict=True)) <= limits.liquid_w
        )

    def extend(position: int) -> Iterator[tuple[int, ...]]:
        if position == len(offers):
            if any(counts) and not any(room(counts, other) for other in range(len(offers))):
                yield tuple(counts)
            return
        before = counts[position]
        while True:
            yield from extend(position + 1)
            if not room(counts, position):
                break
            counts[position] += 1
        counts[position] = before

    yield from extend(0)


def _number_of_mixes(offers: Sequence[Offer], slots: int) -> float:
    """Return a rough count of vectors with at most `slots` servers of as many kinds as there are."""
    result = 1.0
    for step in range(1, max(slots, 1) + 1):
        result *= (len(offers) + step) / step
    return result
