"""Rates under many latency objectives at once: what a search for the least SLO will ask for.

Predicting the latencies of a replica takes long and does not depend on the objective; reading rates from
them takes no time. So a whole ladder of objectives is read at once.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Sequence
from typing import Any

from planner.performance.service import LatencyObjective, RequestProfile, ServiceColumn, service_columns
from planner.performance.types import ReplicaModel
from planner.shapes import Enumeration, Timings
from planner.shapes.timings import written_profile

Objectives = tuple[LatencyObjective, ...]


class AheadTimings(Timings):
    """Timings that read the rates of expected objectives together; what others timed is taken as it is.

    Rates read together are interpolated on a finer grid of loads than those read alone: they differ by
    far less than the model's error, but they differ, so a plan is made with timings of its own.
    """

    def __init__(self, known: Timings) -> None:
        super().__init__()
        self._known = known
        self._expected: dict[Hashable, set[Objectives]] = {}

    def expect(self, profile: RequestProfile, asked: Iterable[Objectives]) -> None:
        """Say which objectives will be asked for of requests with a profile."""
        self._expected[written_profile(profile)] = set(asked)

    def shapes(self, *args: Any, **kwargs: Any) -> Enumeration:
        """Return every shape of an LLM on a server (see `Timings.shapes`)."""
        return self._known.shapes(*args, **kwargs)

    def columns(
        self,
        replicas: Sequence[ReplicaModel],
        profile: RequestProfile,
        objectives: Sequence[LatencyObjective],
    ) -> list[list[ServiceColumn]]:
        """Return the service columns `[replica][objective]` (see `service_columns`)."""
        key = tuple(objectives)
        expected = self._expected.get(written_profile(profile), set())
        known = self._columns.get((written_profile(profile), key))
        if known is not None and all(replica in known for replica in replicas):
            return [known[replica] for replica in replicas]
        if key not in expected:
            return self._known.columns(replicas, profile, objectives)
        every = list(dict.fromkeys(one for asked in expected for one in asked))
        table = service_columns(replicas, profile, every)
        for asked in expected:
            at = [every.index(one) for one in asked]
            columns = self._columns.setdefault((written_profile(profile), asked), {})
            columns.update(
                (replica, [row[n] for n in at]) for replica, row in zip(replicas, table, strict=True)
            )
        return [self._columns[written_profile(profile), key][replica] for replica in replicas]
