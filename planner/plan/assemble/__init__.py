"""From a question to the program's integer tables, and the names to find the way back."""

from planner.plan.assemble.assembly import Assembly, assemble

__all__ = ["Assembly", "assemble"]
