"""One period of one future: do the servers fit their racks, feeds and loops, and serve the traffic?

What servers weigh, draw and heat comes from the catalog; what they serve, from the timed shapes.
"""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterator, Mapping

from planner.catalog import Catalog, Server
from planner.study.procure.audit.history import History, Record
from planner.study.procure.deployment import Deployment

HELD = re.compile(r"(\d+) ([^;]+)")
"""A part of what a rack holds: `4 existing/dgx-h100/ams-old; 1 buy/dgx-h200/ams-old`."""

SHARE_TOLERANCE = 1e-4
"""Traffic is written with six decimals of a unit; capacity rows are whole millionths of a server."""

WATTS_PER_KW = 1000.0


def check_racks(history: History, period: int, places: Deployment, catalog: Catalog) -> Iterator[str]:
    """Yield racks that hold more than fits, more racks than there are, servers without a rack."""
    where = f"{history.branches[period - 1]}/{period}"
    offers = dict(zip(places.names, places.offers, strict=True))
    used: dict[str, int] = defaultdict(int)
    liquid: dict[str, int] = defaultdict(int)
    room: dict[str, int] = defaultdict(int)
    classes = {rack_class.name: rack_class for rack_class in places.classes}
    for row in history.rows("racks", period):
        name, count = str(row["racks"]), int(row["count"])
        used[name] += count
        liquid[name] += count if row["liquid"] in (True, "True") else 0
        held = {offer: int(number) for number, offer in HELD.findall(str(row["each_holds"]))}
        for offer, number in held.items():
            room[offer] += number * count
        about = classes[name].attributes
        watts = air = wet = units = weight = bought = 0.0
        stands: dict[str, int] = {}
        for offer, number in held.items():
            server = catalog.servers[offers[offer].host.name]
            draws = drawn_w(server, offers[offer].host.cap_w)
            watts += number * draws
            wet += number * draws * server.liquid_fraction
            if offers[offer].origin == "existing":
                stands[server.id] = stands.get(server.id, 0) + number
            else:
                bought += number
                units += number * server.rack_units
                weight += number * server.weight_kg
        air = watts - wet
        turned = row["liquid"] in (True, "True")
        for server_id, number in stands.items():
            there = classes[name].existing.get(server_id, 0)
            if number > there:
                yield f"{where}: a rack of {name} holds {number} standing {server_id}, there are {there}"
        if stands:  # what stands takes its room, all of it
            for server_id, number in classes[name].existing.items():
                units += number * catalog.servers[server_id].rack_units
                weight += number * catalog.servers[server_id].weight_kg
                bought += number
        no_loops = classes[name].air_loop is None and classes[name].liquid_loop is None
        limits = {
            "W": (watts, WATTS_PER_KW * float(about["power_kw"])),
            "W of air": (air, WATTS_PER_KW * float(about["power_kw" if no_loops else "air_kw"])),
            "W of liquid": (wet, WATTS_PER_KW * _liquid_kw(about, turned)),
            "rack units": (units, float(about["height_u"])),
            "kg": (weight, float(about["weight_kg"])),
            "slots": (bought, float(about["slots"])),
        }
        for unit, (needed, limit) in limits.items():
            # heat is rounded to whole watts server by server
            if needed > limit + sum(held.values()):
                yield f"{where}: a rack of {name} needs {needed:,.0f} {unit}, it has {limit:,.0f}"
    for name, count in used.items():
        if count > classes[name].count:
            yield f"{where}: {count} racks of {name} are used, there are {classes[name].count}"
    so_far: dict[str, int] = defaultdict(int)
    for row in history.rows("retrofits"):
        if int(row["period"]) <= period:
            so_far[str(row["racks"])] += int(row["count"])
    for name, count in liquid.items():
        if count > so_far[name]:
            yield f"{where}: {count} racks of {name} are liquid-cooled, {so_far[name]} were turned"
    for row in history.rows("placements", period):
        offer = str(row["offer"])
        if offers[offer].rack_class is not None and int(row["count"]) > room[offer]:
            yield f"{where}: {row['count']} of {offer} run, racks hold {room[offer]}"


def _liquid_kw(about: Mapping[str, object], turned: bool) -> float:
    retrofit = about["retrofit"]
    if turned and isinstance(retrofit, Mapping):
        return float(str(retrofit["liquid_kw"]))
    return float(str(about["liquid_kw"]))


def drawn_w(server: Server, cap_w: float | None) -> float:
    """Return what breakers must carry of a server, W."""
    if cap_w is None:
        return server.rated_w
    return min(server.rated_w, server.host_w + server.accelerators * cap_w)


def check_limits(history: History, period: int, places: Deployment) -> Iterator[str]:
    """Yield limits of power, grid, heat and network that are exceeded, with what is there by then."""
    where = f"{history.branches[period - 1]}/{period}"
    count = {str(row["offer"]): int(row["count"]) for row in history.rows("placements", period)}
    sent = {
        (str(row["demand"]), int(row["lane"])): float(row["units"])
        for row in history.rows("traffic", period)
        if row["demand"]
    }
    for limit in places.limits:
        used = 0.0
        for j, watts in limit.servers.items():
            used += watts * count.get(places.names[j], 0)
        for f, amount in limit.flows.items():
            flow = places.flows[f]
            demand = places.demands[flow.demand]
            growth = history.demand(demand.workload, period)
            used += amount * growth * sent.get((demand.name, flow.lane), 0.0)
        there = float(limit.limit)
        for online in history.study.online:
            if period < online.period and online.at in limit.name.split("/")[2:3]:
                there = min(there, online.kw_before * WATTS_PER_KW)
        if used > there * (1 + SHARE_TOLERANCE) + 1:
            yield f"{where}: {limit.name} uses {used:,.0f} of {there:,.0f} {limit.unit}"


def check_traffic(history: History, period: int, places: Deployment) -> Iterator[str]:
    """Yield demand that is not served, and servers that serve more than they can."""
    where = f"{history.branches[period - 1]}/{period}"
    sent: dict[str, float] = defaultdict(float)
    balance: dict[int, float] = defaultdict(float)
    busy: dict[tuple[tuple[str, str], int], float] = defaultdict(float)
    uses = {(use.lane, places.groups[use.group][1]): use for use in places.uses}
    for row in history.rows("traffic", period):
        units, lane = float(row["units"]), int(row["lane"])
        if row["demand"]:
            sent[str(row["demand"])] += units
            balance[lane] += units
            continue
        balance[lane] -= units
        use = uses.get((lane, str(row["server"])))
        if use is None:
            yield f"{where}: {row['server']} cannot serve {row['workload']} at {row['site']}"
            continue
        growth = history.demand(places.lanes[lane][0], period)
        busy[places.groups[use.group], places.lane_hours[lane]] += units * use.servers * growth
    for row in history.rows("unserved", period):
        units = next(d.units for d in places.demands if d.name == row["demand"])
        sent[str(row["demand"])] += float(row["share"]) * units
    for demand in places.demands:
        if not math.isclose(sent[demand.name], demand.units, rel_tol=SHARE_TOLERANCE):
            yield f"{where}: {sent[demand.name]:g} of {demand.units} units of {demand.name} are accounted for"
    for lane, left in balance.items():
        if abs(left) > SHARE_TOLERANCE * max(1.0, sum(d.units for d in places.demands)):
            workload, site = places.lanes[lane]
            yield f"{where}: {left:g} units of {workload} are sent to {site} and not served there"
    running: dict[tuple[str, str], float] = defaultdict(float)
    for row in history.rows("placements", period):
        running[str(row["site"]), _label(row)] += int(row["count"])
    for (group, _), servers in busy.items():
        if servers > running[group] * places.usable_share * (1 + SHARE_TOLERANCE):
            there = running[group] * places.usable_share
            yield f"{where}: {group[1]} at {group[0]} would be {servers:,.2f} servers busy of {there:,.2f}"


def _label(row: Record) -> str:
    cap = row["power_cap_w"]
    return str(row["server"]) if cap is None or cap != cap else f"{row['server']}@{float(cap):g}w"
