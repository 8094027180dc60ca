"""The section of a day in several periods."""

from planner.plan.content import Setting
from planner.plan.solve import solve
from planner.report.html import report_html
from planner.report.sections.day import day_view
from planner.topology import build_graph, load_question
from tests.plan.questions import changed

BUSY_DAY = [0.25] * 8 + [1.0] * 10 + [0.5] * 6


def test_a_day_in_periods_has_a_section_with_its_hours():
    """24 bars, a row for each period; without a profile there is no such section."""
    question = load_question(changed(workload={"profile": BUSY_DAY}))
    plan = solve(question)
    setting = Setting(
        question.scenario, build_graph(question.topology, question.catalog), question.catalog, plan.day()
    )
    view = day_view(plan, setting)
    assert view is not None
    assert [(row.name, row.hours, row.rates) for row in view.rows] == [
        ("h00-07", 8, ["150/s"]),
        ("h08-17", 10, ["500/s"]),
        ("h18-23", 6, ["250/s"]),
    ]
    assert not view.merged
    assert str(view.picture).count("<rect") == 24
    page = report_html(plan)
    assert '<section id="day">' in page
    assert "h08-17" in page


def test_hours_taken_together_are_said():
    """Three different hours in two periods."""
    profile = [0.25] * 8 + [1.0] * 9 + [0.9] + [0.5] * 6
    plan = solve(changed(workload={"profile": profile}, solver={"periods": 3}))
    assert "at the larger demand" in report_html(plan)


def test_a_plan_of_one_period_has_no_such_section():
    """Nothing to tell."""
    assert '<section id="day">' not in report_html(solve(changed()))
