"""What a person reads: the HTML report, tables, and the terminal."""

from planner.report.html import report_html, write_report
from planner.report.tables import plan_tables, write_tables

__all__ = ["plan_tables", "report_html", "write_report", "write_tables"]
