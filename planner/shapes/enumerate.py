"""Every way to run an LLM on a server that makes sense, and why the others were left out.

A replica inside one server takes a number of accelerators that divides the scale-up domain and is a
power of two (or the whole server), so that replicas of different sizes share servers without waste that
counting cannot see. A larger replica takes whole servers of one fabric domain.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from planner.catalog import Accelerator, Server
from planner.catalog.llm import LLM
from planner.performance.experts import DEFAULT_EXPERT_SKEW
from planner.performance.providers.choose import TimingProvider, replica_from
from planner.performance.shape import Role, Shape
from planner.performance.types import ReplicaModel

MAX_TENSOR_PARALLEL_IN_BOX = 8
"""Larger tensor-parallel groups are tried only where a scale-up domain is larger (NVL72)."""

PIPELINE_STAGES = (1, 2, 4)
"""Pipeline degrees tried. More stages add latency without need: four servers hold any known model."""

MAX_SERVERS_PER_REPLICA = 4
"""Replicas that span more servers are not enumerated."""


@dataclass(frozen=True)
class Refusal:
    """A shape that cannot run, and why, in words."""

    shape: Shape
    reason: str


@dataclass
class Enumeration:
    """Shapes that run, as timed replicas, and shapes that do not."""

    replicas: list[ReplicaModel] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)


def enumerate_shapes(
    llm: LLM,
    server: Server,
    accelerator: Accelerator,
    *,
    engines: Sequence[str],
    precisions: Sequence[str],
    roles: Sequence[Role] = ("aggregated",),
    power_caps_w: Sequence[float | None] = (None,),
    memory_fraction: float | None = None,
    most_servers: int = MAX_SERVERS_PER_REPLICA,
    provider: TimingProvider = "analytic",
    analytic_where_unknown: bool = False,
    confidence: float | None = None,
    expert_skew: float = DEFAULT_EXPERT_SKEW,
    adapter_ranks: int = 0,
) -> Enumeration:
    """Return every shape of `llm` on `server`.

    Args:
        llm: the model.
        server: where it would run; gives the scale-up domain and the links.
        accelerator: the server's accelerator.
        engines: engine ids to try.
        precisions: weight precisions to try; those the accelerator cannot compute are refused.
        roles: aggregated serving, or the sides of a prefill/decode split.
        power_caps_w: caps per accelerator to try; None is uncapped.
        memory_fraction: share of memory the engine may use; None: the engine's default.
        most_servers: servers one replica may span; 1 where they share no fast fabric (rented ones).
        provider: who times the replicas.
        analytic_where_unknown: time analytically what the provider has no tables for.
        confidence: probability that a replica is no slower than its times; None: the central estimate.
        expert_skew: how unevenly tokens choose experts, exponent of a power law.
        adapter_ranks: slots for LoRA adapters times their largest rank.
    """
    found = Enumeration()
    for degrees in parallel_degrees(llm, server, most_servers):
        tp, pp, dp, ep = degrees
        for engine in engines:
            for weights in precisions:
                for role in roles:
                    for cap in power_caps_w:
                        shape = Shape(
                            llm=llm.id,
                            accelerator=accelerator.id,
                            engine=engine,
                            tp=tp,
                            pp=pp,
                            dp=dp,
                            ep=ep,
                            weights=weights,
                            kv_cache=DEFAULT_KV_CACHE,
                            role=role,
                            power_cap_w=cap,
                        )
                        replica = replica_from(
                            provider,
                            llm,
                            accelerator,
                            shape,
                            server=server,
                            memory_fraction=memory_fraction,
                            analytic_where_unknown=analytic_where_unknown,
                            confidence=confidence,
                            expert_skew=expert_skew,
                            adapter_ranks=adapter_ranks,
                        )
                        if replica.fits:
                            found.replicas.append(replica)
                        else:
                            found.refused.append(Refusal(shape, replica.refusal))
    return found


DEFAULT_KV_CACHE = "bf16"
"""What the engines choose unless told otherwise."""


def parallel_degrees(
    llm: LLM, server: Server, most_servers: int = MAX_SERVERS_PER_REPLICA
) -> Iterator[tuple[int, int, int, int]]:
    """Yield (tp, pp, dp, ep) that fit the model's heads and experts and the server's accelerators."""
    box = server.accelerators
    heads = min(group.attention.query_heads for group in llm.groups if group.attention.query_heads)
    experts = max((group.feed_forward.experts for group in llm.groups), default=0)
    latent = any(group.attention.kind == "mla" for group in llm.groups)
    limit = box if box > MAX_TENSOR_PARALLEL_IN_BOX else MAX_TENSOR_PARALLEL_IN_BOX
    for tp in _powers_of_two(min(box, limit)):
        if heads % tp:
            continue
        for pp in PIPELINE_STAGES:
            if pp > llm.layers or not _stands(tp * pp, box, most_servers):
                continue
            yield tp, pp, 1, 1
            if experts and tp > 1 and experts % tp == 0:
                yield tp, pp, 1, tp
        if not experts:
            continue
        # Attention data parallelism with expert parallelism over all ranks: pays where the cache is
        # shared by all heads (MLA), or where there are fewer KV heads than ranks.
        for dp in _powers_of_two(box * most_servers // tp):
            ranks = tp * dp
            if dp == 1 or experts % ranks or not _stands(ranks, box, most_servers) or not (latent or tp == 1):
                continue
            yield tp, 1, dp, ranks


def _stands(accelerators: int, box: int, most_servers: int) -> bool:
    """True if that many accelerators are part of one server or a small number of whole servers."""
    if accelerators <= box:
        return True
    return accelerators % box == 0 and accelerators // box <= most_servers


def _powers_of_two(limit: int) -> Iterator[int]:
    value = 1
    while value <= limit:
        yield value
        value *= 2
