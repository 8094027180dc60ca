"""CP-SAT: exact integer programs; proves small ones, and makes routing whole after a relaxed stage."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

from planner.optimize.program import Arrays, Floats
from planner.optimize.solvers.outcome import Outcome, SolverFailure

if TYPE_CHECKING:
    from ortools.sat.python import cp_model  # brings pandas along: only who solves with it waits for it

LARGEST_BOUND = 2**52
"""Bounds beyond this are cut to it: CP-SAT's integers are 64 bit and sums must not overflow."""


OnIncumbent = Callable[[float, float, Callable[[], Floats]], None]
"""Told (objective, bound, function that returns the values) at each new solution."""


def _listener(tell: OnIncumbent, variables: list[cp_model.IntVar]) -> cp_model.CpSolverSolutionCallback:
    """Return what passes every incumbent on, objective and bound in micro-USD/h."""
    from ortools.sat.python import cp_model

    class Listener(cp_model.CpSolverSolutionCallback):
        def on_solution_callback(self) -> None:
            tell(self.objective_value, self.best_objective_bound, self._values)

        def _values(self) -> Floats:
            return np.array([self.value(variable) for variable in variables], dtype=np.float64)

    return Listener()


def solve(
    arrays: Arrays,
    *,
    time_limit_s: float,
    relative_gap: float = 0.0,
    seed: int = 0,
    workers: int = 2,
    hint: Floats | None = None,
    deterministic_limit: float | None = None,
    on_incumbent: OnIncumbent | None = None,
    on_bound: Callable[[float], None] | None = None,
) -> Outcome:
    """Solve the integer program exactly.

    Args:
        arrays: the program.
        time_limit_s: wall-clock limit.
        relative_gap: stop when (objective - bound) / objective is at most this.
        seed: random seed.
        workers: parallel workers.
        hint: (columns,) a start, complete or near a solution.
        deterministic_limit: deterministic time limit; the run then interleaves its workers, so that the
            same program gives the same answer on every run.
        on_incumbent: told about each new solution.
        on_bound: told about each better bound.

    Raises:
        SolverFailure: CP-SAT refused the model.
    """
    from ortools.sat.python import cp_model

    model, variables = _to_model(arrays)
    if hint is not None:
        for variable, value in zip(variables, np.rint(hint).astype(np.int64).tolist(), strict=True):
            model.add_hint(variable, value)
    solver = cp_model.CpSolver()
    solver.parameters.max_time_in_seconds = max(time_limit_s, 0.01)
    solver.parameters.relative_gap_limit = relative_gap
    solver.parameters.random_seed = seed
    solver.parameters.num_workers = max(workers, 1)
    # The step of presolve that looks for rows inside rows calls a feasible program infeasible (OR-Tools 9.15;
    # tests/oracle/test_peers.py has one).
    solver.parameters.presolve_inclusion_work_limit = 0
    # Elsewhere than in the main thread somebody else listens for Ctrl-C, and CP-SAT would take that away.
    solver.parameters.catch_sigint_signal = threading.current_thread() is threading.main_thread()
    if deterministic_limit is not None:
        solver.parameters.max_deterministic_time = deterministic_limit
        solver.parameters.interleave_search = True
    started = time.perf_counter()
    if on_bound is not None:
        solver.best_bound_callback = on_bound
    status = solver.solve(model, _listener(on_incumbent, variables) if on_incumbent else None)
    seconds = time.perf_counter() - started
    if status == cp_model.MODEL_INVALID:
        raise SolverFailure(f"CP-SAT refused the model: {model.validate()}")
    if status == cp_model.INFEASIBLE:
        return Outcome("infeasible", None, np.inf, np.inf, seconds)
    if status not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return Outcome("unknown", None, np.inf, solver.best_objective_bound, seconds)
    values = np.array([solver.value(variable) for variable in variables], dtype=np.float64)
    return Outcome(
        "optimal" if status == cp_model.OPTIMAL else "feasible",
        values,
        float(arrays.cost @ values),
        solver.best_objective_bound,
        seconds,
    )


def _to_model(arrays: Arrays) -> tuple[cp_model.CpModel, list[cp_model.IntVar]]:
    from ortools.sat.python import cp_model

    model = cp_model.CpModel()
    low = np.maximum(arrays.column_lower, -LARGEST_BOUND).astype(np.int64)
    high = np.minimum(arrays.column_upper, LARGEST_BOUND).astype(np.int64)
    variables = [
        model.new_int_var(lower, upper, "") for lower, upper in zip(low.tolist(), high.tolist(), strict=True)
    ]
    matrix = arrays.matrix
    coefficients = matrix.data.astype(np.int64).tolist()
    columns = matrix.indices.tolist()
    starts = matrix.indptr.tolist()
    for row in range(len(arrays.rows)):
        first, last = starts[row], starts[row + 1]
        expression = cp_model.LinearExpr.weighted_sum(
            [variables[c] for c in columns[first:last]], coefficients[first:last]
        )
        lower, upper = arrays.row_lower[row], arrays.row_upper[row]
        if lower == upper:
            model.add(expression == int(lower))
        elif np.isinf(lower):
            if np.isfinite(upper):
                model.add(expression <= int(upper))
        elif np.isinf(upper):
            model.add(expression >= int(lower))
        else:
            model.add_linear_constraint(expression, int(lower), int(upper))
    used = np.flatnonzero(arrays.cost)
    model.minimize(
        cp_model.LinearExpr.weighted_sum(
            [variables[c] for c in used.tolist()], arrays.cost[used].astype(np.int64).tolist()
        )
    )
    return model, variables
