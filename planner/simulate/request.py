"""One request on its way through the replay."""

from __future__ import annotations


class Request:
    """A request and what has happened to it. Times are ms since the start of the replay.

    Attributes:
        number: position in the arrival order, the row of the result.
        workload: index of its workload.
        arrival_ms: when it reached the pool.
        prompt, cached, output: tokens of the prompt, of it found in the prefix cache, of the answer.
        stream, route: where it came from and the path it takes.
        generated: tokens answered so far.
        first_ms: when the first token left, or -1.
        to_fill: tokens still to prefill; `filled` are in the cache already.
        held: tokens of KV cache it was admitted with.
        finish_step, start_step: decode steps of its engine at which it ends and began.
        epoch: counts its admissions, so that stale events are known.

    """

    __slots__ = (
        "arrival_ms",
        "cached",
        "epoch",
        "filled",
        "finish_step",
        "first_ms",
        "generated",
        "held",
        "number",
        "output",
        "prompt",
        "route",
        "start_step",
        "stream",
        "to_fill",
        "workload",
    )

    def __init__(
        self, number: int, workload: int, arrival_ms: float, prompt: int, cached: int, output: int
    ) -> None:
        self.number = number
        self.workload = workload
        self.arrival_ms = arrival_ms
        self.prompt = prompt
        self.cached = min(cached, prompt - 1)
        self.output = output
        self.route = 0
        self.stream = 0
        self.generated = 0
        self.first_ms = -1.0
        self.to_fill = 0
        self.filled = 0
        self.held = 0
        self.finish_step = 0
        self.start_step = 0
        self.epoch = 0
