"""The tree of moments: every period of every branch, with what is known of demand and prices there."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from planner.study.procure.names import EVERY, NOW
from planner.study.procure.study import Future, ProcureStudy

MONTHS_PER_YEAR = 12.0


@dataclass(frozen=True)
class Moment:
    """One period of one branch.

    parent: number of the moment before it, None for the first. probability: of being here at all.
    demand: workload -> factor of the scenario's rate. prices: server -> factor of its price curve.
    """

    branch: str
    period: int
    parent: int | None
    probability: float
    demand: Mapping[str, float]
    prices: Mapping[str, float]
    rent: float
    electricity: float

    @property
    def name(self) -> str:
        """Unique: the branch and the period."""
        return f"{self.branch}/{self.period}"


@dataclass(frozen=True)
class Tree:
    """All moments, parents before children; the leaves are the last ones of each future."""

    moments: Sequence[Moment]

    @property
    def leaves(self) -> list[int]:
        """Numbers of the moments that nothing follows."""
        parents = {moment.parent for moment in self.moments}
        return [q for q in range(len(self.moments)) if q not in parents]

    def path(self, q: int) -> list[int]:
        """Return the moments from the first one to `q`."""
        found: list[int] = []
        at: int | None = q
        while at is not None:
            found.append(at)
            at = self.moments[at].parent
        return found[::-1]

    def back(self, q: int, periods: int) -> int | None:
        """Return the moment so many periods before `q`, None before the first one."""
        path = self.path(q)
        return path[-1 - periods] if periods < len(path) else None

    def only(self, leaf: int) -> Tree:
        """Return the tree in which a single future is certain."""
        path = self.path(leaf)
        return Tree(
            [
                replace(self.moments[q], parent=number - 1 if number else None, probability=1.0)
                for number, q in enumerate(path)
            ]
        )

    def mean(self) -> Tree:
        """Return the tree in which the expectation of every period is certain."""
        last = max(moment.period for moment in self.moments)
        means: list[Moment] = []
        for period in range(1, last + 1):
            members = [moment for moment in self.moments if moment.period == period]
            means.append(
                Moment(
                    branch=members[0].branch if len(members) == 1 else "mean",
                    period=period,
                    parent=None if period == 1 else period - 2,
                    probability=1.0,
                    demand=_mean_of([(m.probability, m.demand) for m in members]),
                    prices=_mean_of([(m.probability, m.prices) for m in members]),
                    rent=sum(m.probability * m.rent for m in members),
                    electricity=sum(m.probability * m.electricity for m in members),
                )
            )
        return Tree(means)


def _mean_of(weighed: Sequence[tuple[float, Mapping[str, float]]]) -> dict[str, float]:
    return {name: sum(p * factors[name] for p, factors in weighed) for name in weighed[0][1]}


def build_tree(study: ProcureStudy, workloads: Sequence[str], servers: Sequence[str]) -> Tree:
    """Return the moments of a study."""
    children: dict[str, list[Future]] = {}
    for future in study.tree:
        children.setdefault(future.after, []).append(future)
    ones = dict.fromkeys(workloads, 1.0)
    first = Moment(NOW, 1, None, 1.0, _at_start(study, ones), dict.fromkeys(servers, 1.0), 1.0, 1.0)
    moments: list[Moment] = []
    waiting: list[tuple[Moment, tuple[Mapping[str, float], ...]]] = [(first, ())]
    while waiting:
        moment, growth = waiting.pop(0)
        moments.append(moment)
        number = len(moments) - 1
        if moment.period == study.periods:
            continue
        following = children.get(moment.branch, [])
        if following and following[0].from_period == moment.period + 1:
            for future in following:
                rates = (future.growth, *growth)
                grown = _next(study, moment, number, rates)
                waiting.append((_branched(grown, future), rates))
        else:
            waiting.append((_next(study, moment, number, growth), growth))
    return Tree(moments)


def _at_start(study: ProcureStudy, ones: Mapping[str, float]) -> dict[str, float]:
    """Return the factors of the first period: those of lists of factors, 1 else."""
    factors = {}
    for name in ones:
        growth = study.growth.get(name, study.growth.get(EVERY, 1.0))
        factors[name] = growth[0] if isinstance(growth, list) else 1.0
    return factors


def _next(study: ProcureStudy, moment: Moment, number: int, own: Sequence[Mapping[str, float]]) -> Moment:
    """Return the moment a period later on the same branch; `own`: growths of its branches, the last first."""
    years = study.months_per_period / MONTHS_PER_YEAR
    demand = {}
    for name, factor in moment.demand.items():
        stated = (rates.get(name, rates.get(EVERY)) for rates in (*own, study.growth))
        growth = next((rate for rate in stated if rate is not None), 1.0)
        if isinstance(growth, list):
            step = growth[moment.period] / growth[moment.period - 1]
        else:
            step = growth**years
        demand[name] = factor * step
    return replace(moment, period=moment.period + 1, parent=number, demand=demand)


def _branched(moment: Moment, future: Future) -> Moment:
    return replace(
        moment,
        branch=future.name,
        probability=moment.probability * future.probability,
        demand={name: f * _factor(future.demand, name) for name, f in moment.demand.items()},
        prices={name: f * _factor(future.prices, name) for name, f in moment.prices.items()},
        rent=moment.rent * future.rent,
        electricity=moment.electricity * future.electricity,
    )


def _factor(factors: float | Mapping[str, float], name: str) -> float:
    if isinstance(factors, Mapping):
        return factors.get(name, factors.get(EVERY, 1.0))
    return factors
