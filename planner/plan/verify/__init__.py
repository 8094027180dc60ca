"""Is a plan true? Everything recomputed from the plan alone, by code that the optimizer does not share.

`verify` rebuilds the topology graph from what is embedded in the plan, checks every server, replica and
route against it, recomputes capacity, power, heat, money and carbon, tries every failure asked for, and
compares every figure with the file's. docs/verification.md lists the rows.
"""

from planner.plan.verify.verifier import verify
from planner.plan.verify.violation import Violation

__all__ = ["Violation", "verify"]
