"""The decisions: one block of integer columns per kind of variable.

| block | one variable for | meaning |
|---|---|---|
| `servers` | candidate j | servers powered (bought, rented or kept) |
| `mixes` | rack mix m | racks that take the mix |
| `replicas` | hosting p | replicas of a pool on a host group |
| `flow` | flow f | units of a demand sent to a site |
| `assign` | assignment a | units of a lane served by a path of pools |
| `unserved` | demand i | units left unserved, where that is allowed |
| `open` | site s | 1 if any server stands at the site |
| `spares` | spare step z | 1 if the group of servers has this spare |
| `moves` | standing hosting c | replicas started beyond those that run already |
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from planner.optimize.problem import VARIABLE_KINDS, Integers, Problem, integers
from planner.optimize.program import Program


@dataclass(frozen=True)
class Columns:
    """Column numbers of each kind of variable."""

    of: Mapping[str, Integers]

    def __getitem__(self, kind: str) -> Integers:
        """Return the columns of `kind`, in the order of its table."""
        return self.of[kind]


def servers_per_mix_class(problem: Problem) -> Integers:
    """Return (candidates,) how many servers of each candidate its racks hold at most."""
    held = np.zeros(len(problem.candidates.names), dtype=np.int64)
    mixes = problem.mixes
    np.maximum.at(held, mixes.candidate, mixes.servers)
    racks = np.zeros_like(held)
    placed = problem.candidates.rack_class >= 0
    racks[placed] = problem.rack_classes.count[problem.candidates.rack_class[placed]]
    return np.where(placed, held * racks, problem.candidates.maximum)


def candidate_upper(problem: Problem) -> Integers:
    """Return (candidates,) the tightest simple bound on servers of each candidate."""
    return np.minimum(problem.candidates.maximum, servers_per_mix_class(problem))


def host_group_upper(problem: Problem) -> Integers:
    """Return (host groups,) the most servers each host group can have."""
    upper = np.zeros(len(problem.host_groups.names), dtype=np.int64)
    np.add.at(upper, problem.candidates.host_group, candidate_upper(problem))
    return upper


def hosting_upper(problem: Problem) -> Integers:
    """Return (hostings,) the most replicas each hosting can have by its servers alone."""
    hostings = problem.hostings
    servers = host_group_upper(problem)[hostings.host_group]
    accelerators = problem.host_groups.accelerators[hostings.host_group]
    inside = accelerators // np.maximum(hostings.accelerators, 1) * servers
    across = servers // np.maximum(hostings.whole_servers, 1)
    upper = np.where(hostings.whole_servers > 0, across, inside)
    return np.minimum(upper, problem.pools.maximum[hostings.pool])


def lane_units(problem: Problem) -> Integers:
    """Return (lanes,) the most units that can join each lane."""
    units = np.zeros(len(problem.lane_site), dtype=np.int64)
    np.add.at(units, problem.flows.lane, problem.demands.units[problem.flows.demand])
    return units


def hosting_cost(problem: Problem) -> Integers:
    """Return (hostings,) micro-USD/h of each replica."""
    hostings = problem.hostings
    return hostings.cost if len(hostings.cost) else np.zeros_like(hostings.pool)


def _most_moves(problem: Problem) -> Integers:
    """Return (moves,) the most replicas that each standing hosting could start."""
    if problem.churn is None:
        return integers([])
    return integers(np.maximum(hosting_upper(problem)[problem.churn.hosting] - problem.churn.standing, 0))


def add_variables(program: Program, problem: Problem) -> Columns:
    """Add the columns of every kind, with their bounds and their cost, and return their numbers."""
    demands = problem.demands
    upper = {
        "servers": candidate_upper(problem),
        "mixes": problem.rack_classes.count[problem.mixes.rack_class],
        "replicas": hosting_upper(problem),
        "flow": demands.units[problem.flows.demand],
        "assign": lane_units(problem)[problem.assignments.lane],
        "unserved": np.where(demands.unserved_cost >= 0, demands.units, 0),
        "open": np.ones(len(problem.sites.names), dtype=np.int64),
        "spares": np.ones(problem.variable_count("spares"), dtype=np.int64),
        "moves": _most_moves(problem),
    }
    cost = {
        "servers": problem.candidates.cost,
        "mixes": problem.mixes.cost,
        "replicas": hosting_cost(problem),
        "flow": problem.flows.cost,
        "assign": problem.assignments.cost,
        "unserved": np.maximum(demands.unserved_cost, 0),
        "open": problem.sites.open_cost,
        "spares": integers([]) if problem.spares is None else problem.spares.cost,
        "moves": integers([]) if problem.churn is None else problem.churn.cost,
    }
    return Columns(
        {kind: integers(program.add_columns(kind, upper[kind], cost[kind])) for kind in VARIABLE_KINDS}
    )
