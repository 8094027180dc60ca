"""The report holds everything the plan does, in order, with a table beside every picture."""

from __future__ import annotations

import re
from functools import cache

import pytest

from planner.plan.types import Plan
from planner.report import report_html, write_report
from planner.report.html import CONTENTS
from tests.plan.tiny import full_plan, safe_plan
from tests.report.pages import Page


@cache
def full_report() -> str:
    return report_html(full_plan())


@cache
def full_page() -> Page:
    return Page(full_report())


def test_every_pool_rack_and_feed_is_named():
    """Whoever looks for a pool, a rack or a feed of the plan finds it."""
    plan, text = full_plan(), full_page().text
    names = {group.pool for group in plan.replicas}
    names |= {server.rack for server in plan.servers if server.rack}
    names |= {"ams-A", "ams-B", "dub-A", "dub-B", "ams-grid", "ams-crah", "ams-cdu", "dub-crah"}
    assert [name for name in sorted(names) if name not in text] == []


def test_every_server_kind_llm_site_and_workload_is_named():
    """The words of the scenario come back."""
    plan, text = full_plan(), full_page().text
    names = {server.server for server in plan.servers} | {server.site for server in plan.servers}
    names |= {group.shape.llm for group in plan.replicas}
    names |= {row.workload for row in plan.slo} | {row.origin for row in plan.slo}
    assert [name for name in sorted(names) if name not in text] == []


def test_the_page_is_well_formed():
    """Every element that is opened is closed, in order."""
    assert full_page().faults == []


def test_sections_come_in_the_order_of_the_navigation():
    """The links of the bar and the sections agree."""
    html = full_report()
    places = [html.index(f'id="{name}"') for name, _ in CONTENTS]
    assert places == sorted(places)
    assert all(f'href="#{name}"' in html for name, _ in CONTENTS)


def test_every_picture_stands_beside_a_table():
    """No figure is the only place where its numbers are."""
    for section in re.findall(r"<section.*?</section>", full_report(), flags=re.DOTALL):
        if "<svg" in section:
            assert "<table" in section, section[:80]


def test_every_picture_says_what_it_shows():
    """Each one has a role, and a title as its first child."""
    pictures = re.findall(r"<svg[^>]*>(.{0,7})", full_report(), flags=re.DOTALL)
    assert len(pictures) > 20
    assert set(pictures) == {"<title>"}
    assert all(attributes["role"] == "img" for tag, attributes in full_page().tags if tag == "svg")


def test_what_the_plan_asks_for_is_said_in_words():
    """Buying, renting, switching off and turning to liquid are actions; what is not served a warning."""
    text = full_page().text
    for words in (
        "Buy 3 × dgx-h100: 2 at ams, 1 at dub",
        "Rent 1 × h100-sxm at cloud-northeurope",
        "Keep running 1 × dgx-h100 at ams",
        "Leave 1 existing server without power at syd",
        "Bring liquid cooling to 1 rack: ams-cold",
        "0.8 requests/s of chat from northeurope are not served.",
    ):
        assert words in text


def test_money_is_that_of_the_plan():
    """Hour, month and year of the headline follow from the cost."""
    plan, text = full_plan(), full_page().text
    assert f"${plan.cost.total:,.2f} per hour" in text
    assert f"${plan.cost.total * 730:,.0f} per month" in text
    assert f"${plan.cost.total * 8760:,.0f} per year" in text


def test_a_retrofitted_rack_is_marked():
    """In the picture, its caption and the table."""
    html = full_report()
    assert html.count('class="pipe new"') == 1
    assert "retrofit to liquid" in html
    assert '<span class="tag">retrofit</span>' in html


def test_the_status_is_told_in_plain_words():
    """Proven, proven within a gap, or stopped before: each reads differently."""
    plan = safe_plan()
    assert "Proven optimal" in Page(report_html(plan)).text
    plan.gap, plan.bound = 0.02, plan.objective * 0.98
    assert "Proven within 2 %" in Page(report_html(plan)).text
    plan.status = "feasible"
    text = Page(report_html(plan)).text
    assert "Best found, up to 2 % above the optimum" in text
    assert "The search stopped before" in text


def test_a_broken_promise_and_a_doubtful_one_are_marked():
    """Above the target is an alarm; a target within the error band a warning."""
    plan = safe_plan()
    broken, doubtful = plan.slo[0], plan.slo[1]
    broken.ttft_ms.asked, broken.ttft_ms.predicted = 100.0, 150.0
    doubtful.tpot_ms.asked, doubtful.tpot_ms.predicted, doubtful.error_band = 50.0, 45.0, 0.2
    html = report_html(plan)
    assert "⚠ -50 %" in Page(html).text
    assert 'class="n state filling">10 %' in html


def test_measured_rates_promise_nothing_and_still_make_a_report():
    """Without predictions the latency table has dashes, and no bars."""
    plan = safe_plan()
    for row in plan.slo:
        row.ttft_ms.predicted = row.tpot_ms.predicted = row.error_band = None
    assert "none asked, or rates were measured" in Page(report_html(plan)).text


def test_an_empty_plan_makes_a_report():
    """Nothing to serve, nothing to draw, and nothing breaks."""
    plan = safe_plan()
    data = plan.model_dump(mode="json")
    data |= {"servers": [], "replicas": [], "routes": [], "pools": [], "slo": [], "ledgers": {}}
    data["cost"] = {"total": 0.0}
    page = Page(report_html(Plan.model_validate(data)))
    assert page.faults == []
    assert "Serves nothing with no LLM from nowhere." in page.text
    assert "Leave 2 existing servers without power: 1 at ams, 1 at syd" in page.text


def test_a_plan_that_is_not_for_this_planner_is_refused(tmp_path):
    """An unreadable scenario inside a plan is an error, and no half report is left."""
    plan = safe_plan()
    plan.scenario = {"name": "x"}
    with pytest.raises(ValueError, match="workloads"):
        write_report(plan, tmp_path / "report.html")
    assert list(tmp_path.iterdir()) == []


def test_the_report_is_the_same_every_time(tmp_path):
    """No clock and no chance in it."""
    write_report(full_plan(), tmp_path / "report.html")
    assert (tmp_path / "report.html").read_text(encoding="utf-8") == full_report()
