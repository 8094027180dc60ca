"""Every server that could be powered: those that stand, those that can be bought, those to rent.

An offer is a server type with a power cap at a place, with what one such server costs, draws and heats.
All amounts are integers (watts, micro-USD per hour), so that sums are exact.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal

from planner.catalog import Accelerator, Catalog, Server
from planner.performance.power import server_idle_w
from planner.plan.hosts import (
    host_label,
    peak_w,
    rented_accelerator,
    rented_accelerators,
    rented_name,
    rented_server,
    shed_w,
)
from planner.plan.tariff import usd_per_kwh
from planner.scenario import Economics, Rent, Scenario
from planner.scenario.economics import HOURS_PER_YEAR
from planner.topology import RackClass, rented_site
from planner.topology.nodes import Graph

MICRO = 1_000_000

Origin = Literal["existing", "buy", "rent"]


@dataclass(frozen=True)
class Host:
    """A server type with a power cap: what replicas run on.

    name: server id, or instance or accelerator id for rented ones without a server in the catalog.
    server: the catalog's entry (for a rented accelerator: a likeness of it), None if only a name.
    rented: rented servers share no fast fabric, so no replica spans them. shed_priority: it may be capped
    when power is short, and serves only workloads of this priority or less important ones.
    """

    name: str
    accelerator: str
    accelerators: int
    server: Server | None
    cap_w: float | None
    rented: bool = False
    shed_priority: int | None = None

    @property
    def label(self) -> str:
        """Name with cap and shedding, unique among hosts."""
        return host_label(self.name, self.cap_w, self.shed_priority)


@dataclass(frozen=True)
class Offer:
    """A host at a place, and what one such server uses. Amounts: watts and micro-USD per hour.

    rack_class: None for rented servers. maximum: None if only space, stock and limits bound it.
    rent_index: which entry of fleet.rent. retrofit: stands only in racks turned to liquid.
    pue, design_pue: PUE of its heat split at its site, on the mean and on the hottest day.
    shed_w: provisioned once it is capped because power is short. peak_w: short peak.
    """

    host: Host
    origin: Origin
    site: str
    fabric_domain: str | None
    rack_class: RackClass | None
    maximum: int | None
    rent_index: int | None
    retrofit: bool
    provisioned_w: int
    shed_w: int
    peak_w: int
    idle_w: int
    air_w: int
    liquid_w: int
    pue: float
    design_pue: float
    water_l_per_kwh: float
    capex_usd: float
    depreciation: int
    maintenance: int
    infrastructure: int
    rental: int
    idle_electricity: int
    idle_water: int = 0

    @property
    def server(self) -> Server:
        """The catalog's server; every server in a rack has one."""
        if self.host.server is None:
            raise ValueError(f"{self.host.name} is only a name: it has no server in the catalog")
        return self.host.server

    @property
    def place(self) -> str:
        """The rack class or the rented site."""
        return self.site if self.rack_class is None else self.rack_class.name

    @property
    def name(self) -> str:
        """Readable and unique: origin, host and place."""
        ending = "+liquid" if self.retrofit else ""
        return f"{self.origin}/{self.host.label}/{self.place}{ending}"

    @property
    def cost(self) -> int:
        """micro-USD/h of one such server, whatever its load."""
        return (
            self.depreciation
            + self.maintenance
            + self.infrastructure
            + self.rental
            + self.idle_electricity
            + self.idle_water
        )

    @property
    def host_group(self) -> tuple[str, str]:
        """(fabric domain or rented site, host): replicas on it are interchangeable."""
        return (self.fabric_domain or self.site, self.host.label)


def electricity_micro_usd(watts: float, pue: float, tariff_usd_per_kwh: float) -> int:
    """Return micro-USD/h of `watts` of IT load."""
    return round(watts / 1000.0 * pue * tariff_usd_per_kwh * MICRO)


def water_micro_usd(watts: float, l_per_kwh: float, site: dict[str, object]) -> int:
    """Return micro-USD/h of the water that `watts` of IT load evaporate."""
    return round(watts / 1000.0 * l_per_kwh * float(str(site["water_usd_per_m3"])) / 1000.0 * MICRO)


def standing_micro_usd(site: dict[str, object], scenario: Scenario) -> int:
    """Return the electricity that an open site draws whatever its load, micro-USD/h."""
    watts = float(str(site["overhead_kw"])) * 1000.0
    return electricity_micro_usd(watts, 1.0, usd_per_kwh(site, scenario.economics))


def provisioned_watts(server: Server, cap_w: float | None) -> int:
    """Return what breakers must carry: the rating, or the host and the caps."""
    if cap_w is None:
        return round(server.rated_w)
    return round(min(server.rated_w, server.host_w + server.accelerators * cap_w))


def heat_split(provisioned_w: int, server: Server) -> tuple[int, int]:
    """Return (air, liquid) watts of a server; they add up to what it draws."""
    liquid = round(provisioned_w * server.liquid_fraction)
    return provisioned_w - liquid, liquid


def mean_pue(server: Server, site: dict[str, object], prefix: str = "") -> float:
    """Return the PUE of a server at a site, of its liquid and its air share; `design_`: hottest day."""
    liquid = server.liquid_fraction
    return liquid * float(str(site[f"{prefix}pue_liquid"])) + (1 - liquid) * float(
        str(site[f"{prefix}pue_air"])
    )


def water_l_per_kwh(server: Server, site: dict[str, object]) -> float:
    """Return the water that a kWh of a server evaporates at a site, litres."""
    liquid = server.liquid_fraction
    air = float(str(site["water_l_per_kwh_air"]))
    return liquid * float(str(site["water_l_per_kwh_liquid"])) + (1 - liquid) * air


def rack_offers(
    graph: Graph,
    classes: Sequence[RackClass],
    scenario: Scenario,
    catalog: Catalog,
) -> Iterator[Offer]:
    """Yield existing and buyable servers of every rack class, uncapped and at each cap allowed.

    Where power nodes are oversubscribed, also as servers that may be capped when power is short.
    """
    short = any(about.get("oversubscription", 1.0) > 1 for _, about in graph.nodes(data=True))
    named = {name for rack_class in classes for name in rack_class.existing} | set(scenario.fleet.buy)
    hosts = {name: list(kinds_of_host(scenario, catalog.servers[name], short=short)) for name in named}
    alike: dict[tuple[str, str, Origin], Offer] = {}  # but for the class, servers at a site cost the same

    def offer(rack_class: RackClass, host: Host, origin: Origin) -> Offer:
        key = (rack_class.site, host.label, origin)
        if key not in alike:
            alike[key] = _in_rack(graph, rack_class, host, origin, scenario, catalog)
        return alike[key]

    for rack_class in classes:
        for server_id, count in rack_class.existing.items():
            for host in hosts[server_id]:
                yield _moved(offer(rack_class, host, "existing"), rack_class, count * rack_class.count)
        for server_id in scenario.fleet.buy:
            server = catalog.servers[server_id]
            retrofit = rack_class.attributes["retrofit"]
            liquid_here = float(rack_class.attributes["liquid_kw"]) > 0
            if server.cooling == "liquid" and not liquid_here and retrofit is None:
                continue
            turned = server.cooling == "liquid" and not liquid_here
            for host in hosts[server_id]:
                yield _moved(offer(rack_class, host, "buy"), rack_class, None, retrofit=turned)


def kinds_of_host(scenario: Scenario, server: Server, *, short: bool) -> Iterator[Host]:
    """Yield a server at each cap it may have; where power may be `short`, each also as one to be shed."""
    for cap in (None, *scenario.fleet.power_caps_w.get(server.id, ())):
        yield Host(server.id, server.accelerator, server.accelerators, server, cap)
        for step in scenario.reliability.shedding if short else ():
            lower = step.power_caps_w.get(server.id)
            if lower is not None and (cap is None or lower < cap):
                yield Host(
                    server.id, server.accelerator, server.accelerators, server, cap, False, step.priority
                )


def _in_rack(
    graph: Graph,
    rack_class: RackClass,
    host: Host,
    origin: Origin,
    scenario: Scenario,
    catalog: Catalog,
) -> Offer:
    """Return the offer of a host in racks of a class, without a maximum."""
    site = graph.nodes[rack_class.site]
    server = host.server
    assert server is not None  # what stands in a rack is a server of the catalog
    accelerator = catalog.accelerators[server.accelerator]
    provisioned = provisioned_watts(server, host.cap_w)
    lower = None
    if host.shed_priority is not None:
        lower = scenario.reliability.shed_cap_w(server.id, host.shed_priority)
    air, liquid = heat_split(provisioned, server)
    pue = mean_pue(server, site)
    idle = idle_watts(server, accelerator)
    price = server_price_usd(server, scenario) if origin == "buy" else 0.0
    depreciation, maintenance, infrastructure = owning_micro_usd(price, provisioned, scenario.economics)
    return Offer(
        host=host,
        origin=origin,
        site=rack_class.site,
        fabric_domain=rack_class.fabric_domain,
        rack_class=rack_class,
        maximum=None,
        rent_index=None,
        retrofit=False,
        provisioned_w=provisioned,
        shed_w=shed_w(server, provisioned, lower),
        peak_w=peak_w(server, provisioned, catalog),
        idle_w=idle,
        air_w=air,
        liquid_w=liquid,
        pue=pue,
        design_pue=mean_pue(server, site, "design_"),
        water_l_per_kwh=water_l_per_kwh(server, site),
        capex_usd=price * (1 + scenario.economics.network_adder),
        depreciation=depreciation,
        maintenance=maintenance,
        infrastructure=infrastructure if origin == "buy" else 0,
        rental=0,
        idle_electricity=electricity_micro_usd(idle, pue, usd_per_kwh(site, scenario.economics)),
        idle_water=water_micro_usd(idle, water_l_per_kwh(server, site), site),
    )


def _moved(offer: Offer, rack_class: RackClass, maximum: int | None, *, retrofit: bool = False) -> Offer:
    """Return an offer in the racks of another class of its site."""
    return dataclasses.replace(
        offer,
        rack_class=rack_class,
        fabric_domain=rack_class.fabric_domain,
        maximum=maximum,
        retrofit=retrofit,
    )


def owning_micro_usd(price_usd: float, provisioned_w: int, economics: Economics) -> tuple[int, int, int]:
    """Return (depreciation, maintenance, infrastructure) of a bought server, micro-USD/h."""
    e = economics
    depreciation = price_usd * (1 + e.network_adder) / (e.life_years * HOURS_PER_YEAR)
    maintenance = price_usd * e.maintenance_share_per_year / HOURS_PER_YEAR
    infrastructure = (
        provisioned_w / 1000.0 * e.infrastructure_usd_per_kw / (e.infrastructure_life_years * HOURS_PER_YEAR)
    )
    return round(depreciation * MICRO), round(maintenance * MICRO), round(infrastructure * MICRO)


def server_price_usd(server: Server, scenario: Scenario) -> float:
    """Return the price of one server: the scenario's, else the catalog's.

    Raises:
        ValueError: neither knows it.
    """
    stated = scenario.fleet.prices_usd.get(server.id)
    price = server.price_usd if stated is None else stated
    if price is None:
        raise ValueError(f"{server.id} has no price in the catalog: state fleet.prices_usd.{server.id}")
    return price


def idle_watts(server: Server, accelerator: Accelerator) -> int:
    """Return what a powered server draws without load, W."""
    return round(server_idle_w(server, accelerator))


def rent_offers(graph: Graph, scenario: Scenario, catalog: Catalog) -> Iterator[Offer]:
    """Yield what can be rented by the hour."""
    for index, rent in enumerate(scenario.fleet.rent):
        site = rented_site(rent.region)
        host = rented_host(rent, catalog)
        power = 0
        if host.server is not None:
            power = idle_watts(host.server, catalog.accelerators[host.accelerator])
        yield Offer(
            host=host,
            origin="rent",
            site=site,
            fabric_domain=None,
            rack_class=None,
            maximum=rent.max_count,
            rent_index=index,
            retrofit=False,
            provisioned_w=0 if host.server is None else round(host.server.rated_w),
            shed_w=0,
            peak_w=0,
            idle_w=power,
            air_w=0,
            liquid_w=0,
            pue=float(graph.nodes[site]["pue_air"]),
            design_pue=float(graph.nodes[site]["pue_air"]),
            water_l_per_kwh=0.0,
            capex_usd=rent.upfront_usd,
            depreciation=0,
            maintenance=0,
            infrastructure=0,
            rental=round((rent_usd_per_h(rent, catalog) + rent.added_usd_per_h) * MICRO),
            idle_electricity=0,
        )


def rented_host(rent: Rent, catalog: Catalog) -> Host:
    """Return what a rented unit is to a replica."""
    accelerator, count = rented_accelerator(rent, catalog), rented_accelerators(rent, catalog)
    return Host(rented_name(rent), accelerator, count, rented_server(rent, catalog), None, True)


def rent_usd_per_h(rent: Rent, catalog: Catalog) -> float:
    """Return the price of one rented unit.

    Raises:
        ValueError: neither the scenario nor the catalog states it.
    """
    if rent.usd_per_h is not None:
        return rent.usd_per_h
    if rent.instance is not None:
        instance = catalog.instances[rent.instance]
        prices = instance.spot_usd_per_h if rent.terms == "spot" else instance.on_demand_usd_per_h
        if rent.region in prices:
            return prices[rent.region]
        for region, price in prices.items():
            if _same_region(catalog, region, rent.region):
                return price
        raise ValueError(
            f"the catalog has no {rent.terms} price of {rent.instance} in {rent.region} (it has "
            f"{', '.join(sorted(prices)) or 'none'}): state usd_per_h in fleet.rent"
        )
    assert rent.accelerator is not None
    known = catalog.accelerators.get(rent.accelerator)
    if known is None or known.rent_usd_per_h is None:
        raise ValueError(f"no price per hour is known of {rent.accelerator}: state usd_per_h in fleet.rent")
    return known.rent_usd_per_h * (rent.count or 1)


def _same_region(catalog: Catalog, one: str, other: str) -> bool:
    try:
        return catalog.regions.resolve(one) == catalog.regions.resolve(other)
    except LookupError:
        return False
