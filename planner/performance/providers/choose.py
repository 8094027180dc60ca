"""Which provider times a replica."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING, Literal

from planner.performance.calibration_file import Calibration
from planner.performance.engine_limits import engine_limits
from planner.performance.experts import DEFAULT_EXPERT_SKEW
from planner.performance.memory import EngineLimits
from planner.performance.pessimism import PessimisticReplica
from planner.performance.providers.aiconfigurator import aiconfigurator_replica
from planner.performance.replica import replica_model
from planner.performance.shape import Shape
from planner.performance.types import ReplicaModel

if TYPE_CHECKING:
    from planner.catalog.accelerators import Accelerator
    from planner.catalog.llm import LLM
    from planner.catalog.servers import Server

TimingProvider = Literal["analytic", "aiconfigurator"]


def replica_from(
    provider: TimingProvider,
    llm: LLM,
    accelerator: Accelerator,
    shape: Shape,
    *,
    server: Server | None = None,
    calibration: Calibration | None = None,
    memory_fraction: float | None = None,
    limits: EngineLimits | None = None,
    analytic_where_unknown: bool = False,
    confidence: float | None = None,
    expert_skew: float = DEFAULT_EXPERT_SKEW,
    adapter_ranks: int = 0,
) -> ReplicaModel:
    """Return one replica timed by a provider; other parameters as of ``replica_model``.

    ``analytic_where_unknown`` mixes providers: what the chosen one cannot time (an accelerator, an LLM
    or a precision it has no tables for) is timed by the analytic model, and says so in ``provider``.
    ``confidence`` is the probability with which a measurement is no slower than the times; ``None`` gives
    the central estimate. ``expert_skew`` is the exponent of the popularity of experts, which the analytic
    model counts with (the package's tables have their own). ``adapter_ranks`` are slots for LoRA adapters
    times their largest rank.

    Raises
    ------
    ProviderMissing
        The provider's package is not installed.
    """
    if adapter_ranks:
        known = limits or engine_limits(shape.engine, memory_fraction, accelerator)
        limits = replace(known, adapter_ranks=adapter_ranks)
    replica = _timed_by(
        provider,
        llm,
        accelerator,
        shape,
        server,
        calibration,
        memory_fraction,
        limits,
        analytic_where_unknown,
        expert_skew,
    )
    return replica if confidence is None or not replica.fits else PessimisticReplica(replica, confidence)


def _timed_by(
    provider: TimingProvider,
    llm: LLM,
    accelerator: Accelerator,
    shape: Shape,
    server: Server | None,
    calibration: Calibration | None,
    memory_fraction: float | None,
    limits: EngineLimits | None,
    analytic_where_unknown: bool,
    expert_skew: float,
) -> ReplicaModel:
    analytic = replica_model(
        llm,
        accelerator,
        shape,
        server=server,
        calibration=calibration,
        memory_fraction=memory_fraction,
        limits=limits,
        expert_skew=expert_skew,
    )
    if provider == "analytic" or not analytic.fits:
        return analytic
    chosen = aiconfigurator_replica(
        llm,
        accelerator,
        shape,
        server=server,
        calibration=calibration,
        memory_fraction=memory_fraction,
        limits=limits,
    )
    return analytic if analytic_where_unknown and not chosen.fits else chosen
