"""Replicas of plans, and what was predicted of them, remembered for the next plan of this process.

A plan is put into words and verified several times while a question is solved, and a study solves many
questions over few shapes. What a replica does depends on nothing but what stands in `Known`'s key, so it is
worked out once. Answers are the very objects of the first time.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from planner.performance.awake import awake_w
from planner.performance.profile import RequestProfile, written_profile
from planner.performance.service import (
    LatencyCurves,
    LatencyObjective,
    ServiceColumn,
    TimedReplica,
    latency_curves,
)
from planner.performance.types import ReplicaModel

MOST_REPLICAS = 512
"""Replicas that are remembered; those not asked for longest are forgotten."""

MOST_CURVES = 64
"""Latency curves that are remembered: they keep every request of the sample, some 100 kB each."""

Answer = TypeVar("Answer")


@dataclass
class Known:
    """One replica and what was asked about it. made_from: what it was made from, compared as a whole."""

    made_from: tuple[Any, ...]
    replica: ReplicaModel
    _timed: dict[Hashable, TimedReplica] = field(default_factory=dict)
    _awake: dict[Hashable, int] = field(default_factory=dict)

    def columns(self, profile: RequestProfile, objectives: Sequence[LatencyObjective]) -> list[ServiceColumn]:
        """Return the service column of each objective (see `service_columns`)."""
        key = written_profile(profile)
        if key not in self._timed:
            self._timed[key] = TimedReplica(self.replica, profile)
        return self._timed[key].columns(objectives)

    def awake_w(self, profile: RequestProfile | None) -> int:
        """Return the watts above idle of a replica in service (see `awake_w`)."""
        key = None if profile is None else written_profile(profile)
        if key not in self._awake:
            self._awake[key] = awake_w(self.replica, profile)
        return self._awake[key]

    def curves(self, profile: RequestProfile) -> LatencyCurves:
        """Return latency over load (see `latency_curves`)."""
        key = (id(self.replica), written_profile(profile))
        found = _curves.get(key)
        if found is None or found[0] is not self.replica:
            found = (self.replica, latency_curves(self.replica, profile))
        _keep(_curves, key, found, MOST_CURVES)
        return found[1]


_known: OrderedDict[Hashable, Known] = OrderedDict()
_curves: OrderedDict[Hashable, tuple[ReplicaModel, LatencyCurves]] = OrderedDict()


def known(key: Hashable, made_from: tuple[Any, ...], make: Callable[[], ReplicaModel]) -> Known:
    """Return what is known of a replica; it is made where nothing is.

    Args:
        key: how it is cut and asked for.
        made_from: entries of the catalog; where one differs from the last time, the replica is made anew.
        make: makes it.
    """
    found = _known.get(key)
    if found is None or found.made_from != made_from:
        found = Known(made_from, make())
    _keep(_known, key, found, MOST_REPLICAS)
    return found


def _keep(entries: OrderedDict[Hashable, Answer], key: Hashable, answer: Answer, most: int) -> None:
    """Put an entry last in line for being forgotten."""
    entries[key] = answer
    entries.move_to_end(key)
    while len(entries) > most:
        entries.popitem(last=False)
