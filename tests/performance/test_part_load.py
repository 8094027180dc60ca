"""Watts between idle and full load."""

import numpy as np
import pytest

from planner.catalog import Catalog, load_catalog
from planner.performance.latency import latency_curves
from planner.performance.part_load import part_load_watts
from planner.performance.profile import RequestProfile
from planner.performance.replica import AnalyticReplica, replica_model
from planner.performance.shape import Shape
from planner.scenario.distributions import TokenDistribution

LOADS = np.linspace(0.0, 1.0, 11)


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def _replica(catalog: Catalog, llm: str, accelerator: str, **degrees: object) -> AnalyticReplica:
    shape = Shape(llm, accelerator, "vllm", **degrees)  # type: ignore[arg-type]
    return replica_model(catalog.llm(llm), catalog.accelerators[accelerator], shape)


def _profile(prompt: float, answer: float, hits: float = 0.0) -> RequestProfile:
    lengths = (TokenDistribution.model_validate(value) for value in (prompt, answer))
    return RequestProfile(*lengths, prefix_hit_rate=hits)


@pytest.mark.parametrize(
    ("llm", "accelerator", "degrees"),
    [
        ("llama-3.1-8b", "h100-sxm", {}),
        ("llama-3.3-70b", "h200-sxm", {"tp": 4, "weights": "fp8"}),
        ("deepseek-r1", "b200-sxm", {"tp": 8, "weights": "fp8"}),
        ("qwen3-30b-a3b-2507", "l40s", {"tp": 2}),
    ],
)
def test_the_curve_agrees_with_the_latency_model(
    catalog: Catalog, llm: str, accelerator: str, degrees: dict[str, object]
) -> None:
    """The same watts as the full latency curves, which know the distribution of the batch."""
    replica, profile = _replica(catalog, llm, accelerator, **degrees), _profile(1000, 300)
    curves = latency_curves(replica, profile, loads=np.linspace(0.1, 0.95, 8))
    full = float(curves.rates_rps[-1])
    watts = part_load_watts(replica, profile, curves.rates_rps / full, full)
    assert watts == pytest.approx(curves.watts, rel=0.04)


def test_one_request_at_a_time_by_hand(catalog: Catalog) -> None:
    """At 0.16 requests/s of 3.1 s each a request is in service 39 % of the time."""
    replica, profile = (
        _replica(catalog, "llama-3.3-70b", "h200-sxm", tp=4, weights="fp8"),
        _profile(1000, 300),
    )
    answer_s = (299 * float(replica.step_ms(1.0, 1150)) + float(replica.prefill_ms(1000))) / 1e3
    active = 1.0 - np.exp(-0.16 * answer_s)
    running_w, idle_w = float(replica.power_w(1.0)), replica.idle_w
    expected = 4 * (idle_w + active * (running_w - idle_w))
    assert float(part_load_watts(replica, profile, 1.0, 0.16)) == pytest.approx(expected, rel=0.08)


def test_idle_at_no_load_and_rising_above_the_straight_line(catalog: Catalog) -> None:
    """A batch that never empties draws far more at half load than half of what full load adds."""
    replica, profile = (
        _replica(catalog, "llama-3.3-70b", "h100-sxm", tp=4, weights="fp8"),
        _profile(1000, 300),
    )
    watts = part_load_watts(replica, profile, LOADS, 4.0)
    assert watts[0] == pytest.approx(4 * replica.idle_w)
    assert (np.diff(watts) >= -1e-6).all()
    straight = watts[0] + LOADS * (watts[-1] - watts[0])
    assert (watts[1:-1] > straight[1:-1]).all()
    assert watts[5] - watts[0] > 0.65 * (watts[-1] - watts[0])
    assert watts[-1] <= 4 * 700


def test_prompts_alone_draw_in_proportion_to_the_time_they_take(catalog: Catalog) -> None:
    """A prefill replica is idle between prompts: here the straight line is right."""
    replica = _replica(catalog, "llama-3.1-8b", "h100-sxm", role="prefill")
    watts = part_load_watts(replica, _profile(2000, 300), LOADS, 5.0)
    assert np.diff(watts) == pytest.approx(np.full(10, np.diff(watts)[0]))
    assert watts[-1] > watts[0]


def test_any_shape_a_cap_and_a_replica_that_cannot_run(catalog: Catalog) -> None:
    """Loads broadcast; a cap is kept; no watts where nothing runs."""
    profile = _profile(1000, 300)
    capped = _replica(catalog, "llama-3.1-8b", "h100-sxm", power_cap_w=350.0)
    grid = part_load_watts(capped, profile, LOADS.reshape(1, 11), 20.0)
    assert grid.shape == (1, 11)
    assert grid.max() <= 350.0 + 1e-9
    too_large = _replica(catalog, "deepseek-r1", "h100-sxm")
    assert np.isnan(part_load_watts(too_large, profile, LOADS, 1.0)).all()
