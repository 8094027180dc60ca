"""A scenario together with its topology and catalog: everything a solve needs, checked as one."""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planner.catalog import Catalog, load_catalog
from planner.files import Document, InputFault, InputFaults
from planner.scenario import ANYWHERE, Rent, Scenario, Workload, examine_scenario
from planner.topology.distance import rtt_ms
from planner.topology.load import load_topology
from planner.topology.types import Topology


@dataclass(frozen=True)
class Question:
    """A scenario, its resolved topology (rented places included) and the catalog they use."""

    scenario: Scenario
    topology: Topology
    catalog: Catalog


def load_question(
    source: str | Path | Mapping[str, Any],
    overrides: Iterable[str] = (),
    folder: Path | None = None,
) -> Question:
    """Read a scenario and the topology it names.

    `overrides` are `path=value` changes; `topology.sites.ams1.grid_kw=*0.9` changes the topology.

    Raises:
        InputFaults: everything that is wrong with either, together.
    """
    examined = examine_scenario(source, overrides, folder)
    faults = list(examined.faults)
    topology: Topology | None = None
    document = examined.document
    if document is not None and isinstance(document.data, Mapping):
        try:
            topology = _topology(document, examined.scenario, examined.catalog)
        except InputFaults as error:
            faults += [_at_its_mention(fault, document) for fault in error.faults]
    scenario, catalog = examined.scenario, examined.catalog
    if scenario is not None and topology is not None and catalog is not None and not faults:
        faults += latency_faults(scenario, topology, catalog)
        faults += rule_faults(scenario, topology)
    if scenario is None or topology is None or catalog is None or faults:
        raise InputFaults(faults)
    return Question(scenario, topology, catalog)


def scenario_topology(scenario: Scenario, catalog: Catalog) -> Topology:
    """Return the topology of a scenario, with a place for every rented region.

    Raises:
        InputFaults: everything that is wrong with the topology.
    """
    source: Any = scenario.topology
    if scenario.document is not None and isinstance(source, Mapping):
        source = scenario.document.part("topology")
    return load_topology(source, catalog, scenario.fleet.rent, scenario.topology_changes)


def _topology(document: Document, scenario: Scenario | None, catalog: Catalog | None) -> Topology | None:
    """Load the topology, even of a scenario with faults of its own."""
    source = document.data.get("topology")
    if isinstance(source, Mapping):
        source = document.part("topology")
    elif not isinstance(source, str):
        return None  # reported as a fault of the scenario
    changes = document.data.get("topology_changes")
    stated = [c for c in changes if isinstance(c, str)] if isinstance(changes, list) else []
    rent: list[Rent] = [] if scenario is None else scenario.fleet.rent
    return load_topology(source, catalog or load_catalog(), rent, stated)


def _at_its_mention(fault: InputFault, document: Document) -> InputFault:
    """Give the fault of a topology that cannot be found the line of the scenario that names it."""
    if fault.field == "topology" and fault.line is None:
        return document.fault(("topology",), fault.found, fault.allowed, fault.advice)
    return fault


def servable_sites(workload: Workload, topology: Topology, catalog: Catalog) -> list[str]:
    """Return the sites whose region is allowed for a workload."""
    if workload.regions is None:
        return [site.name for site in topology.sites]
    allowed = {
        region if region == ANYWHERE else catalog.regions.resolve(region) for region in workload.regions
    }
    return [site.name for site in topology.sites if site.region in allowed or site.region == ANYWHERE]


def rule_faults(scenario: Scenario, topology: Topology) -> list[InputFault]:
    """Return a fault for each rule about replicas at a site that does not exist."""
    document = scenario.document or Document(scenario.model_dump(), name=scenario.name)
    sites = [site.name for site in topology.sites]
    return [
        document.fault(("replicas", index, "site"), f"'{rule.site}'", "a site: " + ", ".join(sites), "")
        for index, rule in enumerate(scenario.replicas)
        if rule.site is not None and rule.site not in sites
    ]


def latency_faults(scenario: Scenario, topology: Topology, catalog: Catalog) -> list[InputFault]:
    """Return a fault where an SLO leaves less time than the round trip to every allowed site."""
    faults: list[InputFault] = []
    document = scenario.document or Document(scenario.model_dump(), name=scenario.name)
    for index, workload in enumerate(scenario.workloads):
        sites = servable_sites(workload, topology, catalog)
        at = ("workloads", index)
        if not sites:
            if topology.sites:
                regions = ", ".join(sorted({site.region for site in topology.sites}))
                found = "only regions without a site"
                faults.append(document.fault((*at, "regions"), found, f"a region of a site: {regions}"))
            continue
        if workload.slo is None:
            continue
        for origin, share in workload.origins.items():
            nearest_ms, nearest = min((rtt_ms(topology, origin, s, catalog), s) for s in sites)
            for field in ("ttft_ms", "e2e_ms"):
                budget_ms = getattr(workload.slo, field)
                if share > 0 and budget_ms is not None and budget_ms <= nearest_ms:
                    faults.append(
                        document.fault(
                            (*at, "slo", field),
                            f"{budget_ms:g} ms, while light needs {nearest_ms:g} ms from {origin} to"
                            f" the nearest site that may serve it ({nearest}) and back",
                            f"more than {nearest_ms:g} ms",
                            "relax it, allow a nearer region, or add a site near these users",
                        )
                    )
    if not topology.sites:
        faults.append(
            document.fault(
                ("topology",),
                "no site",
                "at least one site",
                "topology: cloud needs fleet.rent; others need sites",
            )
        )
    return faults
