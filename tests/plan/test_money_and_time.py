"""Spot, reserved and delivery: each decides alone in a question solved by hand, and flips where it should."""

from __future__ import annotations

from pathlib import Path

import pytest

import planner
from planner.files import InputFaults
from planner.plan.types import Plan
from tests.plan.by_hand import a100, bought, question, rented, site, solved


def test_spot_is_taken_until_its_interruptions_cost_what_it_saves(tmp_path: Path) -> None:
    """On demand 4 USD/h, spot 2; at 0.1 interruptions per hour the threshold is 20 USD each."""
    for usd, spot_units in ((19.0, 4), (21.0, 0)):
        spot = a100(usd_per_h=2.0, terms="spot", interruptions_per_h=0.1, usd_per_interruption=usd)
        plan = solved(question(tmp_path, fleet={"rent": [a100(), spot]}))
        assert rented(plan, 1) == spot_units
        assert plan.cost.rent == pytest.approx(min(4 * 4.0, 4 * (2.0 + 0.1 * usd)), abs=1e-3)


@pytest.mark.parametrize(("level", "on_demand"), [(0.75, 3), (0.76, 4), (0.5, 2), (0.51, 3)])
def test_what_must_survive_the_loss_of_spot_is_served_on_demand(
    tmp_path: Path, level: float, on_demand: int
) -> None:
    """20 requests/s are four A100s of 5; as many stand on demand as the promised share needs."""
    offers = [a100(), a100(usd_per_h=2.0, terms="spot")]
    asked = question(
        tmp_path,
        fleet={"rent": offers},
        reliability={"survive": ["spot"], "level": 1.0, "levels": {"spot": level}},
        solver={"demand_units": 100},
    )
    plan = solved(asked)
    assert (rented(plan, 0), rented(plan, 1)) == (on_demand, 4 - on_demand)


@pytest.mark.parametrize(("upfront", "reserved"), [(7299.0, 4), (7301.0, 0)])
def test_reserved_units_pay_ahead_over_their_term(tmp_path: Path, upfront: float, reserved: int) -> None:
    """3 USD/h and 7300 USD for ten months of 730 h are just the 4 USD/h of a unit on demand."""
    offer = a100(usd_per_h=3.0, terms="reserved", upfront_usd=upfront, term_months=10)
    plan = solved(question(tmp_path, fleet={"rent": [a100(), offer]}))
    assert rented(plan, 1) == reserved


@pytest.mark.parametrize(("capex", "reserved"), [(3000, 3), (2999, 2)])
def test_money_paid_ahead_is_capital(tmp_path: Path, capex: float, reserved: int) -> None:
    """1000 USD ahead for each of four units: the budget takes as many as it pays for."""
    offer = a100(usd_per_h=1.0, terms="reserved", upfront_usd=1000)
    plan = solved(question(tmp_path, fleet={"rent": [a100(), offer]}, limits={"capex_usd": capex}))
    assert rented(plan, 1) == reserved
    assert plan.metrics.capex_usd == reserved * 1000


def slow_delivery(tmp_path: Path, weeks: float) -> Plan:
    fleet = {
        "buy": ["dgx-h100"],
        "prices_usd": {"dgx-h100": 8760},
        "delivery": {"dgx-h100": [{"count": 1, "weeks": 4}, {"count": 3, "weeks": 30}]},
        "needed_in_weeks": weeks,
        "rent": [a100()],
    }
    return solved(question(tmp_path, sites=[site()], fleet=fleet))


@pytest.mark.parametrize(("weeks", "count"), [(3.9, 0), (4, 1), (29.9, 1), (30, 2)])
def test_what_arrives_too_late_is_rented_instead(tmp_path: Path, weeks: float, count: int) -> None:
    """Two servers at 1 USD/h would do; those that come too late are replaced by two A100s each."""
    plan = slow_delivery(tmp_path, weeks)
    assert (bought(plan), rented(plan)) == (count, 4 - 2 * count)
    row = next(row for row in plan.ledgers.budget if row.name == "delivery/dgx-h100")
    assert (row.used, row.limit) == (count, 0 if weeks < 4 else 1 if weeks < 30 else 4)


def test_a_conflict_over_delivery_is_named_in_the_words_of_the_scenario(tmp_path: Path) -> None:
    """Nothing can be rented, and one server of two arrives in time."""
    fleet = {
        "buy": ["dgx-h100"],
        "delivery": {"dgx-h100": [{"count": 1, "weeks": 4}, {"count": 3, "weeks": 30}]},
        "needed_in_weeks": 10,
    }
    with pytest.raises(planner.NoPlan) as caught:
        planner.solve(question(tmp_path, sites=[site()], fleet=fleet))
    found = caught.value.infeasible
    assert found is not None
    assert "delivery/dgx-h100" in {row.row for row in found.conflict}
    assert any(c.row == "delivery/dgx-h100" and c.to == 2 for way in found.relaxations for c in way.changes)


def test_more_servers_than_arrive_in_time_are_refused_by_the_verifier(tmp_path: Path) -> None:
    """The same plan under an earlier date: the row of the delivery is named."""
    plan = slow_delivery(tmp_path, 30)
    plan.scenario["fleet"]["needed_in_weeks"] = 10
    assert "delivery/dgx-h100" in {violation.row for violation in planner.verify(plan)}


@pytest.mark.parametrize(
    "offer",
    [
        {"terms": "on_demand", "interruptions_per_h": 0.1},
        {"terms": "spot", "upfront_usd": 5.0},
        {"terms": "reserved", "usd_per_h": None},
    ],
)
def test_terms_that_contradict_each_other_are_refused(tmp_path: Path, offer: dict[str, object]) -> None:
    """Interruptions belong to spot, money ahead to reserved units, which need a price."""
    with pytest.raises(InputFaults):
        planner.solve(question(tmp_path, fleet={"rent": [a100(**offer)]}))
