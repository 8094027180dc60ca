"""GLOP, kept between solves: a linear program that changes a little and is solved again.

After new rows or new bounds the simplex goes on from the last basis, so that a hundred solves cost little
more than one. MathOpt's inner layer is used, in which programs, changes and solutions are arrays: its classes
make an object of each variable, each row and each state of a basis, which took as long as the pivots.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import scipy.sparse
from ortools.glop import parameters_pb2 as glop_parameters
from ortools.math_opt import (
    callback_pb2,
    model_parameters_pb2,
    model_update_pb2,
    parameters_pb2,
    result_pb2,
)
from ortools.math_opt.core.python import solver as mathopt_solver
from pybind11_abseil.status import StatusNotOk

from planner.optimize.program import Arrays, Floats
from planner.optimize.solvers.highs import LinearOutcome, objective_scale, to_proto
from planner.optimize.solvers.outcome import SolverFailure

INFEASIBLE = (
    result_pb2.TERMINATION_REASON_INFEASIBLE,
    result_pb2.TERMINATION_REASON_INFEASIBLE_OR_UNBOUNDED,
)


class LinearProgram:
    """The linear relaxation of `arrays`; rows can be added and moved, columns too, and costs changed."""

    def __init__(self, arrays: Arrays, *, presolved: bool = True) -> None:
        """Prepare.

        Args:
            arrays: the program.
            presolved: whether each solve makes it smaller first. It then goes on from the last basis only
                where the smaller program is as large as the last one: not after moves of bounds that matter.
        """
        # Rows in which loads of 10,000,000 stand beside ones make GLOP give up: each row is scaled to 1.
        self._scale = 1.0 / np.maximum(_largest(arrays.matrix), 1.0)
        self._cost, self._objective_scale = arrays.cost, objective_scale(arrays)
        lower, upper = arrays.row_lower * self._scale, arrays.row_upper * self._scale
        self._rows = Bounds(lower, upper)
        self._columns = Bounds(arrays.column_lower, arrays.column_upper)
        self._sent_cost = arrays.cost
        self._new: list[tuple[np.ndarray, Floats]] = []
        self._presolved = presolved
        scaled = replace(
            arrays,
            matrix=(scipy.sparse.diags_array(self._scale) @ arrays.matrix).tocsr(),
            row_lower=lower,
            row_upper=upper,
        )
        try:
            self._solver = mathopt_solver.new(
                parameters_pb2.SOLVER_TYPE_GLOP,
                to_proto(scaled, np.zeros(len(arrays.cost), dtype=bool)),
                parameters_pb2.SolverInitializerProto(),
            )
        except (StatusNotOk, RuntimeError, ValueError) as error:
            raise SolverFailure(f"GLOP (in OR-Tools) failed: {error}") from error

    def move_rows(self, lower: Floats, upper: Floats) -> None:
        """Set the bounds of the first rows, in the order in which they came."""
        count = len(lower)
        self._rows.move(lower * self._scale[:count], upper * self._scale[:count])

    def move_columns(self, lower: Floats, upper: Floats) -> None:
        """Set the bounds (columns,) of the columns."""
        self._columns.move(lower, upper)

    def price(self, cost: Floats) -> None:
        """Set the costs (columns,) of the columns."""
        self._cost = cost

    def add_row(self, columns: np.ndarray, amounts: Floats, lower: float) -> None:
        """Add the row `amounts @ x[columns] >= lower`."""
        scale = 1.0 / max(float(np.abs(amounts).max(initial=0.0)), 1.0)
        order = np.argsort(columns, kind="stable")
        self._new.append((columns[order], amounts[order] * scale))
        self._scale = np.append(self._scale, scale)
        self._rows.add(lower * scale)

    def solve(self, time_limit_s: float = 600.0, duals_of: Sequence[int] | None = None) -> LinearOutcome:
        """Solve from where the last solve ended.

        Args:
            time_limit_s: seconds for it.
            duals_of: rows whose duals are asked for. Then the others are 0, and values and reduced costs are
                left out: reading a whole solution takes longer than the few pivots to it. None: everything.

        Raises:
            SolverFailure: the solver ended with an error.
        """
        asked = model_parameters_pb2.ModelSolveParametersProto()
        if duals_of is not None:
            for left_out in (asked.variable_values_filter, asked.reduced_costs_filter):
                left_out.filter_by_ids = True
            asked.dual_values_filter.filter_by_ids = True
            asked.dual_values_filter.filtered_ids.extend(sorted(set(duals_of)))
        parameters = parameters_pb2.SolveParametersProto()
        parameters.time_limit.FromMicroseconds(round(1e6 * max(time_limit_s, 0.01)))
        if not self._presolved:
            parameters.glop.CopyFrom(glop_parameters.GlopParameters(use_preprocessing=False))
        try:
            self._send()
            callbacks = callback_pb2.CallbackRegistrationProto()
            result = self._solver.solve(parameters, asked, None, callbacks, None, None)
        except (StatusNotOk, RuntimeError, ValueError) as error:
            raise SolverFailure(f"GLOP (in OR-Tools) failed: {error}") from error
        empty = np.zeros(0)
        reason = result.termination.reason
        if reason in INFEASIBLE:
            return LinearOutcome("infeasible", np.inf, empty, empty, empty)
        if reason != result_pb2.TERMINATION_REASON_OPTIMAL:
            return LinearOutcome("unknown", -np.inf, empty, empty, empty)
        solution = result.solutions[0]
        duals = _laid_out(solution.dual_solution.dual_values, len(self._scale))
        duals *= self._scale / self._objective_scale
        if duals_of is not None:
            objective = solution.primal_solution.objective_value / self._objective_scale
            return LinearOutcome("optimal", objective, empty, duals, empty)
        values = _laid_out(solution.primal_solution.variable_values, len(self._cost))
        reduced = _laid_out(solution.dual_solution.reduced_costs, len(self._cost)) / self._objective_scale
        return LinearOutcome("optimal", float(self._cost @ values), values, duals, reduced)

    def _send(self) -> None:
        """Tell the solver what has changed since the last solve."""
        update = model_update_pb2.ModelUpdateProto()
        new, entries = update.new_linear_constraints, update.linear_constraint_matrix_updates
        for number, (columns, amounts) in enumerate(self._new, len(self._rows.lower) - len(self._new)):
            new.ids.append(number)
            new.lower_bounds.append(self._rows.lower[number])
            new.upper_bounds.append(self._rows.upper[number])
            entries.row_ids.extend(np.full(len(columns), number))
            entries.column_ids.extend(columns)
            entries.coefficients.extend(amounts)
        self._new = []
        rows, places = update.linear_constraint_updates, update.variable_updates
        self._rows.send(rows.lower_bounds, rows.upper_bounds)
        self._columns.send(places.lower_bounds, places.upper_bounds)
        moved = np.flatnonzero(self._cost != self._sent_cost)
        costs = update.objective_updates.linear_coefficients
        costs.ids.extend(moved)
        costs.values.extend(self._cost[moved] * self._objective_scale)
        self._sent_cost = self._cost
        if update.ByteSize() and not self._solver.update(update):
            raise SolverFailure("GLOP (in OR-Tools) did not take a change of its program")


class Bounds:
    """Bounds of columns or rows: as they are, and as the solver knows them."""

    def __init__(self, lower: Floats, upper: Floats) -> None:
        self.lower, self.upper = lower.copy(), upper.copy()
        self._known = lower.copy(), upper.copy()

    def move(self, lower: Floats, upper: Floats) -> None:
        """Set the first bounds."""
        self.lower[: len(lower)], self.upper[: len(upper)] = lower, upper

    def add(self, lower: float) -> None:
        """Add a lower bound of something new, which the solver is told of as a whole."""
        self.lower, self.upper = np.append(self.lower, lower), np.append(self.upper, np.inf)

    def send(self, lower: Any, upper: Any) -> None:
        """Write those that differ from what the solver knows into sparse vectors of a message."""
        for message, now, known in zip((lower, upper), (self.lower, self.upper), self._known, strict=True):
            moved = np.flatnonzero(now[: len(known)] != known)
            message.ids.extend(moved)
            message.values.extend(now[moved])
        self._known = self.lower.copy(), self.upper.copy()


def _laid_out(vector: Any, count: int) -> Floats:
    """Return (count,) the values of a sparse vector of a message."""
    values = np.zeros(count)
    values[np.asarray(vector.ids, dtype=np.int64)] = np.asarray(vector.values, dtype=np.float64)
    return values


def _largest(matrix: scipy.sparse.csr_matrix) -> Floats:
    """Return (rows,) the largest absolute coefficient of each row."""
    return np.asarray(abs(matrix).max(axis=1).toarray(), dtype=np.float64).reshape(-1)
