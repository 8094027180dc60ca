"""A day in periods: one fleet, a routing for each; tariffs by the hour; batch work that fills valleys."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from planner.plan.assemble.periods import day_of
from planner.plan.day import Day, Period, in_time
from planner.plan.solve import solve
from planner.plan.types import Plan
from planner.plan.verify import verify
from planner.plan.verify.periods import all_in_time
from planner.topology import build_graph, load_question
from tests.plan.questions import changed

NIGHT, MORNING, DAY, EVENING = range(6), range(6, 8), range(8, 18), range(18, 24)

BUSY_DAY = [0.25] * 8 + [1.0] * 10 + [0.5] * 6


def asked(*more: dict[str, Any], tariff: list[float] | None = None, **fields: Any) -> dict[str, Any]:
    """Return the small question with a busy day, further workloads, and a tariff by the hour in ams."""
    question = changed(workload={"profile": BUSY_DAY}, **fields)
    for changes in more:
        workload = {**deepcopy(question["workloads"][0]), **changes}
        if workload.get("tier") == "batch":
            del workload["slo"]
        question["workloads"].append(workload)
    if tariff is not None:
        question["topology"]["sites"][0]["electricity_hourly_factors"] = tariff
    return question


def batch(name: str = "night", rate_rps: float = 60, **fields: Any) -> dict[str, Any]:
    """Return a batch workload, arriving evenly."""
    return {"name": name, "tier": "batch", "rate_rps": rate_rps, "profile": None, **fields}


def periods(question: dict[str, Any]) -> dict[str, tuple[int, ...]]:
    """Return the hours of each period a question is planned in."""
    known = load_question(question)
    day = day_of(known.scenario, build_graph(known.topology, known.catalog))
    return {period.name: period.hours for period in day.periods}


def test_without_profile_or_tariff_the_day_is_one_period():
    """Also with a profile that says the same for every hour."""
    assert periods(changed()) == {"day": tuple(range(24))}
    assert list(periods(changed(workload={"profile": [0.5] * 24}))) == ["day"]


def test_hours_alike_in_demand_and_tariff_are_one_period():
    """Three levels of demand; a tariff that changes at 6 cuts the night."""
    assert list(periods(asked())) == ["h00-07", "h08-17", "h18-23"]
    assert list(periods(asked(tariff=[0.5] * 6 + [1.0] * 18))) == ["h00-05", "h06-07", "h08-17", "h18-23"]


def test_more_periods_than_allowed_are_merged_and_the_peak_stays_alone():
    """24 different hours in three periods: every hour is there once, and the busiest is not blown up."""
    question = asked(solver={"periods": 3})
    question["workloads"][0]["profile"] = [round(0.1 + 0.01 * hour, 2) for hour in range(23)] + [1.0]
    found = periods(question)
    assert len(found) == 3
    assert sorted(hour for hours in found.values() for hour in hours) == list(range(24))
    assert (23,) in found.values()


def test_hours_are_merged_only_with_their_neighbours_where_deadlines_are_short():
    """Equal hours in the morning and at night stay two periods when batch work must be done within 4 h."""
    evening = asked()
    evening["workloads"][0]["profile"] = [0.5] * 8 + [1.0] * 8 + [0.5] * 2 + [0.7] * 6
    assert list(periods(evening)) == ["h00-07,16-17", "h08-15", "h18-23"]
    evening["workloads"].append({**deepcopy(evening["workloads"][0]), **batch(deadline_h=4)})
    del evening["workloads"][1]["slo"]
    assert list(periods(evening)) == ["h00-07", "h08-15", "h16-17", "h18-23"]


@pytest.mark.parametrize(
    ("arrived", "served", "longest_h", "expected"),
    [
        ([8, 9], [10, 11], 2, True),
        ([8, 9], [10, 11], 1, False),
        ([8, 9], [11], 3, True),
        ([8, 9], [11], 2, False),
        ([23], [0], 1, True),
        ([0], [23], 22, False),
        (list(DAY), list(EVENING), 9, False),
        (list(DAY), list(EVENING), 10, True),
        ([0, 12], [1, 13], 1, True),
    ],
)
def test_work_is_in_time_first_come_first_served(arrived, served, longest_h, expected):
    """By hand; the planner's rule and the verifier's matching agree."""
    assert in_time(arrived, served, longest_h) is expected
    assert all_in_time(arrived, served, longest_h) is expected


def test_both_rules_agree_everywhere():
    """Every pair of short runs and every deadline."""
    runs = [[(start + n) % 24 for n in range(length)] for start in (0, 3, 22) for length in (1, 2, 3)]
    for arrived in runs:
        for served in runs:
            for longest_h in range(24):
                one = in_time(arrived, served, longest_h)
                assert one is all_in_time(arrived, served, longest_h), (arrived, served, longest_h)


def test_units_of_batch_work_are_an_amount():
    """Served within a quarter of the day, a unit of the day's work is four times its mean rate."""
    question = load_question(asked(batch()))
    day = Day((Period("a", tuple(range(6))), Period("b", tuple(range(6, 24)))))
    workload = question.scenario.workload("night")
    assert day.unit_rps(workload, "a", 20) == pytest.approx(60 / 20 * 4)
    assert day.mean_unit_rps(workload, "a", 20) == pytest.approx(60 / 20)
    assert [demand.units for demand in day.demands(workload, 20)] == [10, 10]


@pytest.fixture(scope="module")
def busy() -> Plan:
    """A plan of the busy day with work for the night, cheap electricity before 6."""
    return solve(asked(batch(deadline_h=8), batch("daily"), tariff=[0.5] * 6 + [1.2] * 18))


def test_a_plan_in_periods_verifies_and_survives_the_file(busy, tmp_path):
    """Everything is recomputed, from the file too."""
    busy.save(tmp_path / "plan.json")
    assert verify(tmp_path / "plan.json") == []
    assert [period.name for period in busy.periods] == ["h00-05", "h06-07", "h08-17", "h18-23"]
    assert busy.periods[2].factors == {"chat": 1.0}


def test_work_that_may_wait_all_day_is_done_when_electricity_is_cheap(busy):
    """The night is cheap and empty."""
    assert {route.period for route in busy.routes if route.workload == "daily"} == {"h00-05"}


def test_batch_work_fills_the_valley_and_adds_no_server():
    """As much as the valleys hold costs no server; without a valley to wait for, it does."""
    alone = solve(asked())
    filled = solve(asked(batch(rate_rps=120)))
    hurried = solve(asked({**batch(rate_rps=120), "tier": "interactive"}))
    assert filled.metrics.servers == alone.metrics.servers
    assert hurried.metrics.servers > alone.metrics.servers
    assert verify(filled) == []


def corrupted(plan: Plan, change) -> set[str]:
    """Return the rows that are violated after `change` was made to a copy of the plan's data."""
    data = deepcopy(plan.model_dump(mode="json"))
    change(data)
    return {violation.row for violation in verify(Plan.model_validate(data))}


def test_an_hour_that_no_period_has_is_found(busy):
    """And one that two have."""
    assert "periods/hour-07" in corrupted(busy, lambda data: data["periods"][1]["hours"].remove(7))
    assert "periods/hour-07" in corrupted(busy, lambda data: data["periods"][2]["hours"].append(7))


def test_a_period_planned_below_its_busiest_hour_is_found(busy):
    """The stated factor is the largest of the hours; moving a busy hour to the night asks for more there."""

    def lower(data: dict[str, Any]) -> None:
        data["periods"][2]["factors"]["chat"] = 0.9

    def move(data: dict[str, Any]) -> None:
        data["periods"][2]["hours"].remove(8)
        data["periods"][1]["hours"].append(8)

    assert "periods/h08-17/chat" in corrupted(busy, lower)
    assert "demand/chat/westeurope/h06-07" in corrupted(busy, move)


def test_work_served_after_its_deadline_is_found(busy):
    """What came in the night and is served in the evening is late."""
    number = next(
        n
        for n, route in enumerate(busy.routes)
        if (route.workload, route.arrived) == ("night", "h00-05") and route.origin == "westeurope"
    )

    def late(data: dict[str, Any]) -> None:
        data["routes"][number]["period"] = "h18-23"

    assert "deadline/night/westeurope/ams/h18-23" in corrupted(busy, late)


def test_traffic_moved_to_another_period_is_found(busy):
    """Loads and demands are counted by period."""
    number = next(
        n for n, route in enumerate(busy.routes) if (route.workload, route.period) == ("chat", "h08-17")
    )

    def move(data: dict[str, Any]) -> None:
        data["routes"][number]["period"] = data["routes"][number]["arrived"] = "h00-05"

    rows = corrupted(busy, move)
    assert "demand/chat/westeurope/h08-17" in rows or "demand/chat/northeurope/h08-17" in rows
    assert any(row.startswith("load/") for row in rows)


def test_failures_are_survived_in_the_busiest_period():
    """One more server than without; the night needs no rows of its own."""
    alone = solve(asked())
    safe = solve(asked(reliability={"survive": ["server"], "level": 0.9}))
    assert verify(safe) == []
    assert safe.metrics.servers > alone.metrics.servers
