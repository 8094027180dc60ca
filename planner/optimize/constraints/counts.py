"""Stated numbers of replicas: at least or at most so many of an LLM, slots for the adapters of a workload.

They hold in normal operation; after a loss what is left serves what is promised.
"""

from __future__ import annotations

import numpy as np

from planner.optimize.problem import UNLIMITED, Problem
from planner.optimize.program import Program, RowInfo
from planner.optimize.variables import Columns

TITLE = "Numbers of replicas and adapter slots"
EQUATIONS = (
    (
        "replicas/at_least/{llm}/{site}",
        r"\sum_{p \in P_y} \mathrm{replicas}_p \ge \underline{n}_y",
        "stated least number of replicas of an LLM, at a site or anywhere",
    ),
    (
        "replicas/at_most/{llm}/{site}",
        r"\sum_{p \in P_y} \mathrm{replicas}_p \le \overline{n}_y",
        "stated largest number of replicas",
    ),
    (
        "lora/{llm}",
        r"\sum_{p \in P_y} s_p\, \mathrm{replicas}_p \ge n_y",
        "the replicas of an LLM have slots for all the adapters of the workloads it answers; s slots each",
    ),
)


def add_rows(program: Program, problem: Problem, columns: Columns) -> None:
    """Add a row for each number stated."""
    counts = problem.counts
    program.add_rows(
        (
            RowInfo(name, "counts", unit, source)
            for name, unit, source in zip(counts.names, counts.unit, counts.source, strict=True)
        ),
        [(counts.entries.row, columns["replicas"][counts.entries.column], counts.entries.amount)],
        lower=np.where(counts.least > 0, counts.least, -np.inf),
        upper=np.where(counts.most < UNLIMITED, counts.most, np.inf),
    )
