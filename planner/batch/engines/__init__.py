"""Where jobs are solved: processes of this machine, or a Ray cluster."""

from __future__ import annotations

from planner.batch.engines.base import Engine
from planner.batch.limits import Limits

ENGINES = ("local", "ray")


def engine_named(
    name: str, workers: int | None = None, limits: Limits | None = None, address: str | None = None
) -> Engine:
    """Return a new engine.

    Args:
        name: `local` or `ray`.
        workers: jobs at a time; None: what the machine or cluster carries.
        limits: of each job.
        address: of a running Ray cluster; None starts Ray on this machine.

    Raises:
        ValueError: no such engine, or an address for `local`.
        LookupError: Ray is not installed.
    """
    if name == "local":
        if address is not None:
            raise ValueError(f"address: found '{address}'; allowed: nothing with engine local, use ray")
        from planner.batch.engines.local import LocalEngine

        return LocalEngine(workers, limits)
    if name == "ray":
        from planner.batch.engines.ray import RayEngine

        return RayEngine(workers, limits, address)
    raise ValueError(f"engine: found '{name}'; allowed: {', '.join(ENGINES)}")


__all__ = ["ENGINES", "Engine", "engine_named"]
