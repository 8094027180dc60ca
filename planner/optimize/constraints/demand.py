"""All demand is routed: what arrives goes to a site, or is left unserved where that is allowed."""

from __future__ import annotations

from planner.optimize.problem import Problem
from planner.optimize.program import Program, RowInfo
from planner.optimize.variables import Columns

TITLE = "Demand and routing"
EQUATIONS = (
    (
        "demand/{workload}/{origin}",
        r"\sum_{f \in F_i} \mathrm{flow}_f + \mathrm{unserved}_i = u_i \qquad \forall i",
        "every unit of demand i is sent to a site or left unserved",
    ),
    (
        "lane/{workload}/{site}/{budget}",
        r"\sum_{f \in F_\ell} \mathrm{flow}_f = \sum_{a \in A_\ell} \mathrm{assign}_a \qquad \forall \ell",
        "what joins lane l (a workload at a site with a latency budget) is served by a path of pools",
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
    add_lane_rows(program, problem, "lane", columns)


def lane_names(problem: Problem) -> list[str]:
    """Return a readable name for each lane: workload/site/number."""
    return [
        f"{problem.workloads[w]}/{problem.sites.names[s]}/{lane}"
        for lane, (w, s) in enumerate(zip(problem.lane_workload, problem.lane_site, strict=True))
    ]


def add_lane_rows(program: Program, problem: Problem, prefix: str, columns: Columns) -> None:
    """Add one row for each lane: what flows in is assigned."""
    program.add_rows(
        (RowInfo(f"{prefix}/{name}", "demand", "units") for name in lane_names(problem)),
        [
            (problem.flows.lane, columns["flow"], 1),
            (problem.assignments.lane, columns["assign"], -1),
        ],
        lower=0,
        upper=0,
    )
