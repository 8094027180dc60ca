"""Plan, replay, tighten: what the replay misses gets more room."""

from planner.plan.verify import verify
from planner.simulate import prove
from planner.simulate.prove import solve_and_replay
from tests.plan.questions import changed


def test_a_plan_comes_with_what_its_replay_showed():
    """Predicted and replayed percentiles stand side by side, and the plan still verifies."""
    proved = solve_and_replay(changed(workload={"rate_rps": 60}))
    assert proved.missed == ()
    row = proved.plan.slo[0]
    assert row.ttft_ms.replayed is not None
    assert row.tpot_ms.replayed <= row.tpot_ms.asked
    assert verify(proved.plan) == []


def test_a_replay_that_misses_lowers_the_load(monkeypatch):
    """If the first replay is declared missed, the second plan uses less of each replica."""
    verdicts = iter([True, False])
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
