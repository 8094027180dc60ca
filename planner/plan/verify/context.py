"""A plan with everything rebuilt from it that the checks need."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from planner.catalog import Catalog, load_catalog
from planner.plan.content import Columns, PoolFacts, Promises, Setting, pools_of
from planner.plan.hosts import server_model
from planner.plan.service_table import ServiceTable
from planner.plan.types import Plan, ServerPlan
from planner.scenario import Scenario
from planner.topology import Topology, build_graph


@dataclass(frozen=True)
class Context:
    """The plan, its scenario and topology read back, and the full graph."""

    plan: Plan
    setting: Setting

    @cached_property
    def servers(self) -> Mapping[str, ServerPlan]:
        """Servers by name."""
        return {server.name: server for server in self.plan.servers}

    @cached_property
    def pools(self) -> Mapping[str, PoolFacts]:
        """Pools that stand on at least one server."""
        return pools_of(self.plan)

    @cached_property
    def table(self) -> ServiceTable:
        """Service columns, computed from scratch."""
        return ServiceTable(self.setting, self.pools)

    @cached_property
    def columns(self) -> Columns:
        """The columns of everything the plan's pools say they carry."""
        return self.table.fill((load.pool, load.workload, load.rtt_ms) for load in self.plan.pools)

    @cached_property
    def promises(self) -> Promises:
        """The round trip that each route was sized for."""
        return Promises(self.plan)

    def known(self, server: ServerPlan) -> bool:
        """Return whether everything a server names exists, so that it can be counted."""
        setting, nodes = self.setting, self.setting.graph.nodes
        if server.site not in nodes or nodes[server.site]["kind"] != "site":
            return False
        if server.rack is not None and (server.rack not in nodes or nodes[server.rack]["kind"] != "rack"):
            return False
        if server.origin == "rent":
            return server.rent_index is not None and 0 <= server.rent_index < len(setting.scenario.fleet.rent)
        return server_model(server, setting.scenario, setting.catalog) is not None


def read_context(plan: Plan, catalog: Catalog | None = None) -> Context:
    """Rebuild the question of a plan from what is embedded in it.

    Args:
        plan: the plan.
        catalog: facts to check against; None: those the scenario names.

    Raises:
        ValueError: the embedded scenario or topology cannot be read.
    """
    scenario = Scenario.model_validate(plan.scenario)
    topology = Topology.model_validate(plan.topology)
    facts = catalog or _catalog(scenario)
    return Context(plan, Setting(scenario, build_graph(topology, facts), facts, plan.day()))


def _catalog(scenario: Scenario) -> Catalog:
    if isinstance(scenario.catalog, str):
        return load_catalog(extra=Path(scenario.catalog))
    return load_catalog(inline=scenario.catalog)
