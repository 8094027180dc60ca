"""The pictures: what is drawn is what is there."""

from __future__ import annotations

import re

import pytest

from planner.report.figures.bars import (
    Segment,
    fullness_meter,
    latency_bar,
    latency_state,
    stacked_bar,
    state_of,
)
from planner.report.figures.flow import MOST_NODES, Band, Labels, flow_picture, with_others
from planner.report.figures.rack import columns_of, rack_elevation
from planner.report.figures.search import StagePoint, search_picture, tick_step
from planner.report.figures.svg import element, shortened
from planner.report.recipes import recipes
from planner.report.sections.places import Box, Part, RackView, folded
from tests.plan.tiny import full_plan

PLAIN = Labels(("from", "site", "pool"), {}, {}, {})


def rack(*boxes: Box, name: str = "r") -> RackView:
    return RackView((name,), 48, boxes, 44_000.0, False, False, {})


def box(*parts: Part, server: str = "dgx-h100") -> Box:
    return Box(server, "h100-sxm", 8, 8, "buy", parts, 10_200)


def by_number() -> dict[int, object]:
    return {recipe.number: recipe for recipe in recipes(full_plan()).values()}


def test_a_rack_shows_every_accelerator_once():
    """Two accelerators of one replica and six idle ones make seven pieces."""
    drawn = rack_elevation(rack(box(Part(2, 3, 0))), by_number())
    assert len(re.findall(r'class="run ', drawn)) == 1
    assert len(re.findall(r'class="idle"', drawn)) == 6


def test_a_replica_over_two_rows_is_two_pieces_with_one_letter():
    """Eight accelerators stand in two rows of four."""
    drawn = rack_elevation(rack(box(Part(0, 7, 0))), by_number())
    assert len(re.findall(r'class="run ', drawn)) == 2
    assert len(re.findall(r'class="letter ', drawn)) == 1


def test_servers_stand_one_on_the_other_from_the_bottom():
    """Two servers of eight units leave 32 of 48."""
    view = rack(box(Part(0, 7, 0)), box(Part(0, 7, 1)))
    drawn = rack_elevation(view, by_number())
    assert "32 U free" in drawn
    tops = [float(y) for y in re.findall(r'y="([\d.]+)" width="134" height="46.5"', drawn)]
    assert tops == [pytest.approx(48 * 6 + 0.5 - 48 + 0.75), pytest.approx(48 * 6 + 0.5 - 96 + 0.75)]


@pytest.mark.parametrize(
    ("accelerators", "width", "height", "columns"),
    [(8, 128, 33, 4), (8, 128, 12, 8), (1, 100, 10, 1), (72, 128, 270, 6), (7, 128, 20, 7)],
)
def test_accelerators_are_laid_out_nearly_square(accelerators, width, height, columns):
    """Only numbers that divide them leave no gap in the last row."""
    assert columns_of(accelerators, width, height) == columns


def test_equal_racks_fold_and_different_ones_do_not():
    """What runs makes a difference; the name does not."""
    alike = [rack(box(Part(0, 7, 0)), name="a"), rack(box(Part(0, 7, 0)), name="b")]
    other = rack(box(Part(0, 7, 1)), name="c")
    assert [view.names for view in folded([*alike, other], 10)] == [("a", "b"), ("c",)]


def test_where_there_are_too_many_pictures_equal_servers_are_enough():
    """The picture is then of the first, and says so."""
    views = [rack(box(Part(n, n, 0)), name=f"r{n}") for n in range(8)]
    found = folded(views, 3)
    assert [view.count for view in found] == [8]
    assert not found[0].uniform


def test_bands_of_a_node_never_leave_it():
    """What comes in at a site is as wide as what goes out and as the site itself."""
    bands = [Band(("a", "s", "p"), 3.0, ""), Band(("b", "s", "p"), 1.0, ""), Band(("b", "t", "q"), 4.0, "")]
    drawn = flow_picture(bands, PLAIN)
    assert drawn.count("<path") == 6
    nodes = [float(h) for h in re.findall(r'<rect[^>]*height="([\d.]+)"', drawn)]
    assert sum(nodes[:2]) == pytest.approx(sum(nodes[2:4])) == pytest.approx(sum(nodes[4:]))


def test_crowded_columns_join_their_smallest_nodes():
    """Rates are kept; no column has more nodes than can be read."""
    bands = [Band((f"origin{n}", "s", "p"), 1.0 + n, "") for n in range(40)]
    joined = with_others(bands)
    assert len({band.path[0] for band in joined}) == MOST_NODES
    assert sum(band.rate_rps for band in joined) == pytest.approx(sum(band.rate_rps for band in bands))
    assert "29 others" in flow_picture(bands, PLAIN)


def test_a_stacked_bar_is_as_long_as_its_parts():
    """Shares of one fill the width; names appear where there is room."""
    drawn = stacked_bar(
        [Segment("Rent", 0.97, "c-rent", "$1"), Segment("Network", 0.03, "c-network", "$2")], "x"
    )
    widths = [float(w) for w in re.findall(r'<rect[^>]* width="([\d.]+)"', drawn)]
    assert sum(widths) == pytest.approx(1000 - 2 * 2)
    assert ">Rent</text>" in drawn
    assert ">Network</text>" not in drawn


@pytest.mark.parametrize(
    ("share", "state"),
    [
        (0.0, "fine"),
        (0.79, "fine"),
        (0.8, "filling"),
        (0.95, "filling"),
        (0.951, "full"),
        (1.0, "full"),
        (1.01, "over"),
    ],
)
def test_limits_are_marked_above_95_percent(share, state):
    """Exactly full is full, more is over."""
    assert state_of(share) == state
    assert f'class="{state}"' in fullness_meter(share)


@pytest.mark.parametrize(
    ("predicted", "band", "state"),
    [
        (40.0, 0.2, "fine"),
        (45.0, 0.2, "filling"),
        (45.0, None, "fine"),
        (50.0, 0.0, "fine"),
        (51.0, 0.0, "over"),
    ],
)
def test_a_latency_is_doubtful_where_its_band_reaches_the_target(predicted, band, state):
    """The target is 50 ms."""
    assert latency_state(50.0, predicted, band) == state
    assert f'class="{state}"' in latency_bar(50.0, predicted, band)


def test_the_search_shows_plans_where_there_are_some():
    """A stage without a plan has a bound only."""
    drawn = search_picture([StagePoint("one", None, 5.0), StagePoint("two", 8.0, 6.0)], "USD/h")
    assert drawn.count('class="bound"') == 2
    assert drawn.count('class="plan"') == 1


@pytest.mark.parametrize(
    ("top", "step"), [(354.98, 100), (13.5, 2.5), (1.0, 0.2), (6.0, 1.0), (0.0007, 0.0002)]
)
def test_ticks_are_round(top, step):
    """At most six of them."""
    assert tick_step(top) == pytest.approx(step)


def test_text_and_attributes_are_escaped():
    """What is a child is text unless it is an element; what is an attribute stays one."""
    drawn = element("text", "<b>", element("title", "&"), x=1.005, class_='"', missing=None)
    assert drawn == '<text x="1" class="&#34;">&lt;b&gt;<title>&amp;</title></text>'


def test_long_names_lose_their_middle():
    """Beginning and end tell most."""
    assert shortened("gb200-nvl72-rack", 9) == "gb20…rack"
    assert shortened("short", 9) == "short"
