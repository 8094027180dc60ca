"""Rolling upgrades and levels by kind of loss, by hand and on the verifier."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

import planner
from planner.optimize.method import solve_problem
from planner.optimize.problem import integers
from planner.optimize.solution import Settings
from tests.optimize.tiny import one_site, surviving_one_server
from tests.plan.by_hand import bought, question, site, solved


def upgraded(tmp_path: Path, **reliability: object) -> dict[str, object]:
    fleet = {"buy": ["dgx-h100"], "prices_usd": {"dgx-h100": 8760}}
    racks = [{"name": "r", "count": 2, "power_kw": 44, "slots": 4}]
    return question(tmp_path, sites=[site(racks=racks)], fleet=fleet, reliability=reliability)


@pytest.mark.parametrize(("batch", "servers"), [(0, 2), (1, 3), (2, 4), (3, 5)])
def test_servers_out_for_an_upgrade_are_surge_room(tmp_path: Path, batch: int, servers: int) -> None:
    """Two servers carry the demand; as many more stand by as are taken out together."""
    assert bought(solved(upgraded(tmp_path, upgrade_servers=batch))) == servers


@pytest.mark.parametrize(("level", "servers"), [(0.5, 2), (0.51, 3)])
def test_a_stated_share_may_wait_for_the_upgrade(tmp_path: Path, level: float, servers: int) -> None:
    """With half of the demand promised, one server of two may leave."""
    asked = upgraded(tmp_path, upgrade_servers=1, levels={"upgrade": level})
    assert bought(solved(asked)) == servers


def test_a_plan_without_surge_room_is_refused(tmp_path: Path) -> None:
    """Verified under larger batches than it was made for, the batch that breaks it is named."""
    plan = solved(upgraded(tmp_path, upgrade_servers=1))
    plan.scenario["reliability"]["upgrade_servers"] = 2
    rows = {violation.row for violation in planner.verify(plan)}
    assert any(row.startswith("survive/upgrade/") for row in rows)


@pytest.mark.parametrize(("count", "servers"), [(1, 2), (2, 3), (3, 4)])
def test_the_program_takes_as_many_places_as_servers_are_lost(count: int, servers: int) -> None:
    """One server of two replicas carries 10 units; count more are needed."""
    problem = surviving_one_server(one_site())
    assert problem.failures is not None
    problem = replace(problem, failures=replace(problem.failures, lost_count=integers([count])))
    solution = solve_problem(problem, Settings(time_limit_s=10, relative_gap=0.0, workers=1))
    assert solution.values["servers"].tolist() == [servers]


def test_a_group_that_is_lost_whole_leaves_the_rest(tmp_path: Path) -> None:
    """Batches larger than a group take all of it, no more: half of the demand at each of two sites."""
    fleet = {"buy": ["dgx-h100"], "prices_usd": {"dgx-h100": 8760}}
    asked = question(
        tmp_path,
        sites=[site(), site("ber", region="germanywestcentral")],
        fleet=fleet,
        reliability={"upgrade_servers": 4, "level": 0.5},
    )
    plan = solved(asked)
    assert bought(plan) == 2
    assert {server.site for server in plan.servers} == {"ams", "ber"}
