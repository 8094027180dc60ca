"""GLOP through MathOpt, kept between solves: a linear program that changes a little and is solved again.

After new rows or new bounds of rows the dual simplex goes on from the last basis, so that a hundred solves
cost little more than one.
"""

from __future__ import annotations

import datetime
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
import scipy.sparse
from ortools.math_opt.python import mathopt

from planner.optimize.program import Arrays, Floats
from planner.optimize.solvers.highs import LinearOutcome, objective_scale, to_model
from planner.optimize.solvers.outcome import SolverFailure


class LinearProgram:
    """The linear relaxation of `arrays`; rows can be added and moved, and costs changed."""

    def __init__(self, arrays: Arrays) -> None:
        # Rows in which loads of 10,000,000 stand beside ones make GLOP give up: each row is scaled to 1.
        self._scale = 1.0 / np.maximum(_largest(arrays.matrix), 1.0)
        self._arrays = replace(
            arrays,
            matrix=(scipy.sparse.diags_array(self._scale) @ arrays.matrix).tocsr(),
            row_lower=arrays.row_lower * self._scale,
            row_upper=arrays.row_upper * self._scale,
        )
        self._model = to_model(self._arrays, np.zeros(len(arrays.cost), dtype=bool))
        self._columns = list(self._model.variables())
        self._rows = list(self._model.linear_constraints())
        self._cost, self._objective_scale = arrays.cost, objective_scale(arrays)
        self._lower, self._upper = self._arrays.row_lower.copy(), self._arrays.row_upper.copy()
        self._solver = mathopt.IncrementalSolver(self._model, mathopt.SolverType.GLOP)

    def move_rows(self, lower: Floats, upper: Floats) -> None:
        """Set the bounds of the rows the program was made with; only those that differ are touched."""
        count = len(lower)
        lower, upper = lower * self._scale[:count], upper * self._scale[:count]
        for row in np.flatnonzero(lower != self._lower[:count]).tolist():
            self._rows[row].lower_bound = float(lower[row])
        for row in np.flatnonzero(upper != self._upper[:count]).tolist():
            self._rows[row].upper_bound = float(upper[row])
        self._lower, self._upper = lower, upper

    def price(self, cost: Floats) -> None:
        """Set the costs of the columns; only those that differ are touched."""
        for column in np.flatnonzero(cost != self._cost).tolist():
            self._model.objective.set_linear_coefficient(
                self._columns[column], float(cost[column]) * self._objective_scale
            )
        self._cost = cost

    def add_row(self, columns: np.ndarray, amounts: Floats, lower: float) -> None:
        """Add the row `amounts @ x[columns] >= lower`."""
        scale = 1.0 / max(float(np.abs(amounts).max(initial=0.0)), 1.0)
        row = self._model.add_linear_constraint(lb=lower * scale)
        for column, amount in zip(columns.tolist(), (amounts * scale).tolist(), strict=True):
            row.set_coefficient(self._columns[column], amount)
        self._rows.append(row)
        self._scale = np.append(self._scale, scale)

    def solve(self, time_limit_s: float = 600.0, duals_of: Sequence[int] | None = None) -> LinearOutcome:
        """Solve from where the last solve ended.

        Args:
            time_limit_s: seconds for it.
            duals_of: rows whose duals are asked for. Then the others are 0, and values and reduced costs are
                left out: reading a whole solution takes longer than the few pivots to it. None: everything.

        Raises:
            SolverFailure: the solver ended with an error.
        """
        limit = datetime.timedelta(seconds=max(time_limit_s, 0.01))
        asked = mathopt.ModelSolveParameters()
        if duals_of is not None:
            asked.variable_values_filter = mathopt.VariableFilter(filtered_items=())
            asked.reduced_costs_filter = mathopt.VariableFilter(filtered_items=())
            asked.dual_values_filter = mathopt.LinearConstraintFilter(
                filtered_items=[self._rows[row] for row in duals_of]
            )
        try:
            result = self._solver.solve(params=mathopt.SolveParameters(time_limit=limit), model_params=asked)
        except (RuntimeError, AttributeError, ValueError) as error:
            raise SolverFailure(f"GLOP (in OR-Tools) failed: {error}") from error
        empty = np.zeros(0)
        reason = result.termination.reason
        if reason in (
            mathopt.TerminationReason.INFEASIBLE,
            mathopt.TerminationReason.INFEASIBLE_OR_UNBOUNDED,
        ):
            return LinearOutcome("infeasible", np.inf, empty, empty, empty)
        if reason != mathopt.TerminationReason.OPTIMAL:
            return LinearOutcome("unknown", -np.inf, empty, empty, empty)
        if duals_of is not None:
            duals = np.zeros(len(self._rows))
            found = result.dual_values([self._rows[row] for row in duals_of])
            duals[list(duals_of)] = np.asarray(found) * self._scale[list(duals_of)] / self._objective_scale
            objective = result.objective_value() / self._objective_scale
            return LinearOutcome("optimal", objective, empty, duals, empty)
        values = np.asarray(result.variable_values(self._columns))
        duals = np.asarray(result.dual_values(self._rows)) * self._scale / self._objective_scale
        reduced = np.asarray(result.reduced_costs(self._columns)) / self._objective_scale
        return LinearOutcome("optimal", float(self._cost @ values), values, duals, reduced)


def _largest(matrix: scipy.sparse.csr_matrix) -> Floats:
    """Return (rows,) the largest absolute coefficient of each row."""
    return np.asarray(abs(matrix).max(axis=1).toarray(), dtype=np.float64).reshape(-1)
