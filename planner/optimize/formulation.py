"""The formulation page, generated from the constraint families themselves."""

from __future__ import annotations

from planner.optimize import variables
from planner.optimize.build import FAMILIES

INTRODUCTION = """# Formulation

This page is generated from the code (`python -m planner.optimize.formulation > docs/formulation.md`); a
test fails when the two differ. Each family is one file in `planner/optimize/constraints/`; what a server,
a rack or a unit of traffic uses of each limit is computed in `planner/plan/assemble/`; every row is
recomputed on the full topology, independently, in `planner/plan/verify/`.

## Units

Money in micro-USD per hour, power and heat in watts, traffic in whole units of its workload (1,000 units
of its rate by default, `solver.demand_units`; of a day's requests for batch work), load in 1/10,000,000 of a
replica. Every coefficient is an integer: the optimum is a number that can be compared exactly.

## Sets

| set | members |
|---|---|
| t | periods of the day, hours that are alike |
| i | demands: a workload's traffic from one origin in one period (batch work: for the whole day) |
| l (ell) | lanes: a workload at a site in a period, with one round trip taken out of its TTFT |
| f | flows: a demand sent to a site, joining a lane |
| a | assignments: a lane served by a path of pools (one pool, or a prefill and a decode pool) |
| q | pools: a replica shape on a server type at a site |
| h | host groups: servers of one type and power cap in one fabric domain, stopped by the same losses |
| p | hostings: a pool on a host group |
| j | candidates: servers that could be powered (existing, bought, rented) |
| k, m | classes of identical racks, and the maximal mixes of servers one rack of a class can hold |
| y | stated numbers of replicas or adapter slots |
| r | limits: power, grid, heat, budget, carbon, stock, moves, quotas |
| g, z | groups of own servers of one type at a site that share spares, and their spares |
| c | hostings on which replicas of the plan in force stand |
| e | failures to survive |

## Variables
"""

OBJECTIVE = """## Objective

$$\\min \\sum_j c_j\\,\\mathrm{servers}_j + \\sum_m c_m\\,\\mathrm{mixes}_m
+ \\sum_p c_p\\,\\mathrm{replicas}_p + \\sum_a c_a\\,\\mathrm{assign}_a
+ \\sum_f c_f\\,\\mathrm{flow}_f + \\sum_i c_i\\,\\mathrm{unserved}_i + \\sum_s c_s\\,\\mathrm{open}_s$$

A bought server costs its depreciation (price with network adder over its life), maintenance and the
infrastructure behind its provisioned watts; a rented one its price; every powered one the electricity of
its idle watts times the PUE of its cooling. A replica costs the electricity that it draws above idle as
long as it is in service, a unit of traffic that of its energy beyond, and its egress: a straight line
through 42 % and 86 % of the saturated rate, within a few percent of the draw from 30 % of the load up. A
rack turned to liquid costs the retrofit over the life of the building. Each coefficient is rounded to a
whole micro-USD per hour. Where the day has several periods, what a unit costs counts for the period's share
of the day, its electricity at the period's tariff.

Other goals count milliwatts (of IT, or at the grid with cooling), milligrams of CO2, servers or unserved
units of the same variables. Several goals are reached one after the other: a row `goal/{name}` keeps each
at the value it reached. `weights` make one goal of several: the sum of each amount times its weight, in
nano-USD per hour.

`usd_per_mtok` and `tokens_per_s_per_mw` are ratios N(x)/D(x) with tokens served D(x) = T - U(x). Where all
demand must be served D is constant, and N is minimized. Otherwise Dinkelbach's method solves a few programs

$$\\min N(x) + r\\, U(x), \\qquad r \\leftarrow N(x^*)/D(x^*)$$

until r falls no more (`planner/optimize/ratio.py`); a row `goal/served` then keeps what is served.

"""


def formulation_markdown() -> str:
    """Return the page: sets, variables, objective, and the rows of every family."""
    parts = [INTRODUCTION]
    table = [line for line in (variables.__doc__ or "").splitlines() if line.startswith("|")]
    parts.append("\n".join(table) + "\n\n")
    parts.append(OBJECTIVE)
    for family in FAMILIES:
        name = family.__name__.rsplit(".", 1)[-1]
        parts.append(f"## {family.TITLE}\n\n`planner/optimize/constraints/{name}.py`. ")
        parts.append(f"{(family.__doc__ or '').strip()}\n\n")
        for row, equation, meaning in family.EQUATIONS:
            parts.append(f"**`{row}`**\n\n$${equation}$$\n\n{meaning[0].upper()}{meaning[1:]}.\n\n")
    return "".join(parts).rstrip() + "\n"


if __name__ == "__main__":
    print(formulation_markdown(), end="")
