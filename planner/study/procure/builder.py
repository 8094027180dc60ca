"""The columns of a procurement's program, and what its rows share."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from planner.optimize.program import Program, RowInfo
from planner.study.procure.decisions import ROOT, Decisions, Payments
from planner.study.procure.setting import Setting

MOST_SERVERS = 100_000
"""Servers of one kind that no fleet exceeds; keeps bounds finite where nothing else limits them."""

MICRO = 1e6

Entries = list[tuple[int, int, int]]
"""(row within the call, column, coefficient)."""


class Builder:
    """Collects columns, rows and payments; moments are told apart by their number q."""

    def __init__(self, setting: Setting) -> None:
        self.setting = setting
        self.study = setting.study
        self.places = setting.places
        self.tree = setting.tree
        self.market = setting.market
        self.program = Program()
        self.decisions = Decisions(self.program, setting.tree)
        self.payments = Payments()
        self.terms = setting.study.rents()
        self.rented = [j for j, kind in enumerate(self.places.type_of) if kind is None]
        self.turned = sorted({mix.rack_class for mix in self.places.mixes if mix.retrofit})
        self.orders: dict[int, list[int]] = {q: self._alive_orders(q) for q in range(len(self.tree.moments))}

    def _alive_orders(self, q: int) -> list[int]:
        """Return the moments whose orders can have arrived by `q`, whatever the type, and the root."""
        return [ROOT, *self.tree.path(q)]

    def arrived(self, kind: int, q: int) -> list[int]:
        """Return the orders of a type that have arrived by moment `q`, the standing servers first."""
        period = self.tree.moments[q].period
        lead = self.setting.lead(kind)
        buyable = kind in self.setting.bought
        return [
            v
            for v in self.orders[q]
            if v == ROOT or (buyable and self.tree.moments[v].period + lead <= period)
        ]

    def standing(self, kind: int) -> int:
        """Return how many servers of a type stand at the start."""
        return sum(count for (k, _), count in self.places.standing.items() if k == kind)

    def columns(self, q: int) -> None:
        """Add the decisions of a moment."""
        places, add = self.places, self.decisions.add
        add("servers", q, [self.room(j) for j in range(len(places.offers))])
        add("mixes", q, [places.classes[mix.rack_class].count for mix in places.mixes])
        add("liquid", q, [places.classes[k].count for k in self.turned])
        add("flow", q, [places.demands[flow.demand].units for flow in places.flows])
        lane_units = [0] * len(places.lanes)
        for flow in places.flows:
            lane_units[flow.lane] += places.demands[flow.demand].units
        add("use", q, [lane_units[use.lane] for use in places.uses])
        free = self.setting.outages_allowed
        add("unserved", q, [d.units if free or d.usd_per_unit_h is not None else 0 for d in places.demands])
        add("order", q, [self.most_ordered(kind, q) for kind in range(len(places.types))])
        tiers = self.tiers()
        add("tier", q, [self.most_ordered(kind, q) for kind, _ in tiers])
        add("chosen", q, [1] * len(tiers))
        add("retire", q, [MOST_SERVERS] * len(self.sales(q)))
        add("rent", q, [MOST_SERVERS] * (len(self.rented) * len(self.terms)))
        add("installed", q, [MOST_SERVERS] * (len(places.types) * len(places.sites)))
        add("moved", q, [MOST_SERVERS] * len(places.types))
        add("open", q, [1] * len(places.open_usd_per_h))

    def room(self, j: int) -> int:
        """Return the most servers that can run at an offer."""
        offer = self.places.offers[j]
        if offer.rack_class is None:
            return MOST_SERVERS  # rows say how many there are
        held = max((mix.counts.get(j, 0) for mix in self.places.mixes), default=0)
        room = held * offer.rack_class.count
        return room if offer.maximum is None else min(room, offer.maximum)

    def most_ordered(self, kind: int, q: int) -> int:
        """Return the most servers of a type that can be ordered at a moment: no more than have a place."""
        period = self.tree.moments[q].period
        if kind not in self.setting.bought or period + self.setting.lead(kind) > self.study.periods:
            return 0
        name = self.places.types[kind]
        most = self.study.terms(name).most(period)
        stock = self.market.question.scenario.fleet.stock.get(name)
        places = [j for j in self.places.offers_of(kind) if self.places.offers[j].origin == "buy"]
        room = sum(self.room(j) for j in places)
        return min(MOST_SERVERS, room, *(limit for limit in (most, stock) if limit is not None))

    def tiers(self) -> list[tuple[int, int]]:
        """Return every (type, number of its discount)."""
        return [
            (kind, number)
            for kind in self.setting.bought
            for number in range(len(self.study.terms(self.places.types[kind]).discounts))
        ]

    def sales(self, q: int) -> list[tuple[int, int]]:
        """Return every (type, order) of which servers can be sold: those that came before this moment."""
        parent, kinds = self.tree.moments[q].parent, range(len(self.places.types))
        if parent is None:
            return [(kind, ROOT) for kind in kinds]
        return [(kind, v) for kind in kinds for v in self.arrived(kind, parent)]

    def rows(
        self,
        family: str,
        names: Sequence[str],
        q: int,
        entries: Entries,
        *,
        lower: object | None = None,
        upper: object | None = None,
        unit: str = "",
        sources: Sequence[str] = (),
    ) -> None:
        """Add rows of a moment; `entries` number them within this call."""
        if not names:
            return
        moment = self.tree.moments[q].name
        table = np.array(entries, dtype=np.int64).reshape(-1, 3)
        self.program.add_rows(
            [
                RowInfo(f"{name}@{moment}", family, unit, sources[at] if sources else "")
                for at, name in enumerate(names)
            ],
            [(table[:, 0], table[:, 1], table[:, 2])],
            lower=lower,
            upper=upper,
        )
