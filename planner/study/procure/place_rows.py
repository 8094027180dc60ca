"""Rows of one moment: traffic is served by servers that stand in racks with power and cooling.

Demand is counted in units at the scenario's rate; growth makes a unit heavier, not the units more.
"""

from __future__ import annotations

import math

import numpy as np

from planner.optimize.program import RowInfo
from planner.study.procure.builder import MICRO, Builder, Entries
from planner.study.procure.setting import limit_at

SERVER_SCALE = 1_000_000
"""A fully used server in rows of capacity; a unit's share of one is rounded up to a millionth."""

OUTAGE_USD_PER_UNIT = 1e7
"""Price of a unit of demand left unserved for a period when looking for what cannot be served."""


def traffic_rows(b: Builder, q: int) -> None:
    """Demand is sent to sites, served there, and keeps servers busy."""
    places, growth = b.places, b.tree.moments[q].demand
    flow, use = b.decisions("flow", q), b.decisions("use", q)
    unserved, servers = b.decisions("unserved", q), b.decisions("servers", q)
    entries: Entries = [(f.demand, int(flow[n]), 1) for n, f in enumerate(places.flows)]
    entries += [(i, int(column), 1) for i, column in enumerate(unserved)]
    units = [demand.units for demand in places.demands]
    sources = [f"workloads.{demand.workload}.rate_rps" for demand in places.demands]
    names = [f"demand/{demand.name}" for demand in places.demands]
    b.rows("demand", names, q, entries, lower=units, upper=units, unit="units", sources=sources)
    lanes: Entries = [(u.lane, int(use[n]), 1) for n, u in enumerate(places.uses)]
    lanes += [(f.lane, int(flow[n]), -1) for n, f in enumerate(places.flows)]
    names = [f"lane/{number}/{workload}/{site}" for number, (workload, site) in enumerate(places.lanes)]
    b.rows("lane", names, q, lanes, lower=0, upper=0)
    usable = math.floor(SERVER_SCALE * places.usable_share + 1e-9)
    parts = len(places.hours)
    rows: Entries = [
        (
            u.group * parts + places.lane_hours[u.lane],
            int(use[n]),
            math.ceil(SERVER_SCALE * u.servers * growth[places.lanes[u.lane][0]]),
        )
        for n, u in enumerate(places.uses)
    ]
    rows += [
        (places.group_of[j] * parts + part, int(column), -usable)
        for j, column in enumerate(servers)
        for part in range(parts)
    ]
    names = [f"capacity/{site}/{host}/{part}" for site, host in places.groups for part in places.hours]
    b.rows("capacity", names, q, rows, upper=0)


def rack_rows(b: Builder, q: int) -> None:
    """Servers stand in racks; racks turned to liquid stay so."""
    places = b.places
    servers, mixes = b.decisions("servers", q), b.decisions("mixes", q)
    placed = [j for j, offer in enumerate(places.offers) if offer.rack_class is not None]
    row_of = {j: row for row, j in enumerate(placed)}
    entries: Entries = [(row_of[j], int(servers[j]), 1) for j in placed]
    for m, mix in enumerate(places.mixes):
        entries += [(row_of[j], int(mixes[m]), -count) for j, count in mix.counts.items()]
    b.rows("racks", [f"rack/{places.names[j]}" for j in placed], q, entries, upper=0)
    rows: Entries = [(mix.rack_class, int(mixes[m]), 1) for m, mix in enumerate(places.mixes)]
    counts = [rack_class.count for rack_class in places.classes]
    names = [f"racks/{rack_class.name}" for rack_class in places.classes]
    sources = [f"topology: racks {rack_class.name}" for rack_class in places.classes]
    b.rows("racks", names, q, rows, upper=counts, unit="racks", sources=sources)
    liquid = b.decisions("liquid", q)
    parent = b.tree.moments[q].parent
    turned: Entries = []
    for row, k in enumerate(b.turned):
        turned.append((2 * row, int(liquid[row]), -1))
        turned += [
            (2 * row, int(mixes[m]), 1)
            for m, mix in enumerate(places.mixes)
            if mix.rack_class == k and mix.retrofit
        ]
        turned.append((2 * row + 1, int(liquid[row]), -1))
        if parent is not None:
            turned.append((2 * row + 1, int(b.decisions("liquid", parent)[row]), 1))
        usd = next(mix.usd for mix in places.mixes if mix.rack_class == k and mix.retrofit)
        b.payments.add("retrofit", q, int(liquid[row]), usd)
        if parent is not None:
            b.payments.add("retrofit", q, int(b.decisions("liquid", parent)[row]), -usd)
    names = [f"{what}/{places.classes[k].name}" for k in b.turned for what in ("liquid", "liquid/stays")]
    b.rows("racks", names, q, turned, upper=0)


def limit_rows(b: Builder, q: int) -> None:
    """Power, heat, grid and network as in the program of one plan; some come online later."""
    places, moment = b.places, b.tree.moments[q]
    servers, flow = b.decisions("servers", q), b.decisions("flow", q)
    entries: Entries = []
    for row, limit in enumerate(places.limits):
        entries += [(row, int(servers[j]), amount) for j, amount in limit.servers.items()]
        for f, amount in limit.flows.items():
            workload = places.demands[places.flows[f].demand].workload
            entries.append((row, int(flow[f]), math.ceil(amount * moment.demand[workload])))
    uppers = [limit_at(b.study, limit, moment.period) for limit in places.limits]
    moment_name = moment.name
    if not places.limits:
        return
    table = np.array(entries, dtype=np.int64).reshape(-1, 3)
    b.program.add_rows(
        [
            RowInfo(f"{limit.name}@{moment_name}", limit.family, limit.unit, limit.source)
            for limit in places.limits
        ],
        [(table[:, 0], table[:, 1], table[:, 2])],
        upper=uppers,
    )


def running_costs(b: Builder, q: int) -> None:
    """Say what the decisions of a moment pay there, besides buying and renting."""
    places, moment, hours = b.places, b.tree.moments[q], b.setting.hours
    servers = b.decisions("servers", q)
    for j, offer in enumerate(places.offers):
        column = int(servers[j])
        electricity = offer.idle_electricity / MICRO * moment.electricity
        b.payments.add("electricity", q, column, hours * electricity)
        b.payments.add("maintenance", q, column, hours * offer.maintenance / MICRO)
        b.payments.add("infrastructure", q, column, hours * offer.infrastructure / MICRO)
    for n, use in enumerate(places.uses):
        factor = hours * moment.demand[places.lanes[use.lane][0]] * moment.electricity
        b.payments.add("electricity", q, int(b.decisions("use", q)[n]), use.usd_per_h * factor)
    for n, flow in enumerate(places.flows):
        factor = hours * moment.demand[places.demands[flow.demand].workload]
        b.payments.add("network", q, int(b.decisions("flow", q)[n]), flow.usd_per_h * factor)
    for i, demand in enumerate(places.demands):
        usd = (demand.usd_per_unit_h or 0.0) * hours * moment.demand[demand.workload]
        if b.setting.outages_allowed and demand.usd_per_unit_h is None:
            usd = OUTAGE_USD_PER_UNIT
        b.payments.add("unserved", q, int(b.decisions("unserved", q)[i]), usd)
    opened: Entries = []
    for row, (site, usd) in enumerate(places.open_usd_per_h.items()):
        column = int(b.decisions("open", q)[row])
        b.payments.add("sites", q, column, usd * hours)
        here = [j for j, offer in enumerate(places.offers) if offer.site == site]
        opened += [(row, int(servers[j]), 1) for j in here]
        opened.append((row, column, -sum(b.room(j) for j in here)))
    b.rows("sites", [f"open/{site}" for site in places.open_usd_per_h], q, opened, upper=0)
