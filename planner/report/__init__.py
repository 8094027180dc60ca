"""What a person reads: the HTML report, tables, and the terminal."""

from planner.report.tables import plan_tables, write_tables

__all__ = ["plan_tables", "write_tables"]
