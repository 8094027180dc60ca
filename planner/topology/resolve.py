"""Fill what a topology leaves to its regions: prices, carbon, PUE, latencies."""

from planner.catalog import Catalog
from planner.scenario import ANYWHERE
from planner.topology.defaults import (
    CLOUD_EGRESS_USD_PER_GB,
    PUE_AIR,
    PUE_CLOUD,
    PUE_LIQUID,
    SITE_EGRESS_USD_PER_GB,
    WORLD_CARBON_G_PER_KWH,
)
from planner.topology.types import Site, Topology, WanLink


def resolve(topology: Topology, catalog: Catalog) -> Topology:
    """Return the topology with every value that depends on a region filled in.

    Resolving twice changes nothing.

    Raises:
        UnknownEntry: a region is not in the catalog.
    """
    sites = [_site(site, catalog) for site in topology.sites]
    by_name = {site.name: site for site in sites}
    wan = [_link(link, by_name, catalog) for link in topology.wan]
    resolved = topology.model_copy(update={"sites": sites, "wan": wan})
    resolved._document = topology.document
    return resolved


def _site(site: Site, catalog: Catalog) -> Site:
    regions = catalog.regions
    anywhere = site.region == ANYWHERE
    region = ANYWHERE if anywhere else regions.resolve(site.region)
    filled: dict[str, object] = {
        "region": region,
        "pue_air": PUE_CLOUD if site.cloud else PUE_AIR[site.climate],
        "pue_liquid": PUE_CLOUD if site.cloud else PUE_LIQUID[site.climate],
        "egress_usd_per_gb": CLOUD_EGRESS_USD_PER_GB if site.cloud else SITE_EGRESS_USD_PER_GB,
    }
    if site.electricity_usd_per_kwh is None:
        # The rent of a rented place includes its electricity.
        own = not (site.cloud or anywhere)
        filled["electricity_usd_per_kwh"] = regions.electricity_usd_per_kwh(region) if own else 0.0
    if site.carbon_g_per_kwh is None:
        filled["carbon_g_per_kwh"] = WORLD_CARBON_G_PER_KWH if anywhere else regions.carbon_g_per_kwh(region)
    stated = {name for name in filled if name != "region" and getattr(site, name) is not None}
    update = {name: value for name, value in filled.items() if name not in stated}
    update["rtt_ms"] = {
        origin if origin == ANYWHERE else regions.resolve(origin): ms for origin, ms in site.rtt_ms.items()
    }
    return site.model_copy(update=update)


def _link(link: WanLink, sites: dict[str, Site], catalog: Catalog) -> WanLink:
    if link.latency_ms is not None or any(name not in sites for name in link.between):
        return link
    a, b = (sites[name].region for name in link.between)
    round_trip_ms = 0.0 if ANYWHERE in (a, b) else catalog.regions.rtt_ms(a, b)
    return link.model_copy(update={"latency_ms": round_trip_ms / 2 or None})
