"""Plans that do not survive as placed get a few replicas more; what was proven stays proven."""

from __future__ import annotations

import planner
from planner.plan import solve as solving
from tests.plan.questions import changed

SURVIVES = changed(reliability={"survive": ["server"]}, workload={"rate_rps": 200})


def test_two_rounds_are_enough_where_replicas_can_be_added(monkeypatch):
    """Without more searches the plan is an early design, mended, and verifies; its bound is valid."""
    monkeypatch.setattr(solving, "MOST_ROUNDS", 2)
    mended = planner.solve(SURVIVES)
    assert planner.verify(mended) == []
    monkeypatch.undo()
    plan = planner.solve(SURVIVES)
    assert planner.verify(plan) == []
    assert mended.bound <= plan.objective <= mended.objective


def test_nothing_is_mended_that_survives(monkeypatch):
    """A question without losses never asks for it."""
    monkeypatch.setattr(solving, "repaired", lambda *_: (_ for _ in ()).throw(AssertionError("asked")))
    assert planner.solve(changed()).status == "optimal"
