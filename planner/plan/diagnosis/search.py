"""Which promises collide, and which sets of promises would have to give way.

A conflict is a set of promises that cannot be kept together, while each smaller part of it can. Every way
out breaks every conflict: the sets are found by branching on the promises of one conflict after another,
the smallest sets first.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator, Sequence

from planner.plan.diagnosis.lever import Lever
from planner.plan.diagnosis.tester import PromiseTester

LARGEST_SET = 4
"""Ways out that need more promises to give way are not looked for."""

MOST_SETS = 10
"""Sets of promises that are looked for."""


class ConflictSearch:
    """Conflicts and ways out of one question."""

    def __init__(self, tester: PromiseTester) -> None:
        self.tester = tester
        self.conflicts: list[tuple[frozenset[Lever], bool]] = []

    def conflict(self, dropped: frozenset[Lever] = frozenset()) -> tuple[list[Lever], bool]:
        """Return promises that collide without the dropped ones, and whether that was shown minimal."""
        left = [lever for lever in self.tester.levers if lever not in dropped]
        coefficients = [lever for lever in left if not lever.in_rows]
        gone = set(dropped)
        kept: list[Lever] = []
        minimal = True
        for kinds in (True, False):
            # What racks hold is rarely the reason: all of it is tried at once, before the rest.
            chosen = [lever for lever in coefficients if (lever.kind == "rack") is kinds]
            found, shown = self._filtered(chosen, gone)
            kept, minimal = kept + found, minimal and shown
        # Rows are chosen only now that it is known which of the other promises matter.
        rows = self._rows(frozenset(gone))
        gone |= {lever for lever in left if lever.in_rows and lever not in rows}
        kept_rows, minimal_rows = self._filtered(rows, gone)
        return kept + kept_rows, minimal and minimal_rows

    def _filtered(self, levers: Sequence[Lever], gone: set[Lever]) -> tuple[list[Lever], bool]:
        """Drop promises where what is left still collides (adding them to `gone`), many at a time."""
        if not levers:
            return [], True
        verdict = None if self.tester.out_of_time else self.tester.has_plan(frozenset(gone.union(levers)))
        if verdict is False:
            gone.update(levers)
            return [], True
        if len(levers) == 1:
            return list(levers), verdict is True
        middle = len(levers) // 2
        first, one = self._filtered(levers[:middle], gone)
        second, other = self._filtered(levers[middle:], gone)
        return first + second, one and other

    def _rows(self, gone: frozenset[Lever]) -> Sequence[Lever]:
        """Return the row promises that may be part of the conflict, those people change last at the end."""
        tester = self.tester
        every = [lever for lever in tester.levers if lever.in_rows and lever not in gone]
        if not tester.out_of_time:
            needed = tester.needed(gone)
            others = frozenset(gone | (set(every) - set(needed)))
            if len(needed) < len(every) and tester.has_plan(others) is False:
                return needed
        return every

    def sets(self) -> Iterator[frozenset[Lever]]:
        """Yield the smallest sets of promises without which there is a plan, smaller ones first."""
        tester = self.tester
        found: list[frozenset[Lever]] = []
        waiting: deque[frozenset[Lever]] = deque([frozenset()])
        seen: set[frozenset[Lever]] = {frozenset()}
        while waiting and len(found) < MOST_SETS and not tester.out_of_time:
            dropped = waiting.popleft()
            if any(smaller <= dropped for smaller in found):
                continue
            if dropped and tester.has_plan(dropped):
                smallest = self._smallest(dropped)
                if smallest not in found:
                    found.append(smallest)
                    yield smallest
                continue
            if len(dropped) >= LARGEST_SET:
                continue
            for lever in self._known_conflict(dropped):
                larger = dropped | {lever}
                if larger not in seen:
                    seen.add(larger)
                    waiting.append(larger)

    def _known_conflict(self, dropped: frozenset[Lever]) -> Iterable[Lever]:
        """Return a conflict that none of the dropped promises is part of."""
        for known, _ in self.conflicts:
            if not known & dropped:
                return [lever for lever in self.tester.levers if lever in known]
        kept, minimal = self.conflict(dropped)
        self.conflicts.append((frozenset(kept), minimal))
        return kept

    def _smallest(self, dropped: frozenset[Lever]) -> frozenset[Lever]:
        """Return a part of a way out that is one itself and has no smaller part that is."""
        for lever in sorted(dropped, key=lambda one: one.row):
            if len(dropped) > 1 and self.tester.has_plan(dropped - {lever}):
                dropped = dropped - {lever}
        return dropped
