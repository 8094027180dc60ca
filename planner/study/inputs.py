"""Inputs that a study varies: where a path leads, what stands there now, and how to change it.

A path is one of `--set`. `*` stands for every entry of a list or mapping (`workloads.*.rate_rps`), so that
one input moves many fields together. What the file leaves to a default can be scaled all the same: the
catalog's price of a server, a region's tariff, the price of an instance.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from planner.files import InputFault, close_matches
from planner.plan.assemble.offers import rent_usd_per_h
from planner.scenario.paths import find, known_names, split
from planner.topology import Question

EVERY = "*"
TOPOLOGY = "topology."
PRICES = "fleet.prices_usd."

Loc = tuple[str | int, ...]


@dataclass(frozen=True)
class Inputs:
    """The inputs of a question that can be varied."""

    question: Question

    @cached_property
    def _scenario(self) -> Any:
        return self.question.scenario.model_dump(mode="json")

    @cached_property
    def _topology(self) -> Any:
        """The topology with the defaults of its regions; without rented places, which no file states."""
        tree = self.question.topology.model_dump(mode="json")
        tree["sites"] = [site for site in tree["sites"] if not site["cloud"]]
        return tree

    def paths(self, path: str) -> list[str]:
        """Return the paths that a path with `*` stands for; without one, itself.

        Raises:
            LookupError: nothing is there; the message says what is.
        """
        if EVERY not in split(path):
            self._must_lead(path)
            return [path]
        inside, prefix = (self._topology, TOPOLOGY) if path.startswith(TOPOLOGY) else (self._scenario, "")
        if path.startswith(PRICES):
            return [f"{PRICES}{server}" for server in self.question.scenario.fleet.buy]
        found = _expanded(inside, split(path.removeprefix(prefix)))
        if not found:
            raise LookupError(f"'{path}' matches nothing")
        return [prefix + one for one in found]

    def _must_lead(self, path: str) -> None:
        if path.startswith(PRICES):
            server = path.removeprefix(PRICES)
            if server not in self.question.catalog.servers:
                raise LookupError(
                    f"no server '{server}'; {close_matches(server, self.question.catalog.servers)}"
                )
            return
        inside = self._topology if path.startswith(TOPOLOGY) else self._scenario
        found = find(inside, path.removeprefix(TOPOLOGY))
        if len(found.rest) > (1 if isinstance(found.value, Mapping) else 0) or not found.loc:
            word = found.rest[0] if found.rest else path
            raise LookupError(f"'{word}' is not there; {close_matches(word, known_names(found.value))}")

    def value(self, path: str) -> Any:
        """Return what stands at a path now: as written, or its default. None if there is none."""
        if path.startswith(PRICES):
            server = path.removeprefix(PRICES)
            stated = self.question.scenario.fleet.prices_usd.get(server)
            return self.question.catalog.servers[server].price_usd if stated is None else stated
        if path.startswith(TOPOLOGY):
            found = find(self._topology, path.removeprefix(TOPOLOGY))
            return None if found.rest else found.value
        found = find(self._scenario, path)
        if found.rest:
            return None
        match found.loc:
            case ("fleet", "rent", int(index), "usd_per_h") if found.value is None:
                return rent_usd_per_h(self.question.scenario.fleet.rent[index], self.question.catalog)
        return found.value

    def overrides(self, path: str, value: Any, *, relative: bool = False) -> list[str]:
        """Return the changes `path=value` that set an input, one for each path it stands for.

        Args:
            path: the input, `*` allowed.
            value: what to set; a text `*0.9` or `+10` scales or shifts what is there.
            relative: the value is a factor.

        Raises:
            LookupError: the path leads nowhere, or what is there is not a number that can be scaled.
        """
        text = f"*{value!r}" if relative else value
        return [f"{one}={self._written(one, text)}" for one in self.paths(path)]

    def _written(self, path: str, value: Any) -> str:
        if not (isinstance(value, str) and value[:1] in ("*", "+")):
            return json.dumps(value, ensure_ascii=False)
        now = self.value(path)
        if isinstance(now, bool) or not isinstance(now, int | float):
            shown = "nothing" if now is None else f"'{now}'"
            raise LookupError(f"'{path}' is {shown}, not a number to scale or shift")
        try:
            amount = float(value[1:])
        except ValueError:
            raise LookupError(f"'{value}' is neither *factor nor +amount") from None
        changed = now * amount if value[0] == "*" else now + amount
        whole = isinstance(now, int) and float(changed).is_integer()
        return json.dumps(int(changed) if whole else float(f"{changed:.12g}"))


def input_fault(document: Any, loc: Loc, error: LookupError) -> InputFault:
    """Return the fault of an input that cannot be varied, with its line."""
    fault: InputFault = document.fault(loc, str(error.args[0]), "a path into the scenario", "")
    return fault


def _expanded(node: Any, parts: tuple[str, ...], before: str = "") -> list[str]:
    """Return every path in `node` that `parts` match."""
    if not parts:
        return [before]
    word, rest = parts[0], parts[1:]
    if word != EVERY:
        step = find(node, word)
        if step.rest:
            return [f"{before}.{word}".lstrip(".")] if not rest and isinstance(node, Mapping) else []
        return _expanded(step.value, rest, f"{before}.{word}".lstrip("."))
    entries: list[tuple[str, Any]] = []
    if isinstance(node, Mapping):
        entries = [(str(key), value) for key, value in node.items()]
    elif isinstance(node, list):
        entries = [
            (str(value["name"]) if isinstance(value, Mapping) and "name" in value else str(at), value)
            for at, value in enumerate(node)
        ]
    return [path for key, value in entries for path in _expanded(value, rest, f"{before}.{key}".lstrip("."))]
