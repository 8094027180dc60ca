"""Replicas: each one stands on free accelerators that belong together, fits in memory and may run."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from planner.performance.precision import KV_BYTES, WEIGHT_BYTES
from planner.plan.content import Slice, read_slice
from planner.plan.hosts import server_label
from planner.plan.types import ReplicaGroup, ServerPlan
from planner.plan.verify.context import Context
from planner.plan.verify.violation import Violation

FAMILY = "placement"


def check(context: Context) -> Iterator[Violation]:
    """Yield what is wrong with the replicas of a plan."""
    taken: dict[tuple[str, int], str] = {}
    for group in context.plan.replicas:
        yield from _group(group, context)
        for number, placement in enumerate(group.placements, start=1):
            row = f"placement/{group.pool}/{number}"
            slices, faults = _read(placement)
            faults += list(_place(group, slices, context))
            for part in slices:
                faults += list(_occupied(part, row, taken, context))
            yield from (Violation(row, FAMILY, text) for text in faults)
    yield from _one_kind_per_pool(context)


def _group(group: ReplicaGroup, context: Context) -> Iterator[Violation]:
    """Yield what is wrong with a group whatever its places are."""
    row = f"replicas/{group.pool}"
    scenario = context.setting.scenario
    if group.count != len(group.placements):
        text = f"says {group.count} replicas, but places {len(group.placements)}"
        yield Violation(row, FAMILY, text, len(group.placements), group.count, "replicas")
    shape = group.shape.shape()
    names = [f"{group.site}/{group.server}/{shape.name}"]
    if shape.role != "aggregated" or any(len(placement) > 1 for placement in group.placements):
        inside = f"{group.fabric_domain or group.site}/{group.server}/{shape.name}"
        names = [inside] if shape.role != "aggregated" else [*names, inside]
    if group.pool not in names:
        text = f"is called {group.pool}, its place, server and shape make {' or '.join(names)}"
        yield Violation(row, FAMILY, text)
    for fault in shape.faults():
        yield Violation(row, FAMILY, fault)
    for what, precision, known in (
        ("weights", shape.weights, WEIGHT_BYTES),
        ("kv_cache", shape.kv_cache, KV_BYTES),
    ):
        if precision not in known:
            yield Violation(row, FAMILY, f"{what} in {precision}: known are {', '.join(known)}")
    if shape.engine not in scenario.engines:
        yield Violation(row, FAMILY, f"runs on {shape.engine}, which the scenario does not allow")
    if shape.llm not in context.setting.llm_names:
        yield Violation(row, FAMILY, f"runs {shape.llm}, which no workload asks for")
    if not context.table.measured:
        yield from (Violation(row, FAMILY, fault) for fault in _cut(group, context))
    if group.pool in context.pools and not shape.faults():
        yield from _awake(group, context)
        replica = context.table.replica(group.pool)
        if replica is not None and not replica.fits:
            used, room = replica.memory.reserved_bytes / 1e9, replica.memory.usable_bytes / 1e9
            yield Violation(f"memory/{group.pool}", FAMILY, replica.refusal, used, room, "GB")


def _awake(group: ReplicaGroup, context: Context) -> Iterator[Violation]:
    """Yield awake watts that are not those of the shape."""
    expected = context.table.awake_w(group.pool)
    if group.awake_w != expected:
        text = f"its replicas draw {group.awake_w} W while in service, the model says {expected} W"
        row = f"replicas/{group.pool}/awake_w"
        yield Violation(row, FAMILY, text, group.awake_w, expected, "W")


def _cut(group: ReplicaGroup, context: Context) -> Iterator[str]:
    """Yield why a model cannot be cut as the shape says: heads, layers and experts are whole."""
    shape = group.shape
    name = context.setting.llm_names.get(shape.llm)
    if name is None or shape.shape().faults():
        return
    llm = context.setting.catalog.llm(name)
    heads = min((g.attention.query_heads for g in llm.groups if g.attention.query_heads), default=0)
    experts = max((g.feed_forward.experts for g in llm.groups), default=0)
    if heads % shape.tp:
        yield f"cuts {heads} heads by tensor parallelism of {shape.tp}"
    if shape.pp > llm.layers:
        yield f"cuts {llm.layers} layers into {shape.pp} stages"
    if shape.ep > 1 and (not experts or experts % shape.ep):
        yield f"spreads {experts} experts over {shape.ep} ranks"


def _read(placement: Sequence[str]) -> tuple[list[Slice], list[str]]:
    slices: list[Slice] = []
    faults: list[str] = []
    for text in placement:
        try:
            slices.append(read_slice(text))
        except ValueError as error:
            faults.append(str(error))
    return slices, faults


def _place(group: ReplicaGroup, slices: Sequence[Slice], context: Context) -> Iterator[str]:
    """Yield why the slices of one replica do not make a place for it."""
    servers = [context.servers[part.server] for part in slices if part.server in context.servers]
    if not slices or len(servers) < len(slices):
        missing = sorted({part.server for part in slices} - set(context.servers))
        yield f"stands on {', '.join(missing) or 'nothing'}, which is not powered"
        return
    shape = group.shape.shape()
    have = sum(part.accelerators for part in slices)
    if have != shape.accelerators:
        yield f"takes {have} accelerators, its shape has {shape.accelerators}"
    for server in servers:
        yield from _host(group, server)
    if len(slices) > 1:
        yield from _spread(group, slices, servers, context)


def _host(group: ReplicaGroup, server: ServerPlan) -> Iterator[str]:
    """Yield why a server is no host for a group."""
    label = server_label(server)
    for what, of_group, of_server in (
        ("site", group.site, server.site),
        ("fabric domain", group.fabric_domain, server.fabric_domain),
        ("server", group.server, label),
        ("accelerator", group.shape.accelerator, server.accelerator),
        ("power cap", group.shape.power_cap_w, server.power_cap_w),
    ):
        if of_group != of_server:
            yield f"{what} is {of_group}, that of {server.name} is {of_server}"


def _spread(
    group: ReplicaGroup, slices: Sequence[Slice], servers: Sequence[ServerPlan], context: Context
) -> Iterator[str]:
    """Yield why a replica may not span these servers: whole ones of one fabric domain, TP inside each."""
    if len({part.server for part in slices}) < len(slices):
        yield "takes a server in several slices"
    for part, server in zip(slices, servers, strict=True):
        if part.accelerators < server.accelerators:
            yield f"spans servers, but takes only {part.accelerators} accelerators of {part.server}"
    domains = {server.fabric_domain for server in servers}
    if len(domains) > 1 or None in domains:
        yield f"spans servers that share no fabric domain ({', '.join(map(str, sorted(map(str, domains))))})"
    box = min(server.accelerators for server in servers)
    if box % group.shape.tp and not context.table.measured:
        yield f"splits a tensor-parallel group of {group.shape.tp} across servers of {box} accelerators"


def _occupied(part: Slice, row: str, taken: dict[tuple[str, int], str], context: Context) -> Iterator[str]:
    """Yield accelerators that do not exist or that another replica has taken."""
    server = context.servers.get(part.server)
    if server is not None and part.last >= server.accelerators:
        yield f"takes accelerator {part.last} of {part.server}, which has {server.accelerators} (from 0)"
    twice = set()
    for number in range(part.first, part.last + 1):
        owner = taken.setdefault((part.server, number), row)
        if owner != row:
            twice.add(owner)
    if twice:
        yield f"takes accelerators of {part.server} that {', '.join(sorted(twice))} has taken"


def _one_kind_per_pool(context: Context) -> Iterator[Violation]:
    """Yield pools whose groups differ in shape, site or server."""
    first: dict[str, ReplicaGroup] = {}
    for group in context.plan.replicas:
        leader = first.setdefault(group.pool, group)
        kinds = [(g.shape, g.site, g.server) for g in (leader, group)]
        if kinds[0] != kinds[1]:
            text = "has groups of different shape, site or server"
            yield Violation(f"replicas/{group.pool}", FAMILY, text)
