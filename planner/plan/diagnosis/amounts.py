"""By how little a set of promises must give way: the least values with which there is a plan."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from planner.plan.diagnosis.lever import Lever
from planner.plan.diagnosis.tester import PromiseTester

FACTORS = (1.02, 1.05, 1.1, 1.2, 1.35, 1.5, 1.75, 2.0, 2.5, 3.0, 4.0, 5.0, 7.0, 10.0, 15.0, 20.0, 30.0, 50.0,
           100.0, 300.0, 1000.0, 10_000.0)  # fmt: skip
"""Multiples of what is stated that are tried first where nothing ends a promise."""

STEPS = 16
"""Parts into which the interval of an answer is cut, again and again."""

PRECISION = 0.01
"""Part of a change to which it is found."""

MOST_CUTS = 4
"""How often an interval is cut at most."""


class AmountSearch:
    """Finds the least values for sets of promises."""

    def __init__(self, tester: PromiseTester) -> None:
        self.tester = tester

    def least(self, levers: Iterable[Lever]) -> dict[Lever, float] | None:
        """Return the least values of some promises with which there is a plan, None if none was found.

        Several latencies (or other promises that are no rows) are first loosened by the same factor, then
        each alone as far back as it goes; limits that are rows are loosened together at the least price.
        """
        chosen = sorted(levers, key=lambda lever: lever.row)
        rows = [lever for lever in chosen if lever.in_rows]
        values = {lever: lever.end for lever in chosen if not lever.in_rows and not lever.numeric}
        free = [lever for lever in chosen if not lever.in_rows and lever.numeric]
        if len(free) > 1:
            together = self._together(free, values, rows)
            if together is None:
                return None
            values |= together
        for lever in free:
            fixed = {other: value for other, value in values.items() if other is not lever}
            found = self.alone(lever, fixed, rows, values.get(lever))
            if found is None:
                return None
            values[lever] = found
        if rows:
            amounts = self.tester.least(rows, values)
            if amounts is None:
                return None
            values |= {
                lever: lever.loosened(amount)
                for lever, amount in zip(rows, amounts, strict=True)
                if amount > 0
            }
        return {lever: value for lever, value in values.items() if value != lever.stated} or None

    def alone(
        self,
        lever: Lever,
        fixed: dict[Lever, float],
        dropped: Sequence[Lever],
        known: float | None = None,
    ) -> float | None:
        """Return the least value of one promise; `known`: a value with which there is a plan."""
        end = known if known is not None else (lever.end if lever.up is False else None)
        if end is None:
            ladder = [min(lever.loosened((f - 1) * lever.stated), lever.end) for f in FACTORS]
        else:
            ladder = self._between(lever, lever.stated, end)
        low = lever.stated
        high = self._first(lever, ladder, fixed, dropped)
        for _ in range(MOST_CUTS):
            if high is None or self.tester.out_of_time:
                return high
            low = max((v for v in ladder if self._tighter(lever, v, high)), key=lever.relative, default=low)
            near = 1.0 if lever.whole else PRECISION * abs(high - lever.stated)
            if abs(high - low) <= near:
                return high
            ladder = self._between(lever, low, high)
            high = self._first(lever, ladder, fixed, dropped)
        return high

    def _tighter(self, lever: Lever, value: float, than: float) -> bool:
        return lever.relative(value) < lever.relative(than) - 1e-12

    def _between(self, lever: Lever, low: float, high: float) -> list[float]:
        """Return values after `low` up to `high`, evenly."""
        span = abs(high - lever.stated)
        start = abs(low - lever.stated)
        steps = int(min(STEPS, round(span - start))) if lever.whole else STEPS
        inner = [lever.loosened(start + (span - start) * n / steps) for n in range(1, max(steps, 1))]
        return [*dict.fromkeys(v for v in inner if self._tighter(lever, v, high)), high]

    def _first(
        self, lever: Lever, ladder: Sequence[float], fixed: dict[Lever, float], dropped: Sequence[Lever]
    ) -> float | None:
        """Return the tightest value of a ladder with which there is a plan, by halving it."""
        first, last = 0, len(ladder)
        while first < last:
            if self.tester.out_of_time:
                return None
            middle = (first + last) // 2
            if self.tester.holds_at({**fixed, lever: ladder[middle]}, dropped):
                last = middle
            else:
                first = middle + 1
        return ladder[first] if first < len(ladder) else None

    def _together(
        self, levers: Sequence[Lever], fixed: dict[Lever, float], dropped: Sequence[Lever]
    ) -> dict[Lever, float] | None:
        """Return values of several promises, all loosened by the same factor of what is stated."""

        def at(factor: float) -> dict[Lever, float]:
            return {
                lever: lever.loosened((factor - 1) * abs(lever.stated))
                if lever.up
                else max(lever.stated / factor, lever.end)
                for lever in levers
            }

        first, last = 0, len(FACTORS)
        while first < last and not self.tester.out_of_time:
            middle = (first + last) // 2
            if self.tester.holds_at({**fixed, **at(FACTORS[middle])}, dropped):
                last = middle
            else:
                first = middle + 1
        return at(FACTORS[first]) if first < len(FACTORS) else None
