"""Deployment planner for LLM inference: what to run, on which accelerators, where, at the least cost.

import planner
plan = planner.solve("examples/eu-chat.yaml")
print(plan.cost.total, "USD/h")
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

if TYPE_CHECKING:
    from planner import batch
    from planner.plan.solve import NoPlan, solve
    from planner.plan.types import Plan
    from planner.plan.verify import verify

__all__ = ["NoPlan", "Plan", "__version__", "batch", "solve", "verify"]

_HOMES = {
    "batch": "planner.batch",
    "solve": "planner.plan.solve",
    "NoPlan": "planner.plan.solve",
    "Plan": "planner.plan.types",
    "verify": "planner.plan.verify",
}


def __getattr__(name: str) -> Any:
    """Import the names of the API when they are first used: solvers take a moment to load."""
    if name in _HOMES:
        import importlib

        home = importlib.import_module(_HOMES[name])
        return home if name == "batch" else getattr(home, name)  # the room itself can be called
    raise AttributeError(f"module 'planner' has no attribute {name!r}")
