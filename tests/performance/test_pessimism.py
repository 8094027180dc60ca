"""Sizing on the safe side: slower by the error band, nothing else changed."""

import numpy as np
import pytest

from planner.catalog import load_catalog
from planner.performance.pessimism import PessimisticReplica, slowdown_at
from planner.performance.replica import replica_model
from planner.performance.shape import Shape


@pytest.fixture(scope="module")
def replica():
    catalog = load_catalog()
    shape = Shape("llama-3.1-8b", "h100-sxm", "vllm")
    return replica_model(catalog.llm("llama-3.1-8b"), catalog.accelerators["h100-sxm"], shape)


def test_half_of_all_measurements_lie_below_the_central_estimate():
    """At 50 % nothing changes; at 90 % the time is the upper edge of the band."""
    assert slowdown_at(0.5, 0.2) == pytest.approx(1.0)
    assert slowdown_at(0.9, 0.2) == pytest.approx(1.2)
    assert slowdown_at(0.99, 0.2) > slowdown_at(0.9, 0.2)


def test_a_pessimistic_replica_is_slower_by_its_band(replica):
    """Decoding by the band of TPOT, prompts by the band of TTFT."""
    safe = PessimisticReplica(replica, 0.9)
    band = replica.error_band
    decode = replica.step_ms([1.0, 16.0], 1000.0)
    assert safe.step_ms([1.0, 16.0], 1000.0) == pytest.approx(decode * (1 + band.tpot))
    prompt = replica.step_ms(0.0, 1000.0, 512.0)
    assert safe.step_ms(0.0, 1000.0, 512.0) == pytest.approx(prompt * (1 + band.ttft))
    assert np.all(safe.prefill_ms(512.0) > replica.prefill_ms(512.0))


def test_memory_and_batch_do_not_change(replica):
    """What fits does not depend on confidence in times."""
    safe = PessimisticReplica(replica, 0.95)
    assert safe.max_batch(2000) == replica.max_batch(2000)
    assert safe.memory == replica.memory
