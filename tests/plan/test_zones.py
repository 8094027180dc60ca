"""Servers that a feed, a loop or a rack tells apart: it is known which replicas each loss takes."""

from __future__ import annotations

from copy import deepcopy
from typing import Any

import numpy as np

import planner
from planner.plan.assemble import Assembly, assemble
from planner.plan.reuse import start_values
from planner.topology import load_question
from tests.plan.questions import SMALL


def two_loops(**changes: Any) -> dict[str, Any]:
    """Return a question with one site, two racks, each on a cooling loop of its own."""
    question = deepcopy(SMALL)
    site = question["topology"]["sites"][0]
    loop = {"medium": "air", "unit_kw": 60, "units": 2, "spare_units": 1}
    site["cooling"] = [{"name": "left", **loop}, {"name": "right", **loop}]
    rack = {"power_kw": 44, "slots": 4, "feeds": ["A", "B"]}
    site["racks"] = [{"name": f"r{name}", "air_loop": name, **rack} for name in ("left", "right")]
    question["topology"]["sites"] = [site]
    question["limits"] = {}
    question["reliability"] = {"survive": ["cooling_loop"]}
    question["workloads"][0]["rate_rps"] = 200
    return {**question, **changes}


def assembled(question: dict[str, Any]) -> Assembly:
    """Return the tables of a question."""
    return assemble(load_question(question))


def test_each_loop_has_host_groups_of_its_own():
    """Equal servers in one fabric domain, but another loop: another group; else one group."""
    assembly = assembled(two_loops())
    assert len(assembly.host_groups) == 2
    assert len(set(assembly.host_groups)) == 1
    assert [name.rsplit("/", 1)[-1] for name in assembly.problem.host_groups.names] == [
        "ams-left", "ams-right",
    ]  # fmt: skip
    for survive in (["server"], ["site"], []):
        alike = assembled(two_loops(reliability={"survive": survive}))
        assert len(alike.host_groups) == 1


def test_racks_tell_servers_apart_by_class():
    """Two racks of different classes, either of which may be lost."""
    assembly = assembled(two_loops(reliability={"survive": ["rack"]}))
    assert [name.rsplit("/", 1)[-1] for name in assembly.problem.host_groups.names] == [
        "ams-rleft", "ams-rright",
    ]  # fmt: skip


def test_the_plan_that_survives_a_loop_is_proven_optimal():
    """What each loop's servers hold is decided, so the first plan survives as placed, to the optimum."""
    plan = planner.solve(two_loops())
    assert planner.verify(plan) == []
    assert (plan.status, plan.gap) == ("optimal", 0.0)
    assert len({server.rack for server in plan.servers}) == 2
    keys = [(group.pool, group.fabric_domain, group.server) for group in plan.replicas]
    assert len(keys) == len(set(keys))  # one entry for both loops


def test_a_plan_is_found_again_in_its_own_tables():
    """Servers and replicas land in the zones in which they stand."""
    question = two_loops()
    plan = planner.solve(question)
    assembly = assembled(question)
    values, problem = start_values(plan, assembly), assembly.problem
    assert values["servers"].sum() == len(plan.servers)
    assert values["replicas"].sum() == sum(group.count for group in plan.replicas)
    room = np.zeros(len(problem.host_groups.names), dtype=np.int64)
    np.add.at(room, problem.candidates.host_group, values["servers"] * 8)
    sizes = problem.hostings.accelerators * values["replicas"]
    used = np.bincount(problem.hostings.host_group, weights=sizes, minlength=len(room))
    assert (used > 0).all()
    assert (used <= room).all()


def test_servers_spread_over_the_racks_of_a_class():
    """Any of three equal racks may be lost: each holds one server, however the program filled its racks."""
    question = two_loops(reliability={"survive": ["rack"]})
    site = question["topology"]["sites"][0]
    site["racks"] = [{**site["racks"][0], "name": "r", "count": 3}]
    question["solver"]["relative_gap"] = 0.01
    question["workloads"][0]["rate_rps"] = 180
    plan = planner.solve(question)
    assert planner.verify(plan) == []
    assert len(plan.servers) == len({server.rack for server in plan.servers}) == 3
    assert plan.gap <= 0.01
