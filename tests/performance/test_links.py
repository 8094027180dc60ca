"""Collectives take the wire they would take."""

import numpy as np
import pytest

from planner.catalog import load_catalog
from planner.performance.calibration_file import load_calibration
from planner.performance.links import all_reduce_ms, exchange_ms, links_of, transfer_ms


def reduce_us(accelerator: str, ranks: int, message_bytes: float) -> float:
    chip = load_catalog().accelerators[accelerator]
    rates = load_calibration().coefficients(accelerator, "vllm")
    return 1e3 * float(all_reduce_ms(links_of(chip), rates, np.asarray(ranks), np.asarray(message_bytes)))


def test_one_rank_reduces_nothing() -> None:
    """No partner, no time."""
    assert reduce_us("h100-sxm", 1, 1e6) == 0.0


def test_a_large_reduce_moves_twice_its_bytes_around_the_ring() -> None:
    """256 MB over 8 H100: measured bus bandwidth 430 GB/s of 450; the fit stays below the wire."""
    microseconds = reduce_us("h100-sxm", 8, 256e6)
    bus_gb_s = 2 * 7 / 8 * 256e6 / (microseconds * 1e-6) / 1e9
    assert 150 < bus_gb_s < 450


def test_pcie_is_far_slower_than_nvlink_at_tp_8() -> None:
    """L40S goes through the host: 32 GB/s shared by 8, against 450 GB/s each."""
    assert reduce_us("l40s", 8, 8e6) > 10 * reduce_us("h100-sxm", 8, 8e6)


def test_leaving_the_box_costs_network_time() -> None:
    """16 ranks of an 8-way box cross the network."""
    assert reduce_us("h100-sxm", 16, 8e6) > 1.3 * reduce_us("h100-sxm", 8, 8e6)


def test_an_nvl72_rack_keeps_16_ranks_on_nvlink() -> None:
    """The scale-up domain, not the tray, decides."""
    assert reduce_us("gb200", 16, 8e6) < reduce_us("b200-sxm", 16, 8e6)


def test_expert_exchange_falls_off_the_cliff_outside_the_domain() -> None:
    """The same bytes over 32 ranks of 8-way boxes cost several times those over 8."""
    chip = load_catalog().accelerators["h200-sxm"]
    rates = load_calibration().coefficients("h200-sxm", "sglang")
    inside, outside = (
        float(exchange_ms(links_of(chip), rates, np.asarray(n), np.asarray(50e6))) for n in (8, 32)
    )
    assert outside > 2 * inside


def test_a_cache_transfer_is_bytes_over_the_link() -> None:
    """1 GB over 50 GB/s at 80 % is 25 ms, plus latency."""
    time = transfer_ms(np.asarray(1e9), np.asarray(50.0), np.asarray(0.02), np.asarray(0.8))
    assert float(time) == pytest.approx(25.02)
