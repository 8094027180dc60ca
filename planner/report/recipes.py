"""What runs: pools that differ only by where they stand share a letter and a colour.

A recipe is an LLM on a kind of server in one shape and precision. The letter says what the colour says,
for those who cannot tell the colours apart and where there are more recipes than colours.
"""

from __future__ import annotations

import string
from collections import defaultdict
from dataclasses import dataclass

from planner.plan.types import Plan, ReplicaGroup, ShapePlan

TONES = 8
"""Colours that can be told apart; further recipes begin again with the first."""


@dataclass(frozen=True)
class Recipe:
    """One recipe. number: 0 is the one with the most accelerators; replicas, accelerators: of all places."""

    number: int
    shape: ShapePlan
    server: str
    pools: tuple[str, ...]
    replicas: int
    accelerators: int

    @property
    def letter(self) -> str:
        """A to Z, then AA, AB ..."""
        letters = string.ascii_uppercase
        text, left = "", self.number + 1
        while left:
            left, last = divmod(left - 1, len(letters))
            text = letters[last] + text
        return text

    @property
    def tone(self) -> int:
        """The colour, 1 to `TONES`."""
        return self.number % TONES + 1

    @property
    def degrees(self) -> str:
        """How the LLM is spread: `tp2 pp4`."""
        return degrees(self.shape)

    @property
    def precision(self) -> str:
        """Weights and cache."""
        return precision(self.shape)

    @property
    def role(self) -> str:
        """`prefill` or `decode` where they are split, else nothing."""
        return "" if self.shape.role == "aggregated" else self.shape.role

    @property
    def title(self) -> str:
        """The recipe in a few words."""
        parts = (self.shape.llm, self.role, self.degrees, self.shape.weights, f"on {self.server}")
        return " ".join(part for part in parts if part)


def degrees(shape: ShapePlan) -> str:
    """Return how a replica is spread: tp always, the others where they are not 1."""
    others = (("pp", shape.pp), ("dp", shape.dp), ("ep", shape.ep))
    return " ".join([f"tp{shape.tp}", *(f"{name}{degree}" for name, degree in others if degree > 1)])


def precision(shape: ShapePlan) -> str:
    """Return the precision of weights and cache."""
    return f"{shape.weights}, {shape.kv_cache} cache"


def size(shape: ShapePlan) -> int:
    """Return the accelerators of one replica."""
    return shape.tp * shape.pp * shape.dp


def recipes(plan: Plan) -> dict[str, Recipe]:
    """Return the recipe of each pool, by the pool's name."""
    alike: dict[tuple[str, str], list[ReplicaGroup]] = defaultdict(list)
    for group in plan.replicas:
        alike[group.shape.model_dump_json(), group.server].append(group)
    found: dict[str, Recipe] = {}
    largest_first = sorted(
        alike.items(), key=lambda item: (-sum(g.count * size(g.shape) for g in item[1]), item[0])
    )
    for number, (_, groups) in enumerate(largest_first):
        replicas = sum(group.count for group in groups)
        recipe = Recipe(
            number=number,
            shape=groups[0].shape,
            server=groups[0].server,
            pools=tuple(dict.fromkeys(group.pool for group in groups)),
            replicas=replicas,
            accelerators=replicas * size(groups[0].shape),
        )
        found |= dict.fromkeys(recipe.pools, recipe)
    return found
