"""From a design with continuous traffic to a plan: it survives, and its traffic is whole."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from planner.optimize.lazy import is_traffic, part_with, survived
from planner.optimize.neighbourhood import around
from planner.optimize.problem import VARIABLE_KINDS
from planner.optimize.program import Floats
from planner.optimize.rerouting import with_cuts
from planner.optimize.solvers import highs
from planner.optimize.workbench import Workbench

WHOLE_TRAFFIC_S = 30.0
"""Longest time to make the traffic of a design whole."""

GROWTHS = 12
"""Rounds of growth until a design survives."""

GROWTH_NODES = 2_000
"""Nodes for growing or rounding a design: the same work on every machine."""

ROUNDING_WINDOWS = (0, 1, 4)
"""How far each amount of traffic may move when it is made whole, units."""

DESIGNED = ("servers", "mixes", "replicas", "open")
"""Kinds of columns that make up a design; the others are traffic and what follows."""

ROUNDING_S = 5.0
"""Longest time to round the traffic of a design."""


class Completion(Workbench):
    """Makes designs plans; servers and replicas may grow, nothing shrinks."""

    def _complete(self, design: Floats, stage: str) -> str:
        """Make a design with continuous traffic a plan; "again" if it did not survive failures, now added."""
        grown = self._grown(design)
        if grown is None:
            return "stopped"
        whole = self._rounded(grown)
        if whole is None:
            whole = self._whole_traffic(grown)
        if whole is None:
            return "stopped"
        filled, lost = survived(self.arrays, whole, range(len(self.arrays.sections)))
        if lost:
            news = [number for number in lost if number not in self.active]
            self.active += news
            return "again" if news else "stopped"
        self._offer(filled, stage)
        return "found"

    def _grown(self, design: Floats) -> Floats | None:
        """Let servers and replicas of a design grow until it survives all losses told by cuts."""
        for _ in range(GROWTHS):
            if not self._lacks(design):
                return design
            arrays = with_cuts(self.arrays, self.cuts)
            base = part_with(replace(arrays, column_lower=self._at_least(design)), [])
            outcome = highs.solve_integer(
                base.arrays,
                integer=~is_traffic(base.arrays),
                time_limit_s=self._seconds(WHOLE_TRAFFIC_S),
                relative_gap=self.settings.relative_gap / 4,
                seed=self.settings.seed,
                node_limit=GROWTH_NODES,
            )
            self._record("growth", outcome.seconds, outcome.status)
            if outcome.values is None:
                return None
            design = base.lift(outcome.values, design)
        return None

    def _at_least(self, design: Floats) -> Floats:
        """Return lower bounds of columns at which no server, mix, replica or site of a design is lost."""
        lower = self.arrays.column_lower.copy()
        for kind in DESIGNED:
            block = self.arrays.block(kind)
            lower[block] = np.rint(design[block])
        return lower

    def _rounded(self, design: Floats) -> Floats | None:
        """Make the traffic of a design integer near where it is, on exactly its servers and replicas."""
        arrays = self.arrays
        traffic = is_traffic(arrays)
        for window in ROUNDING_WINDOWS:
            lower, upper = arrays.column_lower.copy(), arrays.column_upper.copy()
            fixed = np.rint(design)
            for kind in DESIGNED:
                block = arrays.block(kind)
                lower[block] = upper[block] = fixed[block]
            lower[traffic] = np.maximum(lower[traffic], np.floor(design[traffic] + 1e-6) - window)
            upper[traffic] = np.minimum(upper[traffic], np.ceil(design[traffic] - 1e-6) + window)
            if (lower > upper).any():
                return None
            base = part_with(replace(arrays, column_lower=lower, column_upper=upper), [])
            whole, program = base.arrays.column_lower.copy(), base.arrays
            free = around(program, whole, program.column_lower < program.column_upper)
            if len(free.columns):
                outcome = highs.solve_integer(
                    free.arrays,
                    integer=np.ones(len(free.columns), dtype=bool),
                    time_limit_s=self._seconds(ROUNDING_S),
                    relative_gap=self.settings.relative_gap / 4,
                    seed=self.settings.seed,
                    node_limit=GROWTH_NODES,
                )
                if outcome.values is None:
                    continue
                whole[free.columns] = np.rint(outcome.values)
                self._record(f"traffic rounded within {window}", outcome.seconds, outcome.status)
            if program.violation(whole) <= 0:
                return base.lift(whole, design)
        return None

    def _whole_traffic(self, design: Floats, *, grow: bool = True) -> Floats | None:
        """Make the traffic of normal operation integer; servers and replicas may grow, nothing shrinks.

        More servers and replicas never make a failure harder to survive. grow: they may; else all stay.
        """
        arrays = self.arrays
        lower, upper = self._at_least(design), arrays.column_upper
        if not grow:
            upper = upper.copy()
            for kind in DESIGNED:
                upper[arrays.block(kind)] = lower[arrays.block(kind)]
        # Columns that only help rows along cost nothing: without a little cost they end anywhere, and a
        # group without servers would count as used in the failures tried next.
        cost = arrays.cost + 1.0
        for kind in VARIABLE_KINDS:
            cost[arrays.block(kind)] -= 1.0
        base = part_with(replace(arrays, cost=cost, column_lower=lower, column_upper=upper), [])
        outcome = highs.solve_integer(
            base.arrays,
            integer=np.ones(len(base.arrays.cost), dtype=bool),
            time_limit_s=min(max(self._remaining() * 0.5, 1.0), WHOLE_TRAFFIC_S),
            relative_gap=self.settings.relative_gap / 10,
            seed=self.settings.seed,
        )
        if grow and (outcome.values is None or base.arrays.violation(np.rint(outcome.values)) > 0):
            outcome = self._cp_sat(base.arrays, None, min(self._remaining() * 0.5, WHOLE_TRAFFIC_S))
        self._record("whole traffic", outcome.seconds, outcome.status)
        if outcome.values is None or base.arrays.violation(np.rint(outcome.values)) > 0:
            return None
        return base.lift(np.rint(outcome.values), design)
