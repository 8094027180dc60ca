"""Rates under other latency objectives, from latencies that are predicted once.

Predicting the latencies of a replica takes long and does not depend on the objective; reading a rate from
them takes no time. A search for the least SLO asks for many objectives.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from typing import Any

import numpy as np

from planner.performance.latency import LatencyCurves, LoadedPool
from planner.performance.profile import written_profile
from planner.performance.service import LatencyObjective, RequestProfile, ServiceColumn, column_of
from planner.performance.types import ReplicaModel
from planner.shapes import Enumeration, Timings

LOADS = np.array(
    [0.01, 0.05, 0.1, 0.18, 0.25, 0.34, 0.42, 0.5, 0.58, 0.65, 0.72, 0.78, 0.84, 0.88, 0.92, 0.95, 0.97]
)
"""Shares of the saturated rate at which latencies are predicted."""


class AheadTimings(Timings):
    """Timings that read rates under objectives not timed before from curves on a fixed grid of loads.

    What others timed is taken as it is. Rates from the grid differ from those timed for one objective by
    far less than the model's error, but they differ, so a plan is made with timings of its own.
    """

    def __init__(self, known: Timings) -> None:
        super().__init__()
        self._known = known
        self._curves: dict[tuple[Hashable, ReplicaModel], LatencyCurves] = {}

    def shapes(self, *args: Any, **kwargs: Any) -> Enumeration:
        """Return every shape of an LLM on a server (see `Timings.shapes`)."""
        return self._known.shapes(*args, **kwargs)

    def saturated_rps(self, replicas: Sequence[ReplicaModel], profile: RequestProfile) -> list[float]:
        """Return the rate at which each replica has no time left (see `Timings.saturated_rps`)."""
        return self._known.saturated_rps(replicas, profile)

    def awake_w(self, replica: ReplicaModel | None, profile: RequestProfile | None) -> int:
        """Return the watts of a replica in service above idle (see `Timings.awake_w`)."""
        return self._known.awake_w(replica, profile)

    def columns(
        self,
        replicas: Sequence[ReplicaModel],
        profile: RequestProfile,
        objectives: Sequence[LatencyObjective],
    ) -> list[list[ServiceColumn]]:
        """Return the service columns `[replica][objective]` (see `service_columns`)."""
        if self._known.has_timed(profile, objectives):
            return self._known.columns(replicas, profile, objectives)
        return [
            [column_of(curves, objective) for objective in objectives]
            for curves in (self._curve(replica, profile) for replica in replicas)
        ]

    def _curve(self, replica: ReplicaModel, profile: RequestProfile) -> LatencyCurves:
        key = (written_profile(profile), replica)
        if key not in self._curves:
            self._curves[key] = LoadedPool(replica, profile).curves(LOADS)
        return self._curves[key]
