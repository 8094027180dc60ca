"""The event loop: arrivals, engines, cache transfers, failures and samples in order of time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

import numpy as np

from planner.simulate.arrivals import Arrival
from planner.simulate.engine import NEVER, Engine
from planner.simulate.latencies import Latencies
from planner.simulate.pool import Pool
from planner.simulate.request import Request

_ENGINE, _TRANSFER, _FAILURE, _SAMPLE = range(4)  # order of events at one instant
_MS_PER_S = 1000.0
_NAN = float("nan")


@dataclass(frozen=True)
class Link:
    """The wire a prefill replica sends caches over, one after another.

    Attributes:
        setup_ms: added to every transfer, beside others.
        per_token_ms: time on the wire of the cache of one token.

    """

    setup_ms: float
    per_token_ms: float


@dataclass(frozen=True)
class Path:
    """One way through the deployment: a pool, or a prefill pool, a link and a decode pool.

    Attributes:
        weight: relative share of the stream's requests.
        network_ms: round trip added to TTFT and to the end-to-end time.
        overhead_ms: the engine's own per-request time, added likewise.

    """

    pools: tuple[Pool, ...]
    weight: float
    network_ms: float = 0.0
    overhead_ms: float = 0.0
    link: Link | None = None


@dataclass
class Stream:
    """Requests of one workload from one origin and the paths they may take."""

    workload: int
    arrivals: Iterator[Arrival]
    paths: Sequence[Path]
    rng: np.random.Generator
    weights: list[float] = field(default_factory=list)

    def __post_init__(self) -> None:
        """Prepare the cumulative weights of the paths."""
        total = sum(path.weight for path in self.paths)
        self.weights = np.cumsum([path.weight / total for path in self.paths]).tolist()


@dataclass
class Samples:
    """States of each pool at regular times; one row per sample, one column per pool."""

    time_s: list[float] = field(default_factory=list)
    waiting: list[list[int]] = field(default_factory=list)
    running: list[list[int]] = field(default_factory=list)
    watts: list[list[float]] = field(default_factory=list)
    utilization: list[list[float]] = field(default_factory=list)


@dataclass(frozen=True)
class Failure:
    """Engines that die at a time (ms)."""

    time_ms: float
    engines: tuple[Engine, ...]


class Replay:
    """A deployment under a stream of requests.

    Build the pools with `on_first` and `on_done` of this object, then `run`.

    Args:
        workloads: how many workloads there are.
        sample_every_s: distance of the samples of state.
        warm_up_s: requests that arrive before are not counted.

    """

    def __init__(self, workloads: int, sample_every_s: float = 60.0, warm_up_s: float = 0.0) -> None:
        self.latencies = [Latencies(warm_up_s * _MS_PER_S) for _ in range(workloads)]
        self.samples = Samples()
        self.pools: list[Pool] = []
        self.streams: list[Stream] = []
        self._events: list[tuple[float, int, int, int]] = []
        self._owner: dict[int, Pool] = {}
        self._engines: dict[int, Engine] = {}
        self._transfers: dict[int, tuple[Engine, Request]] = {}
        self._link_free_ms: dict[int, float] = {}
        self._stream_of: dict[int, int] = {}
        self._sample_ms = sample_every_s * _MS_PER_S
        self._meters: list[tuple[float, float]] = []
        self._numbers = 0

    def add_pool(self, pool: Pool) -> None:
        """Take a pool into the deployment."""
        self.pools.append(pool)
        self._meters.append((0.0, 0.0))
        for engine in pool.engines:
            self._owner[engine.index] = pool
            self._engines[engine.index] = engine

    def run(self, streams: Sequence[Stream], failures: Iterable[Failure] = ()) -> None:
        """Replay all streams until every request is answered or lost."""
        self.streams = list(streams)
        for number, failure in enumerate(failures):
            heappush(self._events, (failure.time_ms, _FAILURE, number, 0))
        failing = list(failures)
        heappush(self._events, (self._sample_ms, _SAMPLE, 0, 0))
        pending: list[tuple[float, int, Arrival]] = []
        iterators = [stream.arrivals for stream in self.streams]
        for index, iterator in enumerate(iterators):
            self._pull(pending, iterator, index)
        events = self._events
        engines = self._engines
        in_flight = True
        while pending or in_flight:
            next_event = events[0][0] if events else NEVER
            if pending and pending[0][0] < next_event:
                now, index, arrival = heappop(pending)
                self._pull(pending, iterators[index], index)
                self._arrive(index, arrival, now)
                continue
            if not events:
                break
            now, kind, a, b = heappop(events)
            if kind == _ENGINE:
                engine = engines[a]
                if engine.version == b and engine.next_ms == now:
                    engine.step()
                    self._schedule(engine)
            elif kind == _TRANSFER:
                self._transferred(a, now)
            elif kind == _FAILURE:
                self._fail(failing[a], now)
            else:
                self._sample(now)
                if pending or any(event[1] != _SAMPLE for event in events):
                    heappush(events, (now + self._sample_ms, _SAMPLE, 0, 0))
            in_flight = bool(events)

    def on_first(self, engine: Engine, request: Request, now_ms: float) -> None:
        """Do nothing yet: the first token's time is in the request."""

    def on_done(self, engine: Engine, request: Request, now_ms: float) -> None:
        """Engine callback: a request has left this engine."""
        if now_ms == NEVER:
            self._lose(request)
        elif engine.role == "prefill":
            self._send(engine, request, now_ms)
        else:
            self._finish(request, now_ms)

    def _pull(
        self, pending: list[tuple[float, int, Arrival]], iterator: Iterator[Arrival], index: int
    ) -> None:
        arrival = next(iterator, None)
        if arrival is not None:
            heappush(pending, (arrival[0], index, arrival))

    def _arrive(self, index: int, arrival: Arrival, now: float) -> None:
        stream = self.streams[index]
        self._numbers += 1
        request = Request(self._numbers, stream.workload, arrival[0], arrival[1], arrival[2], arrival[3])
        route = 0
        if len(stream.paths) > 1:
            route = int(np.searchsorted(stream.weights, stream.rng.random(), side="right"))
            route = min(route, len(stream.paths) - 1)
        request.route = route
        request.stream = index
        self._dispatch(request, 0, now)

    def _dispatch(self, request: Request, stage: int, now: float) -> None:
        """Give a request to stage `stage` of its path, or of another path that still lives."""
        paths = self.streams[request.stream].paths
        order = [request.route, *(i for i in range(len(paths)) if i != request.route)]
        for route in order:
            if stage >= len(paths[route].pools):
                continue
            engine = paths[route].pools[stage].route(request, now)
            if engine is not None:
                request.route = route
                self._schedule(engine)
                return
        self._lose(request)

    def _schedule(self, engine: Engine) -> None:
        """Queue the end of an engine's current stride and tell its router."""
        if engine.next_ms != NEVER:
            heappush(self._events, (engine.next_ms, _ENGINE, engine.index, engine.version))
        self._owner[engine.index].touch(engine)

    def _send(self, engine: Engine, request: Request, now: float) -> None:
        """Put a prompt's cache on its prefill replica's link."""
        link = self.streams[request.stream].paths[request.route].link
        end = now
        if link is not None:
            start = max(now, self._link_free_ms.get(engine.index, 0.0))
            end = start + request.prompt * link.per_token_ms
            self._link_free_ms[engine.index] = end
            end += link.setup_ms
        self._transfers[request.number] = (engine, request)
        heappush(self._events, (end, _TRANSFER, request.number, 0))

    def _transferred(self, number: int, now: float) -> None:
        engine, request = self._transfers.pop(number)
        if engine.alive:
            engine.release_transferred(request, now)
            self._schedule(engine)
        if request.first_ms < 0 or request.generated == 1:
            request.first_ms = now
        if request.generated >= request.output:
            self._finish(request, now)
            return
        request.epoch = 0
        self._dispatch(request, 1, now)

    def _finish(self, request: Request, now: float) -> None:
        path = self.streams[request.stream].paths[request.route]
        added = path.network_ms + path.overhead_ms
        later = request.output - 1
        self.latencies[request.workload].answer(
            request.arrival_ms,
            request.first_ms - request.arrival_ms + added,
            (now - request.first_ms) / later if later > 0 else _NAN,
            now - request.arrival_ms + added,
            request.output,
        )

    def _lose(self, request: Request) -> None:
        self.latencies[request.workload].fail(request.arrival_ms)

    def _fail(self, failure: Failure, now: float) -> None:
        lost: list[Request] = []
        for engine in failure.engines:
            if engine.alive:
                lost += engine.evict_all()
        for request in sorted(lost, key=lambda r: r.number):
            stages = len(self.streams[request.stream].paths[request.route].pools)
            self._dispatch(request, stages - 1 if request.generated and stages > 1 else 0, now)

    def _sample(self, now: float) -> None:
        samples = self.samples
        samples.time_s.append(now / _MS_PER_S)
        waiting, running, watts, busy = [], [], [], []
        for index, pool in enumerate(self.pools):
            ends = [engine.energy_at(now) for engine in pool.engines]
            busy_ms, energy = sum(e[0] for e in ends), sum(e[1] for e in ends)
            before_ms, before = self._meters[index]
            self._meters[index] = (busy_ms, energy)
            alive = pool.alive
            passed = self._sample_ms * max(alive, 1)
            idle = max(passed - (busy_ms - before_ms), 0.0) * pool.clock.idle_w * (alive > 0)
            waiting.append(sum(len(engine.waiting) for engine in pool.engines))
            running.append(sum(engine.running for engine in pool.engines))
            watts.append(((energy - before) + idle) / self._sample_ms)
            busy.append(min((busy_ms - before_ms) / passed, 1.0))
        samples.waiting.append(waiting)
        samples.running.append(running)
        samples.watts.append(watts)
        samples.utilization.append(busy)
