"""Rows of the fleet that runs through all moments: orders, deliveries, installation, sales, rent, money."""

from __future__ import annotations

import math

from planner.study.procure.builder import MICRO, MOST_SERVERS, Builder, Entries
from planner.study.procure.decisions import CAPITAL, ROOT
from planner.study.procure.setting import budget_at
from planner.study.procure.tree import Tree


def fleet_rows(b: Builder, q: int) -> None:
    """What runs has arrived and was not sold; what runs anew was installed, or moved."""
    places, parent = b.places, b.tree.moments[q].parent
    servers = b.decisions("servers", q)
    installed, moved = b.decisions("installed", q), b.decisions("moved", q)
    owned: Entries = []
    uppers: list[int] = []
    for kind in range(len(places.types)):
        owned += [(kind, int(servers[j]), 1) for j in places.offers_of(kind)]
        owned += _not_alive(b, kind, q, row=kind)
        uppers.append(b.standing(kind))
    b.rows("fleet", [f"fleet/{name}" for name in places.types], q, owned, upper=uppers)
    if not (b.study.install_usd_per_server or b.study.move_usd_per_server):
        return
    put: Entries = []
    before: list[int] = []
    names: list[str] = []
    for kind, name in enumerate(places.types):
        for at, site in enumerate(places.sites):
            row, column = len(names), int(installed[kind * len(places.sites) + at])
            put += [(row, int(servers[j]), 1) for j in places.offers_of(kind, site)]
            put.append((row, column, -1))
            if parent is not None:
                earlier = b.decisions("servers", parent)
                put += [(row, int(earlier[j]), -1) for j in places.offers_of(kind, site)]
            before.append(0 if parent is not None else places.standing.get((kind, site), 0))
            names.append(f"installed/{name}/{site}")
            b.payments.add("installation", q, column, b.study.install_usd_per_server)
    b.rows("fleet", names, q, put, upper=before)
    took: Entries = []
    stored: list[int] = []
    for kind in range(len(places.types)):
        first = kind * len(places.sites)
        took += [(kind, int(installed[first + at]), 1) for at in range(len(places.sites))]
        took.append((kind, int(moved[kind]), -1))
        b.payments.add("installation", q, int(moved[kind]), b.study.move_usd_per_server)
        # what was stored before, and what arrives now, need not be taken from a site
        took += _not_alive(b, kind, q, row=kind, before=True)
        if parent is None:
            stored.append(0)
        else:
            earlier = b.decisions("servers", parent)
            took += [(kind, int(earlier[j]), 1) for j in places.offers_of(kind)]
            stored.append(b.standing(kind))
    b.rows("fleet", [f"moved/{name}" for name in places.types], q, took, upper=stored)


def _not_alive(b: Builder, kind: int, q: int, row: int, *, before: bool = False) -> Entries:
    """Return entries of minus the servers of a type that orders brought and that are not sold.

    before: before any is sold at moment q itself.
    """
    entries: Entries = []
    for v in b.arrived(kind, q):
        if v != ROOT:
            entries.append((row, int(b.decisions("order", v)[kind]), -1))
    for p in b.tree.path(q)[:-1] if before else b.tree.path(q):
        sold = b.decisions("retire", p)
        entries += [(row, int(sold[n]), 1) for n, (k, _) in enumerate(b.sales(p)) if k == kind]
    return entries


def rent_rows(b: Builder, q: int) -> None:
    """Rented units that run are within a term; terms are paid to their end."""
    places = b.places
    servers = b.decisions("servers", q)
    period = b.tree.moments[q].period
    running: Entries = []
    most: Entries = []
    limits: list[int] = []
    for row, j in enumerate(b.rented):
        running.append((row, int(servers[j]), 1))
        for at, term in enumerate(b.terms):
            length = b.study.in_periods(term.months)
            for p in b.tree.path(q):
                if b.tree.moments[p].period + length > period:
                    column = int(b.decisions("rent", p)[row * len(b.terms) + at])
                    running.append((row, column, -1))
                    most.append((row, column, 1))
                    factor = term.price * b.tree.moments[p].rent * b.setting.hours
                    usd = places.offers[j].rental / MICRO * factor
                    b.payments.add("rent", q, column, usd)
                    if period == b.study.periods:
                        left = b.tree.moments[p].period + length - period - 1
                        b.payments.add("rent", q, column, usd * left, late=True)
        maximum = places.offers[j].maximum
        limits.append(MOST_SERVERS if maximum is None else maximum)
    names = [places.names[j] for j in b.rented]
    b.rows("rent", [f"running/{name}" for name in names], q, running, upper=0)
    sources = ["fleet.rent"] * len(names)
    b.rows("rent", [f"rent/most/{name}" for name in names], q, most, upper=limits, sources=sources)


def order_rows(b: Builder, q: int) -> None:
    """A discount holds for all servers of an order that is large enough; stock ends."""
    places = b.places
    order, tier, chosen = (b.decisions(kind, q) for kind in ("order", "tier", "chosen"))
    tiers = b.tiers()
    entries: Entries = []
    names: list[str] = []
    uppers: list[int] = []

    def row(name: str, upper: int, *parts: tuple[int, int]) -> None:
        entries.extend((len(names), column, amount) for column, amount in parts)
        names.append(name)
        uppers.append(upper)

    for number, (kind, at) in enumerate(tiers):
        name = f"order/{places.types[kind]}/discount/{at}"
        terms = b.study.terms(places.types[kind]).discounts[at]
        most = b.most_ordered(kind, q)
        row(f"{name}/taken", 0, (int(tier[number]), 1), (int(chosen[number]), -most))
        row(f"{name}/large", 0, (int(tier[number]), -1), (int(chosen[number]), terms.from_count))
    for kind in b.setting.bought:
        mine = [number for number, (k, _) in enumerate(tiers) if k == kind]
        name = f"order/{places.types[kind]}"
        if mine:
            parts = [(int(tier[number]), 1) for number in mine]
            row(f"{name}/all", 0, *parts, (int(order[kind]), -1))
            row(f"{name}/one", 1, *((int(chosen[number]), 1) for number in mine))
        stock = b.market.question.scenario.fleet.stock.get(places.types[kind])
        if stock is not None:
            path = b.tree.path(q)
            row(
                f"stock/{places.types[kind]}",
                stock,
                *((int(b.decisions("order", p)[kind]), 1) for p in path),
            )
    b.rows("order", names, q, entries, upper=uppers)


def ownership(b: Builder) -> None:
    """Orders are paid, sold servers bring money, and what is left at the end is worth something."""
    for q in range(len(b.tree.moments)):
        for kind in b.setting.bought:
            _pay_order(b, q, kind)
        for n, (kind, v) in enumerate(b.sales(q)):
            column = int(b.decisions("retire", q)[n])
            b.payments.add("resale", q, column, -_worth(b, kind, v, b.tree.moments[q].period))
    for leaf in b.tree.leaves:
        _remaining(b, leaf)


def _pay_order(b: Builder, q: int, kind: int) -> None:
    """Pay the deposit with the order and the rest on delivery; discounts are paid back likewise."""
    name, moment = b.places.types[kind], b.tree.moments[q]
    deposit, lead = b.study.deposit_share, b.setting.lead(kind)
    full = b.market.capex_usd(name, moment)
    columns = [(int(b.decisions("order", q)[kind]), float(full))]
    for number, (k, at) in enumerate(b.tiers()):
        if k == kind:
            less = b.market.capex_usd(name, moment, b.study.terms(name).discounts[at].share) - full
            columns.append((int(b.decisions("tier", q)[number]), float(less)))
    deliveries = [p for p in range(len(b.tree.moments)) if b.tree.back(p, lead) == q]
    for column, usd in columns:
        b.payments.add("servers", q, column, usd * deposit)
        for p in deliveries:
            b.payments.add("servers", p, column, usd * (1 - deposit))


def _worth(b: Builder, kind: int, v: int, period: int) -> float:
    """Return what a server of an order is worth at the beginning of a period, USD."""
    name, years = b.places.types[kind], b.market.years_per_period
    if v == ROOT:
        paid, age = b.market.standing(name, b.tree.moments[0])
        return b.market.worth_usd(paid, age + (period - 1) * years)
    arrived = b.tree.moments[v].period + b.setting.lead(kind)
    return b.market.worth_usd(b.market.resale_usd(name, b.tree.moments[v]), (period - arrived) * years)


def _remaining(b: Builder, leaf: int) -> None:
    """Count what the fleet is worth after the last period, and sell no more than an order brought."""
    path = b.tree.path(leaf)
    kinds = range(len(b.places.types))
    sales: dict[tuple[int, int], list[int]] = {(kind, v): [] for kind in kinds for v in b.arrived(kind, leaf)}
    for p in path:
        for n, key in enumerate(b.sales(p)):
            sales[key].append(int(b.decisions("retire", p)[n]))
    entries: Entries = []
    names: list[str] = []
    uppers: list[int] = []
    for (kind, v), columns in sales.items():
        worth = _worth(b, kind, v, b.study.periods + 1)
        for column in columns:
            b.payments.add("remaining value", leaf, column, worth, late=True)
        bought = [] if v == ROOT else [int(b.decisions("order", v)[kind])]
        for column in bought:
            b.payments.add("remaining value", leaf, column, -worth, late=True)
        if not columns:
            continue
        row = len(names)
        entries += [(row, column, 1) for column in columns] + [(row, column, -1) for column in bought]
        names.append(f"sold/{b.places.types[kind]}/{_order_name(b.tree, v)}")
        uppers.append(b.standing(kind) if v == ROOT else 0)
    b.rows("fleet", names, leaf, entries, upper=uppers)


def budget_rows(b: Builder) -> None:
    """What a moment pays for servers, retrofits and installation stays within the money there is."""
    budget = b.study.budget_usd
    if budget is None:
        return
    capital = [n for n, part in enumerate(b.payments.part) if part in CAPITAL]
    by_moment: dict[int, list[int]] = {}
    for n in capital:
        by_moment.setdefault(b.payments.moment[n], []).append(n)
    for q in range(len(b.tree.moments)):
        since = b.tree.path(q) if b.study.carry_over else [q]
        entries: Entries = [
            (0, b.payments.column[n], math.ceil(b.payments.usd[n]))
            for p in since
            for n in by_moment.get(p, [])
        ]
        limit = sum(budget_at(budget, b.tree.moments[p].period) for p in since)
        source = "budget_usd"
        b.rows("budget", ["budget"], q, entries, upper=[math.floor(limit)], unit="USD", sources=[source])


def _order_name(tree: Tree, v: int) -> str:
    return "standing" if v == ROOT else tree.moments[v].name
