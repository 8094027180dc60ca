"""Procurements on the command line: files, exit codes, Ctrl-C, names, what is said where there is no plan."""

from __future__ import annotations

import copy
import json
import os
import signal
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest

from planner.cli import main
from planner.files import InputFaults
from planner.plan.verify import verify
from planner.study.procure.audit import audit
from planner.study.procure.run import earlier_decisions, run_procure
from planner.study.procure.study import ProcureStudy
from planner.study.study_file import open_study
from tests.study.procurements import MONTHS, PRICE_USD, RENT_USD, STUDY, bought, solve, write

TREE = [
    {"name": "low", "from_period": 2, "probability": 0.4},
    {"name": "high", "from_period": 2, "probability": 0.6, "demand": 3},
]
GROWING = {"periods": 8, "tree": TREE, "buy": {"dgx-h200": {"lead_months": MONTHS}}}


@pytest.fixture
def run(monkeypatch, capsys):
    """A function that runs `planner procure study.json -o out` in a folder: (exit code, stdout, stderr)."""

    def run(folder, *more):
        monkeypatch.chdir(folder)
        monkeypatch.setattr(sys, "argv", ["planner", "procure", "study.json", "-o", "out", *more])
        code = 0
        try:
            main()
        except SystemExit as end:
            code = int(end.code or 0)
        printed = capsys.readouterr()
        return code, printed.out, printed.err

    return run


def test_everything_is_written_and_adds_up(tmp_path, run):
    """Tables, summary, report; the bill of materials is what the cash flow pays for."""
    write(tmp_path, GROWING)
    code, printed, progress = run(tmp_path)
    assert code == 0, progress
    out = tmp_path / "out"
    summary = json.loads((out / "procurement.json").read_text())
    assert summary["checked"] == {"violations": []}
    assert summary["gap"] == 0
    assert "order now" in printed
    assert "what to buy" in progress
    names = (
        "purchases",
        "deployments",
        "placements",
        "racks",
        "traffic",
        "cash_flow",
        "power",
        "fleet",
        "regrets",
    )
    for name in names:
        assert (out / f"{name}.csv").is_file(), name
        assert len(pd.read_parquet(out / f"{name}.parquet")) == len(pd.read_csv(out / f"{name}.csv"))
    orders, flow = pd.read_csv(out / "purchases.csv"), pd.read_csv(out / "cash_flow.csv")
    paid = (flow["servers_usd"]).sum()
    deliveries = orders.assign(paths=np.where(orders["branch"] == "now", 2, 1))
    first = deliveries[deliveries["delivery_period"] == 1]
    assert len(first) == 0  # every order arrives after the branch: it is paid in both futures
    assert paid == pytest.approx((deliveries["total_usd"] * deliveries["paths"]).sum())
    assert orders["order_date"].iloc[0] == "2026-07-01"
    report = (out / "report.html").read_text()
    assert report.count("<svg") >= 8  # timeline, accelerators, power, cash for each future
    assert "dgx-h200" in report


def test_names_and_numbers_are_told_at_once_with_lines(tmp_path):
    """Probabilities, workloads, servers, nodes: all wrong ones, each with the line it is in."""
    wrong = {
        "growth": {"chatt": 2},
        "buy": {"dgx-h20": {}},
        "online": [{"at": "nowhere", "period": 2}],
        "tree": [{**TREE[0], "demand": {"foo": 2}}, {**TREE[1], "probability": 0.5}],
        "budget_usd": [1, 2, 3],
    }
    with pytest.raises(InputFaults) as caught:
        open_study(ProcureStudy, write(tmp_path, wrong))
    told = str(caught.value)
    for field in ("growth.chatt", "buy.dgx-h20", "online[0].at", "tree.low.demand.foo", "budget_usd"):
        assert field in told
    assert "sum to 0.9" in told
    assert all(fault.line for fault in caught.value.faults)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"growth": {"chat": 0}}, "1 is no growth"),
        ({"growth": {"chat": [1, 2, 3]}}, "2, one per period"),
        ({"tree": [{**TREE[0], "after": "later", "probability": 1}]}, "an earlier branch: now"),
        ({"tree": [{**TREE[0], "from_period": 3, "probability": 1}]}, "a period from 2 to 2"),
        ({"tree": [TREE[0], {**TREE[1], "name": "low"}]}, "a name for each"),
        ({"online": [{"at": "hall-A", "period": 3}]}, "a period from 2 to 2"),
        ({"periods": 0}, "1"),
        ({"budget_usd": -5}, "0"),
        ({"start": "tomorrow"}, "date"),
    ],
)
def test_what_cannot_be_is_refused(tmp_path, wrong, said):
    """Each field with what is allowed."""
    with pytest.raises(InputFaults, match=said.replace(":", ".")):
        open_study(ProcureStudy, write(tmp_path, wrong))


def test_no_plan_says_what_stays_unserved_and_what_would_do(tmp_path, run):
    """Nothing arrives before the second period, and nothing can be rented: the first is left unserved."""
    terms = {"dgx-h200": {"lead_months": MONTHS}}
    write(tmp_path, {"periods": 2, "buy": terms, "changes": ["fleet.rent.0.max_count=0"]})
    code, _, said = run(tmp_path)
    assert code == 3
    record = json.loads((tmp_path / "out" / "infeasible.json").read_text())
    assert [(u["moment"], u["share"]) for u in record["unserved"]] == [("now/1", pytest.approx(1.0))]
    assert [(way["source"], way["needed"]) for way in record["relaxations"]] == [("fleet.rent", 1)]
    assert "fleet.rent" in said


def test_a_budget_that_is_too_small_is_named(tmp_path):
    """One server is needed from the second period on, for 100,000 USD; 40,000 are there by then."""
    study = {"periods": 2, "buy": {"dgx-h200": {"lead_months": MONTHS}}, "budget_usd": 20_000,
             "changes": ["fleet.rent.0.max_count=1", "workloads.chat.rate_rps=20"],
             "growth": {"chat": [0.5, 1]}}  # fmt: skip
    found = run_procure(open_study(ProcureStudy, write(tmp_path, study)))
    assert found.shortage is not None
    ways = {way.source: way.needed for way in found.shortage.ways_out}
    assert ways["budget_usd"] == pytest.approx(PRICE_USD, rel=1e-3)
    assert ways["fleet.rent"] == 2


def test_a_run_starts_from_an_earlier_one(tmp_path):
    """The same question starts from its own answer; one of another size does not."""
    from planner.study.procure.output import write_tables
    from planner.study.procure.program import build
    from planner.study.procure.run import setting_of

    found = solve(tmp_path, GROWING)
    write_tables(found, tmp_path / "out")
    opened = open_study(ProcureStudy, tmp_path / "study.json")
    values = earlier_decisions(build(setting_of(opened)), tmp_path / "out")
    assert values == pytest.approx(found.solved.values, abs=1e-5)
    write(tmp_path, {**GROWING, "changes": ["workloads.chat.rate_rps=20"], "alternatives": False})
    opened = open_study(ProcureStudy, tmp_path / "study.json")
    again = run_procure(opened, base=tmp_path / "out")
    alone = run_procure(opened)
    assert again.solved.expected == pytest.approx(alone.solved.expected, rel=1e-6)
    assert again.violations == []
    write(tmp_path, {**GROWING, "periods": 9})
    other = build(setting_of(open_study(ProcureStudy, tmp_path / "study.json")))
    assert earlier_decisions(other, tmp_path / "out") is None


@pytest.fixture(scope="module")
def plan(tmp_path_factory):
    """A plan with an order, rents and a sale in it."""
    study = {**GROWING, "budget_usd": 250_000, "alternatives": False, "discount_rate_per_year": 0.1}
    return solve(tmp_path_factory.mktemp("plan"), study)


def audited(found, change):
    """Return what the check says after a change of the tables."""
    tables = copy.deepcopy(found.tables)
    change(tables)
    setting = found.setting
    names = [setting.tree.moments[leaf].branch for leaf in setting.tree.leaves]
    costs = dict(zip(names, found.solved.costs, strict=True))
    return audit(found.study, found.question, setting.places, tables, costs)


def test_the_check_finds_every_kind_of_corruption(plan):
    """Each change of one number in one table is noticed, by the right rule."""

    def first(table, **change):
        def apply(tables):
            tables[table][0].update(change)

        return apply

    def more(table, field, by):
        def apply(tables):
            tables[table][0][field] = tables[table][0][field] + by

        return apply

    assert audited(plan, lambda tables: None) == []
    assert bought(plan)
    cases = [
        (first("purchases", delivery_period=1), "the lead time says"),
        (first("purchases", discount=0.5), "no discount"),
        (more("purchases", "count", 5), "USD"),
        (first("purchases", server="dgx-b200"), "not in fleet.buy"),
        (lambda tables: tables["purchases"].clear(), "are owned"),
        (lambda tables: tables["rents"].clear(), "are rented"),
        (more("placements", "count", 40), "run"),
        (more("traffic", "units", 500), "units"),
        (lambda tables: tables["placements"].clear(), "servers busy"),
        (lambda tables: [row.update(count=50) for row in tables["racks"]], "there are 10"),
        (lambda tables: [row.update(each_holds="9 buy/dgx-h200/hall-r") for row in tables["racks"]], "needs"),
    ]  # fmt: skip
    for change, said in cases:
        found = audited(plan, change)
        assert any(said in line for line in found), (said, found)


def test_every_moment_has_a_full_plan_that_verifies(tmp_path, run):
    """Fourteen moments and one: whole replicas serve all but a unit of what the schedule says."""
    write(tmp_path, {**GROWING, "alternatives": False})
    code, printed, said = run(tmp_path, "--plans")
    assert code == 0, said
    rows = pd.read_csv(tmp_path / "out" / "plans.csv")
    assert len(rows) == 15
    assert (rows["violations"] == 0).all()
    assert (rows["unserved_share"] <= 0.002).all()
    assert "15 of 15 moments have a full plan that verifies" in printed
    assert verify(tmp_path / "out" / "plans" / "high-8" / "plan.json") == []
    plan = json.loads((tmp_path / "out" / "plans" / "high-8" / "plan.json").read_text())
    deployed = pd.read_csv(tmp_path / "out" / "placements.csv").query("branch == 'high' and period == 8")
    assert len(plan["servers"]) == deployed["count"].sum()


def test_ctrl_c_keeps_the_best_plan(tmp_path):
    """Interrupted while the alternatives are looked at, the plan and its report are there; exit code 4."""
    many = [
        {"name": f"f{n}", "from_period": 2, "probability": 1 / 16, "demand": 1 + n / 4} for n in range(16)
    ]
    write(tmp_path, {"periods": 10, "tree": many, "time_limit_s": 100})
    process = subprocess.Popen(
        [sys.executable, "-m", "planner.cli", "procure", "study.json", "-o", "out"],
        cwd=tmp_path,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    report = tmp_path / "out" / "report.html"
    deadline = time.monotonic() + 60
    while not report.is_file() and process.poll() is None and time.monotonic() < deadline:
        time.sleep(0.02)
    process.send_signal(signal.SIGINT)
    _, errors = process.communicate(timeout=60)
    assert process.returncode == 4, errors
    assert "the best plan so far is kept" in errors
    summary = json.loads((tmp_path / "out" / "procurement.json").read_text())
    assert summary["expected_usd"] > 0
    assert len(pd.read_csv(tmp_path / "out" / "deployments.csv")) > 0


def test_one_period_without_growth_is_a_plan_of_one_period(tmp_path):
    """Nothing to compare, nothing to wait for: a box is rented."""
    found = solve(tmp_path, {"periods": 1})
    assert found.solved.expected == pytest.approx(RENT_USD, abs=5)
    assert STUDY["periods"] == 2
    assert [way.name for way in found.measures.alternatives] == ["rent only", "buy only"]
