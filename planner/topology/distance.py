"""Round trips between users and sites."""

from planner.catalog import Catalog, UnknownEntry, load_catalog
from planner.scenario import ANYWHERE
from planner.topology.nodes import Graph
from planner.topology.types import Topology


def rtt_ms(place: Topology | Graph, origin: str, site: str, catalog: Catalog | None = None) -> float:
    """Return the round trip from users in a region to a site, ms.

    A round trip stated by the site wins over the catalog's; `any`, as origin or as region of a
    rented place, is next door (0 ms). `catalog` is the shipped one if not given.

    Raises:
        UnknownEntry: a region is unknown.
        KeyError: there is no such site.
    """
    if isinstance(place, Topology):
        found = place.site(site)
        region, stated = found.region, found.rtt_ms
    else:
        about = place.nodes[site]
        region, stated = about["region"], about["rtt_ms"]
    if ANYWHERE in (origin, region):
        return stated.get(ANYWHERE, 0.0)
    regions = (catalog or load_catalog()).regions
    wanted = regions.resolve(origin)
    for name, measured_ms in stated.items():
        if name == origin or (name != ANYWHERE and _same(regions, name, wanted)):
            return measured_ms
    return regions.rtt_ms(wanted, region)


def _same(regions: object, name: str, wanted: str) -> bool:
    """Return whether `name` is another name of the region `wanted`."""
    try:
        return bool(regions.resolve(name) == wanted)  # type: ignore[attr-defined]
    except UnknownEntry:
        return False
