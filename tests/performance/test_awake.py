"""The straight line of a replica's draw, against the curve of the latency model at part load."""

from __future__ import annotations

import numpy as np
import pytest

from planner.catalog import Catalog, load_catalog
from planner.performance.awake import awake_w, joules_beyond_awake
from planner.performance.latency import latency_curves
from planner.performance.profile import RequestProfile
from planner.performance.replica import replica_model
from planner.performance.service import LatencyObjective, service_columns
from planner.performance.shape import Shape
from planner.scenario.distributions import TokenDistribution


@pytest.fixture(scope="module")
def catalog() -> Catalog:
    return load_catalog()


def profile(prompt: float, answer: float) -> RequestProfile:
    lengths = [TokenDistribution.model_validate(value) for value in (prompt, answer)]
    return RequestProfile(lengths[0], lengths[1], prefix_hit_rate=0.0)


@pytest.mark.parametrize(
    ("llm", "accelerator", "degrees"),
    [
        ("llama-3.1-8b", "h100-sxm", {}),
        ("llama-3.1-8b", "l4", {}),
        ("llama-3.3-70b", "h200-sxm", {"tp": 4, "weights": "fp8"}),
        ("deepseek-r1", "b200-sxm", {"tp": 8, "weights": "fp8"}),
        ("qwen3-30b-a3b-2507", "l40s", {"tp": 2}),
    ],
)
@pytest.mark.parametrize(("prompt", "answer"), [(1000, 300), (300, 1000), (4000, 100)])
def test_the_line_keeps_to_the_curve_from_a_third_of_the_load_up(
    catalog: Catalog, llm: str, accelerator: str, degrees: dict[str, object],
    prompt: float, answer: float,
) -> None:  # fmt: skip
    """Within 8 %, for long prompts and answers too; a line from idle counts up to 45 % too little."""
    shape = Shape(llm, accelerator, "vllm", **degrees)  # type: ignore[arg-type]
    replica = replica_model(catalog.llm(llm), catalog.accelerators[accelerator], shape)
    column = service_columns([replica], profile(prompt, answer), [LatencyObjective(percentile=None)])[0][0]
    loads = np.linspace(0.33, 1.0, 8)
    curves = latency_curves(replica, profile(prompt, answer))
    curve = np.interp(loads * column.rate_rps, curves.rates_rps, curves.watts)
    awake = awake_w(replica, profile(prompt, answer))
    joules = joules_beyond_awake(column, awake)
    line = curves.idle_w + awake + joules * column.rate_rps * loads
    from_idle = curves.idle_w + column.joules_per_request * column.rate_rps * loads
    error = line / curve - 1
    assert float(np.abs(error).max()) <= 0.08
    assert float(np.abs(error).max()) < 0.6 * float(np.abs(from_idle / curve - 1).max())


def test_nothing_known_draws_nothing_more() -> None:
    """Measured rates know no watts."""
    assert awake_w(None, profile(1000, 300)) == 0
