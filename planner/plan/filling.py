"""Which accelerators replicas take on equal servers: what runs already first, the rest from one end."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping, Sequence

from planner.plan.content import read_slice
from planner.plan.types import ServerPlan


class NoRoom(AssertionError):
    """A replica finds no place: the counts of the program, or what stays in place, do not fit."""


class Filling:
    """Accelerators of a host group that are still free, server by server."""

    def __init__(self, servers: list[ServerPlan]) -> None:
        self.servers = servers
        self.used = [0] * len(servers)

    def keep(self, wanted: Mapping[int, Sequence[Sequence[str]]]) -> dict[int, list[list[str]]]:
        """Take the places of replicas that run already, as far as their servers are powered.

        Returns those taken, by hosting. A server on which something stays is filled from where that ends;
        if it does not begin at its first accelerator, what stays there would be in the way of others and
        is placed anew.
        """
        number = {server.name: i for i, server in enumerate(self.servers)}
        placed = {p: [list(place) for place in places] for p, places in wanted.items()}
        on: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for places in placed.values():
            for place in places:
                for part in map(read_slice, place):
                    if part.server in number:
                        on[number[part.server]].append((part.first, part.last))
        tight = set()
        for i, parts in on.items():
            ends = [0, *(last + 1 for _, last in sorted(parts))]
            if [first for first, _ in sorted(parts)] == ends[:-1]:
                tight.add(i)
        kept: dict[int, list[list[str]]] = {p: [] for p in wanted}
        for p, places in placed.items():
            for place in places:
                if all(number.get(read_slice(text).server, -1) in tight for text in place):
                    kept[p].append(place)
        for places in kept.values():
            for place in places:
                for part in map(read_slice, place):
                    i = number[part.server]
                    self.used[i] = max(self.used[i], part.last + 1)
        return kept

    def whole(self, count: int) -> list[str]:
        """Take `count` empty servers whole."""
        empty = [i for i, used in enumerate(self.used) if used == 0][:count]
        if len(empty) < count:
            raise NoRoom("a replica needs more whole servers than are free")
        for i in empty:
            self.used[i] = self.servers[i].accelerators
        return [f"{self.servers[i].name}:0-{self.servers[i].accelerators - 1}" for i in empty]

    def inside(self, size: int) -> str:
        """Take `size` accelerators of one server: the emptiest one, to spread the load of a loss."""
        fitting = [i for i, used in enumerate(self.used) if self.servers[i].accelerators - used >= size]
        if not fitting:
            raise NoRoom("a replica finds no server with enough free accelerators")
        i = min(fitting, key=lambda candidate: (self.used[candidate], candidate))
        first = self.used[i]
        self.used[i] += size
        return f"{self.servers[i].name}:{first}-{first + size - 1}"
