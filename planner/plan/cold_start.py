"""How long a further replica takes to start, and the room that rising traffic needs meanwhile.

A replica starts in the time its servers take to read its weights, each its own part, and the time the
engine takes besides. Traffic that rises by a share of the plan per minute grows by that share times the
minutes of a start before a further replica helps: so much of the load is kept free.
"""

from __future__ import annotations

from planner.catalog.llm import LLM
from planner.performance.memory import weights_bytes
from planner.performance.shape import Shape
from planner.scenario import Workload
from planner.scenario.tenancy import ColdStart

BYTES_PER_GB = 1e9
SECONDS_PER_MINUTE = 60.0


def start_s(cold: ColdStart, llm: LLM | None, shape: Shape, server_accelerators: int) -> float:
    """Return the seconds from the order of a replica to its first request.

    Args:
        cold: what is known of starts.
        llm: its LLM; None where only a name is known, whose weights count nothing.
        shape: what the replica is.
        server_accelerators: accelerators of one of its servers.
    """
    if llm is None:
        return cold.start_s
    on_one_server = min(shape.accelerators, server_accelerators)
    read_gb = weights_bytes(llm, shape) * on_one_server / BYTES_PER_GB
    return cold.start_s + read_gb / cold.load_gb_s


def warm_share(
    workload: Workload, cold: ColdStart | None, llm: LLM | None, shape: Shape, server_accelerators: int
) -> float:
    """Return the share of a workload's load on a replica that must be free beside it."""
    if cold is None or not workload.ramp_per_min:
        return 0.0
    return workload.ramp_per_min * start_s(cold, llm, shape, server_accelerators) / SECONDS_PER_MINUTE
