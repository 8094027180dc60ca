"""What goes where: sites, their racks, what stands in each rack, and which replica takes which accelerator.

Racks that look the same are one view with the names of all of them. The order of servers within a rack
is not part of a plan, so racks with equal servers in another order look the same.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import groupby
from typing import Any, Literal

from planner.plan.content import Setting, slices_of
from planner.plan.types import Plan, ServerPlan
from planner.report.recipes import Recipe

MOST_PICTURES = 400
FEWEST_PICTURES = 8
"""Different racks drawn in a report, and at least at one site; beyond, racks are told apart by their
servers alone, and then the rarest are left to the tables."""

OPEN_PICTURES = 18
"""Racks of a place that are shown at once; the others open on demand."""

MOST_DOMAINS = 6
"""Fabric domains of a site that are shown apart; of more, equal racks are one picture for all."""

UNKNOWN_HEIGHT_U = 4
"""Height drawn for servers that the catalog does not know."""

Origin = Literal["existing", "buy", "rent", "off"]

ORDER: tuple[Origin, ...] = ("existing", "buy", "rent", "off")


@dataclass(frozen=True, order=True)
class Part:
    """Neighbouring accelerators of one replica, first to last, by the number of its recipe."""

    first: int
    last: int
    recipe: int


@dataclass(frozen=True)
class Box:
    """One server as it is drawn. watts: provisioned; origin `off`: it stands there without power."""

    server: str
    accelerator: str
    accelerators: int
    height_u: int
    origin: Origin
    parts: tuple[Part, ...] = ()
    watts: int = 0
    cap_w: float | None = None

    @property
    def busy(self) -> int:
        """Accelerators that belong to a replica."""
        return sum(part.last - part.first + 1 for part in self.parts)


@dataclass(frozen=True)
class RackView:
    """Racks that look the same.

    limit_w: provisioned power one of them may take. uniform: False where they differ in what runs on
    their servers, and the picture is that of the first. runs: accelerators of each recipe in all of them
    together, by its number.
    """

    names: tuple[str, ...]
    height_u: int
    boxes: tuple[Box, ...]
    limit_w: float | None
    liquid: bool
    retrofitted: bool
    runs: Mapping[int, int]
    uniform: bool = True

    @property
    def count(self) -> int:
        """How many racks."""
        return len(self.names)

    @property
    def used_w(self) -> int:
        """Provisioned power of one rack."""
        return sum(box.watts for box in self.boxes)

    @property
    def free_u(self) -> int:
        """Height units left."""
        return max(self.height_u - sum(box.height_u for box in self.boxes), 0)


@dataclass(frozen=True)
class Place:
    """A fabric domain (or many), or the rented servers of a site: racks, or lone servers with counts.

    left_out: racks that are not drawn, for there are too many kinds.
    """

    name: str
    left_out: int = 0
    racks: tuple[RackView, ...] = ()
    rented: tuple[tuple[Box, int], ...] = ()

    @property
    def first(self) -> tuple[RackView, ...]:
        """Racks that are shown at once."""
        return self.racks if len(self.racks) <= OPEN_PICTURES + 2 else self.racks[:OPEN_PICTURES]

    @property
    def further(self) -> tuple[RackView, ...]:
        """Racks that are shown on demand."""
        return self.racks[len(self.first) :]

    @property
    def height_u(self) -> int:
        """Height of its tallest rack."""
        return max((rack.height_u for rack in self.racks), default=0)


@dataclass(frozen=True)
class SiteView:
    """One site with its places. region, grid_kw: None where the topology does not say."""

    name: str
    region: str | None
    cloud: bool
    places: tuple[Place, ...]
    servers: Mapping[Origin, int]
    accelerators: int
    provisioned_w: int
    expected_w: int
    racks_used: int
    racks_total: int

    @property
    def pictures(self) -> int:
        """How many racks and servers are drawn."""
        return sum(len(place.racks) + len(place.rented) for place in self.places)

    @property
    def small(self) -> bool:
        """Whether half the width of the page is enough for it."""
        return self.pictures < 3 or (self.pictures == 3 and len(self.places) == 1)

    @property
    def used(self) -> bool:
        """Whether the plan powers anything here."""
        return self.provisioned_w > 0 or any(self.servers[o] for o in ORDER if o != "off")


def site_views(plan: Plan, setting: Setting, recipes: Mapping[str, Recipe]) -> list[SiteView]:
    """Return every site of the topology and of the plan, the largest first, unused ones last."""
    boxes = _Boxes(plan, setting, recipes)
    nodes = setting.graph.nodes
    racks: dict[str, list[str]] = defaultdict(list)
    standing: dict[str, list[str]] = defaultdict(list)
    for name, about in nodes(data=True):
        if about["kind"] == "rack":
            racks[about["site"]].append(name)
        elif about["kind"] == "server":
            standing[about["rack"]].append(name)
    sites = [name for name, about in nodes(data=True) if about["kind"] == "site"]
    of_site: dict[str, list[ServerPlan]] = defaultdict(list)
    for server in plan.servers:
        of_site[server.site].append(server)
    pictures = max(MOST_PICTURES // max(len(of_site), 1), FEWEST_PICTURES)
    views = [
        _site(site, plan, setting, boxes, of_site.get(site, ()), racks[site], standing, pictures)
        for site in dict.fromkeys([*sites, *of_site])
    ]
    return sorted(views, key=lambda view: (not view.used, -view.accelerators))


def _site(
    name: str,
    plan: Plan,
    setting: Setting,
    boxes: _Boxes,
    servers: Sequence[ServerPlan],
    racks: Sequence[str],
    standing: Mapping[str, Sequence[str]],
    pictures: int,
) -> SiteView:
    about: Mapping[str, Any] = setting.graph.nodes[name] if name in setting.graph else {}
    in_rack: dict[str, list[ServerPlan]] = defaultdict(list)
    alone: list[ServerPlan] = []
    for server in servers:
        if server.rack is None:
            alone.append(server)
        else:
            in_rack[server.rack].append(server)
    retrofitted = set(plan.retrofitted_racks)
    powered = {server.name for server in servers}
    domains: dict[str, list[RackView]] = {}
    off = 0
    for rack in dict.fromkeys([*racks, *in_rack]):
        facts: Mapping[str, Any] = setting.graph.nodes[rack] if rack in setting.graph else {}
        content = [boxes.powered(server) for server in in_rack.get(rack, ())]
        dark = [boxes.dark(server) for server in standing.get(rack, ()) if server not in powered]
        off += len(dark)
        content = sorted([*content, *dark], key=_drawing_order)
        tall = sum(box.height_u for box in content)
        domain = facts.get("fabric_domain") or next((s.fabric_domain for s in in_rack.get(rack, ())), None)
        domains.setdefault(domain or name, []).append(
            RackView(
                names=(rack,),
                height_u=max(int(facts.get("height_u", tall)), tall),
                boxes=tuple(content),
                limit_w=facts["power_kw"] * 1000 if "power_kw" in facts else None,
                liquid=bool(facts.get("liquid_kw")),
                retrofitted=rack in retrofitted,
                runs=running(content),
            )
        )
    if len(domains) > MOST_DOMAINS:
        domains = {f"{len(domains)} fabric domains": [v for views in domains.values() for v in views]}
    places = [_place(domain, views, pictures) for domain, views in domains.items()]
    places.sort(key=lambda place: not any(rack.used_w for rack in place.racks))
    if alone:
        counts: dict[Box, int] = defaultdict(int)
        for server in alone:
            counts[boxes.powered(server)] += 1
        places.append(Place("rented", rented=tuple(counts.items())))
    origins: dict[Origin, int] = {origin: sum(s.origin == origin for s in servers) for origin in ORDER}
    return SiteView(
        name=name,
        region=about.get("region"),
        cloud=bool(about.get("cloud", not racks and not in_rack)),
        places=tuple(places),
        servers={**origins, "off": off},
        accelerators=sum(server.accelerators for server in servers),
        provisioned_w=sum(server.provisioned_w for server in servers),
        expected_w=sum(server.expected_w for server in servers),
        racks_used=len(in_rack),
        racks_total=len(set(racks) | set(in_rack)),
    )


def _place(name: str, racks: Sequence[RackView], pictures: int) -> Place:
    """Return a place with its racks folded and at most `pictures` of them that hold servers."""
    views = folded(racks, pictures)
    drawn, rest = views[:pictures], views[pictures:]
    drawn += [view for view in rest if not view.boxes]
    return Place(name, left_out=sum(view.count for view in rest if view.boxes), racks=tuple(drawn))


def folded(views: Iterable[RackView], pictures: int) -> list[RackView]:
    """Return racks that look the same as one view: those with powered servers first, empty ones last.

    Where that leaves more than `pictures`, racks with equal servers are one view even if what runs on
    them differs.
    """
    every = list(views)
    found = _alike(every, exact=True)
    if sum(bool(view.boxes) for view in found) > pictures:
        found = sorted(_alike(every, exact=False), key=lambda view: -view.count)
    return sorted(
        found, key=lambda view: (not view.boxes, not any(box.origin != "off" for box in view.boxes))
    )


def _alike(views: Iterable[RackView], exact: bool) -> list[RackView]:
    groups: dict[Any, list[RackView]] = defaultdict(list)
    for view in views:
        content = view.boxes if exact else tuple(replace(box, parts=()) for box in view.boxes)
        groups[content, view.height_u, view.limit_w, view.liquid, view.retrofitted].append(view)
    return [
        replace(
            members[0],
            names=tuple(name for view in members for name in view.names),
            runs=added(view.runs for view in members),
            uniform=all(view.boxes == members[0].boxes for view in members),
        )
        for members in groups.values()
    ]


def _drawing_order(box: Box) -> tuple[int, int, str, tuple[Part, ...]]:
    """Tallest at the bottom, existing before new."""
    return -box.height_u, ORDER.index(box.origin), box.server, box.parts


class _Boxes:
    """Makes boxes of servers."""

    def __init__(self, plan: Plan, setting: Setting, recipes: Mapping[str, Recipe]) -> None:
        self.setting = setting
        self.parts: dict[str, list[Part]] = defaultdict(list)
        for group in plan.replicas:
            number = recipes[group.pool].number
            for taken in slices_of(group):
                self.parts[taken.server].append(Part(taken.first, taken.last, number))

    def height_u(self, server: str) -> int:
        """Return the height of a catalog server."""
        known = self.setting.catalog.servers.get(server)
        return (known.rack_units if known is not None else 0) or UNKNOWN_HEIGHT_U

    def powered(self, server: ServerPlan) -> Box:
        """Return the box of a server of the plan."""
        return Box(
            server=server.server,
            accelerator=server.accelerator,
            accelerators=server.accelerators,
            height_u=self.height_u(server.server),
            origin=server.origin,
            parts=tuple(sorted(self.parts[server.name])),
            watts=server.provisioned_w,
            cap_w=server.power_cap_w,
        )

    def dark(self, name: str) -> Box:
        """Return the box of an existing server that the plan leaves without power."""
        kind = str(self.setting.graph.nodes[name]["server"])
        known = self.setting.catalog.servers.get(kind)
        return Box(
            server=kind,
            accelerator="" if known is None else known.accelerator,
            accelerators=0 if known is None else known.accelerators,
            height_u=self.height_u(kind),
            origin="off",
        )


def contents(boxes: Iterable[Box]) -> list[tuple[int, str, Origin]]:
    """Return what stands in a rack: counts of (server, origin), in the order drawn."""
    keys = sorted(((box.server, box.origin) for box in boxes), key=lambda key: (ORDER.index(key[1]), key[0]))
    return [(len(list(same)), *key) for key, same in groupby(keys)]


def running(boxes: Iterable[Box]) -> dict[int, int]:
    """Return the accelerators of each recipe, by its number."""
    counts: dict[int, int] = defaultdict(int)
    for box in boxes:
        for part in box.parts:
            counts[part.recipe] += part.last - part.first + 1
    return dict(sorted(counts.items()))


def added(counts: Iterable[Mapping[int, int]]) -> dict[int, int]:
    """Return counts added up, key by key."""
    total: dict[int, int] = defaultdict(int)
    for some in counts:
        for key, count in some.items():
            total[key] += count
    return dict(sorted(total.items()))
