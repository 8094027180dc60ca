"""After the loss of any one thing asked for, the promised share of demand is still served.

Each failure has its own routing on the replicas that survive it. A loss that takes whole host groups leaves
exactly the replicas elsewhere. The loss of one of several equal things (servers, batches, racks) takes at
least the average of them (`average_loss`); where that is not stated, the places that are left are counted, as
in packing. No plan survives that any of this forbids. Whether the replicas survive where they were placed is
checked afterwards on the real servers; what a loss took there can be stated again (`lost_hosting`).
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from planner.optimize.constraints import average_loss
from planner.optimize.constraints.average_loss import AverageLosses
from planner.optimize.constraints.capacity import add_capacity_rows
from planner.optimize.constraints.demand import add_lane_rows
from planner.optimize.constraints.packing import add_packing_rows
from planner.optimize.problem import LOAD_SCALE, SHARE_SCALE, Failures, Integers, Problem, integers
from planner.optimize.program import Program, RowInfo
from planner.optimize.variables import (
    Columns,
    host_group_upper,
    hosting_upper,
    lane_units,
)

TITLE = "Reliability"
EQUATIONS = (
    (
        "survive/{failure}/demand/{workload}/{origin}/{period}",
        r"\sum_{f \in F_i} \mathrm{flow}^e_f \ge \lambda^e_i\, (u_i - \mathrm{unserved}_i)"
        r" \qquad \forall e, i",
        "after failure e the promised share lambda of what is served of demand i in normal times is routed "
        "again (written with whole coefficients); a period in which no demand is larger than in another one "
        "is left out, as long as no batch work may move between them",
    ),
    (
        "survive/{failure}/...",
        r"\mathrm{replicas}^e_p \le \mathrm{replicas}_p, \quad"
        r"\text{lane, capacity and packing rows over } x^e \text{ and the servers that are left}",
        "on replicas and servers that survive, headroom usable; the loss of one server takes one from its "
        "host group (used_h = 1 if the group has any), the loss of one rack takes what its class holds on "
        "average: a plan that survives the loss of each rack survives the mean of those losses",
    ),
    (
        "survive/upgrade/{host group}/servers-lost",
        r"\mathrm{lost}^e = \min\Big(k, \sum_{j \in J_h} \mathrm{servers}_j\Big)",
        "a rolling upgrade takes k servers of a host group at a time, or all it has, if those are fewer "
        "(written with a 0/1 choice); their places are taken from the packing rows of the event",
    ),
    (
        "survive/rack/{rack class}/most/{host group}/servers-lost-n",
        r"N_k\, \mathrm{lost}^e \ge \sum_{j \in J_h} \mathrm{servers}_j, \quad"
        r"\mathrm{lost}^e \in \mathbb{Z}",
        "one of N racks of a class holds at least the average of a host group's servers, rounded up; what "
        "survives its loss is packed into the other servers",
    ),
    (
        "survive/{failure}/left/{hosting}",
        r"\mathrm{replicas}^e_p \le \mathrm{replicas}_p - \min(n^e_p, \mathrm{replicas}_p)",
        "where a failure is known to take n replicas of a hosting (written with a 0/1 choice)",
    ),
    *average_loss.EQUATIONS,
)


def add_rows(program: Program, problem: Problem, columns: Columns) -> None:
    """Add columns and rows of every failure to survive; none if the problem asks for none."""
    failures = problem.failures
    if failures is None or not failures.names:
        return
    used = _add_used_columns(program, problem, columns, failures)
    average = AverageLosses(program, problem, columns, used)
    for event, name in enumerate(failures.names):
        with program.section(name):
            if failures.known[event] > 0:
                _add_average_event(program, problem, columns, failures, event, average)
            else:
                _add_event(program, problem, columns, failures, event, used)


def _add_average_event(
    program: Program,
    problem: Problem,
    columns: Columns,
    failures: Failures,
    event: int,
    average: AverageLosses,
) -> None:
    """Add the routing after the loss of one of several equal things, on what all replicas less it can."""
    name = failures.names[event]
    untouched = np.zeros(len(problem.host_groups.names), dtype=bool)
    again = _add_event_columns(program, problem, columns, failures, event, untouched)
    _add_promises(program, problem, columns, again, failures, event)
    add_lane_rows(program, problem, f"{name}/lane", again)
    capacity = add_capacity_rows(program, problem, f"{name}/capacity", again, LOAD_SCALE)
    average.add(failures, event, capacity)


def _add_event(
    program: Program,
    problem: Problem,
    columns: Columns,
    failures: Failures,
    event: int,
    used: dict[int, int],
) -> None:
    """Add the routing after one failure, on what survives it."""
    name = failures.names[event]
    kept, hit = _touched_groups(problem, failures, event)
    again = _add_event_columns(program, problem, columns, failures, event, hit)
    _add_promises(program, problem, columns, again, failures, event)
    add_lane_rows(program, problem, f"{name}/lane", again)
    add_capacity_rows(program, problem, f"{name}/capacity", again, LOAD_SCALE)
    touched = np.flatnonzero(hit[problem.hostings.host_group])
    program.add_rows(
        (RowInfo(f"{name}/replicas/{p}", "reliability") for p in touched),
        [
            (range(len(touched)), again["replicas"][touched], 1),
            (range(len(touched)), columns["replicas"][touched], -1),
        ],
        upper=0,
    )
    count = int(failures.lost_count[event])
    lost_group = int(failures.lost_one_of[event])
    lost_class = int(failures.lost_rack_of[event])
    fullest = lost_group >= 0 and lost_class >= 0
    racks = int(problem.rack_classes.count[lost_class]) if lost_class >= 0 and not fullest else 1
    rows, group, places = add_packing_rows(
        program, problem, f"{name}/packing", again, kept, np.flatnonzero(hit), racks
    )
    if lost_group >= 0:
        on = np.flatnonzero(group == lost_group)
        if fullest:
            gone = _add_rack_lost(program, problem, columns, name, lost_group, lost_class)
        elif count == 1:
            gone = used[lost_group]
        else:
            gone = _add_servers_lost(program, problem, columns, name, lost_group, count)
        program.extend_rows(rows[on], np.full(len(on), gone), places[on])
    if lost_class >= 0 and not fullest:
        members = np.flatnonzero(problem.candidates.rack_class == lost_class)
        for row, h, held in zip(rows, group, places, strict=True):
            lost = members[problem.candidates.host_group[members] == h]
            program.extend_rows(
                np.full(len(lost), row), columns["servers"][lost], np.full(len(lost), count * held)
            )
    _add_replica_losses(program, problem, columns, again, failures, event)


def _add_servers_lost(
    program: Program, problem: Problem, columns: Columns, name: str, group: int, count: int
) -> int:
    """Add the column min(count, servers of the group), with a free choice which of the two; return it.

    With z in {0, 1}: lost >= count z and lost >= servers - M z; the solver takes the smaller.
    """
    members = np.flatnonzero(problem.candidates.host_group == group)
    most = int(host_group_upper(problem)[group])
    lost = program.add_columns(f"{name}/servers-lost", np.array([min(count, most)]))
    choice = program.add_columns(f"{name}/servers-choice", np.ones(1))
    program.add_rows(
        (RowInfo(f"{name}/servers-lost-n", "reliability", "servers") for _ in range(1)),
        [([0], lost, 1), ([0], choice, -min(count, most))],
        lower=0,
    )
    program.add_rows(
        (RowInfo(f"{name}/servers-lost-all", "reliability", "servers") for _ in range(1)),
        [
            ([0], lost, 1),
            (np.zeros(len(members), dtype=np.int64), columns["servers"][members], -1),
            ([0], choice, most),
        ],
        lower=0,
    )
    return int(lost[0])


def _add_rack_lost(
    program: Program, problem: Problem, columns: Columns, name: str, group: int, rack_class: int
) -> int:
    """Add the column of the servers in the rack that holds most of a group: the average, rounded up."""
    racks = int(problem.rack_classes.count[rack_class])
    most = int(host_group_upper(problem)[group])
    members = np.flatnonzero(problem.candidates.host_group == group)
    lost = program.add_columns(f"{name}/servers-lost", np.array([most]))
    program.add_rows(
        [RowInfo(f"{name}/servers-lost-n", "reliability", "servers")],
        [([0], lost, racks), (np.zeros(len(members)), columns["servers"][members], -1)],
        lower=0,
    )
    return int(lost[0])


def _add_promises(
    program: Program, problem: Problem, columns: Columns, again: Columns, failures: Failures, event: int
) -> None:
    """Add the rows of what is promised after a failure: a share of what is served in normal times."""
    name, demands = failures.names[event], problem.demands
    share = failures.kept_share[event]
    common = np.gcd(share, SHARE_SCALE)
    part, whole = share // common, SHARE_SCALE // common
    promised = np.flatnonzero(share > 0)
    row_of = np.full(len(demands.names), -1, dtype=np.int64)
    row_of[promised] = np.arange(len(promised))
    refusable = np.flatnonzero((share > 0) & (demands.unserved_cost >= 0))
    program.add_rows(
        (
            RowInfo(
                f"{name}/demand/{demands.names[i]}",
                "reliability",
                "units" if whole[i] == 1 else f"1/{whole[i]} units",
                "reliability.survive",
            )
            for i in promised
        ),
        [
            (row_of[problem.flows.demand], again["flow"], whole[problem.flows.demand]),
            (row_of[refusable], columns["unserved"][refusable], part[refusable]),
        ],
        lower=(part * demands.units)[promised],
    )


def _add_replica_losses(
    program: Program, problem: Problem, columns: Columns, again: Columns, failures: Failures, event: int
) -> None:
    """Take the stated replicas from what survives: min(n, replicas) of each hosting named.

    With a free choice z in {0, 1}: lost >= n z and lost >= replicas - M z; the solver takes the smaller.
    """
    named = np.flatnonzero(failures.lost_replica_row == event)
    if not len(named):
        return
    name = failures.names[event]
    hosting, number = failures.lost_hosting[named], failures.lost_replicas[named]
    most = hosting_upper(problem)[hosting]
    lost = program.add_columns(f"{name}/lost", number)
    choice = program.add_columns(f"{name}/choice", np.ones(len(named)))
    rows = np.arange(len(named))
    program.add_rows(
        (RowInfo(f"{name}/left/{p}", "reliability") for p in hosting),
        [
            (rows, again["replicas"][hosting], 1),
            (rows, columns["replicas"][hosting], -1),
            (rows, lost, 1),
        ],
        upper=0,
    )
    program.add_rows(
        (RowInfo(f"{name}/lost-n/{p}", "reliability") for p in hosting),
        [(rows, lost, 1), (rows, choice, -number)],
        lower=0,
    )
    program.add_rows(
        (RowInfo(f"{name}/lost-all/{p}", "reliability") for p in hosting),
        [(rows, lost, 1), (rows, columns["replicas"][hosting], -1), (rows, choice, most)],
        lower=0,
    )


def _touched_groups(problem: Problem, failures: Failures, event: int) -> tuple[Integers, NDArray[np.bool_]]:
    """Return which candidates are kept (1 or 0), and which host groups the failure touches."""
    kept = np.ones(len(problem.candidates.names), dtype=np.int64)
    kept[failures.lost_candidate[failures.lost_candidate_row == event]] = 0
    hit = np.zeros(len(problem.host_groups.names), dtype=bool)
    hit[problem.candidates.host_group[kept == 0]] = True
    if failures.lost_one_of[event] >= 0:
        hit[failures.lost_one_of[event]] = True
    in_class = problem.candidates.rack_class == failures.lost_rack_of[event]
    if failures.lost_rack_of[event] >= 0 and failures.lost_one_of[event] < 0:
        hit[problem.candidates.host_group[in_class]] = True
    named = failures.lost_hosting[failures.lost_replica_row == event]
    hit[problem.hostings.host_group[named]] = True
    return kept, hit


def _add_event_columns(
    program: Program,
    problem: Problem,
    columns: Columns,
    failures: Failures,
    event: int,
    hit: NDArray[np.bool_],
) -> Columns:
    """Add the routing after one failure, and the surviving replicas of the host groups it touches.

    Replicas on other host groups all survive: their own columns stand for them. Demands of which nothing
    is promised have no routing: their columns are -1.
    """
    name = failures.names[event]
    flows, lanes = problem.flows, lane_units(problem)
    routed = failures.kept_share[event][flows.demand] > 0
    reached = np.zeros(len(lanes), dtype=bool)
    reached[flows.lane[routed]] = True
    paths = reached[problem.assignments.lane]
    flow = np.full(len(routed), -1, dtype=np.int64)
    assign = np.full(len(paths), -1, dtype=np.int64)
    touched = hit[problem.hostings.host_group]
    replicas = columns["replicas"].copy()
    replicas[touched] = program.add_columns(f"{name}/replicas", hosting_upper(problem)[touched])
    flow[routed] = program.add_columns(f"{name}/flow", problem.demands.units[flows.demand[routed]])
    assign[paths] = program.add_columns(f"{name}/assign", lanes[problem.assignments.lane[paths]])
    return Columns({"servers": columns["servers"], "replicas": replicas, "flow": flow, "assign": assign})


def _add_used_columns(
    program: Program, problem: Problem, columns: Columns, failures: Failures
) -> dict[int, int]:
    """Add a 0/1 column for each host group that may lose one server: 1 if it has any."""
    single = (failures.lost_one_of >= 0) & (failures.lost_rack_of < 0) & (failures.lost_count == 1)
    groups = integers(sorted({int(h) for h in failures.lost_one_of[single]}))
    used = program.add_columns("survive/used", np.ones(len(groups)))
    upper = host_group_upper(problem)
    row_of = np.full(len(problem.host_groups.names), -1, dtype=np.int64)
    row_of[groups] = np.arange(len(groups))
    hosts = np.flatnonzero(row_of[problem.candidates.host_group] >= 0)
    program.add_rows(
        (RowInfo(f"survive/used/{problem.host_groups.names[h]}", "reliability") for h in groups),
        [
            (row_of[problem.candidates.host_group[hosts]], columns["servers"][hosts], 1),
            (range(len(groups)), used, -upper[groups]),
        ],
        upper=0,
    )
    return {int(h): int(column) for h, column in zip(groups, used, strict=True)}
