"""Deployment planner for LLM inference: what to run, on which accelerators, where, at the least cost."""

__version__ = "0.1.0"
