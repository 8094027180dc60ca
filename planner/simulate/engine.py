"""One replica, iteration by iteration: continuous batching with chunked prefill.

The scheduler is that of vLLM's V1 engine. In every iteration each decoding sequence gets one token;
what the token budget leaves goes to prompts, first those begun, then waiting ones in order of
arrival as long as a batch place and KV memory for the prompt are free. When the cache overflows the
sequence admitted last is preempted: its cache is dropped, and prompt and answer so far are
prefilled again from the head of the line.

Between two events nothing changes but the context, which grows by a token per sequence and
iteration, so runs of pure decode iterations are advanced in one stride.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from heapq import heappop, heappush

from planner.performance.shape import Role
from planner.simulate.request import Request
from planner.simulate.step_clock import StepClock

NEVER = float("inf")


@dataclass(frozen=True)
class EngineLimits:
    """What stops admissions.

    Attributes:
        sequences: most requests in one batch.
        budget: most tokens in one iteration.
        kv_tokens: KV cache of the replica, tokens.
        kv_fixed: tokens' worth of cache that each request holds beside its own (states, windows).

    """

    sequences: int
    budget: int
    kv_tokens: float
    kv_fixed: float = 0.0


class Engine:
    """State of one replica.

    The owner calls `add` on arrivals and `step` when the clock reaches `next_ms`; finished work is
    handed to `on_first` (first token) and `on_done`.

    Attributes:
        next_ms: end of the current stride of iterations, or NEVER when idle.
        busy_ms, energy_mj: time in iterations and energy in them (W x ms), for the meters.

    """

    __slots__ = (
        "_finishing", "_stride", "_stride_first_ms", "_stride_growth_ms", "_stride_start_ms", "alive",
        "busy_ms", "clock", "context_sum", "decoding", "energy_mj", "filling", "held", "index", "limits",
        "next_ms", "on_done", "on_first", "preemptions", "role", "steps", "version", "waiting", "watts_now",
    )  # fmt: skip

    def __init__(
        self,
        index: int,
        clock: StepClock,
        limits: EngineLimits,
        role: Role,
        on_first: Callable[[Engine, Request, float], None],
        on_done: Callable[[Engine, Request, float], None],
    ) -> None:
        self.index = index
        self.clock = clock
        self.limits = limits
        self.role = role
        self.on_first = on_first
        self.on_done = on_done
        self.alive = True
        self.waiting: deque[Request] = deque()
        self.filling: deque[Request] = deque()
        self.decoding: dict[int, Request] = {}  # in order of admission
        self._finishing: list[tuple[int, int, int]] = []  # finish step, number, epoch
        self.steps = 0
        self.context_sum = 0
        self.held = 0.0
        self.next_ms = NEVER
        self.version = 0
        self.busy_ms = 0.0
        self.energy_mj = 0.0
        self.preemptions = 0
        self.watts_now = clock.idle_w
        self._stride = 0
        self._stride_start_ms = 0.0
        self._stride_first_ms = 0.0
        self._stride_growth_ms = 0.0

    def energy_at(self, now_ms: float) -> tuple[float, float]:
        """Busy time (ms) and energy in it (W x ms) up to `now_ms`, the current stride included."""
        if self.next_ms == NEVER:
            return self.busy_ms, self.energy_mj
        current = now_ms - self._stride_start_ms
        return self.busy_ms + current, self.energy_mj + current * self.watts_now

    @property
    def running(self) -> int:
        """Requests admitted."""
        return len(self.decoding) + len(self.filling)

    def score(self) -> int:
        """Load as vLLM's data-parallel balancer counts it: running plus four times waiting."""
        return len(self.decoding) + len(self.filling) + 4 * len(self.waiting)

    def add(self, request: Request, now_ms: float) -> None:
        """Put a request in line; it is scheduled when the current iteration ends."""
        self.waiting.append(request)
        if self.next_ms == NEVER:
            self._begin(now_ms)
        elif self._stride > 1 and len(self.waiting) == 1 and self._admissible(request):
            self._cut(now_ms)

    def step(self) -> None:
        """End the current stride at `next_ms` and begin the next."""
        now = self.next_ms
        self._end(now)
        self._begin(now)

    def evict_all(self) -> list[Request]:
        """Lose everything (a failure): return the requests in it, in order of admission."""
        lost = [*self.decoding.values(), *self.filling, *self.waiting]
        for request in self.decoding.values():
            request.generated = request.output - (request.finish_step - self.steps)
        for request in lost:
            request.to_fill = 0
            request.epoch += 1
        self.decoding.clear()
        self.filling.clear()
        self.waiting.clear()
        self._finishing.clear()
        self.held, self.context_sum = 0.0, 0
        self.alive = False
        self.next_ms = NEVER
        self.version += 1
        self.watts_now = 0.0
        return lost

    def _need(self, request: Request) -> int:
        """KV tokens to admit a request: its prompt and what it had answered before."""
        return request.prompt + request.generated

    def _admissible(self, request: Request) -> bool:
        limits = self.limits
        return (
            self.running < limits.sequences
            and self.held + self._need(request) + limits.kv_fixed <= limits.kv_tokens
        )

    def _cut(self, now_ms: float) -> None:
        """Shorten the stride to the first iteration that ends at or after `now_ms`."""
        first, growth = self._stride_first_ms, self._stride_growth_ms
        elapsed = now_ms - self._stride_start_ms
        if growth > 1e-12 * first:
            half = first - growth / 2
            steps = (-half + (half * half + 2 * growth * elapsed) ** 0.5) / growth
        else:
            steps = elapsed / first
        whole = max(int(steps), 0)
        while whole < 1 or whole * first + growth * whole * (whole - 1) / 2 < elapsed:
            whole += 1
        if whole < self._stride:
            self._stride = whole
            self.next_ms = self._stride_start_ms + whole * first + growth * whole * (whole - 1) / 2
            self.version += 1

    def _begin(self, now: float) -> None:
        """Compose the next iteration (or stride of decode iterations) at time `now`."""
        limits = self.limits
        decodes = len(self.decoding)
        preempted = decodes > 1 and limits.kv_tokens - self.held < decodes
        if preempted:
            self._preempt()
            decodes = len(self.decoding)
        room = limits.budget - decodes
        prefill = 0
        pairs = 0.0
        if self.filling or self.waiting:
            for request in self.filling:
                if room <= 0:
                    break
                chunk = min(request.to_fill, room)
                pairs += chunk * (request.filled + chunk * 0.5)
                request.filled += chunk
                request.to_fill -= chunk
                room -= chunk
                prefill += chunk
            while self.waiting and room > 0 and not preempted:  # as vLLM: no admission beside a preemption
                request = self.waiting[0]
                if not self._admissible(request):
                    if self.running == 0 and not self.held:
                        # larger than the whole cache: no engine would ever serve it
                        self.waiting.popleft()
                        self.on_done(self, request, NEVER)
                        continue
                    break
                self.waiting.popleft()
                held = self._need(request)
                request.held = held
                self.held += held + limits.kv_fixed
                if self.role == "decode" and request.epoch == 0:
                    request.epoch = 1
                    self._start_decoding(request)
                    decodes += 1
                    room -= 1
                    continue
                request.epoch += 1
                request.filled = request.cached
                request.to_fill = held - request.cached
                chunk = min(request.to_fill, room)
                pairs += chunk * (request.filled + chunk * 0.5)
                request.filled += chunk
                request.to_fill -= chunk
                room -= chunk
                prefill += chunk
                self.filling.append(request)
        self.version += 1
        if prefill == 0 and decodes == 0:
            self.next_ms = NEVER
            self._stride = 0
            self.watts_now = self.clock.idle_w
            return
        context = self.context_sum / decodes if decodes else 0.0
        clock = self.clock
        self._stride_start_ms = now
        if prefill:
            prefix = pairs / prefill - prefill * 0.5
            duration = clock.mixed_ms(decodes, context, prefill, prefix)
            bare = clock.decode_ms(decodes, context) if decodes else 0.0
            self._stride = 1
            self._stride_first_ms = duration
            self._stride_growth_ms = 0.0
            self.next_ms = now + duration
            self.watts_now = clock.watts(decodes, 1.0 - bare / duration if duration > bare else 0.0)
            return
        finishing = self._finishing
        while finishing[0][1] not in self.decoding or self.decoding[finishing[0][1]].epoch != finishing[0][2]:
            heappop(finishing)
        stride = min(finishing[0][0] - self.steps, int((limits.kv_tokens - self.held) // decodes))
        if self.waiting and self._admissible(self.waiting[0]):
            stride = 1  # the budget was full, or a preemption forbade it; try again at once
        stride = max(stride, 1)
        first = clock.decode_ms(decodes, context)
        growth = (clock.decode_ms(decodes, context + stride) - first) / stride
        self._stride = stride
        self._stride_first_ms = first
        self._stride_growth_ms = growth
        self.next_ms = now + stride * first + growth * stride * (stride - 1) / 2
        self.watts_now = clock.watts(decodes, 0.0)

    def _end(self, now: float) -> None:
        """Account for the stride that ends now: tokens out, prompts filled, requests done."""
        stride = self._stride
        duration = now - self._stride_start_ms
        self.busy_ms += duration
        self.energy_mj += duration * self.watts_now
        decoding = self.decoding
        decodes = len(decoding)
        if decodes:
            self.steps += stride
            self.context_sum += decodes * stride
            self.held += decodes * stride
            finishing = self._finishing
            while finishing and finishing[0][0] <= self.steps:
                _, number, epoch = heappop(finishing)
                request = decoding.get(number)
                if request is None or request.epoch != epoch:
                    continue
                del decoding[number]
                self._release(request)
                self.on_done(self, request, now)
        if self.filling:
            filling = self.filling
            while filling and filling[0].to_fill == 0:
                self._filled(filling.popleft(), now)

    def _filled(self, request: Request, now: float) -> None:
        """A prompt is in the cache and its next token is out."""
        request.generated += 1
        if request.first_ms < 0:
            request.first_ms = now
            self.on_first(self, request, now)
        if self.role == "prefill":
            self.on_done(self, request, now)  # the owner releases it after the transfer
        elif request.generated >= request.output:
            self.held -= request.held + self.limits.kv_fixed
            self.on_done(self, request, now)
        else:
            self._start_decoding(request)

    def release_transferred(self, request: Request, now_ms: float) -> None:
        """Prefill role: the cache has left for a decode replica, its memory is free."""
        self.held -= request.held + self.limits.kv_fixed
        if self.next_ms == NEVER and self.waiting:
            self._begin(now_ms)

    def _start_decoding(self, request: Request) -> None:
        request.start_step = self.steps
        request.finish_step = self.steps + request.output - request.generated
        self.decoding[request.number] = request
        self.context_sum += request.held
        heappush(self._finishing, (request.finish_step, request.number, request.epoch))

    def _release(self, request: Request) -> None:
        grown = request.held + self.steps - request.start_step
        self.context_sum -= grown
        self.held -= grown + self.limits.kv_fixed

    def _preempt(self) -> None:
        """Drop sequences admitted last until each of the others has room for one more token."""
        while len(self.decoding) > 1 and self.limits.kv_tokens - self.held < len(self.decoding):
            _, request = self.decoding.popitem()
            self._release(request)
            request.generated = request.output - (request.finish_step - self.steps)
            request.epoch += 1
            self.waiting.appendleft(request)
            self.preemptions += 1
