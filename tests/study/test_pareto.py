"""Fronts: equal to trying every fleet, ends exact, points evenly spread, each a plan of its own."""

from __future__ import annotations

import itertools
import json
from pathlib import Path

import pytest

from planner.catalog import load_catalog
from planner.files import InputFaults
from planner.plan.hosts import idle_w, rented_server
from planner.plan.types import Plan
from planner.plan.verify import verify
from planner.scenario import Rent
from planner.study.pareto import ParetoStudy, Point, non_dominated, run_pareto
from planner.study.pareto_page import front_records, pareto_page
from planner.study.progress import Progress
from planner.study.study_file import open_study
from tests.study.questions import PREDICTED

OFFERS = (("l4", 0.5, 1.0), ("a100-80-sxm", 3.6, 7.0), ("h100-sxm", 7.7, 12.0), ("b200-sxm", 25.5, 30.0))
"""Accelerators of the catalog (for their watts), USD/h of one, requests/s of one."""

RATE_RPS = 40

UNITS = 40


def study(folder: Path, **about) -> Path:
    """Write a question of four accelerators to rent, and a study of it."""
    rates = [f"m,{name},{rps}" for name, _, rps in OFFERS]
    (folder / "rates.csv").write_text("\n".join(["llm,accelerator,max_rps", *rates]) + "\n")
    scenario = {
        "topology": "cloud",
        "workloads": [
            {"name": "chat", "llms": ["m"], "rate_rps": RATE_RPS, "input_tokens": 1, "output_tokens": 1}
        ],
        "fleet": {
            "rent": [{"accelerator": name, "usd_per_h": usd, "region": "any"} for name, usd, _ in OFFERS]
        },
        "performance": {"provider": "table", "path": "rates.csv"},
        "solver": {"relative_gap": 0, "demand_units": UNITS, "workers": 1},
    }
    (folder / "scenario.json").write_text(json.dumps(scenario))
    path = folder / "front.json"
    path.write_text(json.dumps({"scenario": "scenario.json", **about}))
    return path


def enumerated() -> set[tuple[float, float]]:
    """Every non-dominated (USD/h, kW) of all fleets that serve the demand, by trying them all."""
    catalog = load_catalog()
    watts = [
        idle_w(rented_server(Rent(accelerator=name, usd_per_h=usd), catalog), catalog)
        for name, usd, _ in OFFERS
    ]
    best: dict[int, float] = {}
    for counts in itertools.product(*(range(-(-RATE_RPS // int(rps)) + 1) for _, _, rps in OFFERS)):
        if sum(count * rps for count, (_, _, rps) in zip(counts, OFFERS, strict=True)) < RATE_RPS:
            continue
        # a unit is one request/s: a replica carries whole ones
        power = sum(count * watt for count, watt in zip(counts, watts, strict=True))
        usd = sum(count * price for count, (_, price, _) in zip(counts, OFFERS, strict=True))
        best[power] = min(best.get(power, float("inf")), usd)
    front: set[tuple[float, float]] = set()
    cheapest = float("inf")
    for power, usd in sorted(best.items()):
        if usd < cheapest - 1e-9:
            cheapest = usd
            front.add((round(usd, 3), power / 1000))
    return front


def values(front, digits=3):
    """The points of a front as (USD/h of rent, kW); sending the answers costs every fleet the same."""
    return {(round(p.row.cost["rent"], digits), round(p.value(1, "power"), digits)) for p in front}


def test_the_whole_front_is_that_of_exhaustive_enumeration(tmp_path):
    """More points allowed than there are: every one is found, and nothing else."""
    expected = enumerated()
    assert len(expected) == 11
    opened = open_study(ParetoStudy, study(tmp_path, objectives=["cost", "power"], points=100))
    front = run_pareto(opened, tmp_path / "out")
    assert values(front) == expected
    for point in front:
        assert verify(Plan.load(tmp_path / "out" / point.row.plan)) == []


def test_few_points_contain_the_ends_and_lie_on_the_front(tmp_path):
    """With three points: the cheapest, the one with the least power, and one between."""
    expected = sorted(enumerated())
    opened = open_study(ParetoStudy, study(tmp_path, objectives=["power", "cost"], points=3))
    front = sorted(values(run_pareto(opened, tmp_path / "out")))
    assert len(front) == 3
    assert set(front) <= set(expected)
    assert (front[0], front[-1]) == (expected[0], expected[-1])


def test_three_objectives_give_plans_that_beat_each_other_nowhere(tmp_path):
    """Carbon follows power in a single place, so the ends of both are the same plan."""
    opened = open_study(ParetoStudy, study(tmp_path, objectives=["cost", "power", "carbon"], points=9))
    front = run_pareto(opened, tmp_path / "out")
    assert front == non_dominated(front)
    expected = enumerated()
    assert values(front) <= expected
    assert {min(expected), max(expected)} <= values(front)


def test_a_front_run_again_solves_nothing(tmp_path, monkeypatch):
    """Every point is known by its question."""
    opened = open_study(ParetoStudy, study(tmp_path, objectives=["cost", "power"], points=4))
    first = run_pareto(opened, tmp_path / "out")
    monkeypatch.setattr("planner.study.solving.solve", None)
    assert [p.values for p in run_pareto(opened, tmp_path / "out")] == [p.values for p in first]


def test_the_report_says_what_a_unit_less_costs(tmp_path):
    """Between neighbours: more money by less power."""
    opened = open_study(ParetoStudy, study(tmp_path, objectives=["cost", "power"], points=100))
    front = run_pareto(opened, tmp_path / "out")
    records = front_records(opened.study, front)
    (before, here) = records[0], records[1]
    paid = here["Cost, USD/h"] - before["Cost, USD/h"]
    gained = before["Expected power, kW"] - here["Expected power, kW"]
    assert here["USD/h per kW less"] == pytest.approx(paid / gained)
    page = pareto_page(opened.study, front)
    assert str(page.chapters[0].figures[0].picture).count("<circle") == len(front)


def test_latency_needs_a_promise_and_a_model(tmp_path):
    """Measured rates predict no latency, and a scenario without SLOs promises none."""
    opened = open_study(ParetoStudy, study(tmp_path, objectives=["cost", "ttft"]))
    with pytest.raises(InputFaults, match="latency objectives"):
        run_pareto(opened, tmp_path / "out")


def test_a_question_without_a_plan_has_no_front(tmp_path):
    """Told as a fault of the question, not as an empty front."""
    path = study(tmp_path, objectives=["cost", "power"], changes=["limits.servers=1"])
    with pytest.raises(ValueError, match="no plan"):
        run_pareto(open_study(ParetoStudy, path), tmp_path / "out")


def test_dominated_points_are_dropped():
    """Worse in one and better in none; equals are kept once."""
    points = [Point(values, None) for values in [(1, 9), (2, 9), (3, 3), (3, 3), (4, 1)]]
    assert [point.values for point in non_dominated(points)] == [(1, 9), (3, 3), (4, 1)]


def test_three_objectives_leave_the_grid_its_points(tmp_path):
    """What the search for the least TTFT meets does not use up `points`: limits in between are tried too."""
    scenario = {**PREDICTED, "solver": {"relative_gap": 0.05, "workers": 1}}
    study = {"objectives": ["cost", "carbon", "ttft"], "points": 5, "scenario": scenario}
    opened = open_study(ParetoStudy, study, tmp_path)
    progress = Progress()
    front = run_pareto(opened, tmp_path / "out", progress)
    both = [row for row in progress.rows if len(row.inputs) == 3]
    assert both, "no point had limits on carbon and TTFT"
    assert front
    assert progress.total >= len(progress.rows)
