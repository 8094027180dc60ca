"""What a plan says it reached of each goal must be what its content amounts to."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import pytest

from planner.plan.objective import stated
from planner.plan.types import Plan
from planner.plan.verify import verify
from tests.plan.tiny import FULL, full_decisions, written


def plan_for(objective: dict[str, Any], goals: list[dict[str, Any]]) -> Plan:
    """Return the full plan, made for other goals and saying what it reached of them."""
    scenario = deepcopy(FULL)
    scenario["objective"] = objective
    plan = full_decisions()
    plan.ask(scenario)
    first = stated(goals[0]["value"], goals[0]["unit"])[0]
    return written(plan).model_copy(
        update={"solver": {"goals": goals}, "objective": first, "bound": first, "gap": 0.0}
    )


def goal(name: str, unit: str, value: int) -> dict[str, Any]:
    return {"name": name, "unit": unit, "value": value, "bound": value}


def cost_of_it() -> dict[str, Any]:
    plan = full_decisions()
    return goal("cost", "micro-USD/h", round(written(plan).cost.total * 1e6))


def test_six_servers_then_cost() -> None:
    """The plan powers six servers; saying five is noticed."""
    objective = {"minimize": ["servers", "cost"]}
    assert verify(plan_for(objective, [goal("servers", "servers", 6), cost_of_it()])) == []
    rows = {v.row for v in verify(plan_for(objective, [goal("servers", "servers", 5), cost_of_it()]))}
    assert rows == {"goals/servers", "objective"}


def test_ten_units_unserved_then_cost() -> None:
    """Ten units are left unserved of priority 1; saying none is noticed."""
    objective = {"maximize": "served"}
    assert verify(plan_for(objective, [goal("served/priority-1", "units unserved", 10), cost_of_it()])) == []
    lied = plan_for(objective, [goal("served/priority-1", "units unserved", 0), cost_of_it()])
    assert {v.row for v in verify(lied)} == {"goals/served/priority-1", "objective"}


@pytest.mark.parametrize(("name", "unit"), [("power", "mW"), ("carbon", "mg CO2/h")])
def test_power_and_carbon_are_counted_from_the_content(name: str, unit: str) -> None:
    """One milliwatt or milligram less than the content makes is noticed, and the right amount is told."""
    objective = {"minimize": [name]}
    found = verify(plan_for(objective, [goal(name, unit, 1), cost_of_it()]))
    right = next(v.limit for v in found if v.row == f"goals/{name}")
    assert right is not None
    assert verify(plan_for(objective, [goal(name, unit, int(right)), cost_of_it()])) == []
    assert verify(plan_for(objective, [goal(name, unit, int(right) - 1), cost_of_it()])) != []


def test_milliwatts_are_the_watts_of_the_meters() -> None:
    """The goal's milliwatts are the servers' expected watts but for rounding."""
    found = verify(plan_for({"minimize": ["power"]}, [goal("power", "mW", 1), cost_of_it()]))
    right = next(v.limit for v in found if v.row == "goals/power")
    watts = sum(server.expected_w for server in written(full_decisions()).servers)
    assert right == pytest.approx(watts * 1000, abs=2000)


def test_other_goals_than_asked_for_are_noticed() -> None:
    """The scenario wants power; the plan says it looked for servers."""
    found = verify(plan_for({"minimize": ["power"]}, [goal("servers", "servers", 6), cost_of_it()]))
    assert "goals" in {violation.row for violation in found}


def test_whole_amounts_are_stated_in_the_units_of_people() -> None:
    """Micro-USD become USD, milliwatts kW, milligrams kg; counts stay counts."""
    assert stated(2_500_000, "micro-USD/h") == (2.5, "USD/h")
    assert stated(2_500_000, "mW") == (2.5, "kW")
    assert stated(2_500_000, "mg CO2/h") == (2.5, "kg CO2/h")
    assert stated(7, "servers") == (7.0, "servers")
