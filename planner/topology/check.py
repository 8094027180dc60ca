"""Every structural fault of a topology, with line numbers."""

from collections.abc import Iterable, Mapping
from functools import cached_property
from typing import Any

from planner.catalog import Catalog, Server, load_catalog
from planner.files import Document, InputFault, InputFaults, validate
from planner.topology.classes import RackClass, rack_classes
from planner.topology.graph import build_graph
from planner.topology.layout import full_name, rack_names, scopes
from planner.topology.nodes import Graph
from planner.topology.power import power_cases, upstream
from planner.topology.references import reference_problems
from planner.topology.sound_part import sound_part, without
from planner.topology.types import RackGroup, Topology

Loc = tuple[str | int, ...]

WATTS_PER_KW = 1000.0

_ROUNDING_KW = 1e-6
"""Sums of written decimals may exceed a limit by this much without meaning it."""

_SHARED_LEVELS = ("feed", "pdu", "ups")
"""Two feeds of a rack that meet in one of these fail together; they may meet in the utility."""


def check(
    topology: Topology | Mapping[str, Any] | Document, catalog: Catalog | None = None
) -> list[InputFault]:
    """Return everything that is wrong with a topology (a model, plain data, or a document).

    Names that lead nowhere, cycles, orphan racks; feeds and loops that cannot carry what hangs on
    them; racks that cannot hold the servers said to stand in them.
    """
    if isinstance(topology, Document):
        document = topology
    elif isinstance(topology, Topology):
        document = topology.document or Document(topology.model_dump(exclude_none=True), name=topology.name)
    else:
        document = Document(dict(topology), name="inline topology")
    return check_document(document, catalog or load_catalog())


def check_document(document: Document, catalog: Catalog, capacities: bool = True) -> list[InputFault]:
    """Return everything that is wrong with the topology in a document.

    Without `capacities`, kilowatts are not judged: a feed that cannot carry all of its racks at once is
    a poor design, but a question that a plan can answer by leaving some of them dark.
    """
    faults = [fault for _, fault in reference_problems(document, catalog)]
    try:
        validate(Topology, document)
    except InputFaults as error:
        faults += error.faults
    sound = sound_part(document, catalog) if faults else document
    if sound is not None:
        faults += physical_faults(validate(Topology, sound), sound, catalog, capacities)
    return InputFaults(faults).faults


def physical_faults(
    topology: Topology, document: Document, catalog: Catalog, capacities: bool
) -> list[InputFault]:
    """Return what is too heavy, too hot, too high or too hungry in a topology whose names are right."""
    ambiguous = _ambiguous_domains(topology)
    faults = [document.fault(loc, "nothing", f"one of {names}", "say which") for loc, names in ambiguous]
    if ambiguous:
        document = without(document, [loc for loc, _ in ambiguous])
        topology = validate(Topology, document)
    try:
        graph = build_graph(topology, catalog)
    except ValueError as error:
        return [*faults, document.fault((), str(error), "different names after expansion")]
    checker = _Physical(graph, document, catalog, _places(topology))
    checker.faults += faults
    checker.built()
    if capacities:
        checker.carried()
    return checker.faults


def _places(topology: Topology) -> dict[str, Loc]:
    """Map the full name of every node a file describes to where it is described."""
    places: dict[str, Loc] = {}
    for at, site in enumerate(topology.sites):
        places[site.name] = ("sites", at)
        for scope in scopes(site, at):
            part = scope.equipment
            for field in ("power", "cooling", "fabric_domains", "racks"):
                for index, entry in enumerate(getattr(part, field)):
                    loc = (*scope.loc, field, index)
                    places[full_name(scope.prefix, entry.name)] = loc
                    if isinstance(entry, RackGroup):
                        places.update(dict.fromkeys(rack_names(scope, entry), loc))
    return places


def _ambiguous_domains(topology: Topology) -> list[tuple[Loc, str]]:
    """Return the racks that name no fabric domain where there are several, with their names."""
    found = []
    for at, site in enumerate(topology.sites):
        for scope in scopes(site, at):
            nearest = scope.equipment.fabric_domains or site.fabric_domains
            for index, group in enumerate(scope.equipment.racks):
                if group.fabric_domain is None and len(nearest) > 1:
                    names = ", ".join(domain.name for domain in nearest)
                    loc = (*scope.loc, "racks", index, "fabric_domain")
                    found.append((loc, names))
    return list(dict(found).items())


class _Physical:
    """Checks capacities on the expanded graph and collects faults."""

    def __init__(self, graph: Graph, document: Document, catalog: Catalog, places: Mapping[str, Loc]):
        self.graph = graph
        self.document = document
        self.catalog = catalog
        self.places = places
        self.classes = rack_classes(graph)
        self.faults: list[InputFault] = []

    def fault(self, node: str, field: str, found: str, allowed: str, advice: str = "") -> None:
        loc = (*self.places.get(node, ()), *field.split("."))
        self.faults.append(self.document.fault(loc, found, allowed, advice))

    def built(self) -> None:
        """Check what cannot stand as described, whatever is switched on."""
        for rack_class in self.classes:
            self.room(rack_class)
            self.sides(rack_class)

    def carried(self) -> None:
        """Check that everything could run at its limit at once."""
        for rack_class in self.classes:
            self.rack_watts(rack_class)
        self.parents()
        fullest: dict[str, tuple[float, float, str | None]] = {}
        for case in power_cases(self.graph):
            limits_kw = self.sum_over(case.shares, "power_kw")
            load_kw = sum(share * self.rack_load_kw[rack] for rack, share in case.shares.items())
            before = fullest.get(case.node)
            if before is None or (load_kw, limits_kw) > (before[1], before[0]):
                fullest[case.node] = (limits_kw, load_kw, case.lost)
        for node, (limits_kw, load_kw, lost) in fullest.items():
            self.capacity(node, "capacity_kw", limits_kw, load_kw, lost)
        self.loops()
        self.grid()

    def sum_over(self, shares: Mapping[str, float], attribute: str) -> float:
        nodes = self.graph.nodes
        total: float = sum(share * nodes[rack][attribute] for rack, share in shares.items())
        return total

    @cached_property
    def rack_load_kw(self) -> dict[str, float]:
        """Rated power of the servers that stand in each rack, kW."""
        return {
            rack: sum(server.rated_w * n for server, n in self.servers(c)) / WATTS_PER_KW
            for c in self.classes
            for rack in c.members
        }

    def servers(self, rack_class: RackClass) -> list[tuple[Server, int]]:
        """Return the catalog entries of the servers in each rack of a class, with their counts."""
        return [(self.catalog.servers[s], n) for s, n in rack_class.existing.items()]

    def room(self, c: RackClass) -> None:
        """Check that a rack has room and cooling of the right kind for the servers in it."""
        held, about = self.servers(c), c.attributes
        totals = (
            ("height_u", sum(s.rack_units * n for s, n in held), about["height_u"], "rack units"),
            ("slots", sum(n for _, n in held), about["slots"], "servers"),
            ("weight_kg", sum(s.weight_kg * n for s, n in held), about["weight_kg"], "kg"),
        )
        self.totals(c, totals)
        for server, _ in held:
            if server.cooling == "liquid" and about["liquid_kw"] <= 0:
                self.fault(
                    c.members[0],
                    "servers",
                    f"the liquid-cooled {server.id} in a rack without liquid",
                    "a rack with a liquid_loop",
                )

    def rack_watts(self, c: RackClass) -> None:
        """Check that a rack powers and cools the servers in it."""
        about = c.attributes
        air_kw, liquid_kw = rack_heat_kw(self.servers(c), about["liquid_kw"] > 0)
        power_kw = self.rack_load_kw[c.members[0]]
        totals = (
            ("power_kw", power_kw, about["power_kw"], "kW rated"),
            ("air_kw", air_kw, about["air_kw"], "kW of air heat"),
            ("liquid_kw", liquid_kw, about["liquid_kw"], "kW of liquid heat"),
        )
        self.totals(c, totals)

    def totals(self, c: RackClass, totals: Iterable[tuple[str, float, float, str]]) -> None:
        """Fault every (field, used, limit, unit) whose limit is exceeded."""
        what = ", ".join(f"{n} {s.id}" for s, n in self.servers(c))
        for field, used, limit, unit in totals:
            if used > limit + _ROUNDING_KW:
                self.fault(
                    c.members[0],
                    field,
                    f"{limit:g} for {what}, which need {used:g} {unit}",
                    f"{used:g} or more",
                    "raise it or move servers",
                )

    def sides(self, c: RackClass) -> None:
        """Check that the feeds of a redundant rack do not fail together."""
        if c.attributes["redundancy"] == "none" or not c.feeds:
            return
        if len(c.feeds) == 1:
            self.fault(
                c.members[0],
                "feeds",
                f"one feed, {c.feeds[0]}, for redundancy {c.attributes['redundancy']}",
                "two feeds or more",
                "add the other side or say redundancy: none",
            )
            return
        paths = [upstream(self.graph, feed) for feed in c.feeds]
        shared = {
            node
            for i, path in enumerate(paths)
            for other in paths[i + 1 :]
            for node in path & other
            if self.graph.nodes[node]["level"] in _SHARED_LEVELS
        }
        if shared:
            self.fault(
                c.members[0],
                "feeds",
                "feeds that meet in " + ", ".join(sorted(shared)),
                f"separate sides for redundancy {c.attributes['redundancy']}",
                "hang them on different UPS, or say redundancy: none",
            )

    def parents(self) -> None:
        """Check that no power node is larger than what it hangs on."""
        nodes = self.graph.nodes
        for parent, child, key in self.graph.edges(keys=True):
            if key != "power" or nodes[child]["kind"] != "power":
                continue
            above_kw, below_kw = nodes[parent]["capacity_kw"], nodes[child]["capacity_kw"]
            if below_kw > above_kw + _ROUNDING_KW:
                self.fault(
                    child,
                    "capacity_kw",
                    f"{below_kw:g} kW on {parent} of {above_kw:g} kW",
                    f"at most the {above_kw:g} kW of its parent",
                    "lower it or raise the parent",
                )

    def capacity(self, node: str, field: str, limits_kw: float, load_kw: float, lost: str | None) -> None:
        """Check a feed or loop against the limits and the load of the racks on it."""
        about = self.graph.nodes[node]
        usable_kw = about["usable_kw"]
        after = f" after the loss of {lost}" if lost else ""
        if load_kw > usable_kw * about.get("oversubscription", 1.0) + _ROUNDING_KW:
            self.fault(
                node,
                field,
                f"{usable_kw:g} kW usable for existing servers of {load_kw:g} kW{after}",
                f"{load_kw:g} kW usable or more",
                "raise it or move servers",
            )
        elif limits_kw > usable_kw * about["diversity"] + _ROUNDING_KW:
            self.fault(
                node,
                field,
                f"{usable_kw:g} kW usable for racks limited to {limits_kw:g} kW together{after}",
                f"{limits_kw:g} kW usable or more, or diversity: {limits_kw / usable_kw:.3g}",
                "raise it, lower the racks' limits, or state a diversity to share it",
            )

    def loops(self) -> None:
        """Check cooling loops against the limits and the heat of the racks on them."""
        limits_kw: dict[str, float] = {}
        heat_kw: dict[str, float] = {}
        for c in self.classes:
            has_liquid = c.attributes["liquid_kw"] > 0
            air_kw, liquid_kw = rack_heat_kw(self.servers(c), has_liquid)
            for loop, limit, heat in (
                (c.air_loop, c.attributes["air_kw"], air_kw),
                (c.liquid_loop, c.attributes["liquid_kw"], liquid_kw),
            ):
                if loop is not None:
                    limits_kw[loop] = limits_kw.get(loop, 0.0) + limit * c.count
                    heat_kw[loop] = heat_kw.get(loop, 0.0) + heat * c.count
        for loop, limit in limits_kw.items():
            self.capacity(loop, "unit_kw", limit, heat_kw[loop], None)

    def grid(self) -> None:
        """Check the grid contract of every site against the servers that stand there."""
        facility_kw: dict[str, float] = {}
        for c in self.classes:
            about = self.graph.nodes[c.site]
            air_kw, liquid_kw = rack_heat_kw(self.servers(c), c.attributes["liquid_kw"] > 0)
            drawn = air_kw * about["pue_air"] + liquid_kw * about["pue_liquid"]
            facility_kw[c.site] = facility_kw.get(c.site, 0.0) + drawn * c.count
        for site, drawn in facility_kw.items():
            contract = self.graph.nodes[site]["grid_kw"]
            if contract is not None and drawn > contract + _ROUNDING_KW:
                self.fault(
                    site,
                    "grid_kw",
                    f"{contract:g} kW for existing servers that draw {drawn:g} kW with cooling",
                    f"{drawn:g} kW or more",
                    "raise the contract or remove servers",
                )


def rack_heat_kw(servers: Iterable[tuple[Server, int]], has_liquid: bool) -> tuple[float, float]:
    """Return the rated heat of servers to (air, liquid), kW; all goes to air without liquid."""
    air_w = liquid_w = 0.0
    for server, count in servers:
        to_liquid = server.liquid_fraction if has_liquid else 0.0
        liquid_w += server.rated_w * to_liquid * count
        air_w += server.rated_w * (1 - to_liquid) * count
    return air_w / WATTS_PER_KW, liquid_w / WATTS_PER_KW
