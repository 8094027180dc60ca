"""Tiny questions that solve in a moment, and what of their plans must be equal."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

RATES = "llm,accelerator,workload,max_rps\nmine,small,chat,2\nmine,big,chat,9\n"

SCENARIO = """\
topology: cloud
workloads:
  - {{name: chat, llms: [mine], rate_rps: {rate}, input_tokens: 500, output_tokens: 100}}
fleet:
  rent:
    - {{accelerator: small, usd_per_h: 1.0}}
    - {{accelerator: big, usd_per_h: 4.0}}
performance: {{provider: table, path: rates.csv}}
solver: {{relative_gap: 0.0}}
"""


def write_scenario(folder: Path, name: str = "cloud", rate: float = 20) -> Path:
    """Write a scenario of rented accelerators with measured rates, and return its path."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "rates.csv").write_text(RATES)
    path = folder / f"{name}.yaml"
    path.write_text(SCENARIO.format(rate=rate))
    return path


def write_grid(folder: Path, rates: list[float]) -> Path:
    """Write a study with a job for each rate, and return its path."""
    write_scenario(folder)
    path = folder / "night.yaml"
    values = ", ".join(str(rate) for rate in rates)
    path.write_text(f"scenario: cloud.yaml\ngrid:\n  workloads.chat.rate_rps: [{values}]\n")
    return path


def answer(path: Path) -> dict[str, Any]:
    """Return what is in plan.json except how long the search took."""
    plan: dict[str, Any] = json.loads(path.read_text())
    solver = plan["solver"]
    solver.pop("seconds")
    solver["stages"] = [{**stage, "seconds": 0} for stage in solver["stages"]]
    return plan


def answers(folder: Path) -> dict[str, dict[str, Any]]:
    """Return all plans of a batch by the name of their folder."""
    return {path.parent.name: answer(path) for path in sorted(folder.glob("answers/*/plan.json"))}
