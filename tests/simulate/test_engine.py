"""One engine, checked by hand and against a scheduler that counts every iteration."""

from __future__ import annotations

import numpy as np
import pytest

from planner.simulate.engine import Engine, EngineLimits
from planner.simulate.request import Request
from planner.simulate.step_clock import StepClock
from tests.simulate.linear_replica import LinearReplica

BASE_MS, SEQUENCE_MS, TOKEN_MS = 10.0, 1.0, 0.1


class Log:
    """Times of first tokens and of ends, by request number."""

    def __init__(self) -> None:
        self.first: dict[int, float] = {}
        self.done: dict[int, float] = {}

    def on_first(self, _: Engine, request: Request, now: float) -> None:
        self.first[request.number] = now

    def on_done(self, _: Engine, request: Request, now: float) -> None:
        self.done[request.number] = now


def engine_of(sequences: int = 8, budget: int = 100, kv_tokens: float = 1e9) -> tuple[Engine, Log]:
    replica = LinearReplica(BASE_MS, SEQUENCE_MS, TOKEN_MS, sequences, kv_tokens, budget)
    log = Log()
    limits = EngineLimits(sequences, budget, kv_tokens)
    clock = StepClock(replica, sequences, 100.0, 4000.0)
    return Engine(0, clock, limits, "aggregated", log.on_first, log.on_done), log


def run(engine: Engine, requests: list[Request]) -> None:
    """Feed requests (in order of arrival) and run until nothing is left."""
    waiting = list(requests)
    for _ in range(1_000_000):
        if waiting and waiting[0].arrival_ms <= engine.next_ms:
            request = waiting.pop(0)
            engine.add(request, request.arrival_ms)
        elif engine.next_ms < float("inf"):
            engine.step()
        else:
            return
    raise AssertionError("the engine never came to rest")


def test_one_request_alone() -> None:
    """100 prompt tokens in one iteration of 20 ms, then four decodes of 11 ms."""
    engine, log = engine_of()
    run(engine, [Request(1, 0, 5.0, 100, 0, 5)])
    assert log.first[1] == pytest.approx(5.0 + 20.0)
    assert log.done[1] == pytest.approx(25.0 + 4 * 11.0)


def test_a_long_prompt_comes_in_chunks() -> None:
    """250 tokens under a budget of 100: iterations of 20, 20 and 15 ms."""
    engine, log = engine_of()
    run(engine, [Request(1, 0, 0.0, 250, 0, 1)])
    assert log.first[1] == pytest.approx(55.0)
    assert log.done[1] == log.first[1]


def test_a_cached_prefix_is_not_prefilled() -> None:
    """Of 100 tokens 60 are cached: one iteration of 14 ms."""
    engine, log = engine_of()
    run(engine, [Request(1, 0, 0.0, 100, 60, 1)])
    assert log.first[1] == pytest.approx(14.0)


def test_a_prompt_rides_beside_decodes() -> None:
    """The second prompt joins the next iteration, which lengthens it for the first request too."""
    engine, log = engine_of()
    run(engine, [Request(1, 0, 0.0, 10, 0, 4), Request(2, 0, 12.0, 50, 0, 1)])
    # prompt 1: 0-11; decode: 11-22 (request 2 arrives at 12); mixed 1 + 50 tokens: 22-38; decode: 38-49
    assert log.first[1] == pytest.approx(11.0)
    assert log.first[2] == pytest.approx(38.0)
    assert log.done[1] == pytest.approx(49.0)


def test_decodes_take_their_share_of_the_budget_first() -> None:
    """With one decode in the batch only 99 of 100 prompt tokens fit; the last one waits."""
    engine, log = engine_of()
    run(engine, [Request(1, 0, 0.0, 10, 0, 9), Request(2, 0, 1.0, 100, 0, 1)])
    first_chunk_end = 11.0 + BASE_MS + SEQUENCE_MS + 99 * TOKEN_MS
    assert log.first[2] == pytest.approx(first_chunk_end + BASE_MS + SEQUENCE_MS + 1 * TOKEN_MS)


def test_a_full_batch_makes_the_next_wait() -> None:
    """With one place the second request starts when the first is done."""
    engine, log = engine_of(sequences=1)
    run(engine, [Request(1, 0, 0.0, 10, 0, 3), Request(2, 0, 0.0, 10, 0, 1)])
    assert log.done[1] == pytest.approx(11.0 + 22.0)
    assert log.first[2] == pytest.approx(33.0 + 11.0)


def test_a_full_cache_makes_the_next_wait() -> None:
    """130 tokens of cache hold one prompt of 100, not two."""
    engine, log = engine_of(kv_tokens=130)
    run(engine, [Request(1, 0, 0.0, 100, 0, 5), Request(2, 0, 0.0, 100, 0, 1)])
    assert log.first[2] > log.done[1]


def test_an_overflowing_cache_preempts_the_last_and_finishes_all() -> None:
    """Two growing answers outgrow the cache: the later one is dropped, redone, and still answered."""
    engine, log = engine_of(kv_tokens=240)
    run(engine, [Request(1, 0, 0.0, 100, 0, 40), Request(2, 0, 0.0, 100, 0, 40)])
    assert engine.preemptions >= 1
    assert set(log.done) == {1, 2}
    assert log.done[1] < log.done[2]
    assert log.first[2] < log.done[1]  # its first token had left before it was preempted
    assert engine.held == pytest.approx(0.0)
    assert engine.context_sum == 0


def test_a_prompt_larger_than_the_cache_is_refused_at_once() -> None:
    """It would wait for ever; the owner is told, and the next request is served."""
    engine, log = engine_of(kv_tokens=50)
    run(engine, [Request(1, 0, 0.0, 100, 0, 5), Request(2, 0, 0.0, 20, 0, 1)])
    assert log.done[1] == float("inf")
    assert log.first[2] == pytest.approx(12.0)


def counted(
    requests: list[Request], sequences: int, budget: int
) -> tuple[dict[int, float], dict[int, float]]:
    """The same scheduler, one iteration after another, on plain lists: first tokens and ends."""
    now, line = 0.0, sorted(requests, key=lambda r: r.arrival_ms)
    filling: list[list[int]] = []  # [number, tokens left]
    decoding: dict[int, int] = {}  # number -> tokens left
    outputs = {r.number: r.output for r in requests}
    first: dict[int, float] = {}
    done: dict[int, float] = {}
    while line or filling or decoding:
        if not filling and not decoding and line[0].arrival_ms > now:
            now = line[0].arrival_ms
        room, tokens = budget - len(decoding), 0
        for entry in filling:
            chunk = min(entry[1], room)
            entry[1] -= chunk
            room -= chunk
            tokens += chunk
        while line and line[0].arrival_ms <= now and room > 0 and len(decoding) + len(filling) < sequences:
            request = line.pop(0)
            chunk = min(request.prompt - request.cached, room)
            filling.append([request.number, request.prompt - request.cached - chunk])
            room -= chunk
            tokens += chunk
        now += BASE_MS + SEQUENCE_MS * len(decoding) + TOKEN_MS * tokens
        for number in list(decoding):
            decoding[number] -= 1
            if decoding[number] == 0:
                done[number] = now
                del decoding[number]
        while filling and filling[0][1] == 0:
            number = filling.pop(0)[0]
            first[number] = now
            if outputs[number] == 1:
                done[number] = now
            else:
                decoding[number] = outputs[number] - 1
    return first, done


@pytest.mark.parametrize("seed", range(6))
def test_strides_change_nothing(seed: int) -> None:
    """Advancing many iterations at once gives the times of counting each, for a random stream."""
    rng = np.random.default_rng(seed)
    arrivals = np.cumsum(rng.exponential(60.0, 300))
    requests = [
        Request(i, 0, float(at), int(rng.integers(1, 300)), 0, int(rng.integers(1, 40)))
        for i, at in enumerate(arrivals)
    ]
    engine, log = engine_of(sequences=6, budget=80)
    first, done = counted(requests, 6, 80)
    run(engine, requests)
    assert log.first == pytest.approx(first)
    assert log.done == pytest.approx(done)
