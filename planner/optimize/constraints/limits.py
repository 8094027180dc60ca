"""Ledgers: what is used of a stated limit (power, heat, network, money, carbon, stock) stays within it.

What a server, a rack, a unit of traffic uses of each limit is physics and bookkeeping, known to the
rooms above; here a ledger is only rows of integers.
"""

from __future__ import annotations

from planner.optimize.problem import Problem
from planner.optimize.program import Program, RowInfo
from planner.optimize.variables import Columns

TITLE = "Limits: power, heat, network, budget, carbon, stock"
EQUATIONS = (
    (
        "{family}/{kind}/{name}",
        r"\sum_{v} a_{rv}\, x_v \le b_r \qquad \forall r",
        "the amounts of limit r that servers, racks, replicas and traffic use add up to at most the limit; "
        "the rows below are all of this form",
    ),
    (
        "power/{level}/{node}, power/{level}/{node}/without/{lost}",
        r"\sum_j s^e_{nj}\, w_j\, \mathrm{servers}_j \le o_n b_n \qquad \forall n, e",
        "provisioned watts w of servers, by the share s of their rack that node n carries in normal "
        "operation and after each loss e of another node (2N: all, 3N/2: half of the lost one's more, a "
        "standby node: nothing until then); b is the rating of the modules in service times the continuous "
        "share, o the oversubscription (1 unless stated)",
    ),
    (
        "power/{level}/{node}/.../shed",
        r"\sum_j s^e_{nj}\, w^{shed}_j\, \mathrm{servers}_j \le b_n \qquad \forall n : o_n > 1, e",
        "what is left when all steps of `reliability.shedding` are taken: servers that serve only less "
        "important workloads, at their lower cap",
    ),
    (
        "power/{level}/{node}/.../peak",
        r"\sum_j s^e_{nj}\, \max(w_j, w^{peak}_j)\, \mathrm{servers}_j \le b^{peak}_n",
        "short peaks of all accelerators at once, where a node states what it may carry for some 100 ms",
    ),
    (
        "grid/site/{site}, grid/total",
        r"\sum_j \lceil w_j\, \mathrm{PUE}_j \rceil\, \mathrm{servers}_j \le b_s",
        "provisioned watts with cooling, against the grid contract",
    ),
    (
        "heat/{medium}/{loop}",
        r"\sum_{j \in J_c} w^{medium}_j\, \mathrm{servers}_j \le (n_c - n^{spare}_c)\, u_c\, d_c",
        "the air or liquid part of provisioned watts, against the cooling units in service at what the "
        "hottest design day leaves of them",
    ),
    (
        "budget/capex, budget/opex, carbon/total, carbon/per_mtok, expected/total",
        r"\sum_v a_{rv}\, x_v \le b_r",
        "money paid at once (servers, retrofits, spares, reserved units); running cost, carbon and expected "
        "watts of servers, awake replicas and traffic; for carbon per token each unserved unit lowers it",
    ),
    (
        "water/site/{site}, water/total",
        r"\sum_v a_{rv}\, x_v \le b_r",
        "millilitres per hour that servers, awake replicas and traffic evaporate by how they are cooled",
    ),
    (
        "quota/{tenant}/accelerators/{period}, quota/{tenant}/rps/{period}, quota/{tenant}/usd_per_h",
        r"\sum_{a \in A_{n,t}} g_a \rho_a\, \mathrm{assign}_a \le b_{n,t}, \quad"
        r" \sum_{f \in F_{n,t}} \lambda_f\, \mathrm{flow}_f \le b_{n,t}, \quad"
        r" \sum_{a \in A_n} (c_a + h_t g_a \rho_a \pi_a)\, \mathrm{assign}_a"
        r" + \sum_{f \in F_n} c_f\, \mathrm{flow}_f \le b_n",
        "the traffic of the workloads of tenant n: accelerators g kept busy and requests lambda served in "
        "every period t; spend, with the price pi of an accelerator-hour and the period's share h of the day",
    ),
    (
        "servers/total, stock/{server}, delivery/{server}, churn/moves",
        r"\sum_v a_{rv}\, x_v \le b_r",
        "counts: powered servers; bought servers and spares, against the stock and what arrives in time; "
        "replicas started away from the plan in force",
    ),
)


def add_rows(program: Program, problem: Problem, columns: Columns) -> None:
    """Add the rows of every ledger of the problem."""
    for ledger in problem.ledgers:
        program.add_rows(
            (
                RowInfo(name, ledger.family, ledger.unit, source)
                for name, source in zip(ledger.names, ledger.source, strict=True)
            ),
            [
                (entries.row, columns[kind][entries.column], entries.amount)
                for kind, entries in ledger.entries.items()
            ],
            upper=ledger.limit,
        )
