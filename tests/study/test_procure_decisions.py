"""Procurements whose answers were worked out on paper, each with the smallest instance where it decides.

The numbers of the instance are in `procurements`: a server costs 100,000 USD, a rented box 20,000 a period,
both serve 10 requests/s. Sending the answers costs about a dollar a period.
"""

from __future__ import annotations

import pytest

from planner.study.procure.schedule import Schedule
from planner.study.procure.unfold import unfold
from tests.study.procurements import PRICE_USD, RENT_USD, SCENARIO, bought, rented, solve

DOLLARS = 20.0
"""What the network costs in these studies, and more."""

PLAIN = {"alternatives": False}


def expected(found):
    """The plan's expected cost, USD."""
    return found.solved.expected


def test_two_periods_break_even_between_buying_and_renting(tmp_path):
    """Renting twice costs 40,000: a server at 39,000 is bought at once, one at 41,000 never."""
    for price, orders, cost in ((39_000, [(1, 1)], 39_000), (41_000, [], 2 * RENT_USD)):
        found = solve(tmp_path / str(price), PLAIN, {"fleet": _fleet(price)})
        assert bought(found) == orders
        assert expected(found) == pytest.approx(cost, abs=DOLLARS)


def _fleet(price=PRICE_USD, **more):
    rent = [{"accelerator": "box", "usd_per_h": 20.0}]
    return {"buy": ["dgx-h200"], "rent": rent, "prices_usd": {"dgx-h200": price}} | more


def test_a_server_is_bought_where_its_remaining_value_makes_it_cheaper(tmp_path):
    """Half of its value is left after a year: 100,000 - 50,000 < 4 x 20,000 with a quarter a year each."""
    year = {**PLAIN, "periods": 4, "months_per_period": 3, "value_kept_per_year": 0.5}
    rent = 730 * 3 * 20.0 * 4
    found = solve(tmp_path / "kept", year)
    assert bought(found) == [(1, 1)]
    assert expected(found) == pytest.approx(PRICE_USD / 2, abs=DOLLARS)
    assert rent > PRICE_USD / 2
    found = solve(
        tmp_path / "cheap-rent", year, {"fleet": _fleet(rent=[{"accelerator": "box", "usd_per_h": 5}])}
    )
    assert bought(found) == []  # 43,800 < 50,000
    assert expected(found) == pytest.approx(rent / 4, abs=DOLLARS)


def test_nothing_runs_before_its_lead_time_is_over(tmp_path):
    """Ten periods; a server that comes after three is rented for until then, one after one period for one."""
    for lead, periods in ((1, 1), (3, 3)):
        terms = {"dgx-h200": {"lead_months": lead * 1000 / 730}}
        found = solve(tmp_path / str(lead), {**PLAIN, "periods": 10, "buy": terms})
        assert bought(found) == [(1, 1)]
        assert sum(count for _, count in rented(found)) == periods
        assert expected(found) == pytest.approx(PRICE_USD + periods * RENT_USD, abs=DOLLARS)
        order = found.tables["purchases"][0]
        assert order["delivery_period"] == 1 + lead


def test_what_cannot_be_delivered_is_rented(tmp_path):
    """Twenty requests/s for ten periods and one server a period: the second box is rented for one period."""
    study = {**PLAIN, "periods": 10, "buy": {"dgx-h200": {"lead_months": 0, "most_per_period": 1}}}
    found = solve(tmp_path, study, {"workloads": _workload(20)})
    assert bought(found) == [(1, 1), (2, 1)]
    assert rented(found) == [(1, 1)]
    assert expected(found) == pytest.approx(2 * PRICE_USD + RENT_USD, abs=DOLLARS)


def _workload(rate_rps, **more):
    known = {"name": "chat", "llms": ["m"], "input_tokens": 1, "output_tokens": 1, "rate_rps": rate_rps}
    return [known | more]


def test_stock_ends(tmp_path):
    """One server is all there is; the other ten requests/s are rented throughout."""
    found = solve(tmp_path, {**PLAIN, "periods": 6},
                  {"workloads": _workload(20), "fleet": _fleet(stock={"dgx-h200": 1})})  # fmt: skip
    assert bought(found) == [(1, 1)]
    assert expected(found) == pytest.approx(PRICE_USD + 6 * RENT_USD, abs=DOLLARS)


@pytest.mark.parametrize(("share", "orders"), [(0.2, [(1, 2)]), (0.04, [(1, 1), (4, 1)])])
def test_a_discount_for_two_moves_the_second_order_forward(tmp_path, share, orders):
    """The second server is needed in period 4; money costs about 10 % until then.

    Two at once with 20 % off cost 160,000; one and one 100,000 + 100,000 / 1.1. With 4 % off, 192,000.
    """
    years_until = 3 * 1000 / 8760
    rate = 1.1 ** (1 / years_until) - 1
    growth = {"chat": [1, 1, 1, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2, 2]}
    terms = {"lead_months": 0, "discounts": [{"from_count": 2, "share": share}]}
    study = {**PLAIN, "periods": 20, "growth": growth, "buy": {"dgx-h200": terms}}
    found = solve(tmp_path, {**study, "discount_rate_per_year": rate}, {"fleet": _fleet(rent=[])})
    assert bought(found) == orders
    cost = 2 * PRICE_USD * (1 - share) if len(orders) == 1 else PRICE_USD + PRICE_USD / 1.1
    assert expected(found) == pytest.approx(cost, abs=DOLLARS)


@pytest.mark.parametrize(("carry_over", "first"), [(True, 2), (False, None)])
def test_what_is_left_of_a_budget_buys_later_if_it_may(tmp_path, carry_over, first):
    """60,000 a period: saved, they buy a server in the second; else never, and everything is rented."""
    study = {**PLAIN, "periods": 10, "budget_usd": 60_000, "carry_over": carry_over}
    found = solve(tmp_path, study)
    assert bought(found) == ([(first, 1)] if first else [])
    cost = RENT_USD + PRICE_USD if first else 10 * RENT_USD
    assert expected(found) == pytest.approx(cost, abs=DOLLARS)


def test_a_falling_price_is_waited_for(tmp_path):
    """100,000 now or 50,000 in the next period, at 20,000 for waiting."""
    terms = {"lead_months": 0, "prices_usd": [100_000, 50_000]}
    found = solve(tmp_path, {**PLAIN, "periods": 12, "buy": {"dgx-h200": terms}})
    assert bought(found) == [(2, 1)]
    assert expected(found) == pytest.approx(50_000 + RENT_USD, abs=DOLLARS)


def test_a_feed_that_comes_online_later_lets_servers_in_then(tmp_path):
    """Without feed A the racks have nothing that survives the loss of B: rent until it is there."""
    found = solve(tmp_path, {**PLAIN, "periods": 12, "online": [{"at": "hall-A", "period": 3}]})
    assert bought(found) == [(3, 1)]
    assert rented(found) == [(1, 1), (2, 1)]
    assert expected(found) == pytest.approx(PRICE_USD + 2 * RENT_USD, abs=DOLLARS)


def test_a_long_rent_is_paid_to_its_end(tmp_path):
    """Two periods, or four at 0.6: four at 48,000 are dearer than two at 40,000, but cheaper than three."""
    terms = [{"months": 1000 / 730}, {"months": 4000 / 730, "price": 0.6}]
    for periods, cost in ((2, 2 * RENT_USD), (3, 4 * 0.6 * RENT_USD)):
        found = solve(tmp_path / str(periods), {**PLAIN, "periods": periods, "rent_terms": terms})
        assert expected(found) == pytest.approx(cost, abs=DOLLARS)


def test_standing_servers_are_sold_when_they_are_worth_more_than_their_place(tmp_path):
    """A box for next to nothing serves as well: the server goes at once, for half its price.

    It would be worth 50,000 x 0.5^(1/2) at the end of half a year: that is what selling it gives up.
    """
    racks = {"name": "r", "count": 1, "feeds": ["A", "B"], "power_kw": 44, "air_kw": 44, "slots": 4,
             "air_loop": "crah", "servers": {"dgx-h200": 1}}  # fmt: skip
    study = {**PLAIN, "months_per_period": 3, "value_kept_per_year": 0.5,
             "owned": {"dgx-h200": {"age_months": 12, "paid_usd": 100_000}}}  # fmt: skip
    rented_until_the_end = {"fleet": _fleet(rent=[{"accelerator": "box", "usd_per_h": 0.001}])}
    found = solve(tmp_path, study, {"topology": _hall(racks), **rented_until_the_end})
    assert [(row["period"], row["count"]) for row in found.tables["sales"]] == [(1, 1)]
    assert expected(found) == pytest.approx(-50_000 * (1 - 0.5**0.5), abs=DOLLARS)


def _hall(racks):
    topology = dict(SCENARIO["topology"])
    return topology | {"sites": [{**topology["sites"][0], "racks": [racks]}]}


def test_standing_servers_make_room_for_what_replaces_them(tmp_path):
    """One rack of one slot: a server that serves 10 must go before another that serves 90 can stand there."""
    racks = {"name": "r", "count": 1, "feeds": ["A", "B"], "power_kw": 44, "air_kw": 44, "slots": 1,
             "air_loop": "crah", "servers": {"dgx-h200": 1}}  # fmt: skip
    fleet = {"buy": ["dgx-b200"], "rent": [{"accelerator": "box", "usd_per_h": 20.0}],
             "prices_usd": {"dgx-b200": PRICE_USD}}  # fmt: skip
    study = {**PLAIN, "periods": 3, "buy": {"dgx-b200": {"lead_months": 0}},
             "owned": {"dgx-h200": {"paid_usd": 1e-6}}}  # fmt: skip
    found = solve(tmp_path, study, {"topology": _hall(racks), "fleet": fleet, "workloads": _workload(90)})
    assert bought(found) == [(1, 1)]
    running = {(row["server"], row["count"]) for row in found.tables["placements"] if row["period"] == 1}
    assert running == {("dgx-b200", 1)}
    assert expected(found) == pytest.approx(PRICE_USD, abs=DOLLARS)


def test_deposits_are_paid_with_the_order_and_the_rest_on_delivery(tmp_path):
    """A third at once, two thirds a period later."""
    terms = {"dgx-h200": {"lead_months": 1000 / 730}}
    found = solve(tmp_path, {**PLAIN, "periods": 10, "buy": terms, "deposit_share": 0.25})
    flow = {row["period"]: row["servers_usd"] for row in found.tables["cash_flow"]}
    assert flow[1] == pytest.approx(25_000)
    assert flow[2] == pytest.approx(75_000)


def test_installing_and_moving_cost_what_they_cost(tmp_path):
    """A server is installed once: 1,000 USD more than its price."""
    found = solve(
        tmp_path, {**PLAIN, "periods": 10, "install_usd_per_server": 1000, "move_usd_per_server": 500}
    )
    assert expected(found) == pytest.approx(PRICE_USD + 1000, abs=DOLLARS)


def test_a_server_moves_where_running_it_is_cheaper(tmp_path):
    """Idling at 1.98 kW costs 2,673 USD in the dear hall a period, at 1 USD/kWh; moving costs 1,500 once."""
    hall = SCENARIO["topology"]["sites"][0]
    rack = hall["racks"][0]
    dear = {**hall, "name": "dear", "electricity_usd_per_kwh": 1.0, "pue_air": 1.35,
            "racks": [{**rack, "count": 1, "servers": {"dgx-h200": 1}}]}  # fmt: skip
    topology = {"name": "two", "sites": [dear, hall]}
    terms = {"dgx-h200": {"most_per_period": 0}}
    study = {**PLAIN, "buy": terms, "install_usd_per_server": 1000, "move_usd_per_server": 500}
    study |= {"owned": {"dgx-h200": {"paid_usd": 1e-6}}}
    found = solve(tmp_path, study, {"topology": topology})
    where = {(row["period"], row["site"]) for row in found.tables["placements"]}
    assert where == {(1, "hall"), (2, "hall")}
    assert expected(found) == pytest.approx(1500, abs=DOLLARS)
    found = solve(
        tmp_path / "dearer", {**study, "move_usd_per_server": 50_000, "periods": 1}, {"topology": topology}
    )
    assert {row["site"] for row in found.tables["placements"]} == {"dear"}
    assert expected(found) == pytest.approx(1.98 * 1.35 * 1000, abs=DOLLARS)


def test_a_rack_is_turned_to_liquid_for_what_needs_it(tmp_path):
    """A liquid-cooled server stands only in a rack turned for 30,000 USD; the budget has it in period 2."""
    hall = SCENARIO["topology"]["sites"][0]
    loops = [
        *hall["cooling"],
        {"name": "cdu", "medium": "liquid", "unit_kw": 300, "units": 2, "spare_units": 1},
    ]
    rack = {
        **hall["racks"][0],
        "count": 2,
        "retrofit": {"usd_per_cabinet": 30_000, "usd_per_kw": 0, "liquid_loop": "cdu", "liquid_kw": 40},
    }
    topology = {"name": "wet", "sites": [{**hall, "cooling": loops, "racks": [rack]}]}
    fleet = {"buy": ["mi355x-8-dlc"], "rent": [{"accelerator": "box", "usd_per_h": 20.0}],
             "prices_usd": {"mi355x-8-dlc": PRICE_USD}}  # fmt: skip
    study = {**PLAIN, "periods": 12, "buy": {"mi355x-8-dlc": {"lead_months": 0}}, "budget_usd": 65_000}
    found = solve(tmp_path, study, {"topology": topology, "fleet": fleet})
    assert bought(found) == [(2, 1)]
    assert [(row["period"], row["count"]) for row in found.tables["retrofits"]] == [(2, 1)]
    assert expected(found) == pytest.approx(PRICE_USD + 30_000 + RENT_USD, abs=DOLLARS)
    plans = list(unfold(Schedule(found.solved)))
    assert [plan.violations for plan in plans] == [()] * 12
    assert [plan.unserved for plan in plans] == [0] * 12
