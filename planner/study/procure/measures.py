"""What knowing the future, and planning for several of them, is worth; and the alternatives' regrets.

With RP the expected cost of the plan, WS the mean of the least costs of each future by itself, and EEV the
expected cost when what must be decided now is decided for the mean of all futures:

- value of perfect information EVPI = RP - WS;
- value of the stochastic solution VSS = EEV - RP;
- regret of an alternative in a future = its cost there - the least cost of that future by itself.

All are discounted USD. Each solve is proven only within its gap, so that values are given as intervals:
from what is proven to what was found.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace

import numpy as np

from planner.optimize.program import Floats
from planner.study.procure.names import NOW
from planner.study.procure.program import Built, build
from planner.study.procure.search import Effort, Solved, minimize
from planner.study.procure.setting import Setting

FOR_THE_MEAN = "plan for the mean"
RENT_ONLY = "rent only"
BUY_ONLY = "buy only"
WAIT = "wait until it is known"

THIS_PLAN = "this plan"

NO_WAY = "leaves no way to serve the demand"
NOT_FOUND = "nothing was found in time"

DECIDED_NOW = ("order", "tier", "chosen", "liquid", "rent", "retire")
"""What is decided before it is known which future it is."""


@dataclass(frozen=True)
class Alternative:
    """A way to go. costs: (leaves,) USD of each future; expected, bound: USD; None where there is no plan.

    reason: why there is none.
    """

    name: str
    costs: Floats | None = None
    expected: float | None = None
    bound: float | None = None
    reason: str = ""


@dataclass(frozen=True)
class Interval:
    """A value that is known to lie between two amounts, USD; high None: there is no limit to it."""

    low: float
    high: float | None


@dataclass(frozen=True)
class Measures:
    """The plan beside its alternatives. alone: every future by itself, its expected cost the least."""

    futures: tuple[str, ...]
    probabilities: Floats
    plan: Alternative
    alone: tuple[Alternative, ...]
    alternatives: tuple[Alternative, ...]

    @property
    def best(self) -> Floats:
        """(leaves,) the least cost found for every future, USD: by itself, or along any alternative."""
        found = [np.array([np.inf if a.expected is None else a.expected for a in self.alone])]
        found += [a.costs for a in (self.plan, *self.alternatives) if a.costs is not None]
        return np.asarray(np.min(found, axis=0))

    @property
    def wait_and_see(self) -> float:
        """WS, USD: the mean of the least costs of each future by itself."""
        return float(self.probabilities @ self.best)

    @property
    def _wait_and_see_bound(self) -> float:
        bounds = np.array([0.0 if a.bound is None else a.bound for a in self.alone])
        return float(self.probabilities @ bounds)

    @property
    def expected_information_value(self) -> Interval | None:
        """EVPI, USD; None without a plan."""
        if self.plan.expected is None or self.plan.bound is None:
            return None
        low = max(0.0, self.plan.bound - self.wait_and_see)
        return Interval(low, max(low, self.plan.expected - self._wait_and_see_bound))

    @property
    def stochastic_solution_value(self) -> Interval | None:
        """VSS, USD; without an upper end where planning for the mean leaves some future without a way."""
        mean = self.alternative(FOR_THE_MEAN)
        if mean is None or self.plan.expected is None or self.plan.bound is None:
            return None
        if mean.expected is None or mean.bound is None:
            return Interval(0.0, None)
        low = max(0.0, mean.bound - self.plan.expected)
        return Interval(low, max(low, mean.expected - self.plan.bound))

    def alternative(self, name: str) -> Alternative | None:
        """Return the alternative of a name, None if it was not looked at."""
        return next((a for a in self.alternatives if a.name == name), None)

    def regrets(self, alternative: Alternative) -> Floats | None:
        """Return (leaves,) what an alternative costs more than the best of each future."""
        return None if alternative.costs is None else alternative.costs - self.best


def of_solved(name: str, found: Solved, *, expected_aim: bool = True) -> Alternative:
    """Return a solved program as an alternative; its bound counts only if the expectation was aimed at."""
    if found.values is None:
        return Alternative(name, reason=NO_WAY if found.status == "infeasible" else NOT_FOUND)
    return Alternative(name, found.costs, found.expected, found.bound if expected_aim else None)


def best_of_each(setting: Setting, effort: Effort, like: Solved | None = None) -> list[Alternative]:
    """Return every future as if it were certain; `like`: a plan for all of them to start from."""
    found = []
    for leaf in setting.tree.leaves:
        name = setting.tree.moments[leaf].branch
        alone = build(replace(setting, tree=setting.tree.only(leaf)))
        hint = None if like is None else _along(like, leaf, alone)
        found.append(of_solved(name, minimize(alone, _named(effort, f"{name} alone"), hint=hint)))
    return found


def measure(
    solved: Solved,
    alone: list[Alternative],
    effort: Effort,
    heard: Callable[[Measures], None] = lambda _: None,
    *,
    expected_aim: bool = True,
) -> Measures:
    """Return the plan's measures; solves every alternative on the same tree.

    Args:
        solved: the plan.
        alone: every future by itself.
        effort: for each alternative.
        heard: given what there is after each alternative.
        expected_aim: whether the plan's bound is one of the expected cost.
    """
    built, tree = solved.built, solved.built.setting.tree
    plan = of_solved(THIS_PLAN, solved, expected_aim=expected_aim)
    names = tuple(tree.moments[leaf].branch for leaf in tree.leaves)
    found = Measures(names, built.probabilities(), plan, tuple(alone), ())
    heard(found)
    ways: list[tuple[str, Callable[[], Mapping[int, float] | None]]] = [
        (RENT_ONLY, lambda: _nothing(built, "order", "tier", "chosen")),
        (BUY_ONLY, lambda: _nothing(built, "rent")),
    ]
    if len(names) > 1:
        ways.append((WAIT, lambda: _nothing(built, "order", "tier", "chosen", branch=NOW)))
        ways.append((FOR_THE_MEAN, lambda: _decided_for_the_mean(built, effort)))
    for name, fixing in ways:
        fixed = fixing()
        if fixed is None:
            alternative = Alternative(name, reason=NO_WAY)
        else:
            result = minimize(built, _named(effort, name), fixed=fixed)
            alternative = of_solved(name, result)
        found = replace(found, alternatives=(*found.alternatives, alternative))
        heard(found)
    return found


def _named(effort: Effort, name: str) -> Effort:
    """Return the effort with the name of what is solved before its stages; nothing is kept."""
    tell = effort.tell
    return replace(effort, keep=None, tell=lambda stage, cost, bound: tell(f"{name}: {stage}", cost, bound))


def _along(solved: Solved, leaf: int, alone: Built) -> Floats | None:
    """Return what a plan does in one future as a start for that future by itself."""
    if solved.values is None:
        return None
    values = np.zeros(len(alone.arrays.cost))
    for number, q in enumerate(solved.built.setting.tree.path(leaf)):
        for kind in alone.decisions.kinds:
            values[alone.decisions(kind, number)] = solved.values[solved.built.decisions(kind, q)]
    return values


def _nothing(built: Built, *kinds: str, branch: str | None = None) -> dict[int, float]:
    """Return zeros for some kinds of decisions, on one branch or everywhere."""
    return {
        int(column): 0.0
        for q, moment in enumerate(built.setting.tree.moments)
        if branch is None or moment.branch == branch
        for kind in kinds
        for column in built.decisions(kind, q)
    }


def _decided_for_the_mean(built: Built, effort: Effort) -> dict[int, float] | None:
    """Return what is decided before the first branch when the mean is expected, None if nothing can be."""
    mean = build(replace(built.setting, tree=built.setting.tree.mean()))
    found = minimize(mean, _named(effort, "the mean of all futures"))
    if found.values is None:
        return None
    fixed: dict[int, float] = {}
    for q, moment in enumerate(built.setting.tree.moments):
        if moment.branch != NOW:
            continue
        for kind in DECIDED_NOW:
            theirs = found.values[mean.decisions(kind, moment.period - 1)]
            fixed |= dict(zip(built.decisions(kind, q).tolist(), theirs.tolist(), strict=True))
    return fixed
