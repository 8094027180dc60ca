"""Numbers as people read them."""

from __future__ import annotations

import pytest

from planner.report import numbers
from planner.report.recipes import recipes
from planner.report.sections.limits import ledger_title, shown
from planner.report.sections.origin import as_yaml, without_nothing
from tests.plan.tiny import full_plan


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "$0"),
        (354.978, "$354.98"),
        (259134.2, "$259,134"),
        (0.16381, "$0.164"),
        (0.0031, "$0.0031"),
        (-4, "−$4.00"),
    ],
)
def test_dollars(amount, text):
    """Whole above a thousand, cents above one, three digits below."""
    assert numbers.usd(amount) == text


@pytest.mark.parametrize(
    ("share", "text"),
    [(0, "0 %"), (0.0044, "0.44 %"), (0.705, "70 %"), (0.9999, "99.9 %"), (1, "100 %"), (1.2, "120 %")],
)
def test_nothing_is_rounded_up_to_a_whole(share, text):
    """99.99 % is not 100 %."""
    assert numbers.percent(share) == text


@pytest.mark.parametrize(("ms", "text"), [(None, "–"), (9.54, "9.5 ms"), (250, "250 ms"), (20000, "20.0 s")])
def test_latencies(ms, text):
    """Seconds where milliseconds get long."""
    assert numbers.milliseconds(ms) == text


@pytest.mark.parametrize(
    ("amount", "text"),
    [(0, "0"), (1200, "1,200"), (0.05, "0.05"), (79.2, "79.2"), (32, "32"), (123.45, "123.5")],
)
def test_quantities(amount, text):
    """As many decimals as matter."""
    assert numbers.quantity(amount) == text


def test_runs_of_names_are_joined():
    """Two are named, three are a run; widths of numbers matter."""
    assert numbers.names_in_short(["r-01", "r-02", "r-03", "x"]) == ["r-01…03", "x"]
    assert numbers.names_in_short(["r-01", "r-02"]) == ["r-01", "r-02"]
    assert numbers.names_in_short(["r-9", "r-10", "a1-r-1"]) == ["r-9", "r-10", "a1-r-1"]


def test_lists_read_as_in_a_sentence():
    """Commas, and an `and` before the last."""
    assert numbers.listed(["a"]) == "a"
    assert numbers.listed(["a", "b", "c"]) == "a, b and c"
    assert numbers.listed([]) == ""


@pytest.mark.parametrize(
    ("name", "title"),
    [
        ("power/feed/ams1-A/without/ams1-B", "Feed ams1-A if ams1-B fails"),
        ("heat/rack_air/ams1-r-01", "Rack air heat ams1-r-01"),
        ("grid/total", "Grid of all sites"),
        ("stock/dgx-h200", "Bought of stock dgx-h200"),
        ("unheard/of/row", "Unheard of/row"),
    ],
)
def test_names_of_limits_become_words(name, title):
    """Also those that nobody thought of."""
    assert ledger_title(name) == title


def test_amounts_of_limits_carry_their_units():
    """Watts as kW, money as money."""
    assert shown(28600, "W") == "28.6 kW"
    assert shown(11.83, "USD/h") == "$11.83/h"
    assert shown(23.4, "g CO2/Mtok") == "23.4 g/Mtok"


def test_pools_of_one_recipe_share_its_letter():
    """The small LLM runs at two sites on the same server in the same shape."""
    found = recipes(full_plan())
    small = {name: recipe for name, recipe in found.items() if "dgx-h100/llama-3.1-8b" in name}
    assert len(small) == 2
    assert len({recipe.letter for recipe in small.values()}) == 1
    assert sorted({recipe.letter for recipe in found.values()}) == ["A", "B", "C", "D"]
    largest = next(recipe for recipe in found.values() if recipe.letter == "A")
    assert largest.accelerators == max(recipe.accelerators for recipe in found.values())


def test_the_scenario_is_printed_without_what_was_left_alone():
    """Empty fields go, zeros and false stay, order is kept."""
    data = {"b": 1, "a": None, "c": {"d": []}, "e": 0, "f": False, "g": [{"h": None, "i": "x: y"}]}
    assert without_nothing(data) == {"b": 1, "e": 0, "f": False, "g": [{"i": "x: y"}]}
    assert as_yaml({"b": 1, "a": "x"}) == "b: 1\na: x\n"
