"""Reports of studies: whole, safe, and with the numbers of every figure in a table."""

from __future__ import annotations

import re
from html.parser import HTMLParser

import pytest

from planner.study.figures.axes import Scale, nice_ticks
from planner.study.figures.tornado import Bar, tornado_picture
from planner.study.page import page_html, table_of
from planner.study.pareto import ParetoStudy, run_pareto
from planner.study.pareto_page import pareto_page
from planner.study.sensitivity import SensitivityStudy, run_sensitivity
from planner.study.sensitivity_page import sensitivity_page
from planner.study.study_file import open_study
from planner.study.sweep import SweepStudy, run_sweep
from planner.study.sweep_page import sweep_page
from tests.study.questions import written

EMPTY = {"meta", "link", "br", "rect", "line", "circle", "path", "text", "title"}


class Nesting(HTMLParser):
    """Checks that every element is closed in order, and collects links."""

    def __init__(self):
        super().__init__()
        self.open = []
        self.links = []
        self.counts = {}

    def handle_starttag(self, tag, attrs):
        self.counts[tag] = self.counts.get(tag, 0) + 1
        self.links += [value for name, value in attrs if name in ("href", "src")]
        if tag != "meta":
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_startendtag(self, tag, attrs):
        self.counts[tag] = self.counts.get(tag, 0) + 1


def pages(folder):
    """A report of each kind of study."""
    sweep = open_study(SweepStudy, written(folder, {"vary": {"workloads.chat.rate_rps": [2, 9]}}))
    yield sweep_page("<b>sweep & co</b>", run_sweep(sweep, folder / "a"), sweep.study.show)
    front = open_study(ParetoStudy, written(folder, {"objectives": ["cost", "power"]}))
    yield pareto_page(front.study, run_pareto(front, folder / "b"))
    ranked = [{"name": "<i>", "path": "workloads.*.rate_rps", "low": 0.2, "high": 2, "relative": True}]
    tornado = open_study(SensitivityStudy, written(folder, {"inputs": ranked}))
    yield sensitivity_page(tornado.study, run_sensitivity(tornado, folder / "c"))


def test_reports_are_whole_and_need_nothing_from_outside(tmp_path):
    """Elements nest, links stay inside, there is no script, and what a user wrote is text."""
    for page in pages(tmp_path):
        html = page_html(page)
        check = Nesting()
        check.feed(html)
        assert check.open == []
        assert all(link.startswith("#") for link in check.links)
        assert "script" not in check.counts
        assert check.counts["svg"] >= 1
        assert check.counts["table"] >= 1
        assert "<b>sweep" not in html
        assert "<i>" not in html.replace('<i class="swatch', "")
        assert not re.search(r"https?://|url\(", html.replace("http://www.w3.org", ""))


def test_ticks_are_round_and_cover_the_values():
    """From one to ten numbers that people read easily."""
    assert nice_ticks(0, 9.3) == [0, 2, 4, 6, 8, 10]
    assert nice_ticks(13.2, 13.9)[0] <= 13.2 < 13.9 <= nice_ticks(13.2, 13.9)[-1]
    assert nice_ticks(5, 5) == [5]
    assert nice_ticks(-3, 3) == [-4, -2, 0, 2, 4]


@pytest.mark.parametrize(("value", "pixel"), [(0, 100), (5, 150), (10, 200)])
def test_a_scale_maps_its_ends_to_its_pixels(value, pixel):
    """And what is between to between."""
    assert Scale(0, 10, 100, 200).at(value) == pixel


def test_a_tornado_draws_a_bar_for_each_end_that_has_a_plan():
    """An end without one leaves its side empty."""
    bars = [Bar("a", "1", "2", 3.0, 7.0), Bar("b", "1", "2", None, 6.0)]
    assert str(tornado_picture(bars, 5.0, "USD/h", "t")).count("<rect") == 3
    assert tornado_picture([], 5.0, "USD/h", "t") is None


def test_columns_of_numbers_are_told_from_words():
    """Numbers stand right-aligned; what is missing shows as a dash."""
    table = table_of("t", [{"a": 1, "b": "x"}, {"a": None, "b": 2}])
    assert [heading.number for heading in table.headings] == [True, False]
    assert table.rows[1].cells[0] == "–"
