"""Names in a topology that must lead somewhere, checked on the data as written.

Working on the data rather than on the typed model lets these faults be told together with those of
types and numbers.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from planner.catalog import Catalog, UnknownEntry
from planner.files import Document, InputFault, close_matches
from planner.scenario import ANYWHERE, region_names
from planner.topology.types import LEVELS

Loc = tuple[str | int, ...]


@dataclass
class _Names:
    """What is defined in a site or block: power nodes, loops with their medium, fabric domains."""

    power: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    cooling: dict[str, Mapping[str, Any]] = field(default_factory=dict)
    domains: dict[str, Mapping[str, Any]] = field(default_factory=dict)

    def inside(self, outer: "_Names") -> "_Names":
        """Return these names with those of the site around them."""
        return _Names(
            {**outer.power, **self.power},
            {**outer.cooling, **self.cooling},
            {**outer.domains, **self.domains},
        )


def reference_problems(document: Document, catalog: Catalog) -> list[tuple[Loc, InputFault]]:
    """Return place and fault of every name that leads nowhere, every cycle and every orphan rack."""
    if not isinstance(document.data, Mapping):
        return []
    checker = _Checker(document, catalog)
    sites = _entries(document.data.get("sites"))
    for at, site in sites:
        checker.site(site, ("sites", at))
    names = [site["name"] for _, site in sites if isinstance(site.get("name"), str)]
    pairs: dict[frozenset[str], int] = {}
    for at, link in _entries(document.data.get("wan")):
        checker.link(link, ("wan", at), names, pairs)
    return checker.problems


def _entries(value: Any) -> list[tuple[int, Mapping[str, Any]]]:
    """Return the mappings of a list with their indices."""
    if not isinstance(value, list):
        return []
    return [(index, entry) for index, entry in enumerate(value) if isinstance(entry, Mapping)]


def _defined(part: Mapping[str, Any], prefix: str) -> _Names:
    """Return what a site or block defines, by local name and by name with the prefix in front."""
    found = _Names()
    for key, into in (
        ("power", found.power),
        ("cooling", found.cooling),
        ("fabric_domains", found.domains),
    ):
        for _, entry in _entries(part.get(key)):
            name = entry.get("name")
            if isinstance(name, str):
                into[name] = entry
                into.setdefault(f"{prefix}-{name}", entry)
    return found


class _Checker:
    """Walks a topology document and collects faults."""

    def __init__(self, document: Document, catalog: Catalog):
        self.document = document
        self.catalog = catalog
        self.problems: list[tuple[Loc, InputFault]] = []

    def fault(self, loc: Loc, found: str, allowed: str, advice: str = "") -> None:
        self.problems.append((loc, self.document.fault(loc, found, allowed, advice)))

    def site(self, site: Mapping[str, Any], at: Loc) -> None:
        name = str(site.get("name", ""))
        region = site.get("region")
        self.region(region, (*at, "region"))
        rtt = site.get("rtt_ms")
        for origin in rtt if isinstance(rtt, Mapping) else ():
            self.region(origin, (*at, "rtt_ms", origin))
        own = _defined(site, name)
        parts: list[tuple[Mapping[str, Any], Loc, _Names]] = [(site, at, own)]
        for index, block in _entries(site.get("blocks")):
            inner = _defined(block, str(block.get("name", ""))).inside(own)
            parts.append((block, (*at, "blocks", index), inner))
        has_power = any(names.power for _, _, names in parts)
        has_air = any(loop.get("medium") != "liquid" for _, _, n in parts for loop in n.cooling.values())
        for part, here, names in parts:
            self.power(part, here, names)
            for index, group in _entries(part.get("racks")):
                rack_at = (*here, "racks", index)
                self.racks(group, rack_at, names)
                if has_power and not group.get("feeds"):
                    self.fault(
                        (*rack_at, "feeds"),
                        "a rack that nothing feeds",
                        "power nodes of the site: " + ", ".join(_short(names.power)),
                        "name its feeds, e.g. feeds: [A, B]",
                    )
                if has_air and group.get("air_loop") is None:
                    self.fault(
                        (*rack_at, "air_loop"),
                        "a rack whose air heat nothing takes",
                        "air or rear-door loops: " + ", ".join(_short(_air(names.cooling))),
                        "liquid racks give off some air heat too",
                    )

    def power(self, part: Mapping[str, Any], at: Loc, names: _Names) -> None:
        """Check the parents of the power nodes of a site or block: known, above, no cycle."""
        raw = part.get("power")
        nodes = _entries(raw if isinstance(raw, list) else [raw])
        for index, node in nodes:
            parent = node.get("parent")
            loc = (*at, "power", index, "parent")
            if not isinstance(parent, str):
                continue
            if parent not in names.power:
                self.unknown(loc, parent, "a power node of the site", names.power)
                continue
            above, level = names.power[parent].get("level", "feed"), node.get("level", "feed")
            if self.in_cycle(node, names):
                self.fault(loc, f"a cycle: {self.cycle_text(node, names)}", "a tree", "break the cycle")
            elif above in LEVELS and level in LEVELS and LEVELS.index(above) > LEVELS.index(level):
                self.fault(
                    loc,
                    f"a {level} that hangs on a {above}",
                    "a parent nearer to the grid: " + " > ".join(LEVELS),
                )

    def chain(self, node: Mapping[str, Any], names: _Names) -> list[str]:
        """Return the names from a power node up to the grid, or until one repeats."""
        walked: list[str] = []
        current: Mapping[str, Any] | None = node
        while current is not None:
            name = str(current.get("name"))
            walked.append(name)
            if walked.count(name) > 1:
                break
            parent = current.get("parent")
            current = names.power.get(parent) if isinstance(parent, str) else None
        return walked

    def in_cycle(self, node: Mapping[str, Any], names: _Names) -> bool:
        walked = self.chain(node, names)
        return len(walked) > 1 and walked[-1] == walked[0]

    def cycle_text(self, node: Mapping[str, Any], names: _Names) -> str:
        return " > ".join(reversed(self.chain(node, names)))

    def racks(self, group: Mapping[str, Any], at: Loc, names: _Names) -> None:
        feeds = group.get("feeds")
        seen: set[str] = set()
        for index, feed in enumerate(feeds if isinstance(feeds, list) else []):
            if isinstance(feed, str) and feed not in names.power:
                advice = close_matches(feed, _short(names.power))
                self.fault(
                    (*at, "feeds", index),
                    f"the feed '{feed}', which does not exist",
                    "a power node of the site",
                    advice or "the site has no power tree",
                )
            if not isinstance(feed, str):
                continue  # its type is reported
            if feed in seen:
                self.fault((*at, "feeds", index), f"'{feed}' twice", "each feed once")
            seen.add(feed)
        self.loop(group.get("air_loop"), (*at, "air_loop"), names, ("air", "rear_door"))
        self.loop(group.get("liquid_loop"), (*at, "liquid_loop"), names, ("liquid",))
        retrofit = group.get("retrofit")
        if isinstance(retrofit, Mapping):
            loc = (*at, "retrofit", "liquid_loop")
            self.loop(retrofit.get("liquid_loop"), loc, names, ("liquid",))
            if group.get("liquid_loop") is not None:
                self.fault(
                    (*at, "retrofit"),
                    "a retrofit of a rack that has liquid",
                    "a rack without liquid_loop",
                    "remove one of the two",
                )
        domain = group.get("fabric_domain")
        if isinstance(domain, str) and domain not in names.domains:
            self.unknown((*at, "fabric_domain"), domain, "a fabric domain", names.domains)
        servers = group.get("servers")
        for server in servers if isinstance(servers, Mapping) else ():
            if server not in self.catalog.servers:
                self.unknown(
                    (*at, "servers", server), server, "a server of the catalog", self.catalog.servers
                )
        if group.get("liquid_kw") and group.get("liquid_loop") is None:
            self.fault(
                (*at, "liquid_kw"),
                f"{group['liquid_kw']} kW of liquid heat and no loop",
                "a liquid_loop, or liquid_kw: 0",
            )

    def loop(self, name: Any, loc: Loc, names: _Names, media: tuple[str, ...]) -> None:
        if not isinstance(name, str):
            return
        words = " or ".join(medium.replace("_", "-") for medium in media)
        fitting = {n: e for n, e in names.cooling.items() if e.get("medium") in media}
        if name not in names.cooling:
            self.unknown(loc, name, f"a cooling loop ({words}) of the site", fitting)
        elif name not in fitting:
            medium = str(names.cooling[name].get("medium")).replace("_", "-")
            self.fault(
                loc, f"the {medium} loop '{name}'", f"a loop for {words}", close_matches(name, fitting)
            )

    def region(self, name: Any, loc: Loc) -> None:
        if not isinstance(name, str) or name == ANYWHERE:
            return
        try:
            self.catalog.regions.resolve(name)
        except UnknownEntry:
            advice = close_matches(name, region_names(self.catalog))
            self.fault(loc, f"'{name}'", "a cloud region", advice or "see `planner catalog list regions`")

    def link(
        self, link: Mapping[str, Any], at: Loc, sites: list[str], pairs: dict[frozenset[str], int]
    ) -> None:
        """Check the ends of a WAN link; `pairs` are the links before it, with their index."""
        between = link.get("between")
        ends = between if isinstance(between, list) else []
        for index, end in enumerate(ends):
            if isinstance(end, str) and end not in sites:
                self.unknown((*at, "between", index), end, "a site", dict.fromkeys(sites))
        if len(ends) == 2 and ends[0] == ends[1]:
            self.fault((*at, "between"), f"'{ends[0]}' twice", "two different sites")
        elif len(ends) == 2 and all(isinstance(end, str) for end in ends):
            first = pairs.setdefault(frozenset(ends), int(at[-1]))
            if first != at[-1]:
                line = self.document.line(("wan", first))
                where = f"wan[{first}]" if line is None else f"line {line}"
                found = f"a second link between '{ends[0]}' and '{ends[1]}' (the first: {where})"
                advice = "add their bandwidths in one entry"
                self.fault((*at, "between"), found, "one link for a pair of sites", advice)

    def unknown(self, loc: Loc, name: str, allowed: str, known: Mapping[str, Any]) -> None:
        advice = close_matches(name, _short(known)) or "it is not defined"
        self.fault(loc, f"'{name}', which does not exist", allowed, advice)


def _air(cooling: Mapping[str, Mapping[str, Any]]) -> dict[str, Mapping[str, Any]]:
    return {name: loop for name, loop in cooling.items() if loop.get("medium") != "liquid"}


def _short(known: Mapping[str, Any]) -> list[str]:
    """Return the names as written: of an entry known by two names, the shorter."""
    shortest: dict[int, str] = {}
    plain: list[str] = []
    for name, entry in known.items():
        if isinstance(entry, Mapping):
            key = id(entry)
            if key not in shortest or len(name) < len(shortest[key]):
                shortest[key] = name
        else:
            plain.append(name)
    return list(shortest.values()) + plain
