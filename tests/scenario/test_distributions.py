"""Token distributions reproduce the numbers they were written with."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from planner.scenario.distributions import TokenDistribution

# mean, p50, p99 of the Azure LLM inference traces of 2023 (CC-BY-4.0, Microsoft Azure; Patel et
# al., Splitwise, ISCA 2024) and of the Mooncake conversation trace (Apache-2.0)
AZURE_CONVERSATION_INPUT = (1154.7, 1020, 4142)
AZURE_CONVERSATION_OUTPUT = (211.1, 129, 601)
AZURE_CODE_INPUT = (2047.8, 1469, 7436)
AZURE_CODE_OUTPUT = (27.9, 13, 251)
MOONCAKE_OUTPUT = (342.6, 350, 1118)


@pytest.mark.parametrize(
    ("mean", "p50", "p99"),
    [
        AZURE_CONVERSATION_INPUT,
        AZURE_CONVERSATION_OUTPUT,
        AZURE_CODE_INPUT,
        AZURE_CODE_OUTPUT,
        MOONCAKE_OUTPUT,
    ],
)
def test_three_numbers_of_real_traces_all_hold(mean: float, p50: float, p99: float) -> None:
    """Real traffic is not exactly lognormal; the bent body still meets mean, median and p99."""
    lengths = TokenDistribution(mean=mean, p50=p50, p99=p99)
    drawn = lengths.sample(np.random.default_rng(1), 400_000)
    assert drawn.mean() == pytest.approx(mean, rel=0.01)
    assert np.quantile(drawn, 0.5) == pytest.approx(p50, rel=0.02)
    assert np.quantile(drawn, 0.99) == pytest.approx(p99, rel=0.03)


def test_p90_between_the_given_numbers_is_near_the_trace() -> None:
    """The 90th percentile was not given; the rule lands near the measured 2734 and 424 tokens."""
    prompts = TokenDistribution(mean=1154.7, p50=1020, p99=4142)
    answers = TokenDistribution(mean=211.1, p50=129, p99=601)
    assert prompts.quantile(0.9) == pytest.approx(2734.5, rel=0.3)
    assert answers.quantile(0.9) == pytest.approx(424, rel=0.05)


def test_a_bare_number_is_a_fixed_length() -> None:
    """`input_tokens: 512` means what fixed-length benchmarks mean."""
    lengths = TokenDistribution.model_validate(512)
    assert set(lengths.sample(np.random.default_rng(0), 100)) == {512}
    assert lengths.moments() == pytest.approx((512, 512**2))


def test_median_and_p99_alone_give_the_lognormal_mean() -> None:
    """exp(mu + s^2/2) with s = ln(p99/p50)/2.3263."""
    lengths = TokenDistribution(p50=100, p99=400)
    spread = np.log(4) / 2.3263479
    assert lengths.mean == pytest.approx(100 * np.exp(spread**2 / 2), rel=2e-3)


def test_a_histogram_is_uniform_inside_its_bins() -> None:
    """Half below 100, half between 100 and 300: mean 125, second moment from the two uniforms."""
    lengths = TokenDistribution.model_validate({"histogram": {"edges": [0, 100, 300], "counts": [5, 5]}})
    assert lengths.mean == pytest.approx(125, rel=1e-3)
    assert lengths.quantile(0.75) == pytest.approx(200, rel=1e-3)
    assert lengths.moments()[1] == pytest.approx((100**2 / 3 + (100**2 + 300 * 400) / 3) / 2, 1e-2)


def test_a_histogram_with_empty_bins_never_draws_from_them() -> None:
    """Nothing was seen between 100 and 1000 tokens, so nothing is drawn there."""
    lengths = TokenDistribution.model_validate(
        {"histogram": {"edges": [0, 100, 1000, 1100], "counts": [3, 0, 1]}}
    )
    drawn = lengths.sample(np.random.default_rng(0), 20_000)
    assert ((drawn <= 101) | (drawn >= 995)).mean() > 0.995


def test_quantile_keys_are_read_the_way_people_write_them() -> None:
    """p50, 90 and 0.99 are the same kind of thing."""
    lengths = TokenDistribution.model_validate({"quantiles": {"p50": 100, 90: 300, 0.99: 900}})
    assert lengths.quantiles == {"p50": 100, "p90": 300, "p99": 900}
    assert lengths.quantile([0.5, 0.9, 0.99]) == pytest.approx([100, 300, 900], rel=1e-6)


def test_observed_lengths_come_back_from_their_quantiles() -> None:
    """A long-tailed sample is summarised without losing its mean or its p99."""
    observed = np.random.default_rng(3).lognormal(6, 1.2, 50_000)
    lengths = TokenDistribution.from_samples(observed)
    assert lengths.mean == pytest.approx(observed.mean(), rel=1e-9)
    assert lengths.quantile(0.99) == pytest.approx(np.quantile(observed, 0.99), rel=0.02)


def test_points_stand_for_the_distribution() -> None:
    """64 equally likely lengths keep the mean exactly and rise."""
    points = TokenDistribution(mean=1000).points(64)
    assert points.mean() == pytest.approx(1000)
    assert np.all(np.diff(points) > 0)


@settings(max_examples=60, deadline=None)
@given(
    p50=st.floats(1, 50_000),
    spread=st.floats(0.05, 1.6),
    shift=st.floats(0.97, 1.1),
)
def test_anything_near_a_lognormal_can_be_written_and_read_back(
    p50: float, spread: float, shift: float
) -> None:
    """Fitting, dumping to JSON and loading again changes nothing."""
    mean = p50 * np.exp(spread**2 / 2)
    mean = p50 + (mean - p50) * shift
    lengths = TokenDistribution(mean=mean, p50=p50, p99=p50 * np.exp(2.3263 * spread))
    again = TokenDistribution.model_validate_json(lengths.model_dump_json())
    assert again.quantile([0.1, 0.5, 0.99]) == pytest.approx(lengths.quantile([0.1, 0.5, 0.99]))
    assert lengths.moments()[0] == pytest.approx(mean)


@pytest.mark.parametrize(
    ("written", "complaint"),
    [
        ({"mean": 100, "p50": 300, "p99": 200}, r"p50 \(300\) is above p99 \(200\)"),
        ({"mean": 1000, "p50": 100, "p99": 200}, "the mean must lie between"),
        ({"mean": 100, "p50": 300}, "give p99 too"),
        ({"mean": 100, "p99": 50}, "must lie between the mean"),
        ({"p50": 10}, "needs a mean"),
        ({}, "needs a mean"),
        ({"mean": 0}, "above 0"),
        ({"mean": -3}, "greater than or equal to 0"),
        ({"quantiles": {"p50": 100}}, "at least two"),
        ({"quantiles": {"p50": 100, "p90": 90}}, "quantiles must rise"),
        ({"quantiles": {"median": 100, "p90": 200}}, "not a percentile"),
        ({"quantiles": {"p50": 100, "p90": 200}, "mean": 900}, "does not belong"),
        ({"quantiles": {"p50": 100, "p90": 200}, "p50": 100}, "part of the quantiles"),
        ({"histogram": {"edges": [0, 1], "counts": [1, 2]}}, "one edge more"),
        ({"histogram": {"edges": [0, 5, 3], "counts": [1, 2]}}, "above the last"),
        ({"mean": 100, "median": 80}, "Extra inputs"),
    ],
)
def test_numbers_no_distribution_has_are_refused(written: object, complaint: str) -> None:
    """Each refusal says what is wrong in words."""
    with pytest.raises(ValidationError, match=complaint):
        TokenDistribution.model_validate(written)
