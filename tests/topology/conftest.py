"""A small site that every test may bend."""

import copy
from typing import Any

import pytest

from planner.catalog import Catalog, load_catalog

SITE: dict[str, Any] = {
    "name": "a",
    "region": "westeurope",
    "power": [
        {"name": "grid", "level": "utility", "capacity_kw": 500},
        {"name": "A", "capacity_kw": 200, "parent": "grid"},
        {"name": "B", "capacity_kw": 200, "parent": "grid"},
    ],
    "cooling": [
        {"name": "crah", "medium": "air", "unit_kw": 100, "units": 3},
        {"name": "cdu", "medium": "liquid", "unit_kw": 100, "units": 3},
    ],
    "fabric_domains": [{"name": "f", "leaves": 2, "spines": 1}],
    "racks": [
        {
            "name": "r",
            "count": 3,
            "feeds": ["A", "B"],
            "power_kw": 44,
            "air_kw": 44,
            "air_loop": "crah",
            "servers": {"dgx-h100": 2},
        }
    ],
}


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """The shipped catalog."""
    return load_catalog()


@pytest.fixture
def site() -> dict[str, Any]:
    """One site with three racks of two servers on feeds A and B."""
    return copy.deepcopy(SITE)
