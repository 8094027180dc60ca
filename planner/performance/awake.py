"""The draw of a replica as a straight line in its load: an awake part, and a part for each request.

The watts of continuous batching are concave in the load (`part_load`): a line from idle to full load counts
a third too little at half load. A line through 42 % and 86 % of the saturated rate is within a few percent
of the curve from 30 % up, and stays linear for a program that decides loads: a replica in service draws
`awake_w` above idle whatever it carries, and each request adds its energy beyond that. Where an LLM serves
several workloads, the awake part is taken at their mean request: it belongs to the replica, not to them.
"""

from __future__ import annotations

import numpy as np

from planner.performance.latency import LoadedPool
from planner.performance.profile import RequestProfile
from planner.performance.service import ServiceColumn
from planner.performance.types import ReplicaModel

CHORD_LOADS = np.asarray([0.42, 0.86])
"""Shares of the saturated rate that the line runs through; below that it lies above the curve."""


def awake_w(replica: ReplicaModel | None, profile: RequestProfile | None) -> int:
    """Return the whole watts above idle that a replica in service draws at vanishing load, by the line.

    Args:
        replica: one engine instance; None where nothing is known of it (measured rates).
        profile: the requests that its LLM serves; None: there are none.

    Returns:
        0 where nothing is known, or the replica does not fit.
    """
    if replica is None or profile is None or not replica.fits:
        return 0
    curves = LoadedPool(replica, profile).curves(CHORD_LOADS)
    if not len(curves.watts):
        return 0
    half, full = (float(watts) for watts in curves.watts)
    low, high = (float(load) for load in CHORD_LOADS)
    at_zero = half - (full - half) * low / (high - low)
    return round(min(max(at_zero - curves.idle_w, 0.0), max(full - curves.idle_w, 0.0)))


def joules_beyond_awake(column: ServiceColumn, awake: float, derate: float = 1.0) -> float:
    """Return the energy of a request beyond what the awake replica draws, J; the whole replica's.

    Args:
        column: what a replica does for a workload; its energy counts from idle, at full load.
        awake: `awake_w` of the replica.
        derate: share of the predicted rate that `column.rate_rps` is.
    """
    if column.rate_rps <= 0:
        return 0.0
    return max(0.0, column.joules_per_request - awake * derate / column.rate_rps)
