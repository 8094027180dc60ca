"""Bounds and plans from whole deployments of each workload.

Prices of what workloads share settle between them (`decomposition`): that is the bound. Then servers and
sites are counted in whole numbers with deployments still in fractions, new deployments are found for these
servers, and workloads are decided one after the other, the rest choosing anew in what is left. The last of
them are decided together with all servers, as one program.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import TypeVar

import numpy as np

from planner.optimize.decomposition import Block, Decomposition, Joined, Kept
from planner.optimize.in_use import InUse
from planner.optimize.lazy import Part, is_traffic
from planner.optimize.neighbourhood import around, in_parallel
from planner.optimize.program import Arrays, Floats
from planner.optimize.site_packing import of_kind
from planner.optimize.site_plans import counted, laid, open_traffic
from planner.optimize.solvers import highs
from planner.optimize.solvers.outcome import Outcome

ROUNDS, ROUNDS_SHARE = 24, 0.18
"""Most rounds of prices, and their share of the time limit."""

FIRST_ROUNDS, NOISE, CENTRED = 4, 0.1, 0.8
"""Rounds at prices around those of the linear relaxation, by how much (share) they differ, and how much of
the best prices so far is kept in the next ones."""

ROUGH_GAP, ROUGH_ROUNDS, ROUGH_SHARE = 2e-3, 10, 0.007
"""Gap of a workload's choice in so many first rounds, and its share of the time limit."""

FINE_GAP, FINE_SHARE = 3e-4, 0.025
"""Gap of a choice in the first and in later rounds, and its share of the time."""

CONVERGED = 5e-4
"""Share of the cost between bound and joined deployments at which prices are settled."""

COUNTINGS, COUNTING_SHARE, COUNTING_AGAIN_SHARE, COUNTING_GAP = 5, 0.03, 0.03, 3e-4
"""How often servers are counted before workloads are decided, the share of the time limit for each, for
each later one, and its gap."""

NEW_ROUNDS, NEW_GAP = 2, 1e-3
"""Rounds of prices for new deployments between countings, and the gap of the choices."""

NEAR_BOUND, WORTH_COUNTING, DEARER = 4e-3, 5e-4, 1e-3
"""Servers are counted again until they cost so little more than the bound, or twice saved less than that; a
workload is decided where that costs at most so much (shares)."""

WHOLE_SHARE, LEFT, SETTLING_SHARE = 0.999, 0.5, 0.1
"""A deployment with that share is whole; the share of workloads that the last program decides, and its share
of the time."""

MENDING_SHARE, ROUTING_GAP = 0.05, 1e-3
"""Share of the time limit for workloads whose traffic has to be whole, and the gap of its routing."""

Value = TypeVar("Value")


class Diving(InUse):
    """Proves and plans by workload."""

    _worth: np.ndarray | None = None
    """(columns,) which are in deployments found by prices; None where there were none."""

    _parts: Decomposition | None = None
    """The program cut up by workload."""

    def _prove_by_workload(self, part: Part, parts: Decomposition, others: float) -> None:
        """Raise the bound by prices, then decide workloads.

        Args:
            part: the program with what is known to matter.
            parts: the same with its sites held, cut up.
            others: a bound of all plans with other sites.
        """
        assert self.best is not None
        self._parts, started = parts, self._elapsed()
        rounds = self._priced(parts, self.best[part.columns], others)
        self._record(f"{rounds} rounds of prices", self._elapsed() - started, "feasible")
        if not self._done() and rounds:
            self._dive(part, parts, others)

    def _choosing(self, share: float) -> Callable[[Arrays, np.ndarray, float], Outcome]:
        return lambda arrays, whole, gap: self._solve(arrays, whole, share, gap)

    def _side_by_side(self, tasks: Sequence[Callable[[], Value]]) -> list[Value]:
        return in_parallel(tasks, self.settings.workers)

    def _priced(self, parts: Decomposition, best: Floats, others: float) -> int:
        """Let workloads choose at prices until these settle; returns how many rounds that took."""
        until = self._elapsed() + ROUNDS_SHARE * self.settings.time_limit_s
        draw = np.random.default_rng(self.settings.seed)
        for number, block in enumerate(parts.blocks):
            parts.add(number, best[block.columns])
        linear = highs.solve_linear(parts.arrays, max(self._remaining(), 1.0))
        if linear.status != "optimal":
            return 0
        base = parts.prices_of(linear.duals)
        number, more = 0, True
        while more and number < ROUNDS and not self._done():
            if self._elapsed() > until and not self.settings.reproducible:
                break
            share, gap = (ROUGH_SHARE, ROUGH_GAP) if 0 < number < ROUGH_ROUNDS else (FINE_SHARE, FINE_GAP)
            if number < FIRST_ROUNDS:
                prices = base * (1 + NOISE * draw.standard_normal(len(base))) if number else base
                parts.price(prices, self._choosing(share), gap, self._side_by_side)
            else:
                more = self._round(parts, share, gap)
            self._raise_bound(min(parts.bound, others))
            number += 1
        return number

    def _round(self, parts: Decomposition, share: float, gap: float) -> bool:
        """Let workloads choose between the best prices and those of what is known; False if settled."""
        joined = parts.joined()
        if joined is None or joined.cost - parts.bound <= CONVERGED * abs(parts.bound):
            return False
        prices = CENTRED * parts.prices + (1 - CENTRED) * joined.prices
        parts.price(prices, self._choosing(share), gap, self._side_by_side)
        return True

    def _dive(self, part: Part, parts: Decomposition, others: float) -> None:
        """Count servers under shares of deployments, decide workloads by these, the last ones at once."""
        arrays = parts.arrays
        whole = of_kind(arrays, "servers") | of_kind(arrays, "open")
        kept: dict[int, int] = {}
        found: Joined | None = None

        def beside() -> None:
            self._round(parts, FINE_SHARE, FINE_GAP)
            self._raise_bound(min(parts.bound, others))

        idle = 0
        for _ in range(COUNTINGS):
            now = self._counted_servers(parts, whole, kept, COUNTING_SHARE, beside)
            better = now is not None and (found is None or now.cost < found.cost * (1 - WORTH_COUNTING))
            idle = 0 if better else idle + 1
            if now is not None and (found is None or now.cost < found.cost):
                found = now
            if found is None or idle > 1 or found.cost <= parts.bound * (1 + NEAR_BOUND) or self._done():
                break
            self._new_deployments(parts, kept, np.where(whole, np.rint(found.values), np.nan))
        most = len(parts.blocks) - max(round(LEFT * len(parts.blocks)), 1)
        while found is not None and len(kept) < most and not self._done():
            tried = _keep_whole(parts, found, kept, most)
            if len(tried) == len(kept):
                break
            self._new_deployments(parts, tried, None)
            now = self._counted_servers(parts, whole, tried, COUNTING_AGAIN_SHARE, beside)
            dearest = max(found.cost * (1 + DEARER), parts.bound * (1 + NEAR_BOUND))
            if now is None or now.cost > dearest:
                break
            found, kept = now, tried
        worth = np.zeros(len(arrays.cost), dtype=bool)
        for one in parts.deployments[len(parts.deployments) // 2 :]:
            worth[parts.blocks[one.block].columns] |= one.values > 0
        if found is not None:
            worth |= found.values > 0
        self._worth = np.zeros(len(self.arrays.cost), dtype=bool)
        self._worth[part.columns] = worth
        settle: list[Kept] = [{}, kept] if kept else [{}]
        tasks = [partial(self._settle_others, part, parts, some) for some in settle]
        in_parallel(tasks, 1 if self.settings.reproducible else self.settings.workers)

    def _counted_servers(
        self,
        parts: Decomposition,
        whole: np.ndarray,
        kept: dict[int, int],
        share: float,
        beside: Callable[[], object],
    ) -> Joined | None:
        """Join deployments in fractions on whole servers, something else beside it."""

        def count() -> tuple[Outcome, Joined | None]:
            return parts.counted(whole, self._choosing(share), COUNTING_GAP, kept)

        answers: list[tuple[Outcome, Joined | None]] = []
        tasks = [lambda: answers.append(count()), beside]
        in_parallel(tasks, 1 if self.settings.reproducible else self.settings.workers)
        outcome, found = answers[0]
        self._record(f"servers counted, {len(kept)} workloads", outcome.seconds, outcome.status)
        return found

    def _new_deployments(self, parts: Decomposition, kept: dict[int, int], counts: Floats | None) -> None:
        """Let workloads that are not decided choose anew, given the others or given servers."""
        others = [number for number in range(len(parts.blocks)) if number not in kept]
        for _ in range(NEW_ROUNDS):
            joined = parts.joined(kept, counts)
            if joined is None:
                return
            prices = joined.prices if counts is None else (joined.prices + parts.prices) / 2
            parts.price(prices, self._choosing(ROUGH_SHARE), NEW_GAP, self._side_by_side, others, known=True)

    def _settle_others(self, part: Part, parts: Decomposition, kept: Kept) -> None:
        """Decide the workloads that are left, with all servers and racks, around those that are decided."""
        arrays = parts.arrays
        values = np.zeros(len(arrays.cost))
        free = np.ones(len(arrays.cost), dtype=bool)
        replicas = of_kind(arrays, "replicas")
        for number, deployment in kept.items():
            columns = parts.blocks[number].columns
            values[columns] = np.rint(parts.deployments[deployment].values)
            free[columns[replicas[columns]]] = False
        block = arrays.block("open")
        free[block] = False
        values[block] = arrays.column_lower[block]
        base = np.where(free, 0.0, values)
        assert self._worth is not None
        used = counted(arrays) & (self._worth[part.columns] | ~replicas)
        free = np.where(is_traffic(arrays), open_traffic(arrays, used | (base > 0)), free & used)
        one = around(parts.roomy_but(kept), base, free)
        gap = self.settings.relative_gap / 20
        found = self._solve(one.arrays, counted(arrays)[one.columns], SETTLING_SHARE, gap)
        named = f"{len(parts.blocks) - len(kept)} workloads settled"
        self._record(named, found.seconds, found.status)
        if found.values is not None:
            self._take(part, laid(one, found.values, base), named)

    def _take(self, part: Part, design: Floats, stage: str) -> None:
        """Make a design a plan where that would be the best."""
        if float(part.arrays.cost @ design) >= self.objective - 1.0:
            return
        mended = self._with_whole_traffic(part, design)
        with self._lock:
            if float(part.arrays.cost @ mended) < self.objective - 1.0:
                self._complete(part.lift(mended, np.zeros(len(self.arrays.cost))), stage)

    def _with_whole_traffic(self, part: Part, design: Floats) -> Floats:
        """Return a design whose traffic is whole, where that goes without more of everything.

        Workloads whose replicas are used up to the last part of a unit are decided anew with whole traffic,
        and with all servers.
        """
        parts = self._parts
        if parts is None or len(parts.arrays.cost) != len(part.columns):
            return design
        arrays, values = parts.arrays, design.copy()
        free = ~is_traffic(arrays) & ~of_kind(arrays, "replicas") & ~of_kind(arrays, "open")
        tight = 0
        for block in parts.blocks:
            routed = _routed(block, values[block.columns], self._choosing(MENDING_SHARE))
            if routed is None:
                free[block.columns] = True
                tight += 1
            else:
                values[block.columns] = routed
        if tight:
            base = np.where(free, 0.0, values)
            one = around(arrays, base, free)
            whole = np.ones(len(one.columns), dtype=bool)
            found = self._solve(one.arrays, whole, MENDING_SHARE, self.settings.relative_gap / 20)
            self._record(f"{tight} workloads with whole traffic", found.seconds, found.status)
            if found.values is None:
                return design
            values = laid(one, np.rint(found.values), base)
        return values if arrays.violation(values) <= 0 else design


def _routed(
    block: Block, values: Floats, solve: Callable[[Arrays, np.ndarray, float], Outcome]
) -> Floats | None:
    """Return a deployment with its traffic whole on the same replicas; None if these do not suffice."""
    program, fixed = block.program, np.where(block.whole, np.rint(values), np.nan)
    lower, upper = (
        np.where(np.isnan(fixed), bound, fixed) for bound in (program.column_lower, program.column_upper)
    )
    given = replace(program, column_lower=lower, column_upper=upper)
    found = solve(given, np.ones(len(values), dtype=bool), ROUTING_GAP)
    return None if found.values is None else np.rint(found.values)


def _keep_whole(parts: Decomposition, joined: Joined, kept: Kept, most: int) -> dict[int, int]:
    """Decide the workloads that have one whole deployment, or the one that is nearest to that.

    Args:
        parts: the program cut up.
        joined: deployments joined in fractions.
        kept: what is decided already.
        most: workloads that may be decided.
    """
    decided = dict(kept)
    for number in np.argsort(-joined.shares, kind="stable").tolist():
        one = parts.deployments[number]
        if one.block in decided or not parts.is_roomy(one):
            continue
        if len(decided) >= most or (joined.shares[number] < WHOLE_SHARE and len(decided) > len(kept)):
            break
        decided[one.block] = number
    return decided
