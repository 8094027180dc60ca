"""Servers: each one exists, may be used, stands in a rack that has room, and draws what it says."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

from planner.performance.power import idle_w as accelerator_idle_w
from planner.plan.breakers import servers_by_rack
from planner.plan.hosts import (
    heat_w,
    offer_of,
    provisioned_w,
    rented_accelerator,
    rented_accelerators,
    rented_name,
    server_model,
)
from planner.plan.types import ServerPlan
from planner.plan.verify.context import Context
from planner.plan.verify.violation import Violation, exceeds
from planner.topology import rented_site, servers_in

FAMILY = "servers"


def check(context: Context) -> Iterator[Violation]:
    """Yield what is wrong with the servers and racks of a plan."""
    for name, count in Counter(server.name for server in context.plan.servers).items():
        if count > 1:
            yield Violation(f"servers/{name}", FAMILY, f"is powered {count} times", count, 1, "servers")
    for server in context.plan.servers:
        faults = list(_identity(server, context))
        yield from (Violation(f"servers/{server.name}", FAMILY, text) for text in faults)
        if not faults:
            yield from _figures(server, context)
    yield from _offers(context)
    yield from _rooms(context)
    yield from _retrofits(context)


def _identity(server: ServerPlan, context: Context) -> Iterator[str]:
    """Yield why a server is not one of those that the question allows."""
    nodes = context.setting.graph.nodes
    if server.site not in nodes or nodes[server.site]["kind"] != "site":
        yield f"stands at {server.site}, which is no site of the topology"
    elif server.origin == "rent":
        yield from _rented(server, context)
    elif server.server not in context.setting.catalog.servers:
        yield f"is a {server.server}, which the catalog does not know"
    elif server.rack is None or server.rack not in nodes or nodes[server.rack]["kind"] != "rack":
        yield f"stands in {server.rack or 'no rack'}, which is no rack of the topology"
    else:
        yield from _owned(server, context)


def _owned(server: ServerPlan, context: Context) -> Iterator[str]:
    nodes = context.setting.graph.nodes
    rack = nodes[str(server.rack)]
    if rack["site"] != server.site:
        yield f"is said to stand at {server.site}, but its rack {server.rack} is at {rack['site']}"
    if rack["fabric_domain"] != server.fabric_domain:
        yield f"is said to hang on {server.fabric_domain}, but its rack hangs on {rack['fabric_domain']}"
    entry = context.setting.catalog.servers[server.server]
    if (server.accelerator, server.accelerators) != (entry.accelerator, entry.accelerators):
        yield (
            f"has {server.accelerators} x {server.accelerator}, but a {server.server} has"
            f" {entry.accelerators} x {entry.accelerator}"
        )
    if server.rent_index is not None:
        yield f"takes up offer {server.rent_index} of fleet.rent, but is not rented"
    node = nodes.get(server.name)
    if server.origin == "existing":
        if node is None or node["kind"] != "server":
            yield "is said to exist, but the topology has no server of that name"
        elif (node["server"], node["rack"]) != (server.server, server.rack):
            yield f"is a {node['server']} in {node['rack']}, not a {server.server} in {server.rack}"
    else:
        if node is not None:
            yield f"is bought, but the topology has a {node['kind']} of that name already"
        if server.server not in context.setting.scenario.fleet.buy:
            yield f"is a {server.server}, which fleet.buy does not list"
        if entry.cloud_only:
            yield f"is a {server.server}, which is rented only"


def _rented(server: ServerPlan, context: Context) -> Iterator[str]:
    scenario, catalog = context.setting.scenario, context.setting.catalog
    rent = offer_of(server, scenario)
    if rent is None:
        yield "is rented, but takes up no offer of fleet.rent"
        return
    if server.server != rented_name(rent):
        yield f"is a {server.server}, but offer {server.rent_index} is a {rented_name(rent)}"
    expected = (rented_accelerator(rent, catalog), rented_accelerators(rent, catalog))
    if (server.accelerator, server.accelerators) != expected:
        yield f"has {server.accelerators} x {server.accelerator}, the offer {expected[1]} x {expected[0]}"
    if server.site != rented_site(rent.region):
        yield f"stands at {server.site}, but the offer is in {rented_site(rent.region)}"
    if server.rack is not None or server.fabric_domain is not None:
        yield "is rented, but stands in a rack or fabric domain"


def _figures(server: ServerPlan, context: Context) -> Iterator[Violation]:
    """Yield watts of a server that differ from what its type draws and heats, and caps out of reach."""
    model = server_model(server, context.setting.scenario, context.setting.catalog)
    cap = server.power_cap_w
    if cap is not None and model is not None:
        accelerator = context.setting.catalog.accelerators[model.accelerator]
        if not accelerator_idle_w(accelerator) < cap <= accelerator.tdp_w:
            text = f"caps accelerators at {cap:g} W, outside of idle to {accelerator.tdp_w:g} W"
            row = f"servers/{server.name}/power_cap_w"
            yield Violation(row, FAMILY, text, cap, accelerator.tdp_w, "W")
    if server.shed_priority is not None:
        rules = context.setting.scenario.reliability
        if rules.shed_cap_w(server.server, server.shed_priority) is None:
            text = f"is capped when power is short at step {server.shed_priority}, which is none"
            yield Violation(f"servers/{server.name}/shed_priority", FAMILY, text)
    provisioned = provisioned_w(model, server.power_cap_w)
    air, liquid = (0, 0) if server.origin == "rent" else heat_w(provisioned, model)
    expected = {"provisioned_w": provisioned, "air_w": air, "liquid_w": liquid}
    for field, watts in expected.items():
        found = getattr(server, field)
        if found != watts:
            text = f"{field} is {found} W, a {server.server} there has {watts} W"
            yield Violation(f"servers/{server.name}/{field}", FAMILY, text, found, watts, "W")


def _offers(context: Context) -> Iterator[Violation]:
    rented = Counter(server.rent_index for server in context.plan.servers if server.origin == "rent")
    for index, rent in enumerate(context.setting.scenario.fleet.rent):
        if rent.max_count is not None and rented[index] > rent.max_count:
            text = f"{rented[index]} units are rented of at most {rent.max_count}"
            row = f"rent/{index}/{rented_name(rent)}"
            yield Violation(row, FAMILY, text, rented[index], rent.max_count, "servers")


def _rooms(context: Context) -> Iterator[Violation]:
    """Yield racks in which standing and bought servers together find no room."""
    graph, catalog = context.setting.graph, context.setting.catalog
    for rack, powered in servers_by_rack(context.plan.servers).items():
        if rack not in graph or graph.nodes[rack]["kind"] != "rack":
            continue
        held = Counter(servers_in(graph, rack))
        held.update(server.server for server in powered if server.origin == "buy")
        kinds = [(catalog.servers[name], count) for name, count in held.items() if name in catalog.servers]
        about = graph.nodes[rack]
        for what, used, unit in (
            ("slots", sum(held.values()), "servers"),
            ("height_u", sum(kind.rack_units * count for kind, count in kinds), "U"),
            ("weight_kg", sum(kind.weight_kg * count for kind, count in kinds), "kg"),
        ):
            if exceeds(used, about[what]):
                text = f"holds {used:g} {unit}, has room for {about[what]:g}"
                yield Violation(f"racks/{rack}/{what}", "racks", text, used, about[what], unit)


def _retrofits(context: Context) -> Iterator[Violation]:
    nodes = context.setting.graph.nodes
    for rack, count in Counter(context.plan.retrofitted_racks).items():
        row = f"retrofit/{rack}"
        if rack not in nodes or nodes[rack]["kind"] != "rack":
            yield Violation(row, "racks", "is turned to liquid, but is no rack of the topology")
        elif nodes[rack]["retrofit"] is None:
            yield Violation(row, "racks", "is turned to liquid, which the topology does not offer")
        elif count > 1:
            yield Violation(row, "racks", f"is turned to liquid {count} times", count, 1, "")
