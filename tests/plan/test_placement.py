"""Replicas are placed anew, server by server, where a plan does not survive as it was unfolded."""

from __future__ import annotations

from pathlib import Path

import pytest

import planner
from planner.plan import solve as solving
from planner.plan.placement import Placed

LONG_CONTEXT = Path(__file__).parents[2] / "examples" / "long-context.yaml"
"""Two servers, either may be lost; replicas of one, two, four and eight accelerators."""


def test_the_plan_placed_anew_survives_and_is_near_its_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    """No replica is added by trial, and the gap asked for is proven."""
    monkeypatch.setattr(solving, "repaired", lambda *_: (_ for _ in ()).throw(AssertionError("asked")))
    found: list[Placed] = []
    place = solving.placed

    def kept(*args: object) -> Placed | None:
        again = place(*args)  # type: ignore[arg-type]
        if again is not None:
            found.append(again)
        return again

    monkeypatch.setattr(solving, "placed", kept)
    plan = planner.solve(LONG_CONTEXT)
    assert planner.verify(plan) == []
    assert plan.gap <= 0.01
    assert found
    standing = found[0].standing
    assert set(standing) <= {server.name for server in plan.servers}
    assert sum(sum(of.values()) for of in standing.values()) == found[0].solution.values["replicas"].sum()


def test_without_it_plans_are_dearer(monkeypatch: pytest.MonkeyPatch) -> None:
    """Replicas added one by one cost more than replicas placed anew."""
    best = planner.solve(LONG_CONTEXT)
    monkeypatch.setattr(solving, "placed", lambda *_: None)
    other = planner.solve(LONG_CONTEXT)
    assert planner.verify(other) == []
    assert best.bound <= best.objective <= other.objective
    assert other.bound <= best.objective
