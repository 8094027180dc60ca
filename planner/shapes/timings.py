"""What was enumerated and timed before, for the questions of a study that share it.

Timing shapes is the slowest part of putting a question together, and most changes (prices, limits,
tariffs, demand, racks) leave every time as it was. A `Timings` remembers by what times depend on: the
LLM, server and accelerator as the catalog has them, the statistics of requests and the latencies left.
Where only the latencies left differ, what was predicted is read once more.
"""

from __future__ import annotations

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from planner.catalog import Accelerator, Server
from planner.catalog.llm import LLM
from planner.performance.awake import awake_w
from planner.performance.experts import DEFAULT_EXPERT_SKEW
from planner.performance.profile import written_profile
from planner.performance.providers.choose import TimingProvider
from planner.performance.service import LatencyObjective, RequestProfile, ServiceColumn, TimedReplica
from planner.performance.shape import Role
from planner.performance.types import ReplicaModel
from planner.shapes.enumerate import MAX_SERVERS_PER_REPLICA, Enumeration, enumerate_shapes
from planner.shapes.first_look import saturated_rps


@dataclass(frozen=True)
class _Found:
    """Shapes of one LLM on one server, and the entries of the catalog they were made from."""

    made_from: tuple[LLM, Server, Accelerator]
    enumeration: Enumeration


class Timings:
    """Shapes and service columns that were computed once; grows with every question.

    Not safe for several threads. Answers are the very objects of the first time.
    """

    def __init__(self) -> None:
        self._shapes: dict[Hashable, _Found] = {}
        self._columns: dict[Hashable, dict[ReplicaModel, list[ServiceColumn]]] = {}
        self._replicas: dict[Hashable, dict[ReplicaModel, TimedReplica]] = {}
        self._saturated: dict[Hashable, dict[ReplicaModel, float]] = {}
        self._awake: dict[Hashable, int] = {}
        self.timed = 0
        """Replicas timed so far, each under one profile and set of objectives."""

    def keep(self) -> None:
        """Write what is new to where later runs find it; nowhere, here."""

    def shapes(
        self,
        llm: LLM,
        server: Server,
        accelerator: Accelerator,
        *,
        engines: Sequence[str],
        precisions: Sequence[str],
        power_caps_w: Sequence[float | None] = (None,),
        memory_fraction: float | None = None,
        most_servers: int = MAX_SERVERS_PER_REPLICA,
        provider: TimingProvider = "analytic",
        analytic_where_unknown: bool = False,
        expert_skew: float = DEFAULT_EXPERT_SKEW,
        confidence: float | None = None,
        roles: Sequence[Role] = ("aggregated",),
        adapter_ranks: int = 0,
    ) -> Enumeration:
        """Return every shape of `llm` on `server` (see `enumerate_shapes`)."""
        asked = (
            tuple(engines),
            tuple(precisions),
            tuple(power_caps_w),
            memory_fraction,
            most_servers,
            provider,
            analytic_where_unknown,
            expert_skew,
            confidence,
            tuple(roles),
            adapter_ranks,
        )
        key = (llm.id, server.id, accelerator.id, asked)
        made_from = (llm, server, accelerator)
        known = self._shapes.get(key)
        if known is None or known.made_from != made_from:
            known = _Found(
                made_from,
                enumerate_shapes(
                    llm,
                    server,
                    accelerator,
                    engines=engines,
                    precisions=precisions,
                    power_caps_w=power_caps_w,
                    memory_fraction=memory_fraction,
                    most_servers=most_servers,
                    provider=provider,
                    analytic_where_unknown=analytic_where_unknown,
                    expert_skew=expert_skew,
                    confidence=confidence,
                    roles=roles,
                    adapter_ranks=adapter_ranks,
                ),
            )
            self._shapes[key] = known
        return known.enumeration

    def has_timed(self, profile: RequestProfile, objectives: Sequence[LatencyObjective]) -> bool:
        """Return whether any replica was timed under a profile and these objectives."""
        return (written_profile(profile), tuple(objectives)) in self._columns

    def columns(
        self,
        replicas: Sequence[ReplicaModel],
        profile: RequestProfile,
        objectives: Sequence[LatencyObjective],
    ) -> list[list[ServiceColumn]]:
        """Return the service columns `[replica][objective]` (see `service_columns`)."""
        known = self._columns.setdefault((written_profile(profile), tuple(objectives)), {})
        new = [replica for replica in replicas if replica not in known]
        self.timed += len(new)
        pools = self._replicas.setdefault(written_profile(profile), {})
        for replica in new:
            if replica not in pools:
                pools[replica] = TimedReplica(replica, profile)
            known[replica] = pools[replica].columns(objectives)
        return [known[replica] for replica in replicas]

    def saturated_rps(self, replicas: Sequence[ReplicaModel], profile: RequestProfile) -> list[float]:
        """Return the rate at which each replica has no time left, requests/s (see `first_look`)."""
        known = self._saturated.setdefault(written_profile(profile), {})
        for replica in replicas:
            if replica not in known:
                known[replica] = saturated_rps(replica, profile)
        return [known[replica] for replica in replicas]

    def awake_w(self, replica: ReplicaModel | None, profile: RequestProfile | None) -> int:
        """Return the watts that a replica draws above idle while it is in service (see `awake_w`)."""
        if replica is None or profile is None:
            return 0
        key = (written_profile(profile), replica)
        if key not in self._awake:
            self._awake[key] = awake_w(replica, profile)
        return self._awake[key]
