"""The shipped power calibration comes from the shipped rows and is as good as it says."""

import numpy as np
import pandas as pd
import pytest

from benchmarks import calibrate_power
from planner.catalog import load_catalog
from planner.performance.power import power_coefficients


@pytest.fixture(scope="module")
def rows():
    return calibrate_power.with_utilization(pd.read_csv(calibrate_power.ROWS), load_catalog())


def test_shipped_coefficients_are_those_of_the_shipped_rows(rows):
    """Counting work differently moves them: then run ``python -m benchmarks.calibrate_power --write``."""
    fitted, shipped = calibrate_power.fit(rows, load_catalog()), power_coefficients()
    for name in calibrate_power.FITTED:
        assert getattr(shipped, name) == pytest.approx(getattr(fitted, name), rel=0.05), name


def test_unseen_accelerators_are_within_a_tenth_at_the_median(rows):
    """Watts left out accelerator by accelerator: median error at most 10 %, bias within 5 %."""
    errors = np.concatenate(
        list(calibrate_power.left_out_errors(rows, load_catalog(), "accelerator").values())
    )
    assert np.median(np.abs(errors)) <= 0.10
    assert abs(np.median(errors)) <= 0.05


def test_utilization_of_a_measured_row_by_hand(rows):
    """Llama 2 70B, 2 x A100, one sequence, 53.68 ms a token: 138 GB / 2 / 53.68 ms of 2,039 GB/s."""
    row = rows[(rows.accelerator == "a100-80-sxm") & (rows.accelerators == 2)].iloc[0]
    assert row.memory == pytest.approx(137.95 / 2 / 53.679e-3 / 2039, rel=0.02)
    assert row.compute == pytest.approx(2 * 68.98e9 / 2 / 53.679e-3 / 312e12 * (1 + 128 / 128), rel=0.05)
