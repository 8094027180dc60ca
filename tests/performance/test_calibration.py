"""The calibration file: sane, complete, and honest about what was never measured."""

import math
from pathlib import Path

import numpy as np
import pytest

from planner.catalog import load_catalog
from planner.performance.calibration_file import Calibration, calibration_from, load_calibration
from planner.performance.coefficients import CEILINGS, NAMES, UNCALIBRATED


def test_every_accelerator_has_physical_coefficients_under_every_engine() -> None:
    """Shares of datasheet rates lie between 2 % and their ceiling; times are positive and small."""
    calibration = load_calibration()
    for accelerator in load_catalog().accelerators:
        for engine in ("vllm", "sglang", "trtllm", "an-engine-nobody-measured"):
            rates = calibration.coefficients(accelerator, engine)
            for name in NAMES:
                value = float(getattr(rates, name))
                assert value > 0
                if name in CEILINGS:
                    assert 0.02 < value <= CEILINGS[name], (accelerator, engine, name)
                if name.endswith("_us"):
                    assert value < 1000
                if name.endswith("_ms"):
                    assert value < 500


def test_an_unmeasured_accelerator_gets_global_values_and_a_wider_band() -> None:
    """Nobody measured a TPU: global coefficients, the global band."""
    calibration = load_calibration()
    unseen = calibration.coefficients("tpu-v6e", "an-engine-nobody-measured")
    for name in ("memory", "compute", "kernel_gap_us"):
        assert float(getattr(unseen, name)) == pytest.approx(calibration.values[name])
    assert calibration.band("tpu-v6e", "vllm").tpot >= calibration.band("h100-sxm", "vllm").tpot


def test_a_sibling_inherits_its_generation() -> None:
    """The MI325X was never measured; the MI300X was."""
    calibration = load_calibration()
    assert calibration.generation("mi325x") == calibration.generation("mi300x") == "cdna3"
    assert calibration.generation("l40s") == "ada"
    assert calibration.generation("a-chip-from-the-future") == ""


def test_levels_add_up_as_logarithms() -> None:
    """Global x generation x accelerator x engine."""
    calibration = Calibration(
        values={**UNCALIBRATED, "memory": 0.5},
        generations={"g": {"memory": math.log(1.2)}},
        accelerators={"g-one": {"memory": math.log(1.1)}},
        engines={"e": {"memory": math.log(0.9)}},
        generation_of={"g": "g"},
    )
    assert float(calibration.coefficients("g-one", "e").memory) == pytest.approx(0.5 * 1.2 * 1.1 * 0.9)
    assert float(calibration.coefficients("other", "other").memory) == pytest.approx(0.5)


def test_the_shipped_file_says_where_it_comes_from() -> None:
    """Sources, rows and residuals of the fit are in the file."""
    from ruamel.yaml import YAML

    import planner.performance

    path = Path(planner.performance.__file__).parent / "calibration" / "analytic.yaml"
    document = YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))
    assert sum(document["rows_used"].values()) > 4000
    assert set(document["rows_used"]) == set(document["sources"])
    assert document["residuals"]["held_out_pair"]["tpot"]["median_absolute"] < 0.15
    assert document["residuals"]["held_out_pair"]["ttft"]["median_absolute"] < 0.30
    assert set(document["global"]) == set(NAMES)
    assert np.isfinite(list(document["global"].values())).all()
    assert calibration_from(document).bands["global"].tpot > 0
