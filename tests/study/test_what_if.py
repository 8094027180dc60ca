"""What a change changes: every difference by name, and how sure the change of the cost is."""

from __future__ import annotations

import pytest

from planner.plan.solve import solve
from planner.study.what_if import what_if, written_changes
from planner.study.what_if_page import headline, what_if_page
from planner.topology import load_question
from tests.study.questions import written

NETWORK = 2e-3
"""USD/h: more than sending the answers costs."""


@pytest.fixture
def scenario(tmp_path):
    """The path of the scenario of two boxes."""
    written(tmp_path, {})
    return tmp_path / "scenario.json"


def asked(scenario, *changes, base=None):
    """Return the what-if of some changes."""
    question = load_question(scenario)
    spelled = written_changes(question, changes)
    return what_if(question, load_question(scenario, spelled), changes, base)


def test_twice_the_demand_takes_two_bigs_and_a_small(scenario):
    """10 requests/s need 5 smalls (5 USD/h), 20 need 2 bigs and a small (9.20): the table says so."""
    found = asked(scenario, "workloads.*.rate_rps=*2")
    assert found.cost_change == pytest.approx(4.2, abs=NETWORK)
    lines = {(line.part, line.name): (line.before, line.after) for line in found.differences}
    assert lines["cost", "rent"] == pytest.approx((5, 9.2))
    assert lines["servers", "rent small at cloud"] == (5, 1)
    assert lines["servers", "rent big at cloud"] == (0, 2)
    assert lines["traffic", "chat from any to cloud"] == pytest.approx((10, 20))
    assert ("cost", "depreciation") not in lines
    assert found.certain_change == pytest.approx((4.2, 4.2), abs=NETWORK)
    assert headline(found) == "workloads.*.rate_rps=*2 costs $4.20/h (84 %)"


def test_a_base_that_is_given_is_not_solved_again(scenario):
    """Its plan counts as it is; a plan of another scenario is told apart."""
    base = solve(scenario)
    same = asked(scenario, "fleet.rent.0.usd_per_h=*2", base=base)
    assert (same.base_seconds, same.same_question) == (None, True)
    assert same.cost_change == pytest.approx(6.1 - 5)  # a big and a small instead of five smalls
    other = asked(scenario, "limits.servers=9", base=solve(scenario, ["workloads.chat.rate_rps=9"]))
    assert not other.same_question
    assert "another scenario" in " ".join(what_if_page("x", other).lines)


def test_units_that_the_planner_chose_make_no_other_question(tmp_path):
    """A plan states how many units of traffic it counts in, where the scenario leaves that open."""
    written(tmp_path, {}, solver={"relative_gap": 0, "workers": 1})
    scenario = tmp_path / "scenario.json"
    base = solve(scenario)
    assert asked(scenario, "fleet.rent.0.usd_per_h=*1.1", base=base).same_question


def test_the_certain_change_is_wider_where_plans_are_not_proven(scenario):
    """The least cost lies between bound and objective on both sides."""
    found = asked(scenario, "workloads.chat.rate_rps=20")
    loose = found.base.model_copy(update={"bound": found.base.objective - 1})
    widened = type(found)(found.changes, loose, found.outcome, None, True)
    assert widened.certain_change == pytest.approx((4.2, 5.2), abs=NETWORK)


def test_a_change_that_leaves_no_plan_says_why(scenario):
    """No cost, no differences, the promises that collide instead."""
    found = asked(scenario, "limits.servers=1")
    assert found.outcome.status == "infeasible"
    assert (found.cost_change, found.certain_change, found.differences) == (None, None, [])
    assert "powered servers" in headline(found)
    assert found.record()["cost_usd_per_h"]["changed"] is None


def test_a_question_without_a_plan_has_no_what_if(scenario):
    """There is nothing to compare with."""
    impossible = load_question(scenario, ["limits.servers=1"])
    with pytest.raises(ValueError, match="before any change"):
        what_if(impossible, impossible, [])
