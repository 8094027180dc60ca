"""Is there a plan without some promises, or with some loosened? Remembers every answer.

Promises that are rows are taken out of the program as it stands; for the others the question is put
together anew, once for each set of them. More dropped never hurts: an answer about one set answers for
larger or smaller ones.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from planner.optimize.infeasible import (
    Group,
    has_solution,
    in_the_proof,
    least_change,
    loosenable,
    without,
)
from planner.optimize.problem import integers
from planner.optimize.program import Arrays
from planner.plan.assemble import Assembly, assemble
from planner.plan.diagnosis.ahead import AheadTimings
from planner.plan.diagnosis.lever import Lever
from planner.plan.diagnosis.levers import levers_of, offered_rows
from planner.plan.edit import edited
from planner.plan.survival import Losses, NamedLoss, with_losses
from planner.shapes import Timings
from planner.topology import Question

SECONDS_PER_CHECK = 10.0
"""Time for one check in whole numbers; a promise is kept where it is not enough."""

Values = Mapping[Lever, float]
"""Levers that stand at another value than stated."""


@dataclass(frozen=True)
class Prepared:
    """A program, and the number of each of its rows by name."""

    arrays: Arrays
    number: Mapping[str, int]


class PromiseTester:
    """Answers for one question without a plan.

    Args:
        assembly: the question, put together.
        losses: replicas that failures are known to take.
        timings: shapes timed so far.
        deadline: `time.perf_counter()` at which to stop.
        workers: threads of a solver.
    """

    def __init__(
        self,
        assembly: Assembly,
        losses: Iterable[NamedLoss],
        timings: Timings,
        deadline: float,
        workers: int,
    ) -> None:
        self.question: Question = assembly.question
        self.assembly = assembly
        self.timings = AheadTimings(timings)
        self.deadline = deadline
        self.workers = workers
        self._losses = frozenset(losses)
        self._prepared: dict[frozenset[str], Prepared | None] = {frozenset(): self._prepare(assembly)}
        self._with: list[frozenset[Lever]] = []
        self._without: list[frozenset[Lever]] = []
        base = self._prepared[frozenset()]
        assert base is not None
        self.levers: Sequence[Lever] = levers_of(assembly, base.arrays)

    @property
    def out_of_time(self) -> bool:
        """True if no further check should be begun."""
        return time.perf_counter() > self.deadline

    @property
    def seconds(self) -> float:
        """Seconds that one check may take now."""
        return min(SECONDS_PER_CHECK, max(0.5, self.deadline - time.perf_counter()))

    def has_plan(self, dropped: frozenset[Lever]) -> bool | None:
        """Return whether there is a plan without the dropped promises; None if that was not decided."""
        if any(known <= dropped for known in self._with):
            return True
        if any(dropped <= known for known in self._without):
            return False
        prepared = self._at({}, [lever for lever in dropped if not lever.in_rows])
        rows = [lever for lever in dropped if lever.in_rows]
        verdict = None if prepared is None else self._solvable(prepared, rows)
        if verdict is not None:
            (self._with if verdict else self._without).append(dropped)
        return verdict

    def holds_at(self, values: Values, dropped: Iterable[Lever] = ()) -> bool | None:
        """Return whether there is a plan with some promises at other values and others dropped."""
        left = list(dropped)
        prepared = self._at(values, [lever for lever in left if not lever.in_rows])
        return (
            None if prepared is None else self._solvable(prepared, [lever for lever in left if lever.in_rows])
        )

    def needed(self, dropped: frozenset[Lever]) -> list[Lever]:
        """Return the row promises among which a conflict is to be found, the others being dropped."""
        prepared = self._at({}, [lever for lever in dropped if not lever.in_rows])
        rows = [lever for lever in self.levers if lever.in_rows and lever not in dropped]
        if prepared is None:
            return rows
        present = [lever for lever in rows if self._group(prepared, lever) is not None]
        gone = [group for lever in dropped if (group := self._group(prepared, lever)) is not None]
        groups = [group for lever in present if (group := self._group(prepared, lever)) is not None]
        if not groups:
            return rows
        chosen = in_the_proof(without(prepared.arrays, gone), groups)
        return rows if chosen is None else [present[n] for n in chosen]

    def least(self, levers: Sequence[Lever], values: Values) -> list[float] | None:
        """Return by how much row promises must be loosened together, others being at `values`."""
        prepared = self._at(values, [])
        if prepared is None:
            return None
        groups = [self._group(prepared, lever) for lever in levers]
        known = [group for group in groups if group is not None]
        if not known:
            return None
        found = least_change(prepared.arrays, known, self.seconds)
        if found is None:
            return None
        amounts = iter(found)
        return [0.0 if group is None else next(amounts) for group in groups]

    def _solvable(self, prepared: Prepared, rows: Iterable[Lever]) -> bool | None:
        groups = [group for lever in rows if (group := self._group(prepared, lever)) is not None]
        return has_solution(without(prepared.arrays, groups), self.seconds, self.workers)

    def _group(self, prepared: Prepared, lever: Lever) -> Group | None:
        """Return the rows of a promise in a program, None if none of them is there."""
        pairs = [
            (prepared.number[row], gives) for row, gives in lever.gives.items() if row in prepared.number
        ]
        if not pairs:
            return None
        return Group(
            rows=integers([row for row, _ in pairs]),
            gives=np.array([gives for _, gives in pairs]),
            most=lever.room if lever.numeric else 1.0,
            whole=lever.whole or not lever.numeric,
            price=lever.price,
        )

    def _at(self, values: Values, dropped: Sequence[Lever]) -> Prepared | None:
        """Return the program with coefficient promises at other values or dropped."""
        changes = [change for lever, value in values.items() for change in lever.edit(value)]
        changes += [change for lever in dropped for change in lever.dropped]
        key = frozenset(changes)
        if key not in self._prepared:
            try:
                question = edited(self.question, changes)
                self._prepared[key] = self._prepare(assemble(question, self.timings))
            except (ValueError, LookupError):
                # The changed question cannot be asked at all (a value is not allowed): it has no plan.
                self._prepared[key] = None
        return self._prepared[key]

    def _prepare(self, assembly: Assembly) -> Prepared:
        losses = Losses()
        losses.state(self._losses, assembly)
        arrays = loosenable(with_losses(assembly.problem, losses), offered_rows(assembly))
        return Prepared(arrays, {row.name: r for r, row in enumerate(arrays.rows)})
