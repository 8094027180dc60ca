"""Inputs: paths with `*`, what stands there now, and changes of what is left to a default."""

from __future__ import annotations

import pytest

from planner.study.inputs import Inputs
from planner.topology import load_question
from tests.plan.questions import SMALL


@pytest.fixture(scope="module")
def inputs():
    """The inputs of a question with two sites, a server to buy and an instance to rent."""
    rent = [{"instance": "p5.48xlarge", "region": "us-east-1"}]
    return Inputs(load_question({**SMALL, "fleet": {"buy": ["dgx-h100"], "rent": rent}}))


def test_a_star_stands_for_every_entry(inputs):
    """Entries of lists by name, else by number; rented places are no part of the file."""
    assert inputs.paths("workloads.*.rate_rps") == ["workloads.chat.rate_rps"]
    assert inputs.paths("topology.sites.*.electricity_usd_per_kwh") == [
        "topology.sites.ams.electricity_usd_per_kwh",
        "topology.sites.dub.electricity_usd_per_kwh",
    ]
    assert inputs.paths("fleet.rent.*.usd_per_h") == ["fleet.rent.0.usd_per_h"]
    assert inputs.paths("fleet.prices_usd.*") == ["fleet.prices_usd.dgx-h100"]


def test_what_is_left_to_a_default_can_be_scaled(inputs):
    """The catalog's price, the region's tariff and the price of an instance are numbers already."""
    question = inputs.question
    price = question.catalog.servers["dgx-h100"].price_usd
    assert inputs.overrides("fleet.prices_usd.*", 0.5, relative=True) == [
        f"fleet.prices_usd.dgx-h100={price / 2}"
    ]
    tariff = question.catalog.regions.electricity_usd_per_kwh("northeurope")
    (change,) = inputs.overrides("topology.sites.dub.electricity_usd_per_kwh", "*2")
    assert float(change.partition("=")[2]) == pytest.approx(2 * tariff)
    hourly = question.catalog.instances["p5.48xlarge"].on_demand_usd_per_h["us-east-1"]
    (change,) = inputs.overrides("fleet.rent.0.usd_per_h", "+1")
    assert float(change.partition("=")[2]) == pytest.approx(hourly + 1)


def test_a_tariff_scaled_by_its_default_reaches_the_question(inputs):
    """The change is one that `--set` understands."""
    overrides = inputs.overrides("topology.sites.dub.electricity_usd_per_kwh", "*2")
    before = inputs.question.topology
    after = load_question(SMALL, overrides).topology
    tariffs = [{site.name: site.electricity_usd_per_kwh for site in t.sites}["dub"] for t in (before, after)]
    assert tariffs[1] == pytest.approx(2 * tariffs[0])


def test_values_are_written_so_that_they_come_back(inputs):
    """Numbers, texts and lists; counts stay whole."""
    assert inputs.overrides("limits.servers", "*2") == ["limits.servers=18"]
    assert inputs.overrides("engines", ["vllm", "sglang"]) == ['engines=["vllm", "sglang"]']


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("workloads.chatt.rate_rps", 1, "did you mean 'chat'?"),
        ("workloads.*.nothing.here", 1, "matches nothing"),
        ("fleet.prices_usd.dgx-h10", 1, "did you mean"),
        ("limits.capex_usd", "*x", "neither *factor nor +amount"),
        ("workloads.chat.trace", "*2", "is nothing, not a number"),
        ("topology.name", "*2", "not a number"),
    ],
)
def test_inputs_that_lead_nowhere_say_so(inputs, path, value, told):
    """With the nearest name, or what is wrong with the value."""
    with pytest.raises(LookupError, match=told.replace("*", r"\*").replace("?", r"\?").replace("+", r"\+")):
        inputs.overrides(path, value)
