"""HiGHS, the one bundled in OR-Tools, through MathOpt: mixed-integer and linear programs.

The package `highspy` is not used: it and OR-Tools cannot be imported in one process.
"""

from __future__ import annotations

import ctypes
import datetime
import math
import os
import sys
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
from ortools.math_opt import model_pb2
from ortools.math_opt.python import mathopt
from ortools.math_opt.solvers import highs_pb2

from planner.optimize.program import Arrays, Floats
from planner.optimize.solvers.outcome import Outcome, SolverFailure

LARGEST_COST = 100.0
"""The largest coefficient of the objective is brought below this, and above a tenth of it."""


def objective_scale(arrays: Arrays) -> float:
    """Return what the objective is multiplied by: a power of ten that brings it near 1.

    The solver's tolerances are absolute and meant for such numbers. Far below them (a count of units in
    millionths, costs of a few micro-USD) it calls plans optimal that cost several times the optimum.
    """
    largest = float(np.abs(arrays.cost).max(initial=0.0))
    return 1.0 if largest <= 0 else 10.0 ** math.floor(math.log10(LARGEST_COST / largest))


@dataclass(frozen=True)
class LinearOutcome:
    """A solved linear relaxation.

    status: "optimal" | "infeasible" | "unknown". values (columns,), duals (rows,) and reduced costs
    (columns,) in micro-USD/h per unit; empty when there is none.
    """

    status: str
    objective: float
    values: Floats
    duals: Floats
    reduced_costs: Floats


LARGE_COEFFICIENT = 2.0**14
"""Rows with larger coefficients are scaled down to it: the solver's tolerances are absolute."""


def row_scale(arrays: Arrays) -> Floats:
    """Return (rows,) the power of two that each row is multiplied with for the solver."""
    largest = np.asarray(abs(arrays.matrix).max(axis=1).toarray(), dtype=np.float64).reshape(-1)
    return np.exp2(-np.ceil(np.log2(np.maximum(largest, LARGE_COEFFICIENT) / LARGE_COEFFICIENT)))


def to_proto(arrays: Arrays, integer: np.ndarray) -> model_pb2.ModelProto:
    """Return `arrays` as MathOpt takes it; `integer` (columns,) says which columns stay integer."""
    proto = model_pb2.ModelProto()
    scale = row_scale(arrays)
    proto.variables.ids.extend(range(len(arrays.cost)))
    proto.variables.lower_bounds.extend(arrays.column_lower)
    proto.variables.upper_bounds.extend(arrays.column_upper)
    proto.variables.integers.extend(integer.tolist())
    used = np.flatnonzero(arrays.cost)
    proto.objective.linear_coefficients.ids.extend(used)
    proto.objective.linear_coefficients.values.extend(arrays.cost[used] * objective_scale(arrays))
    proto.linear_constraints.ids.extend(range(len(arrays.rows)))
    proto.linear_constraints.lower_bounds.extend(arrays.row_lower * scale)
    proto.linear_constraints.upper_bounds.extend(arrays.row_upper * scale)
    matrix = arrays.matrix
    matrix.sort_indices()
    rows = np.repeat(np.arange(matrix.shape[0]), np.diff(matrix.indptr))
    proto.linear_constraint_matrix.row_ids.extend(rows)
    proto.linear_constraint_matrix.column_ids.extend(matrix.indices)
    proto.linear_constraint_matrix.coefficients.extend(matrix.data * scale[rows])
    return proto


def to_model(arrays: Arrays, integer: np.ndarray) -> mathopt.Model:
    """Return the MathOpt model of `arrays`; `integer` (columns,) says which columns stay integer."""
    return mathopt.Model.from_model_proto(to_proto(arrays, integer))


def solve_integer(
    arrays: Arrays,
    *,
    integer: np.ndarray,
    time_limit_s: float,
    relative_gap: float,
    seed: int = 0,
    node_limit: int | None = None,
    hint: Floats | None = None,
    on_line: Callable[[str], None] | None = None,
    enough: float | None = None,
    cutoff: float | None = None,
    sub_searches: bool = True,
) -> Outcome:
    """Solve the program with the columns `integer` integer and the others continuous.

    Args:
        arrays: the program.
        integer: (columns,) which columns are whole.
        time_limit_s: wall clock.
        relative_gap: stop at this proven gap.
        seed: of the search.
        node_limit: stop after so many nodes.
        hint: (columns,) values to start from.
        on_line: told every line of HiGHS's log as it appears.
        enough: stop at a solution that costs no more than this, proven or not.
        cutoff: only solutions that cost less are looked for, and the bound is never above it: where there
            are none that is what is proven ("unknown", not "infeasible"), mostly sooner than the optimum.
        sub_searches: look for solutions in smaller programs around the relaxation. Programs with few
            whole columns find theirs by branching, several times as fast.

    Raises:
        SolverFailure: HiGHS ended with an error.
    """
    model = to_model(arrays, integer)
    parameters = mathopt.SolveParameters(
        time_limit=datetime.timedelta(seconds=max(time_limit_s, 0.01)),
        relative_gap_tolerance=relative_gap,
        random_seed=seed,
        node_limit=node_limit,
        highs=_options(arrays, enough, cutoff, sub_searches),
    )
    hints = []
    if hint is not None:
        hints = [
            mathopt.SolutionHint(variable_values=dict(zip(model.variables(), hint.tolist(), strict=True)))
        ]
    started = time.perf_counter()
    try:
        result = _run(model, parameters, mathopt.ModelSolveParameters(solution_hints=hints), on_line)
    except SolverFailure:
        if not hints:
            raise
        # The bundled HiGHS fails now and then on a start that it maps into the presolved program.
        result = _run(model, parameters, mathopt.ModelSolveParameters(), on_line)
    seconds = time.perf_counter() - started
    reason = result.termination.reason
    bound = result.termination.objective_bounds.dual_bound / objective_scale(arrays)
    if reason in (mathopt.TerminationReason.INFEASIBLE, mathopt.TerminationReason.INFEASIBLE_OR_UNBOUNDED):
        if cutoff is not None:
            return Outcome("unknown", None, np.inf, cutoff, seconds)
        return Outcome("infeasible", None, np.inf, np.inf, seconds)
    if cutoff is not None:
        # Where everything was cut off, what HiGHS calls the optimum is some solution met on the way.
        bound = min(bound, cutoff)
    if not result.has_primal_feasible_solution():
        return Outcome("unknown", None, np.inf, bound, seconds)
    values = np.asarray(result.variable_values(list(model.variables())))
    objective = float(arrays.cost @ values)
    optimal = reason == mathopt.TerminationReason.OPTIMAL
    return Outcome("optimal" if optimal else "feasible", values, objective, bound, seconds)


LOG_WORDS, LOG_BOUND = 11, 8
"""Words of a line of HiGHS's log about the search, and where the bound is, from the end."""


def logged_bound(line: str, arrays: Arrays) -> float | None:
    """Return the bound in a line of the log of a search, in units of its costs; None for other lines.

    Such a line ends with `BestBound BestSol Gap Cuts InLp Confl. LpIters Time`, the time like `19.0s`. The
    log shows the objective as the solver has it, scaled.
    """
    words = line.split()
    if len(words) < LOG_WORDS or not words[-1].endswith("s"):
        return None
    try:
        return float(words[-LOG_BOUND]) / objective_scale(arrays)
    except ValueError:
        return None


SUB_SEARCHES = (
    "mip_heuristic_run_rins",
    "mip_heuristic_run_rens",
    "mip_heuristic_run_root_reduced_cost",
)


def _options(
    arrays: Arrays, enough: float | None, cutoff: float | None, sub_searches: bool
) -> highs_pb2.HighsOptionsProto:
    """Return options that MathOpt has no names of its own for."""
    options = highs_pb2.HighsOptionsProto()
    if enough is not None:
        options.double_options["objective_target"] = enough * objective_scale(arrays)
    if cutoff is not None:
        options.double_options["objective_bound"] = cutoff * objective_scale(arrays)
    if not sub_searches:
        for name in SUB_SEARCHES:
            options.bool_options[name] = False
    return options


def solve_linear(arrays: Arrays, time_limit_s: float = 600.0) -> LinearOutcome:
    """Solve the linear relaxation.

    Raises:
        SolverFailure: the solver ended with an error.
    """
    model = to_model(arrays, np.zeros(len(arrays.cost), dtype=bool))
    limit = datetime.timedelta(seconds=max(time_limit_s, 0.01))
    result = _run(model, mathopt.SolveParameters(time_limit=limit), mathopt.ModelSolveParameters())
    empty = np.zeros(0)
    reason = result.termination.reason
    if reason in (mathopt.TerminationReason.INFEASIBLE, mathopt.TerminationReason.INFEASIBLE_OR_UNBOUNDED):
        return LinearOutcome("infeasible", np.inf, empty, empty, empty)
    if reason != mathopt.TerminationReason.OPTIMAL:
        return LinearOutcome("unknown", -np.inf, empty, empty, empty)
    values = np.asarray(result.variable_values(list(model.variables())))
    scale = objective_scale(arrays)
    scaled = np.asarray(result.dual_values(list(model.linear_constraints())))
    duals = scaled * row_scale(arrays) / scale
    reduced = np.asarray(result.reduced_costs(list(model.variables()))) / scale
    return LinearOutcome("optimal", float(arrays.cost @ values), values, duals, reduced)


class _Silence:
    """Keeps what HiGHS prints past its own log switch off the standard output while any solve runs.

    The bundled HiGHS writes lines such as "transformNewIntegerFeasibleSolution tmpSolver.run();" straight
    to the C standard output; a program that prints JSON there would be broken by them. Solves of several
    threads share one silence: the first turns it on, the last one off.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._inside = 0
        self._saved = -1

    def __enter__(self) -> None:
        with self._lock:
            self._inside += 1
            if self._inside == 1:
                sys.stdout.flush()
                self._saved = os.dup(1)
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, 1)
                os.close(nowhere)

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._inside -= 1
            if self._inside == 0:
                ctypes.CDLL(None).fflush(None)
                os.dup2(self._saved, 1)
                os.close(self._saved)


_silence = _Silence()


def _run(
    model: mathopt.Model,
    parameters: mathopt.SolveParameters,
    model_parameters: mathopt.ModelSolveParameters,
    on_line: Callable[[str], None] | None = None,
) -> mathopt.SolveResult:
    def heard(lines: Sequence[str]) -> None:
        for line in lines:
            assert on_line is not None
            on_line(line)

    try:
        with _silence:
            return mathopt.solve(
                model,
                mathopt.SolverType.HIGHS,
                params=parameters,
                model_params=model_parameters,
                msg_cb=None if on_line is None else heard,
            )
    except (RuntimeError, AttributeError, ValueError) as error:
        # A status that is not OK can also die with an AttributeError inside MathOpt's own error path.
        raise SolverFailure(f"HiGHS (in OR-Tools) failed: {error}") from error
