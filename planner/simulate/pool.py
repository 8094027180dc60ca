"""Equal replicas behind one router."""

from __future__ import annotations

from collections.abc import Callable
from heapq import heapify, heappop, heappush

from planner.performance.types import ReplicaModel
from planner.simulate.engine import Engine, EngineLimits
from planner.simulate.request import Request
from planner.simulate.step_clock import StepClock

_UNBOUNDED_TOKENS = 1e15
MOST_SEQUENCES = 4096
"""Engines stop far earlier; bounds the tables of replicas whose memory never fills."""


def engine_limits(replica: ReplicaModel) -> EngineLimits:
    """Admission limits of one replica, from its memory and its engine."""
    memory = replica.memory
    per_token = memory.kv_bytes_per_token
    bounded = per_token > 0 and memory.kv_capacity_tokens < _UNBOUNDED_TOKENS
    return EngineLimits(
        sequences=max(min(int(replica.max_batch(1.0)), MOST_SEQUENCES), 1),
        budget=int(replica.max_batched_tokens),
        kv_tokens=float(memory.kv_capacity_tokens) if bounded else _UNBOUNDED_TOKENS,
        kv_fixed=memory.kv_bytes_fixed / per_token if bounded else 0.0,
    )


class Pool:
    """Replicas of one shape at one site; the router sends each request to the least loaded.

    Load is counted as vLLM's data-parallel balancer does (running plus four times waiting); of
    equals the one that got a request longest ago is taken.
    """

    def __init__(
        self,
        name: str,
        replica: ReplicaModel,
        count: int,
        clock: StepClock,
        on_first: Callable[[Engine, Request, float], None],
        on_done: Callable[[Engine, Request, float], None],
        first_index: int = 0,
    ) -> None:
        self.name = name
        self.replica = replica
        self.clock = clock
        limits = engine_limits(replica)
        role = replica.shape.role
        self.engines = [Engine(first_index + i, clock, limits, role, on_first, on_done) for i in range(count)]
        self._stamp = dict.fromkeys((engine.index for engine in self.engines), 0)
        self._known = dict.fromkeys((engine.index for engine in self.engines), 0)
        self._by_index = {engine.index: engine for engine in self.engines}
        self._routed = 0
        self._heap = [(0, 0, engine.index) for engine in self.engines]
        self.requests = 0

    @property
    def alive(self) -> int:
        """Replicas that have not failed."""
        return sum(engine.alive for engine in self.engines)

    def route(self, request: Request, now_ms: float) -> Engine | None:
        """Give a request to the least loaded replica (None when none is left)."""
        engine = self._least_loaded()
        if engine is None:
            return None
        self._routed += 1
        self._stamp[engine.index] = self._routed
        engine.add(request, now_ms)
        self.requests += 1
        self._known[engine.index] = -1
        self.touch(engine)
        return engine

    def touch(self, engine: Engine) -> None:
        """Note that the load of an engine may have changed."""
        score = engine.score()
        if score != self._known[engine.index]:
            self._known[engine.index] = score
            heappush(self._heap, (score, self._stamp[engine.index], engine.index))
            if len(self._heap) > 8 * len(self.engines) + 64:
                self._heap = [(e.score(), self._stamp[e.index], e.index) for e in self.engines if e.alive]
                heapify(self._heap)

    def _least_loaded(self) -> Engine | None:
        if len(self.engines) == 1:
            return self.engines[0] if self.engines[0].alive else None
        heap = self._heap
        while heap:
            score, stamp, index = heap[0]
            engine = self._by_index[index]
            if engine.alive and score == self._known[index] and stamp == self._stamp[index]:
                return engine
            heappop(heap)
        return None
