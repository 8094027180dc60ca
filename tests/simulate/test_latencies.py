"""However many requests are answered, what is kept of them stays small and speaks for all."""

import numpy as np
import pytest

from planner.simulate.latencies import Latencies


def test_counts_are_exact_and_entries_bounded() -> None:
    """Of 10,000 requests at most 400 are kept, evenly; warm-up requests do not count at all."""
    log = Latencies(warm_up_ms=1000.0, most=400)
    for number in range(11_000):
        log.answer(float(number), float(number), 1.0, 2.0, tokens=3)
    log.fail(5.0)
    log.fail(5000.0)
    assert (log.answered, log.failed, log.output_tokens) == (10_000, 1, 30_000)
    assert 200 <= len(log.ttft_ms) <= 400
    steps = np.diff(log.arrival_ms)
    assert steps.min() == steps.max()
    assert log.arrival_ms[0] - 1000.0 < steps[0] + 1
    assert 11_000 - log.arrival_ms[-1] <= steps[0]


def test_percentiles_of_what_is_kept_are_those_of_all() -> None:
    """Exponential latencies: p99 within the error of the sample."""
    values = np.random.default_rng(0).exponential(100.0, 200_000)
    log = Latencies(most=40_000)
    for number, value in enumerate(values.tolist()):
        log.answer(float(number), value, value, value, tokens=1)
    assert len(log.ttft_ms) < 40_000
    assert np.percentile(log.ttft_ms, 99) == pytest.approx(np.percentile(values, 99), rel=0.02)


def test_short_replays_keep_every_request() -> None:
    """Nothing is thinned below the bound."""
    log = Latencies(most=100)
    for number in range(99):
        log.answer(float(number), 1.0, 1.0, 1.0, tokens=1)
    assert len(log.ttft_ms) == log.answered == 99
