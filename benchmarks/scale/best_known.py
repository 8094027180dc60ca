"""The library of fixed instances: what each is made of, and the best value and bound known.

One small file for each in `benchmarks/instances/`, the way libraries of routing problems keep them. A value
is only kept with the generator's version that made its instance: another version, another instance.
"""

from __future__ import annotations

import datetime
import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.scale.generator import VERSION
from planner.files import write_json_atomic

FOLDER = Path(__file__).resolve().parents[1] / "instances"


@dataclass(frozen=True)
class Best:
    """Best value and bound known of an instance, USD/h, and the days they were found."""

    usd_per_h: float | None = None
    bound_usd_per_h: float | None = None
    value_found: str | None = None
    bound_found: str | None = None


def path_of(size: str, seed: int) -> Path:
    """Return the file of an instance."""
    return FOLDER / f"{size}-{seed}.json"


def best_of(size: str, seed: int) -> Best:
    """Return what is known of an instance; nothing if it is new or the generator has changed."""
    path = path_of(size, seed)
    if not path.is_file():
        return Best()
    data = json.loads(path.read_text())
    return Best(**data["best"]) if data["generator"]["version"] == VERSION else Best()


def keep(result: Mapping[str, Any]) -> bool:
    """Write a result into the library where it betters the value or the bound; say whether it did."""
    size, seed = result["size"], result["seed"]
    known, today = best_of(size, seed), datetime.date.today().isoformat()
    value, value_found = known.usd_per_h, known.value_found
    bound, bound_found = known.bound_usd_per_h, known.bound_found
    if value is None or result["usd_per_h"] < value - 1e-6:
        value, value_found = result["usd_per_h"], today
    if bound is None or result["bound_usd_per_h"] > bound + 1e-6:
        bound, bound_found = result["bound_usd_per_h"], today
    if (value, bound) == (known.usd_per_h, known.bound_usd_per_h):
        return False
    FOLDER.mkdir(exist_ok=True)
    write_json_atomic(
        path_of(size, seed),
        {
            "name": f"scale-{size}-{seed}",
            "generator": {"version": VERSION, "size": size, "seed": seed},
            "best": {
                "usd_per_h": value,
                "bound_usd_per_h": bound,
                "value_found": value_found,
                "bound_found": bound_found,
            },
        },
    )  # fmt: skip
    return True
