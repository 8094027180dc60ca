"""All demand is routed: what arrives goes to a site, or is left unserved where that is allowed."""

from __future__ import annotations

import numpy as np

from planner.optimize.problem import Problem
from planner.optimize.program import Program, RowInfo
from planner.optimize.variables import Columns

TITLE = "Demand and routing"
EQUATIONS = (
    (
        "demand/{workload}/{origin}/{period}",
        r"\sum_{f \in F_i} \mathrm{flow}_f + \mathrm{unserved}_i = u_i \qquad \forall i",
        "every unit of demand i is sent to a site or left unserved; the flows of interactive work stay in "
        "its period, those of batch work lead to every period before its deadline",
    ),
    (
        "minimum/{workload}/{origin}/{period}",
        r"\sum_{f \in F_i} \mathrm{flow}_f \ge \underline{u}_i \qquad \forall i : \underline{u}_i > 0",
        "however short capacity is, the stated share of demand i is served",
    ),
    (
        "lane/{workload}/{site}/{number}/{period}",
        r"\sum_{f \in F_\ell} \mathrm{flow}_f = \sum_{a \in A_\ell} \mathrm{assign}_a \qquad \forall \ell",
        "what joins lane l (a workload at a site with a latency budget, in a period) is served by a path of "
        "pools",
    ),
)


def add_rows(program: Program, problem: Problem, columns: Columns) -> None:
    """Add the rows `demand/...` and `lane/...`."""
    demands, flows = problem.demands, problem.flows
    program.add_rows(
        (
            RowInfo(f"demand/{name}", "demand", "units", source)
            for name, source in zip(demands.names, demands.source, strict=True)
        ),
        [
            (flows.demand, columns["flow"], 1),
            (range(len(demands.names)), columns["unserved"], 1),
        ],
        lower=demands.units,
        upper=demands.units,
    )
    stated = np.flatnonzero((demands.least > 0) & (demands.unserved_cost >= 0))
    row_of = np.full(len(demands.names), -1, dtype=np.int64)
    row_of[stated] = np.arange(len(stated))
    program.add_rows(
        (RowInfo(f"minimum/{demands.names[i]}", "demand", "units", demands.least_source[i]) for i in stated),
        [(row_of[flows.demand], columns["flow"], 1)],
        lower=demands.least[stated],
    )
    add_lane_rows(program, problem, "lane", columns)


def lane_names(problem: Problem) -> list[str]:
    """Return a readable name for each lane: workload/site/number, and the period if there are several."""
    return [
        f"{problem.workloads[w]}/{problem.sites.names[s]}/{lane}{problem.period_suffix(t)}"
        for lane, (w, s, t) in enumerate(
            zip(problem.lane_workload, problem.lane_site, problem.lane_period, strict=True)
        )
    ]


def add_lane_rows(program: Program, problem: Problem, prefix: str, columns: Columns) -> None:
    """Add one row for each lane that any flow joins: what flows in is assigned."""
    joined = np.zeros(len(problem.lane_site), dtype=bool)
    joined[problem.flows.lane[columns["flow"] >= 0]] = True
    row_of = np.where(joined, np.cumsum(joined) - 1, -1)
    program.add_rows(
        (
            RowInfo(f"{prefix}/{name}", "demand", "units")
            for name, there in zip(lane_names(problem), joined, strict=True)
            if there
        ),
        [
            (row_of[problem.flows.lane], columns["flow"], 1),
            (row_of[problem.assignments.lane], columns["assign"], -1),
        ],
        lower=0,
        upper=0,
    )
