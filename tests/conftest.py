"""Tests keep nothing in the user's folders and take nothing from there."""

import os

os.environ["PLANNER_CACHE"] = "off"
