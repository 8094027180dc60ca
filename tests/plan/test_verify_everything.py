"""Nothing in a plan file is decoration: change any one value, and the verifier notices."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
from pydantic import ValidationError

from planner.plan.types import Plan
from planner.plan.verify import verify
from tests.plan.tiny import full_plan

Path = tuple[str | int, ...]

UNCHECKED = {"solver", "provenance", "scenario", "topology", "scenario_file"}
"""Parts that hold no figures of the plan; the embedded question is guarded by its hashes."""

ROUND_TRIP_OF_A_POOL = "rtt_ms"
"""A pool may be sized for a slightly longer round trip than its routes have."""


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    """Yield every value of a JSON document with its path."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from leaves(inner, (*path, index))
    else:
        yield path, value


def other(value: Any) -> Any:
    """Return a value of the same kind that is slightly different."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, float):
        return value * 1.001 + 0.001
    return "something-else" if isinstance(value, str) else 1


@pytest.mark.slow
def test_every_value_of_the_file_is_checked() -> None:
    """Each number and each name of the plan, changed alone, breaks at least one row or is no plan at all."""
    original = json.loads(full_plan().model_dump_json())
    values = [(path, value) for path, value in leaves(original) if path[0] not in UNCHECKED]
    assert len(values) > 400
    missed = []
    for path, value in values:
        if path[0] == "pools" and path[-1] == ROUND_TRIP_OF_A_POOL:
            continue
        changed = copy.deepcopy(original)
        inner = changed
        for step in path[:-1]:
            inner = inner[step]
        inner[path[-1]] = other(value)
        try:
            plan = Plan.model_validate(changed)
        except ValidationError:
            continue
        if not verify(plan):
            missed.append(path)
    assert missed == []


def test_a_number_that_is_none_is_noticed() -> None:
    """NaN compares with nothing: a gap, a cost or a round trip that is NaN is wrong all the same."""
    for change in ("gap", "objective", "bound"):
        plan = full_plan()
        setattr(plan, change, float("nan"))
        assert verify(plan), change
    plan = full_plan()
    plan.routes[0].rtt_ms = float("nan")
    assert verify(plan)
