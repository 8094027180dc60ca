"""Every question without a plan gets a minimal conflict and ways out that work at the stated price."""

from __future__ import annotations

import json
import time
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

import planner
from planner.plan.assemble import assemble
from planner.plan.diagnosis import Change, Infeasible
from planner.plan.diagnosis.lever import Lever
from planner.plan.diagnosis.tester import PromiseTester
from planner.plan.edit import edited
from planner.plan.reuse import Reuse
from planner.plan.solve import NoPlan, solve
from planner.shapes import Timings
from planner.topology import Question, load_question
from tests.plan.infeasible_questions import (
    COMBINATIONS,
    NEWER_CASES,
    PHYSICS,
    PHYSICS_CASES,
    TABLE,
    TABLE_CASES,
    crafted,
    site,
    two_sites,
)

LESS = 0.9
"""Part of a stated change that must not be enough."""

QUICK = (
    "capex",
    "both feeds",
    "survive a server",
    "rack power",
    "buy and rent",
    "data may not leave",
    "spares beyond the money",
    "short peaks",
    "warm for rising traffic",
    "no time to wait",
    "a least share",
)
"""Cases of the quick run; the slow run has all."""

TIMINGS = Timings()


def question_of(name: str, folder: Any) -> tuple[Question, set[str]]:
    """Return a crafted question and the kinds that its conflict must have."""
    if name in PHYSICS_CASES:
        changes, kinds = PHYSICS_CASES[name]
        of_workload = {k: v for k, v in changes.items() if k not in ("limits", "topology", "reliability")}
        rest = {k: v for k, v in changes.items() if k not in of_workload}
        raw = crafted(folder, PHYSICS, **rest)
        raw["workloads"][0].update(of_workload)
        return load_question(raw), kinds
    changes, kinds = {**TABLE_CASES, **NEWER_CASES, **COMBINATIONS}[name]
    return load_question(crafted(folder, TABLE, **changes)), kinds


def found_in(question: Question) -> Infeasible:
    """Return the finding of a question without a plan."""
    with pytest.raises(NoPlan) as caught:
        solve(question, reuse=Reuse(timings=TIMINGS))
    assert caught.value.infeasible is not None
    return caught.value.infeasible


def has_plan(question: Question, changes: list[str] | tuple[str, ...] = ()) -> bool:
    """Solve the changed question with the whole planner, verification included."""
    try:
        changed = edited(question, [*changes, "solver.relative_gap=0.5"])
        return bool(solve(changed, reuse=Reuse(timings=TIMINGS), diagnosis_s=0.0))
    except NoPlan:
        return False


def levers_of(question: Question) -> dict[str, Lever]:
    """Return every promise of a question by its row."""
    tester = PromiseTester(assemble(question, TIMINGS), (), TIMINGS, time.perf_counter() + 60, 1)
    return {lever.row: lever for lever in tester.levers}


def check_conflict(question: Question, found: Infeasible, kinds: set[str]) -> None:
    """The conflict collides by itself, and without any one of its promises there is a plan."""
    levers = levers_of(question)
    rows = [row.row for row in found.conflict]
    assert found.minimal
    assert kinds <= {levers[row].kind for row in rows}
    others = [change for row, lever in levers.items() if row not in rows for change in lever.dropped]
    assert not has_plan(question, others)
    for row in rows:
        assert has_plan(question, [*others, *levers[row].dropped]), f"{row} is not needed"


def effort(lever: Lever | None, change: Change) -> float:
    """Return how large a change is, relative to what was stated."""
    if lever is not None:
        return lever.relative(change.to)
    return abs(change.to - change.from_) / change.from_ if change.from_ else 1.0


def check_ways(question: Question, found: Infeasible) -> None:
    """Every way out works when it is applied, and less than what it asks for does not."""
    levers = levers_of(question)
    assert found.relaxations
    efforts = []
    for way in found.relaxations:
        assert way.applied
        assert way.usd_per_h is not None
        assert has_plan(question, way.set), way.text
        changes = {change.row: change for change in way.changes}
        efforts.append(sum(effort(levers.get(row), change) for row, change in changes.items()))
        if len(changes) == 1 and (lever := levers.get(next(iter(changes)))) is not None and lever.numeric:
            change = changes[lever.row]
            less = change.from_ + LESS * (change.to - change.from_)
            if lever.whole:
                less = change.to - (1 if lever.up else -1)
            assert not has_plan(question, lever.edit(less)), f"{less} would do: {way.text}"
    assert all(first <= second + 1e-9 for first, second in pairwise(efforts))


@pytest.mark.parametrize("name", QUICK)
def test_a_conflict_is_minimal_and_each_way_out_works(name, tmp_path):
    """Some of the crafted questions, from every part of the diagnosis."""
    question, kinds = question_of(name, tmp_path)
    found = found_in(question)
    check_conflict(question, found, kinds)
    check_ways(question, found)


@pytest.mark.slow
@pytest.mark.parametrize(
    "name", [n for n in (*TABLE_CASES, *NEWER_CASES, *COMBINATIONS, *PHYSICS_CASES) if n not in QUICK]
)
def test_every_crafted_question_is_explained(name, tmp_path):
    """Each family of promises, and combinations: all that the quick run leaves out."""
    question, kinds = question_of(name, tmp_path)
    found = found_in(question)
    check_conflict(question, found, kinds)
    check_ways(question, found)


def test_the_suite_is_large_enough():
    """Forty questions at least."""
    assert len(TABLE_CASES) + len(NEWER_CASES) + len(COMBINATIONS) + len(PHYSICS_CASES) >= 40


def test_a_conflict_says_where_its_promises_are_written(tmp_path):
    """File and line of a limit in the scenario and of a feed in a topology file of its own."""
    topology = tmp_path / "rooms.json"
    topology.write_text(json.dumps(site(feeds={"capacity_kw": 15}), indent=1))
    raw = crafted(tmp_path, TABLE, topology="rooms.json")
    scenario = tmp_path / "scenario.json"
    scenario.write_text(json.dumps(raw, indent=1))
    found = found_in(load_question(scenario))
    for row in found.conflict:
        assert row.file is not None
        assert row.line is not None
        text = Path(row.file).read_text().splitlines()[row.line - 1]
        assert ("capacity_kw" in text) == row.row.startswith("power/")
        assert ("rate_rps" in text) == row.row.startswith("demand/")


def test_newer_promises_say_where_they_are_written(tmp_path):
    """Each promise of a question written to a file: the line holds the last part of its field."""
    for name in ("quota of money", "spares beyond the money", "replicas that must stand", "no time to wait"):
        changes, _ = NEWER_CASES[name]
        scenario = tmp_path / "scenario.json"
        scenario.write_text(json.dumps(crafted(tmp_path, TABLE, **changes), indent=1))
        question = load_question(scenario)
        levers = levers_of(question)
        lines = scenario.read_text().splitlines()
        for row in found_in(question).conflict:
            assert row.file == str(scenario)
            assert row.line is not None
            assert levers[row.row].path.rsplit(".", 1)[1] in lines[row.line - 1], row.text


def test_one_kilowatt_too_few_is_priced_in_kilowatts(tmp_path):
    """Two servers of 10.2 kW behind a utility of 20 kW: 0.4 kW are missing."""
    changes = {
        "topology": site(
            power=[
                {"name": "grid", "level": "utility", "capacity_kw": 20},
                {"name": "A", "level": "feed", "capacity_kw": 200, "parent": "grid"},
            ],
            racks={"feeds": ["A"], "redundancy": "none"},
        )
    }
    found = found_in(load_question(crafted(tmp_path, TABLE, **changes)))
    assert found.relaxations[0].text.startswith("+0.4 kW on utility connection ams-grid (20 -> 20.4 kW)")
    assert found.relaxations[0].set == ["topology.sites.ams.power.grid.capacity_kw=20.4"]
    assert found.record()["relaxations"][0]["changes"] == [
        {"row": "power/utility/ams-grid", "from": 20.0, "to": 20.4, "unit": "kW"}
    ]


def test_fewer_requests_are_priced_in_requests(tmp_path):
    """One server carries 80 requests/s of the 100 asked for."""
    found = found_in(load_question(crafted(tmp_path, TABLE, limits={"servers": 1})))
    way = next(way for way in found.relaxations if way.kind == "demand")
    assert way.text.startswith("20 requests/s less of `chat` (100 -> 80 requests/s)")


def test_nothing_is_explained_where_no_time_is_given(tmp_path):
    """A study that only asks whether there is a plan pays for nothing else."""
    question = load_question(crafted(tmp_path, TABLE, limits={"servers": 1}))
    with pytest.raises(planner.NoPlan) as caught:
        solve(question, diagnosis_s=0.0)
    assert caught.value.infeasible is not None
    assert caught.value.infeasible.relaxations == []


def test_the_best_reachable_latency_looks_at_every_shape(tmp_path):
    """Shapes that carry less nearby are not offered, but may be the fastest far away."""
    raw = crafted(tmp_path, PHYSICS, topology=two_sites())
    raw["workloads"][0] |= {
        "llms": ["llama-3.3-70b"], "origins": {"westeurope": 0.5, "japaneast": 0.5}, "rate_rps": 1,
        "slo": {"ttft_ms": 250, "percentile": 95},
    }  # fmt: skip
    question = load_question(raw)
    found = found_in(question)
    slo = next(row for row in found.conflict if row.row == "slo/chat/ttft_ms")
    assert "from japaneast" in slo.text
    told = float(slo.text.split(" reaches ")[1].split(" ms")[0])
    assert told > 250
    assert not has_plan(question, [f"workloads.chat.slo.ttft_ms={told - 1}"])
    assert has_plan(question, [f"workloads.chat.slo.ttft_ms={told + 10}"])
