"""A builder of tiny problems that can be solved by hand."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planner.optimize.problem import (
    LOAD_SCALE,
    SHARE_SCALE,
    UNLIMITED,
    Assignments,
    Candidates,
    Demands,
    Entries,
    Failures,
    Flows,
    HostGroups,
    Hostings,
    Ledger,
    Pools,
    Problem,
    RackClasses,
    RackMixes,
    Sites,
    integers,
)


def one_site(
    *,
    units: int = 10,
    load: int = LOAD_SCALE // 5,
    server_cost: int = 1000,
    racks: int = 3,
    per_rack: int = 2,
    accelerators: int = 8,
    size: int = 4,
) -> Problem:
    """One workload, one origin, one site, one kind of server, one shape.

    With the defaults a replica carries 5 units and takes 4 accelerators of an 8-accelerator server.
    """
    return Problem(
        workloads=("chat",),
        demands=Demands(
            ("chat/west",), integers([0]), integers([units]), integers([-1]), ("workloads.chat.rate_rps",)
        ),
        sites=Sites(("ams",), integers([0])),
        rack_classes=RackClasses(("racks",), integers([racks]), ("topology: racks",)),
        mixes=RackMixes(integers([0]), integers([0]), integers([0]), integers([0]), integers([per_rack])),
        host_groups=HostGroups(("su/box",), integers([0]), integers([accelerators])),
        candidates=Candidates(
            ("buy/box",), integers([0]), integers([0]), integers([10**6]), integers([server_cost])
        ),
        pools=Pools(("pool",), integers([0]), integers([UNLIMITED]), integers([0])),
        hostings=Hostings(integers([0]), integers([0]), integers([size]), integers([0])),
        lane_workload=integers([0]),
        lane_site=integers([0]),
        flows=Flows(integers([0]), integers([0]), integers([0])),
        assignments=Assignments(integers([0]), integers([1]), integers([0]), integers([0]), integers([load])),
    )


def with_limit(problem: Problem, name: str, limit: int, amount: int, kind: str = "servers") -> Problem:
    """Add a limit row over all variables of a kind, each using `amount`."""
    count = problem.variable_count(kind)
    entries = Entries(
        np.zeros(count, dtype=np.int64), np.arange(count, dtype=np.int64), np.full(count, amount)
    )
    family = name.split("/")[0]
    ledger = Ledger(family, (name,), integers([limit]), "W", (f"topology: {name}",), {kind: entries})
    return replace(problem, ledgers=(*problem.ledgers, ledger))


def surviving_one_server(problem: Problem, kept: float = 1.0) -> Problem:
    """Ask that the loss of one server of the only host group be survived."""
    share = np.full((1, len(problem.demands.names)), round(kept * SHARE_SCALE))
    failures = Failures(
        names=("survive/server/su/box",),
        kept_share=share,
        lost_candidate_row=integers([]),
        lost_candidate=integers([]),
        lost_one_of=integers([0]),
        lost_rack_of=integers([-1]),
        lost_count=integers([1]),
    )
    return replace(problem, failures=failures)
