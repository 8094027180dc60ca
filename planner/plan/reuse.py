"""What one solve leaves to the next: timed shapes, the plan it ended with, the losses it had to state.

Questions of a study differ little. A plan of one is a start for another: its servers, replicas and routes
are found again by name in the other question's tables; what is not there any more is left out, and the
search makes it whole.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from planner.optimize.problem import VARIABLE_KINDS, Integers
from planner.plan.assemble import Assembly
from planner.plan.assemble.mixes import Mix
from planner.plan.lookup import offers_of, standing_replicas
from planner.plan.survival import NamedLoss
from planner.plan.types import Plan
from planner.shapes import Timings


@dataclass
class Reuse:
    """Given to one solve after the other; each takes what is there and leaves what it found.

    timings: shapes and their rates. plan: where the next search starts. losses: replicas that single
    failures take, by name; they hold for every plan. mattered: failures that were part of the program.
    """

    timings: Timings = field(default_factory=Timings)
    plan: Plan | None = None
    losses: frozenset[NamedLoss] = frozenset()
    mattered: tuple[str, ...] = ()


def start_values(plan: Plan, assembly: Assembly) -> Mapping[str, Integers]:
    """Return the decisions of a plan in the tables of another question, by kind of variable.

    What the question does not offer is left out: the values need not be a solution.
    """
    problem = assembly.problem
    values = {kind: np.zeros(problem.variable_count(kind), dtype=np.int64) for kind in VARIABLE_KINDS}
    offer_of = offers_of(plan, assembly)
    _servers(plan, assembly, offer_of, values)
    for p, _ in standing_replicas(plan, assembly, offer_of):
        values["replicas"][p] += 1
    _traffic(plan, assembly, values)
    _follow(assembly, values)
    return values


def _follow(assembly: Assembly, values: Mapping[str, Integers]) -> None:
    """Fill in what follows from servers and replicas: spares, moves."""
    spares, churn = assembly.problem.spares, assembly.problem.churn
    if spares is not None:
        powered = np.zeros(len(spares.names), dtype=np.int64)
        np.add.at(powered, spares.member_group, values["servers"][spares.member])
        covered = spares.base.copy()
        for z, (group, step) in enumerate(zip(spares.group.tolist(), spares.step.tolist(), strict=True)):
            if powered[group] > covered[group]:
                values["spares"][z] = 1
                covered[group] += step
    if churn is not None:
        values["moves"][:] = np.maximum(values["replicas"][churn.hosting] - churn.standing, 0)


def _servers(
    plan: Plan, assembly: Assembly, offer_of: Mapping[str, int], values: Mapping[str, Integers]
) -> None:
    """Count servers by offer, and give every rack the first mix that holds its servers."""
    class_of = {rack: rack_class.name for rack_class in assembly.classes for rack in rack_class.members}
    in_rack: dict[str, Counter[int]] = defaultdict(Counter)
    for server in plan.servers:
        j = offer_of.get(server.name)
        if j is None:
            continue
        values["servers"][j] += 1
        if server.rack is not None:
            in_rack[server.rack][j] += 1
    members: dict[str, list[int]] = defaultdict(list)
    for j, offer in enumerate(assembly.offers):
        if offer.rack_class is not None:
            members[offer.rack_class.name].append(j)
    mixes: dict[str, list[tuple[int, Mix]]] = defaultdict(list)
    for m, (rack_class, mix) in enumerate(assembly.mixes):
        mixes[rack_class.name].append((m, mix))
    for rack, counts in in_rack.items():
        name = class_of[rack]
        for m, mix in mixes[name]:
            room = dict(zip(members[name], mix.counts, strict=True))
            if all(count <= room.get(j, 0) for j, count in counts.items()):
                values["mixes"][m] += 1
                break
    for s, site in enumerate(assembly.problem.sites.names):
        values["open"][s] = int(any(server.site == site for server in plan.servers))


def _traffic(plan: Plan, assembly: Assembly, values: Mapping[str, Integers]) -> None:
    """Count units by flow and by path; the unserved by demand."""
    problem, names = assembly.problem, assembly.day.names
    period_of = [names[t] for t in problem.lane_period.tolist()]
    arrived = [demand.arrived for demand in assembly.demands]
    flows = {
        (route.workload, route.origin, route.site, period_of[lane], arrived[i]): (f, route.promise)
        for f, (route, lane, i) in enumerate(
            zip(assembly.flow_routes, problem.flows.lane.tolist(), problem.flows.demand.tolist(), strict=True)
        )
    }
    paths = {
        (
            assembly.lanes[path.lane],
            period_of[path.lane],
            tuple(assembly.pools[q].name for q in path.pools),
        ): a
        for a, path in enumerate(assembly.paths)
    }
    demands = {
        (demand.workload, demand.origin, demand.arrived): i for i, demand in enumerate(assembly.demands)
    }
    units_total = assembly.question.scenario.solver.units
    for route in plan.routes:
        found = flows.get((route.workload, route.origin, route.site, route.period, route.arrived))
        if found is None or route.units_total != units_total:
            continue
        f, promise = found
        a = paths.get(((promise, route.site), route.period, tuple(route.pools)))
        if a is not None:
            values["flow"][f] += route.units
            values["assign"][a] += route.units
    for gone in plan.unserved:
        i = demands.get((gone.workload, gone.origin, gone.period))
        if i is not None:
            values["unserved"][i] += gone.units
