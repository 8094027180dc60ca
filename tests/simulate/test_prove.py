"""Plan, replay, tighten: what the replay misses gets more room."""

from collections.abc import Callable

from planner.performance.service import service_columns
from planner.plan.solve import solve
from planner.plan.verify import verify
from planner.simulate import prove
from planner.simulate.prove import solve_and_replay
from planner.simulate.refine import RefinedRate
from planner.topology import load_question
from tests.plan.questions import changed


def found(factor: float) -> Callable[..., RefinedRate]:
    """A refinement that finds `factor` times the rate of the formulas."""

    def refine(replica, profile, objective, pool_size=1):
        rate = service_columns([replica], profile, [objective])[0][0].rate_rps
        return RefinedRate(factor * rate, rate, pool_size, 1)

    return refine


def test_a_plan_comes_with_what_its_replay_showed():
    """Predicted and replayed percentiles stand side by side, and the plan still verifies."""
    proved = solve_and_replay(changed(workload={"rate_rps": 60}))
    assert proved.missed == ()
    row = proved.plan.slo[0]
    assert row.ttft_ms.replayed is not None
    assert row.tpot_ms.replayed <= row.tpot_ms.asked
    assert verify(proved.plan) == []


def test_a_replay_that_misses_lowers_the_load(monkeypatch):
    """If the first replay is declared missed though its pools alone keep up, each replica gets less."""
    verdicts = iter([True, False])
    monkeypatch.setattr(prove, "refined_rate", found(1.0))
    monkeypatch.setattr(prove, "MOST_ROUNDS", 2)
    monkeypatch.setattr(prove, "_misses", lambda seen, slo: next(verdicts))
    proved = solve_and_replay(changed(workload={"rate_rps": 60}))
    assert proved.rounds == 2
    assert proved.plan.scenario["performance"]["derate"] == {"chat": prove.DERATE_STEP}
    assert verify(proved.plan) == []


def test_a_large_fleet_is_not_replayed_unasked():
    """The reason is told."""
    proved = solve_and_replay(changed(workload={"rate_rps": 60}), largest=0)
    assert proved.result is None
    assert "more than 0 accelerators" in proved.why_not


ONE_SITE = {"origins": {"westeurope": 1.0}, "rate_rps": 285}
"""Seventeen replicas by the formulas, on three servers of eight accelerators."""


def test_a_higher_rate_found_by_replay_saves_a_server(monkeypatch):
    """The cheaper plan keeps its SLO in the replay and verifies with the rate it states."""
    question = changed(workload=ONE_SITE)
    plain = solve(question)
    assert sum(group.count for group in plain.replicas) == 17
    monkeypatch.setattr(prove, "refined_rate", found(1.045))
    proved = solve_and_replay(question)
    assert proved.missed == ()
    assert proved.plan.objective < plain.objective
    assert list(proved.refined["chat"].values()) == [1.045]
    assert max(row.tpot_ms.predicted for row in proved.plan.slo) <= 40
    assert verify(proved.plan) == []


def test_a_higher_rate_that_the_replay_refutes_is_dropped(monkeypatch):
    """If the plan with the higher rate misses, the first stays."""
    question = changed(workload=ONE_SITE)
    monkeypatch.setattr(prove, "refined_rate", found(1.045))
    verdicts = iter([False, True, True, True, True])
    monkeypatch.setattr(prove, "_misses", lambda seen, slo: next(verdicts))
    proved = solve_and_replay(question)
    assert proved.missed == ()
    assert proved.refined == {}


def test_a_miss_takes_the_rate_that_its_pool_keeps_alone(monkeypatch):
    """Not a blind step where a replay of the pool explains the miss."""
    monkeypatch.setattr(prove, "refined_rate", found(0.9))
    verdicts = iter([True, False])
    monkeypatch.setattr(prove, "_misses", lambda seen, slo: next(verdicts))
    monkeypatch.setattr(prove, "MOST_ROUNDS", 2)
    proved = solve_and_replay(changed(workload={"rate_rps": 60}))
    assert list(proved.refined["chat"].values()) == [0.9]
    assert proved.plan.scenario["performance"]["derate"] == {}
    assert verify(proved.plan) == []


def test_one_rate_that_is_no_higher_settles_a_shape(monkeypatch):
    """Pools and round trips of a shape share its lowest rate: the others are not replayed after it."""
    question = load_question(changed(workload={"rate_rps": 285}), ())
    plan = solve(question)
    calls: list[int] = []

    def counted(factor: float) -> Callable[..., RefinedRate]:
        refine = found(factor)

        def call(*args):
            calls.append(args[3])
            return refine(*args)

        return call

    monkeypatch.setattr(prove, "WORTH_A_LOOK", 100.0)
    shapes = {(used.workload, used.pool.split("/", 1)[1]) for used in plan.pools}
    monkeypatch.setattr(prove, "refined_rate", counted(1.0))
    assert not prove._Rates(question).raise_where_it_pays(plan)
    assert len(calls) == len(shapes)
    calls.clear()
    monkeypatch.setattr(prove, "refined_rate", counted(1.2))
    assert prove._Rates(question).raise_where_it_pays(plan)
    assert len(calls) > len(shapes)
