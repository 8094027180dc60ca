"""Levers of what must be survived: one for each kind of loss, which can only be given up."""

from __future__ import annotations

import json
from collections import defaultdict
from collections.abc import Iterator
from typing import cast

from planner.optimize.program import Arrays
from planner.plan.diagnosis.lever import Lever, instead
from planner.scenario.promises import LevelOf
from planner.topology import Question


def survival_levers(question: Question, arrays: Arrays) -> Iterator[Lever]:
    """Yield one lever for each kind of loss that must be survived."""
    rows: dict[str, dict[str, float]] = defaultdict(dict)
    for r, row in enumerate(arrays.rows):
        if row.is_promise and row.name.startswith("survive/"):
            rows[row.name.split("/")[1]][row.name] = float(arrays.row_lower[r])
    promised = question.scenario.reliability.survive
    for word, bounds in rows.items():
        kinds = [kind for kind in promised if kind == word or (word, kind) == ("server", "scale_up_domain")]
        rest = [kind for kind in promised if kind not in kinds]
        dropped = f"reliability.survive={json.dumps(rest)}"
        says = f"{_level(question, word)} is still served after the loss of any one {word.replace('_', ' ')}"
        subject = f"give up surviving the loss of a {word.replace('_', ' ')}"
        if word == "upgrade":
            dropped = "reliability.upgrade_servers=0"
            count = question.scenario.reliability.upgrade_servers
            servers = "a server is" if count == 1 else f"{count} servers are"
            says = f"{_level(question, word)} is still served while {servers} upgraded"
            subject = "give up upgrading servers while demand holds"
        elif word == "spot":
            says = f"{_level(question, word)} is still served after all spot units of a place are taken away"
            subject = "give up surviving the loss of spot units"
        yield Lever(
            row=f"survive/{word}",
            kind="reliability",
            path=dropped.partition("=")[0],
            stated=1.0,
            unit="promised",
            end=0.0,
            says=says,
            subject=subject,
            edit=instead(dropped),
            dropped=(dropped,),
            up=False,
            numeric=False,
            gives=bounds,
        )


def _level(question: Question, word: str) -> str:
    level = question.scenario.reliability.level_of(cast(LevelOf, word))
    return "all demand" if level == 1 else f"{level:.0%} of the demand"
