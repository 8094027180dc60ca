"""What power nodes carry: provisioned watts, what shedding leaves of them, and short peaks."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping

from planner.plan.content import Content, Setting
from planner.plan.hosts import peak_w, server_model, shed_w
from planner.plan.types import LedgerRow, ServerPlan
from planner.topology import power_cases

WATT_TOLERANCE = 1e-6
"""Parts of a watt that are rounding, not power."""

WATTS_PER_KW = 1000.0


def limit_w(kw: float) -> int:
    """Return a limit in whole watts; parts of a watt are not to be had."""
    return int(round(kw * WATTS_PER_KW, 6))


def servers_by_rack(servers: Iterable[ServerPlan]) -> dict[str, list[ServerPlan]]:
    """Return the powered servers of each rack that has any."""
    racks: dict[str, list[ServerPlan]] = defaultdict(list)
    for server in servers:
        if server.rack is not None:
            racks[server.rack].append(server)
    return dict(racks)


def by_rack(servers: Iterable[ServerPlan], watts: Mapping[str, int]) -> dict[str, int]:
    """Return the watts of the servers of each rack, given those of each server by name."""
    return {
        rack: sum(watts[server.name] for server in members)
        for rack, members in servers_by_rack(servers).items()
    }


def provisioned(content: Content) -> dict[str, int]:
    """Return what breakers must carry for each server, W."""
    return {server.name: server.provisioned_w for server in content.servers}


def shed_steps(content: Content, setting: Setting) -> Iterator[tuple[int, dict[str, int]]]:
    """Yield (number of the step, watts of each server once it and the steps before it are shed)."""
    watts = provisioned(content)
    for number, step in enumerate(setting.scenario.reliability.shedding, 1):
        for server in content.servers:
            if server.shed_priority == step.priority:
                model = server_model(server, setting.scenario, setting.catalog)
                watts[server.name] = shed_w(model, server.provisioned_w, step.power_caps_w.get(server.server))
        yield number, dict(watts)


def peaks(content: Content, setting: Setting) -> dict[str, int]:
    """Return the short peak of each server, W."""
    return {
        server.name: peak_w(
            server_model(server, setting.scenario, setting.catalog), server.provisioned_w, setting.catalog
        )
        for server in content.servers
    }


def power_rows(content: Content, setting: Setting) -> list[LedgerRow]:
    """Return the rows of racks and of every power node in every case that can bind it, W.

    An oversubscribed node has a row for each step of shedding, of which the last must fit.
    """
    graph = setting.graph
    full = by_rack(content.servers, provisioned(content))
    rows = [
        LedgerRow(
            name=f"power/rack/{rack}", used=used, limit=limit_w(graph.nodes[rack]["power_kw"]), unit="W"
        )
        for rack, used in sorted(full.items())
    ]
    steps = [(number, by_rack(content.servers, watts)) for number, watts in shed_steps(content, setting)]
    highest = by_rack(content.servers, peaks(content, setting))

    def add(name: str, shares: Mapping[str, float], watts: Mapping[str, int], kw: float | None) -> None:
        carried = sum(share * watts.get(rack, 0) for rack, share in shares.items())
        limit = None if kw is None else limit_w(kw)
        rows.append(LedgerRow(name=name, used=math.ceil(carried - WATT_TOLERANCE), limit=limit, unit="W"))

    for case in power_cases(graph):
        node = graph.nodes[case.node]
        name = f"power/{node['level']}/{case.node}"
        if case.lost is not None:
            name += f"/without/{case.lost}"
        add(name, case.shares, full, case.usable_kw * node["oversubscription"])
        if node["oversubscription"] > 1:
            for number, watts in steps[:-1]:
                add(f"{name}/shed/{number}", case.shares, watts, None)
            add(f"{name}/shed", case.shares, steps[-1][1] if steps else full, case.usable_kw)
        if node["peak_kw"] is not None:
            add(f"{name}/peak", case.shares, highest, node["peak_kw"])
    return rows
