"""Providers of performance beside the analytic model: measured tables and other tools."""
