"""Why there is no plan: the promises that collide, and ways out that were tried."""

from planner.plan.diagnosis.diagnose import Trial, diagnosis, unservable
from planner.plan.diagnosis.record import Change, ConflictRow, Infeasible, WayOut

__all__ = ["Change", "ConflictRow", "Infeasible", "Trial", "WayOut", "diagnosis", "unservable"]
