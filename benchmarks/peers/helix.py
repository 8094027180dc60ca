"""Helix (github.com/Thesys-lab/Helix-ASPLOS25 @148b733): layers on unlike nodes, for the most tokens/s.

`python -m benchmarks.peers.helix [--seeds 5]` places the layers of six published instances and prints
tokens/s (exact maximum flow on the instance's own links), the bound, and the best that the peer and its
baselines reach. Each instance is solved again under limits of the time per token: the most flow is one long
pipeline, slow per token.

A node holds consecutive layers; with k of them it passes `throughput[k]` tokens/s. A token goes from a node
that ends at a layer to one that begins there. The placements tried here are chains of stages: all nodes of
a stage hold the same layers, side by side. For a wanted flow F the useful stages are the smallest sets of
nodes that carry F with k layers; choosing stages is an integer program without positions (CP-SAT), and
bisection finds the largest F. Sites are visited one after the other; the stages at a crossing are as wide
as its links ask.

The bound holds for every placement, chain or not. A node of k layers passes at most min(throughput[k], F)
of a flow F, and all nodes together must pass every token through all layers: a linear program for each F,
with the flow-weighted time per token below the limit.
"""

from __future__ import annotations

import argparse
import itertools
import json
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import networkx as nx
import numpy as np
from ortools.sat.python import cp_model
from scipy.optimize import linprog

INSTANCES = Path(__file__).parent / "data" / "helix.json"

WIDEST = 4
"""Nodes in one stage at most, and nodes on each side of a crossing."""

PRECISION = 1e-4
"""Relative width of the last bisection step."""

TICKS_PER_MS = 10
"""The program counts time in tenths of a millisecond: layer times are measured to that."""

LEAST_SHARE = 0.05
"""Of the bound: where not even this flow finds a placement, none is looked for."""

LIMITS = (0.9, 0.8, 0.7)
"""Time per token allowed in the variants, of that of the plan with the most flow."""


@dataclass(frozen=True)
class Kind:
    """Nodes of one type at one site: how many, tokens/s with k layers (k from 1), ms per layer and token."""

    type: str
    site: int
    count: int
    tokens_per_s: tuple[float, ...]
    layer_ms: float

    def carries(self, layers: int, most: float = float("inf")) -> float:
        """Return tokens/s with so many layers, 0 beyond its memory."""
        return min(self.tokens_per_s[layers - 1], most) if layers <= len(self.tokens_per_s) else 0.0


@dataclass(frozen=True)
class Stage:
    """Nodes that hold the same `layers` layers: how many of each kind."""

    layers: int
    nodes: tuple[int, ...]

    @property
    def width(self) -> int:
        """Nodes side by side."""
        return sum(self.nodes)


@dataclass(frozen=True)
class Cluster:
    """An instance."""

    data: Mapping[str, Any]

    @property
    def name(self) -> str:
        """As the instance is called."""
        return str(self.data["name"])

    @property
    def layers(self) -> int:
        """Layers of the LLM."""
        return int(self.data["layers"])

    @cached_property
    def kinds(self) -> list[Kind]:
        """Types by site."""
        counts: dict[tuple[str, int], int] = {}
        for type_, site in self.data["nodes"]:
            counts[type_, site] = counts.get((type_, site), 0) + 1
        return [
            Kind(type_, site, count, tuple(about["tokens_per_s_by_layers"]), about["layer_ms_at_batch_20"])
            for (type_, site), count in counts.items()
            for about in [self.data["types"][type_]]
        ]

    @cached_property
    def sites(self) -> list[int]:
        """Site numbers."""
        return sorted({kind.site for kind in self.kinds})

    def stage_ms(self, stage: Stage) -> float:
        """Return the time of a token in a stage: that of its slowest node."""
        slowest = max(kind.layer_ms for kind, n in zip(self.kinds, stage.nodes, strict=True) if n)
        return stage.layers * slowest

    @property
    def hop_ms(self) -> float:
        """From stage to stage in a site."""
        return float(self.data["in_site"]["latency_ms"])

    @property
    def ends_ms(self) -> float:
        """From the coordinator and back to it."""
        return float(self.data["from_source"]["latency_ms"] + self.data["to_sink"]["latency_ms"])

    @cached_property
    def crossings(self) -> dict[tuple[int, int], tuple[float, float]]:
        """(site, site) -> (tokens/s of the narrowest link between their nodes, the longest latency in ms)."""
        site_of = [site for _, site in self.data["nodes"]]
        found: dict[tuple[int, int], tuple[float, float]] = {}
        for a, b, tokens_per_s, latency_ms in self.data["wan"]:
            for pair in ((site_of[a], site_of[b]), (site_of[b], site_of[a])):
                slow, late = found.get(pair, (float("inf"), 0.0))
                found[pair] = (min(slow, tokens_per_s), max(late, latency_ms))
        return found


@dataclass(frozen=True)
class Placement:
    """Stages in the order of the layers; `site_of` gives each stage's site."""

    stages: tuple[Stage, ...]
    tokens_per_s: float
    token_ms: float


def stages_at(cluster: Cluster, site: int, flow: float, width: int | None = None, link: float = float("inf"),
              ) -> list[Stage]:  # fmt: skip
    """Return the stages of a site that carry `flow`, none of which another one replaces.

    width: exactly so many nodes (at a crossing), else the smallest sets. link: most that a node passes on.
    """
    at = [number for number, kind in enumerate(cluster.kinds) if kind.site == site]
    found: dict[tuple[int, ...], int] = {}
    for size in [width] if width is not None else range(1, WIDEST + 1):
        for chosen in itertools.combinations_with_replacement(at, size):
            nodes = tuple(chosen.count(number) for number in range(len(cluster.kinds)))
            if any(n > kind.count for n, kind in zip(nodes, cluster.kinds, strict=True)):
                continue
            most = max(len(cluster.kinds[number].tokens_per_s) for number in chosen)
            for layers in range(most, 0, -1):
                carried = sum(cluster.kinds[number].carries(layers, link) for number in chosen)
                held = all(layers <= len(cluster.kinds[number].tokens_per_s) for number in chosen)
                if held and carried >= flow:
                    found[nodes] = layers
                    break
    return [
        Stage(layers, nodes)
        for nodes, layers in found.items()
        if width is not None or not any(found.get(smaller, 0) >= layers for smaller in _one_less(nodes))
    ]


def _one_less(nodes: tuple[int, ...]) -> Iterator[tuple[int, ...]]:
    for place, count in enumerate(nodes):
        if count:
            yield (*nodes[:place], count - 1, *nodes[place + 1 :])


def design(cluster: Cluster, flow: float, limit_ms: float | None, seed: int) -> list[Stage] | None:
    """Return stages that carry `flow` through all layers within the time, None if there are none."""
    model = cp_model.CpModel()
    used: list[list[Any]] = [[] for _ in cluster.kinds]
    layers: list[Any] = []
    ticks: list[Any] = []
    chains: dict[int, list[tuple[Stage, Any]]] = {site: [] for site in cluster.sites}
    ends: list[tuple[tuple[int, int], bool, Stage, Any]] = []

    def take(stage: Stage, variable: Any) -> None:
        for kind, count in enumerate(stage.nodes):
            if count:
                used[kind].append(count * variable)
        layers.append(stage.layers * variable)
        ticks.append(round((cluster.stage_ms(stage) + cluster.hop_ms) * TICKS_PER_MS) * variable)

    visited = {site: model.new_bool_var("") for site in cluster.sites}
    for site in cluster.sites:
        for stage in stages_at(cluster, site, flow):
            most = min(k.count // n for k, n in zip(cluster.kinds, stage.nodes, strict=True) if n)
            variable = model.new_int_var(0, most, "")
            chains[site].append((stage, variable))
            model.add(variable <= most * visited[site])
            take(stage, variable)
    crossed: dict[tuple[int, int], Any] = {}
    for pair, (link, latency_ms) in cluster.crossings.items():
        options = []
        for a, b in itertools.product(range(1, WIDEST + 1), repeat=2):
            if a * b * link < flow:
                continue
            option = model.new_bool_var("")
            sides = (
                (True, stages_at(cluster, pair[0], flow, a, b * link)),
                (False, stages_at(cluster, pair[1], flow, b, a * link)),
            )
            for is_last, stages in sides:
                chosen = [model.new_bool_var("") for _ in stages]
                model.add(sum(chosen) == option)
                for stage, variable in zip(stages, chosen, strict=True):
                    ends.append((pair, is_last, stage, variable))
                    take(stage, variable)
            options.append(option)
        crossed[pair] = model.new_bool_var("")
        model.add(sum(options) == crossed[pair])
        ticks.append(round((latency_ms - cluster.hop_ms) * TICKS_PER_MS) * crossed[pair])
    _one_tour(model, cluster, visited, crossed)
    for kind, terms in enumerate(used):
        model.add(sum(terms) <= cluster.kinds[kind].count)
    model.add(sum(layers) >= cluster.layers)
    if limit_ms is not None:
        model.add(sum(ticks) <= round((limit_ms - cluster.ends_ms + cluster.hop_ms) * TICKS_PER_MS))
    solver = cp_model.CpSolver()
    solver.parameters.num_workers = 1
    solver.parameters.random_seed = seed
    solver.parameters.max_deterministic_time = 5
    if solver.solve(model) not in (cp_model.OPTIMAL, cp_model.FEASIBLE):
        return None
    order = _order(cluster, {site: solver.value(v) for site, v in visited.items()},
                   [pair for pair, v in crossed.items() if solver.value(v)])  # fmt: skip
    found: list[Stage] = []
    for place, site in enumerate(order):
        chosen_ends = [(pair, last, stage) for pair, last, stage, v in ends if solver.value(v)]
        if place:
            found += [s for pair, last, s in chosen_ends if not last and pair == (order[place - 1], site)]
        found += [stage for stage, v in chains[site] for _ in range(solver.value(v))]
        if place + 1 < len(order):
            found += [s for pair, last, s in chosen_ends if last and pair == (site, order[place + 1])]
    return _trimmed(found, cluster.layers)


def _one_tour(model: Any, cluster: Cluster, visited: Mapping[int, Any], crossed: Mapping[Any, Any]) -> None:
    """Make the crossings a path through the visited sites."""
    count = len(cluster.sites)
    rank = {site: model.new_int_var(0, count - 1, "") for site in cluster.sites}
    for site in cluster.sites:
        model.add(sum(v for pair, v in crossed.items() if pair[1] == site) <= visited[site])
        model.add(sum(v for pair, v in crossed.items() if pair[0] == site) <= visited[site])
    for (a, b), variable in crossed.items():
        model.add(rank[b] >= rank[a] + 1).only_enforce_if(variable)
    model.add(sum(crossed.values()) == sum(visited.values()) - 1)


def _order(cluster: Cluster, visited: Mapping[int, int], crossed: Sequence[tuple[int, int]]) -> list[int]:
    after = dict(crossed)
    first = next(s for s in cluster.sites if visited[s] and s not in set(after.values()))
    order = [first]
    while order[-1] in after:
        order.append(after[order[-1]])
    return order


def _trimmed(stages: Sequence[Stage], layers: int) -> list[Stage]:
    """Take layers that are too many from the longest stages: with fewer a node only gets faster."""
    lengths = [stage.layers for stage in stages]
    for _ in range(sum(lengths) - layers):
        lengths[lengths.index(max(lengths))] -= 1
    return [Stage(n, stage.nodes) for n, stage in zip(lengths, stages, strict=True) if n]


def max_flow(cluster: Cluster, stages: Sequence[Stage]) -> float:
    """Return the tokens/s that the stages pass on the instance's own links: exact maximum flow."""
    free: dict[tuple[str, int], list[int]] = {}
    for number, (type_, site) in enumerate(cluster.data["nodes"]):
        free.setdefault((type_, site), []).append(number)
    wan = {frozenset((a, b)): tokens_per_s for a, b, tokens_per_s, _ in cluster.data["wan"]}
    graph = nx.DiGraph()
    before: list[int] = []
    for place, stage in enumerate(stages):
        here: list[int] = []
        for kind, count in zip(cluster.kinds, stage.nodes, strict=True):
            for _ in range(count):
                node = free[kind.type, kind.site].pop()
                here.append(node)
                graph.add_edge(("in", node), ("out", node), capacity=kind.carries(stage.layers))
        if place == 0:
            links = [("source", ("in", n), cluster.data["from_source"]["tokens_per_s"]) for n in here]
        else:
            inside = cluster.data["in_site"]["tokens_per_s"]
            links = [
                (("out", a), ("in", b), wan.get(frozenset((a, b)), inside)) for a in before for b in here
            ]
        graph.add_weighted_edges_from(links, weight="capacity")
        before = here
    for node in before:
        graph.add_edge(("out", node), "sink", capacity=cluster.data["to_sink"]["tokens_per_s"])
    return float(nx.maximum_flow_value(graph, "source", "sink"))


def token_ms(cluster: Cluster, stages: Sequence[Stage]) -> float:
    """Return the time of one decoded token through all stages and back to the coordinator."""
    sites = [next(k.site for k, n in zip(cluster.kinds, s.nodes, strict=True) if n) for s in stages]
    hops = sum(cluster.hop_ms if a == b else cluster.crossings[a, b][1] for a, b in itertools.pairwise(sites))
    return sum(cluster.stage_ms(stage) for stage in stages) + hops + cluster.ends_ms


def most_flow(cluster: Cluster, limit_ms: float | None, seed: int = 0) -> Placement | None:
    """Return the placement of stages with the most tokens/s within a time per token."""
    low, high = 0.0, bound(cluster, limit_ms)
    best: list[Stage] | None = design(cluster, high * (1 - 1e-9), limit_ms, seed)
    if best is None and design(cluster, high * LEAST_SHARE, limit_ms, seed) is not None:
        while high - low > PRECISION * high:
            middle = (low + high) / 2
            found = design(cluster, middle, limit_ms, seed)
            best, low, high = (found, middle, high) if found is not None else (best, low, middle)
    if best is None:
        return None
    return Placement(tuple(best), max_flow(cluster, best), token_ms(cluster, best))


def bound(cluster: Cluster, limit_ms: float | None) -> float:
    """Return a flow that no placement exceeds, whatever its form."""
    low, high = 0.0, float(cluster.data["compute_bound_tokens_per_s"]) * 1.01
    while high - low > max(1e-7 * high, 1e-3):
        middle = (low + high) / 2
        low, high = (middle, high) if _may_exist(cluster, middle, limit_ms) else (low, middle)
    return high


def _may_exist(cluster: Cluster, flow: float, limit_ms: float | None) -> bool:
    """Return whether shares of nodes by (kind, layers) could carry the flow: a linear program."""
    options = [(i, k) for i, kind in enumerate(cluster.kinds) for k in range(1, len(kind.tokens_per_s) + 1)]
    passes = np.array([cluster.kinds[i].carries(k, flow) / flow for i, k in options])
    layers = np.array([k for _, k in options], dtype=float)
    nodes = np.zeros((len(cluster.kinds), len(options)))
    for column, (i, _) in enumerate(options):
        nodes[i, column] = 1.0
    rows, limits = [*nodes], [float(kind.count) for kind in cluster.kinds]
    if limit_ms is not None:
        times = np.array([k * cluster.kinds[i].layer_ms + cluster.hop_ms for i, k in options])
        rows.append(passes * times)
        limits.append(limit_ms - cluster.ends_ms + cluster.hop_ms)
    answer = linprog(
        np.zeros(len(options)), A_ub=np.array(rows), b_ub=limits,
        A_eq=[passes * layers], b_eq=[float(cluster.layers)], method="highs",
    )  # fmt: skip
    return bool(answer.status == 0)


def load() -> list[Cluster]:
    """Return the instances."""
    return [Cluster(data) for data in json.loads(INSTANCES.read_text(encoding="utf-8"))]


def main() -> int:
    """Print a line for each instance and limit; return 1 where a published placement is better."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--seeds", type=int, default=1, help="solve with so many seeds; the worst is printed")
    seeds = parser.parse_args().seeds
    missed = 0
    print(
        f"{'instance':24s} {'limit ms':>9s} {'ms':>7s} {'tokens/s':>9s} {'bound':>9s}"
        f" {'peers best':>10s} {'s':>6s}"
    )
    for cluster in load():
        published = max(cluster.data["peers_tokens_per_s"].values())
        slowest: float | None = None
        for share in (None, *LIMITS):
            limit = None if share is None else share * (slowest or 0.0)
            started = time.perf_counter()
            found = [most_flow(cluster, limit, seed) for seed in range(seeds)]
            seconds = (time.perf_counter() - started) / seeds
            ceiling = bound(cluster, limit)
            worst = min((p for p in found if p is not None), key=lambda p: p.tokens_per_s, default=None)
            allowed = "" if limit is None else f"{limit:.0f}"
            if worst is None:
                print(
                    f"{cluster.name:24s} {allowed:>9s} {'':7s} {'none':>9s} {ceiling:9.1f}"
                    f" {'':10s} {seconds:6.2f}"
                )
                continue
            slowest = slowest or worst.token_ms
            best = f"{published:.1f}" if share is None else ""
            missed += share is None and worst.tokens_per_s < published * (1 - PRECISION)
            print(
                f"{cluster.name:24s} {allowed:>9s} {worst.token_ms:7.0f} {worst.tokens_per_s:9.1f}"
                f" {ceiling:9.1f} {best:>10s} {seconds:6.2f}"
            )
    return int(missed > 0)


if __name__ == "__main__":
    sys.exit(main())
