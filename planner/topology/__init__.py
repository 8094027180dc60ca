"""Where servers stand: from a YAML file with counts to a graph of every rack.

`load_topology` reads and checks, `build_graph` expands, `rack_classes` folds what is alike again,
`load_question` reads a scenario together with its topology.
"""

from planner.topology.check import check, rack_heat_kw
from planner.topology.classes import RackClass, loops_of, rack_classes, racks_of, servers_in
from planner.topology.distance import rtt_ms
from planner.topology.graph import build_graph, region_node
from planner.topology.load import (
    CLOUD,
    load_topology,
    rented_site,
    topology_document,
    topology_faults,
    topology_names,
)
from planner.topology.picture import topology_picture
from planner.topology.power import PowerCase, feeds_of, power_cases, power_path, supply_shares
from planner.topology.question import (
    Question,
    latency_faults,
    load_question,
    scenario_topology,
    servable_sites,
)
from planner.topology.resolve import resolve
from planner.topology.tree import TreeRow, topology_tree
from planner.topology.types import Topology

__all__ = [
    "CLOUD",
    "PowerCase",
    "Question",
    "RackClass",
    "Topology",
    "TreeRow",
    "build_graph",
    "check",
    "feeds_of",
    "latency_faults",
    "load_question",
    "load_topology",
    "loops_of",
    "power_cases",
    "power_path",
    "rack_classes",
    "rack_heat_kw",
    "racks_of",
    "region_node",
    "rented_site",
    "resolve",
    "rtt_ms",
    "scenario_topology",
    "servable_sites",
    "servers_in",
    "supply_shares",
    "topology_document",
    "topology_faults",
    "topology_names",
    "topology_picture",
    "topology_tree",
]
