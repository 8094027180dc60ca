"""Replica shapes: enumerate them, compute their service columns, drop the dominated ones."""

from planner.shapes.enumerate import Enumeration, Refusal, enumerate_shapes
from planner.shapes.kept import KeptTimings, keep_timings, kept_timings
from planner.shapes.menu import Menu, MenuEntry, Promise, build_menu
from planner.shapes.timings import Timings

__all__ = [
    "Enumeration",
    "KeptTimings",
    "Menu",
    "MenuEntry",
    "Promise",
    "Refusal",
    "Timings",
    "build_menu",
    "enumerate_shapes",
    "keep_timings",
    "kept_timings",
]
