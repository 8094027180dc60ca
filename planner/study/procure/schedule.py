"""From values to a schedule: what is ordered, delivered, run, rented, sold, and what it all pays.

Every table is a list of rows with the branch, the period and the probability of being there; a row of a
branch holds only in that branch, rows of `now` in all.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from planner.optimize.program import Floats
from planner.study.procure.builder import Builder
from planner.study.procure.decisions import PARTS, ROOT
from planner.study.procure.search import Solved
from planner.study.procure.setting import Setting, dated_node, limit_at
from planner.study.procure.tree import MONTHS_PER_YEAR

WHOLE = 0.5
"""Counts above this are at least one."""

TRAFFIC_TOLERANCE = 1e-6
"""Units of traffic below this are none."""

Record = dict[str, Any]


@dataclass(frozen=True)
class Schedule:
    """A solution in the words of the people who order, build and pay."""

    solved: Solved

    @property
    def setting(self) -> Setting:
        """What was asked."""
        return self.solved.built.setting

    @cached_property
    def _builder(self) -> Builder:
        """Knows which orders have arrived and which servers can be sold; its program stays empty."""
        return Builder(self.setting)

    def values(self, kind: str, q: int) -> Floats:
        """Return the values of a kind of decision at a moment."""
        assert self.solved.values is not None
        found: Floats = self.solved.values[self.solved.built.decisions(kind, q)]
        return found

    def when(self, q: int) -> Record:
        """Return the columns that say where in the tree a row belongs."""
        moment, study = self.setting.tree.moments[q], self.setting.study
        return {
            "branch": moment.branch,
            "period": moment.period,
            "label": study.label(moment.period),
            "probability": round(moment.probability, 6),
        }

    def running(self, q: int) -> dict[tuple[str, str], int]:
        """Return how many servers of each (type or rented unit, site) run at a moment."""
        found: dict[tuple[str, str], int] = {}
        for j, count in enumerate(self.values("servers", q)):
            offer = self.setting.places.offers[j]
            if count > WHOLE:
                key = (offer.host.name, offer.site)
                found[key] = found.get(key, 0) + round(count)
        return found

    def purchases(self) -> list[Record]:
        """Return the bill of materials: one row for each order, with its dates and its price."""
        rows: list[Record] = []
        setting, market = self.setting, self.setting.market
        for q, moment in enumerate(setting.tree.moments):
            order, tier = self.values("order", q), self.values("tier", q)
            for kind in setting.bought:
                count = round(order[kind])
                if not count:
                    continue
                name = setting.places.types[kind]
                share = sum(
                    setting.study.terms(name).discounts[at].share
                    for number, (k, at) in enumerate(self._builder.tiers())
                    if k == kind and tier[number] > WHOLE
                )
                delivery = moment.period + setting.lead(kind)
                unit = market.capex_usd(name, moment, share)
                rows.append(
                    {
                        **self.when(q),
                        "server": name,
                        "count": count,
                        "accelerators": count * self._accelerators(name),
                        "order_date": setting.study.date_of(moment.period).isoformat(),
                        "delivery_date": setting.study.date_of(delivery).isoformat(),
                        "delivery_period": delivery,
                        "discount": share,
                        "unit_usd": unit,
                        "total_usd": unit * count,
                    }
                )
        return rows

    def deployments(self) -> list[Record]:
        """Return what runs where at every moment, and how many more than the moment before."""
        rows: list[Record] = []
        for q, moment in enumerate(self.setting.tree.moments):
            if moment.parent is None:
                before = {
                    (self.setting.places.types[kind], site): count
                    for (kind, site), count in self.setting.places.standing.items()
                }
            else:
                before = self.running(moment.parent)
            now = self.running(q)
            rented = {(o.host.name, o.site) for o in self.setting.places.offers if o.origin == "rent"}
            for server, site in dict.fromkeys([*now, *before]):
                count, earlier = now.get((server, site), 0), before.get((server, site), 0)
                rows.append(
                    {
                        **self.when(q),
                        "site": site,
                        "server": server,
                        "origin": "rent" if (server, site) in rented else "own",
                        "count": count,
                        "change": count - earlier,
                        "accelerators": count * self._accelerators(server),
                    }
                )
        return rows

    def rents(self) -> list[Record]:
        """Return the rental terms that begin at each moment."""
        rows: list[Record] = []
        terms = self.setting.study.rents()
        for q in range(len(self.setting.tree.moments)):
            for at, count in enumerate(self.values("rent", q)):
                if count > WHOLE:
                    j = self._builder.rented[at // len(terms)]
                    offer = self.setting.places.offers[j]
                    row = {
                        **self.when(q),
                        "unit": offer.host.name,
                        "site": offer.site,
                        "offer": self.setting.places.names[j],
                    }
                    term = terms[at % len(terms)]
                    rows.append({**row, "months": term.months, "price": term.price, "count": round(count)})
        return rows

    def placements(self) -> list[Record]:
        """Return how many servers run at each place: a class of racks, or a site where they are rented."""
        rows: list[Record] = []
        for q in range(len(self.setting.tree.moments)):
            for j, count in enumerate(self.values("servers", q)):
                if count > WHOLE:
                    offer = self.setting.places.offers[j]
                    row = {**self.when(q), "site": offer.site, "place": offer.place, "origin": offer.origin}
                    row |= {"server": offer.host.name, "power_cap_w": offer.host.cap_w}
                    rows.append({**row, "offer": self.setting.places.names[j], "count": round(count)})
        return rows

    def racks(self) -> list[Record]:
        """Return how many racks of each class hold what at most."""
        rows: list[Record] = []
        places = self.setting.places
        for q in range(len(self.setting.tree.moments)):
            for mix, count in zip(places.mixes, self.values("mixes", q), strict=True):
                if count > WHOLE:
                    row = {**self.when(q), "racks": places.classes[mix.rack_class].name}
                    row |= {"liquid": mix.retrofit, "count": round(count)}
                    held = "; ".join(f"{n} {places.names[j]}" for j, n in mix.counts.items())
                    rows.append({**row, "each_holds": held})
        return rows

    def traffic(self) -> list[Record]:
        """Return which share of each demand goes to each site, and what serves it there, in units.

        A row has an origin (sent) or a server (served); units are those of the scenario's traffic.
        """
        rows: list[Record] = []
        places = self.setting.places
        for q in range(len(self.setting.tree.moments)):
            for flow, units in zip(places.flows, self.values("flow", q), strict=True):
                if units > TRAFFIC_TOLERANCE:
                    row = {**self.when(q), "lane": flow.lane, "workload": places.lanes[flow.lane][0]}
                    row |= {"site": places.lanes[flow.lane][1], "demand": places.demands[flow.demand].name}
                    rows.append({**row, "server": "", "units": round(float(units), 6)})
            for use, units in zip(places.uses, self.values("use", q), strict=True):
                if units > TRAFFIC_TOLERANCE:
                    row = {**self.when(q), "lane": use.lane, "workload": places.lanes[use.lane][0]}
                    row |= {"site": places.lanes[use.lane][1], "demand": ""}
                    rows.append(
                        {**row, "server": places.groups[use.group][1], "units": round(float(units), 6)}
                    )
        return rows

    def sales(self) -> list[Record]:
        """Return the servers that are sold, and from which order they were."""
        rows: list[Record] = []
        tree = self.setting.tree
        for q in range(len(tree.moments)):
            for (kind, v), count in zip(self._builder.sales(q), self.values("retire", q), strict=True):
                if count > WHOLE:
                    bought = "standing" if v == ROOT else tree.moments[v].name
                    row = {**self.when(q), "server": self.setting.places.types[kind]}
                    rows.append({**row, "ordered": bought, "count": round(count)})
        return rows

    def retrofits(self) -> list[Record]:
        """Return the racks that are turned to liquid at each moment."""
        rows: list[Record] = []
        for q, moment in enumerate(self.setting.tree.moments):
            now = self.values("liquid", q)
            before = np.zeros(len(now)) if moment.parent is None else self.values("liquid", moment.parent)
            for k, count in zip(self._builder.turned, now - before, strict=True):
                if count > WHOLE:
                    name = self.setting.places.classes[k].name
                    rows.append({**self.when(q), "racks": name, "count": round(count)})
        return rows

    def unserved(self) -> list[Record]:
        """Return the demand that is left unserved, as a share of it."""
        rows: list[Record] = []
        for q in range(len(self.setting.tree.moments)):
            for demand, units in zip(self.setting.places.demands, self.values("unserved", q), strict=True):
                if units > TRAFFIC_TOLERANCE * demand.units:
                    rows.append({**self.when(q), "demand": demand.name, "share": float(units) / demand.units})
        return rows

    def cash_flow(self) -> list[Record]:
        """Return what every moment pays by part, undiscounted USD; income is negative.

        `discounted` is the total as it counts in the objective; `cumulative` adds up along the branch.
        """
        assert self.solved.values is not None
        payments, setting = self.solved.built.payments, self.setting
        discount, end = setting.discount()
        amounts = np.array(payments.usd) * self.solved.values[np.array(payments.column)]
        weighed = payments.amounts(discount, end) * self.solved.values[np.array(payments.column)]
        moments, parts = np.array(payments.moment), np.array(payments.part)
        rows: list[Record] = []
        totals: dict[int, float] = {}
        for q, moment in enumerate(setting.tree.moments):
            here = moments == q
            by_part = {part: float(amounts[here & (parts == part)].sum()) for part in PARTS}
            total = sum(by_part.values())
            totals[q] = total + (0.0 if moment.parent is None else totals[moment.parent])
            rows.append(
                {
                    **self.when(q),
                    **{f"{part.replace(' ', '_')}_usd": round(usd, 2) for part, usd in by_part.items()},
                    "total_usd": round(total, 2),
                    "cumulative_usd": round(totals[q], 2),
                    "discounted_usd": round(float(weighed[here].sum()), 2),
                }
            )
        return rows

    def power(self) -> list[Record]:
        """Return how full every limit on power, grid and heat is, with what is there at that moment."""
        rows: list[Record] = []
        setting = self.setting
        for q, moment in enumerate(setting.tree.moments):
            servers = self.values("servers", q)
            for limit in setting.places.limits:
                node = dated_node(limit)
                if node is None:
                    continue
                used = sum(amount * servers[j] for j, amount in limit.servers.items())
                available = limit_at(setting.study, limit, moment.period)
                row = {**self.when(q), "limit": limit.name, "node": node, "family": limit.family}
                rows.append({**row, "used_kw": round(used / 1000, 3), "available_kw": available / 1000})
        return rows

    def fleet(self) -> list[Record]:
        """Return the fleet by type: owned, running, in store, on order, mean age, book depreciation."""
        setting, tree = self.setting, self.setting.tree
        life = setting.market.question.scenario.economics.life_years
        years = setting.market.years_per_period
        rows: list[Record] = []
        for q, moment in enumerate(tree.moments):
            running = self.running(q)
            for kind, name in enumerate(setting.places.types):
                ages: list[tuple[int, float, float]] = []
                for v in self._builder.arrived(kind, q):
                    count = self._left(kind, v, q)
                    if v == ROOT:
                        paid, age = setting.market.standing(name, tree.moments[0])
                        ages.append((count, age + (moment.period - 1) * years, paid))
                    else:
                        arrived = tree.moments[v].period + setting.lead(kind)
                        paid = float(setting.market.capex_usd(name, tree.moments[v]))
                        ages.append((count, (moment.period - arrived) * years, paid))
                owned = sum(count for count, _, _ in ages)
                runs = sum(running.get((name, site), 0) for site in setting.places.sites)
                coming = sum(
                    round(self.values("order", p)[kind])
                    for p in tree.path(q)
                    if tree.moments[p].period + setting.lead(kind) > moment.period
                )
                if not (owned or coming):
                    continue
                months = (
                    sum(count * age for count, age, _ in ages) / owned * MONTHS_PER_YEAR if owned else 0.0
                )
                book = sum(count * paid / life * years for count, age, paid in ages if age < life)
                row = {**self.when(q), "server": name, "owned": owned, "running": runs}
                row |= {"stored": owned - runs, "on_order": coming, "mean_age_months": round(months, 1)}
                rows.append({**row, "book_depreciation_usd": round(book, 2)})
        return rows

    def _left(self, kind: int, v: int, q: int) -> int:
        """Return the servers of an order that are still there after moment q."""
        bought = v != ROOT
        count = round(self.values("order", v)[kind]) if bought else self._builder.standing(kind)
        for p in self.setting.tree.path(q):
            sold = self.values("retire", p)
            for n, key in enumerate(self._builder.sales(p)):
                count -= round(sold[n]) if key == (kind, v) else 0
        return count

    def _accelerators(self, server: str) -> int:
        return next(o.host.accelerators for o in self.setting.places.offers if o.host.name == server)

    def accelerators(self, q: int) -> int:
        """Return the accelerators that run at a moment, owned and rented."""
        return sum(count * self._accelerators(server) for (server, _), count in self.running(q).items())

    def tables(self) -> dict[str, list[Record]]:
        """Return every table by name."""
        return {
            "purchases": self.purchases(),
            "deployments": self.deployments(),
            "placements": self.placements(),
            "racks": self.racks(),
            "traffic": self.traffic(),
            "rents": self.rents(),
            "sales": self.sales(),
            "retrofits": self.retrofits(),
            "unserved": self.unserved(),
            "cash_flow": self.cash_flow(),
            "power": self.power(),
            "fleet": self.fleet(),
        }
