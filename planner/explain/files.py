"""Plans as people name them: a plan.json or its folder."""

from __future__ import annotations

from pathlib import Path

from planner.plan.types import Plan
from planner.shapes import KeptTimings, kept_timings


def plan_at(path: Path) -> Plan:
    """Return the plan in a file or folder.

    Raises:
        FileNotFoundError: there is none.
        ValueError: it is not a plan.
    """
    file = path / "plan.json" if path.is_dir() else path
    if not file.is_file():
        raise FileNotFoundError(
            f"{file}: no such file; give a plan.json or the folder that `planner solve` wrote"
        )
    try:
        return Plan.load(file)
    except (ValueError, KeyError) as error:
        raise ValueError(f"{file} is not a plan: {error}") from None


def timings_at(path: Path) -> KeptTimings:
    """Return what was timed for the plan in a file or folder, as far as it is kept there and still holds."""
    return kept_timings(path if path.is_dir() else path.parent)
