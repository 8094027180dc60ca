"""Marginal values agree with solving the changed question again, and say where they do not hold."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest

import planner
from planner.explain import trades as trading
from planner.explain.explanation import explain
from planner.explain.rebuild import Rebuilt, question_of, rebuild
from planner.explain.record import Explanation
from planner.optimize.build import build_program
from planner.optimize.marginal import Relaxation, movable
from planner.optimize.solvers import highs
from planner.plan.assemble import assemble
from planner.plan.diagnosis.levers import levers_of
from planner.plan.edit import edited
from planner.plan.types import Plan
from planner.shapes import Timings
from tests.optimize.tiny import one_site, with_limit
from tests.plan.infeasible_questions import BOX, TABLE, chat, crafted, site, two_sites

CHEAP = {"electricity_usd_per_kwh": 0.02}
DEAR = {"electricity_usd_per_kwh": 0.5}
OPEN_RACKS = {"racks": [{"name": "r", "count": 4, "power_kw": 44, "slots": 4}]}

QUESTIONS: dict[str, dict[str, Any]] = {
    "a cheap site with too little power": {
        "topology": two_sites({"grid_kw": 300, **DEAR}, **OPEN_RACKS, **CHEAP, grid_kw=20),
        "workloads": chat(rate_rps=300),
    },
    "a cheap loan of boxes": {
        "fleet": {"rent": [{**BOX, "usd_per_h": 0.1, "max_count": 7}]},
        "workloads": chat(rate_rps=200),
    },
    "little money, dear boxes": {
        "limits": {"capex_usd": 450_000},
        "fleet": {"rent": [{**BOX, "usd_per_h": 3.0}]},
        "workloads": chat(rate_rps=300),
    },
    "few racks, dear boxes": {
        "fleet": {"rent": [{**BOX, "usd_per_h": 3.0}]},
        "workloads": chat(rate_rps=900),
    },
    "few slots, dear boxes": {
        "topology": site(racks={"slots": 2}),
        "fleet": {"rent": [{**BOX, "usd_per_h": 3.0}]},
        "workloads": chat(rate_rps=900),
    },
    "a loss to survive": {
        "reliability": {"survive": ["server"]},
        "fleet": {"rent": [{**BOX, "usd_per_h": 3.0}], "stock": {"dgx-h100": 3}},
        "workloads": chat(rate_rps=200),
    },
}


def plan_of(folder: Path, name: str) -> Plan:
    """Solve one of the questions."""
    return planner.solve(crafted(folder, TABLE, **QUESTIONS[name]))


def relaxed(plan: Plan, changes: tuple[str, ...] = ()) -> float:
    """Return the relaxation of a changed question, put together from nothing, USD/h."""
    problem = assemble(edited(question_of(plan), changes), Timings()).problem
    outcome = highs.solve_linear(build_program(problem))
    assert outcome.status == "optimal"
    return outcome.objective / 1e6


@pytest.mark.parametrize("name", QUESTIONS)
def test_marginal_values_agree_with_finite_differences(name, tmp_path):
    """Each stable value, inside the range in which it holds, against the question with the limit moved."""
    plan = plan_of(tmp_path, name)
    found = explain(plan, whole=0)
    rebuilt = rebuild(plan)
    arrays = movable(rebuilt.problem, rebuilt.arrays, rebuilt.offered)
    levers = {lever.row: lever for lever in levers_of(rebuilt.assembly, arrays)}
    start = relaxed(plan)
    assert found.relaxation == pytest.approx(start, rel=1e-6)
    assert found.binding
    compared = 0
    for one in found.binding:
        lever = levers[one.row]
        if not lever.numeric or one.value == 0:
            continue
        end = one.holds_to if lever.up else one.holds_from
        room = abs((end if end is not None else 2 * one.stated) - one.stated)
        step = min(room, 0.05 * one.stated)
        if lever.whole or step <= 0:
            step = 1.0
            if room < 1:
                continue
        value = one.stated + (step if lever.up else -step)
        difference = (relaxed(plan, lever.edit(value)) - start) / step
        assert difference == pytest.approx(one.value, rel=0.01), one.row
        assert one.checked
        compared += 1
    assert compared


def test_a_bend_is_said_to_be_one():
    """Ten units need exactly one server of 1000 W: less power is a shortage, more is worth nothing."""
    problem = with_limit(one_site(units=10), "power/feed/A", 1000, 1000)
    relaxation = Relaxation(build_program(problem), time.perf_counter() + 10)
    move = relaxation.move({"power/feed/A": 1.0})
    assert move is not None
    more, less = relaxation.side(move, 1.0), relaxation.side(move, -1.0)
    assert more is not None
    assert more.slope == pytest.approx(0.0, abs=1e-6)
    assert less is None


def test_slopes_end_at_their_bend():
    """Each unit of demand saves a fifth of a replica, half a server of 1000: down to nothing."""
    relaxation = Relaxation(build_program(one_site(units=10)), time.perf_counter() + 10)
    move = relaxation.move({"demand/chat/west": 1.0})
    assert move is not None
    side = relaxation.side(move, 1.0)
    assert side is not None
    assert side.slope == pytest.approx(-101, rel=1e-6)
    assert side.lasts == pytest.approx(10, rel=0.01)


def told(found: Explanation) -> dict[str, Any]:
    """Return the binding promises by kind."""
    return {one.kind: one for one in found.binding}


def test_a_kilowatt_at_the_cheap_site_is_worth_the_difference_of_tariffs(tmp_path):
    """Power there binds; what the plan uses, the range and the inputs it rests on are told."""
    found = explain(plan_of(tmp_path, "a cheap site with too little power"), whole=1)
    grid = told(found)["grid"]
    assert grid.row == "grid/site/dub"
    assert grid.value < 0
    assert grid.used is not None
    assert grid.used <= 20
    assert grid.holds_to is None or grid.holds_to > 20
    best = found.binding[0]
    assert best.whole is not None
    assert best.whole.certainly[0] <= best.whole.certainly[1]
    assert sum(one.worth for one in found.binding) > 0


def test_a_dearer_kilowatt_hour_costs_what_the_meter_shows(tmp_path):
    """A cent more per kWh: this plan pays its expected watts times PUE; the relaxation agrees when redone."""
    plan = plan_of(tmp_path, "a cheap site with too little power")
    graph = rebuild(plan).assembly.graph
    prices = {one.field: one for one in explain(plan, whole=0).prices}
    for place in ("ams", "dub"):
        price = prices[f"topology.sites.{place}.electricity_usd_per_kwh"]
        kilowatts = sum(server.expected_w for server in plan.servers if server.site == place) / 1000
        assert price.plan == pytest.approx(0.01 * kilowatts * graph.nodes[place]["pue_air"], rel=0.01)
        tariff = graph.nodes[place]["electricity_usd_per_kwh"] + 0.01
        again = relaxed(plan, (f"{price.field}={tariff!r}",)) - relaxed(plan)
        assert price.relaxation == pytest.approx(again, rel=0.01)


def test_limits_with_room_are_listed_with_it(tmp_path):
    """Rows that do not bind come with what is left, the fullest first."""
    found = explain(plan_of(tmp_path, "little money, dear boxes"), whole=0)
    shares = [row.used / row.limit for row in found.slack]
    assert shares == sorted(shares, reverse=True)
    assert all(row.left == pytest.approx(row.limit - row.used) for row in found.slack)
    assert not {row.row for row in found.slack} & {one.row for one in found.binding}


@pytest.mark.parametrize("name", ["few slots, dear boxes", "little money, dear boxes"])
def test_racks_left_out_by_duals_would_have_saved_nothing(name, tmp_path, monkeypatch):
    """Trying more room in every group of racks finds no more than where duals say that it could save."""
    plan = plan_of(tmp_path, name)
    found = explain(plan, whole=0).trades
    monkeypatch.setattr(trading, "_racks_worth", lambda rebuilt, _: templates(rebuilt))
    every = explain(plan, whole=0).trades
    assert [(one.row, one.to) for one in found] == [(one.row, one.to) for one in every]
    assert [one.change for one in found] == pytest.approx([one.change for one in every], rel=1e-6)
    assert any(one.row.startswith("rack/") for one in found) is (name == "few slots, dear boxes")


def templates(rebuilt: Rebuilt) -> set[str]:
    """Return every group of racks."""
    return {str(one.attributes["template"]) for one in rebuilt.assembly.classes}
