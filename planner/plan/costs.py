"""What a plan costs per hour, part by part, in whole micro-USD.

Published rules; each amount is rounded to whole micro-USD per server, rack or unit of traffic before it
is multiplied, so that sums are exact:

- depreciation of a bought server: price x (1 + network adder) / (life x 8760 h);
- maintenance of a bought server: price x share per year / 8760 h;
- infrastructure of a bought server: provisioned kW x USD/kW / (infrastructure life x 8760 h);
- existing servers cost none of these: their money is spent;
- rent of a rented server: its price (electricity is part of it), what was paid ahead over the term, and
  the interruptions expected of a spot unit;
- idle electricity of an owned server: idle kW x PUE x tariff;
- dynamic electricity of a replica: its awake watts x PUE x tariff; of a unit of traffic: joules per request
  beyond them, the host's with them, x rate of the unit x PUE x tariff of its period x the period's share of
  the day;
- water of a server, replica and unit of traffic: kW x litres per kWh of its cooling x price;
- electricity that an open site draws whatever its load, with the idle part;
- network of a unit of traffic: what its answers cost to send, spread over the day;
- retrofit of a rack to liquid: its price / (infrastructure life x 8760 h);
- a spare server: its price / (life x 8760 h); a move from the plan in force: its price / the hours it is
  spread over;
- opening of a site while any server is powered there; unserved traffic at its price.

The PUE of a server is that of liquid for the share of its heat that goes to liquid, and that of air
for the rest; rented servers have their site's PUE of air.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields

from planner.catalog import Catalog, Server
from planner.performance.awake import joules_beyond_awake
from planner.performance.power import host_dynamic_w
from planner.plan.churn import moves
from planner.plan.content import Columns, Content, PoolFacts, RouteUse, Setting, pools_of, route_uses
from planner.plan.hosts import idle_w, offer_of, provisioned_w, server_model
from planner.plan.spares import spare_micro_usd
from planner.plan.tariff import usd_per_kwh
from planner.plan.traffic import SECONDS_PER_HOUR, egress_usd_per_h
from planner.plan.types import Cost, RoutePlan, ServerPlan
from planner.scenario import HOURS_PER_YEAR, Economics, Rent

MICRO = 1_000_000
WATTS_PER_KW = 1000.0


@dataclass(frozen=True)
class MicroCost:
    """The parts of `Cost` in whole micro-USD per hour."""

    depreciation: int = 0
    maintenance: int = 0
    infrastructure: int = 0
    retrofit: int = 0
    rent: int = 0
    electricity_idle: int = 0
    electricity_dynamic: int = 0
    water: int = 0
    network: int = 0
    site_opening: int = 0
    spares: int = 0
    moves: int = 0
    unserved: int = 0

    @property
    def parts(self) -> Mapping[str, int]:
        """Amount by name."""
        return {field.name: getattr(self, field.name) for field in fields(self)}

    @property
    def total(self) -> int:
        """Sum of all parts."""
        return sum(self.parts.values())

    def cost(self) -> Cost:
        """Return the parts and their total in USD per hour."""
        parts = {name: amount / MICRO for name, amount in self.parts.items()}
        return Cost(**parts, total=self.total / MICRO)


def plan_cost(content: Content, setting: Setting, columns: Columns) -> Cost:
    """Return the cost of a plan, USD per hour by part."""
    return plan_micro_cost(content, setting, columns).cost()


def plan_micro_cost(content: Content, setting: Setting, columns: Columns) -> MicroCost:
    """Return the cost of a plan, whole micro-USD per hour by part.

    Raises:
        LookupError: a server, offer or place of the plan does not exist.
        ValueError: something has no price.
    """
    depreciation = maintenance = infrastructure = rent = idle = 0
    for server in content.servers:
        if server.origin == "buy":
            owning = owning_micro_usd(server, setting)
            depreciation += owning[0]
            maintenance += owning[1]
            infrastructure += owning[2]
        if server.origin == "rent":
            rent += rental_micro_usd(server, setting)
        else:
            idle += idle_electricity_micro_usd(server, setting)
    dynamic = sum(
        use.route.units * dynamic_micro_usd_per_unit(use, setting)
        for use in route_uses(content, setting, columns)
    ) + sum(pool.count * awake_micro_usd(pool, setting) for pool in pools_of(content).values())
    graph = setting.graph
    return MicroCost(
        depreciation=depreciation,
        maintenance=maintenance,
        infrastructure=infrastructure,
        retrofit=sum(retrofit_micro_usd(rack, setting) for rack in content.retrofitted_racks),
        rent=rent,
        electricity_idle=idle
        + sum(overhead_micro_usd(site, setting) for site in {server.site for server in content.servers}),
        water=plan_water_micro_usd(content, setting, columns),
        electricity_dynamic=dynamic,
        network=sum(route.units * network_micro_usd_per_unit(route, setting) for route in content.routes),
        site_opening=sum(
            round(float(graph.nodes[site]["open_usd_per_h"]) * MICRO)
            for site in {server.site for server in content.servers}
        ),
        spares=sum(spare.count * spare_micro_usd(spare.server, setting) for spare in content.spares),
        moves=moves(content, setting.scenario) * setting.scenario.churn.micro_usd_per_h,
        unserved=sum(
            missing.units * unserved_micro_usd_per_unit(missing.workload, missing.period, setting)
            for missing in content.unserved
        ),
    )


def catalog_server(server: ServerPlan, setting: Setting) -> Server:
    """Return the catalog's entry of an owned server.

    Raises:
        LookupError: there is none.
    """
    return setting.catalog.servers[server.server]


def server_pue(server: ServerPlan, setting: Setting, prefix: str = "") -> float:
    """Return the PUE of a server's heat at its site; `design_`: on the hottest day."""
    site = setting.graph.nodes[server.site]
    if server.origin == "rent":
        return float(site["pue_air"])
    liquid = catalog_server(server, setting).liquid_fraction
    return liquid * float(site[f"{prefix}pue_liquid"]) + (1 - liquid) * float(site[f"{prefix}pue_air"])


def server_idle_w(server: ServerPlan, setting: Setting) -> int:
    """Return what a server draws without load, whole watts."""
    return idle_w(server_model(server, setting.scenario, setting.catalog), setting.catalog)


def water_l_per_kwh(server: ServerPlan, setting: Setting) -> float:
    """Return the water that a kWh of a server evaporates, litres; none of ours where it is rented."""
    if server.origin == "rent":
        return 0.0
    site = setting.graph.nodes[server.site]
    liquid = catalog_server(server, setting).liquid_fraction
    return liquid * float(site["water_l_per_kwh_liquid"]) + (1 - liquid) * float(site["water_l_per_kwh_air"])


def water_micro_usd(watts: float, server: ServerPlan, setting: Setting) -> int:
    """Return the price of the water that `watts` of IT load of a server evaporate, micro-USD/h."""
    price = float(setting.graph.nodes[server.site]["water_usd_per_m3"])
    return round(watts / WATTS_PER_KW * water_l_per_kwh(server, setting) * price / 1000.0 * MICRO)


def plan_water_micro_usd(content: Content, setting: Setting, columns: Columns) -> int:
    """Return the price of all water, micro-USD/h."""
    total = sum(water_micro_usd(server_idle_w(s, setting), s, setting) for s in content.servers)
    for pool in pools_of(content).values():
        total += pool.count * water_micro_usd(pool.awake_w, pool.first, setting)
    for use in route_uses(content, setting, columns):
        watts = dynamic_watts_per_unit(use, setting)
        total += use.route.units * water_micro_usd(watts, use.pool.first, setting)
    return total


def overhead_micro_usd(site: str, setting: Setting) -> int:
    """Return the electricity that an open site draws whatever its load, micro-USD/h."""
    about = setting.graph.nodes[site]
    tariff = usd_per_kwh(about, setting.scenario.economics)
    return electricity_micro_usd(float(about["overhead_kw"]) * WATTS_PER_KW, 1.0, tariff)


def electricity_micro_usd(watts: float, pue: float, tariff_usd_per_kwh: float) -> int:
    """Return micro-USD/h of `watts` of IT load."""
    return round(watts / WATTS_PER_KW * pue * tariff_usd_per_kwh * MICRO)


def idle_electricity_micro_usd(server: ServerPlan, setting: Setting) -> int:
    """Return the electricity of an owned server without load, micro-USD/h."""
    tariff = usd_per_kwh(setting.graph.nodes[server.site], setting.scenario.economics)
    return electricity_micro_usd(server_idle_w(server, setting), server_pue(server, setting), tariff)


def request_joules(use: RouteUse, setting: Setting) -> float:
    """Return the energy of one request of a route in one of its pools, beyond idle and awake, J.

    That of its accelerators, and the share of its load in what the host draws more when it is busy.
    Measured rates know no watts.
    """
    column = use.column
    if column.joules_per_request <= 0 or column.rate_rps <= 0:
        return 0.0
    derate = setting.scenario.performance.derate.get(use.workload.name, 1.0)
    joules = joules_beyond_awake(column, use.pool.awake_w, derate)
    model = server_model(use.pool.first, setting.scenario, setting.catalog)
    if model is not None:
        taken = use.pool.shape.shape().accelerators / model.accelerators
        joules += host_dynamic_w(model) * taken / column.rate_rps
    return joules


def dynamic_watts_per_unit(use: RouteUse, setting: Setting) -> float:
    """Return the watts beyond idle and awake of one unit of traffic in one of its pools, day's mean."""
    return request_joules(use, setting) * setting.mean_unit_rps(use.workload, use.route.period)


def awake_micro_usd(pool: PoolFacts, setting: Setting) -> int:
    """Return the electricity of the awake watts of one replica of a pool, micro-USD/h."""
    site = setting.graph.nodes[pool.site]
    tariff = 0.0 if pool.rented else usd_per_kwh(site, setting.scenario.economics)
    return electricity_micro_usd(pool.awake_w, server_pue(pool.first, setting), tariff)


def dynamic_micro_usd_per_unit(use: RouteUse, setting: Setting) -> int:
    """Return the electricity above idle of one unit of traffic in one of its pools, micro-USD/h.

    At the tariff of its period, spread over the day.
    """
    site = setting.graph.nodes[use.pool.site]
    economics = setting.scenario.economics
    tariff = 0.0 if use.pool.rented else setting.day.usd_per_kwh(site, economics, use.route.period)
    watts = dynamic_watts_per_unit(use, setting)
    return electricity_micro_usd(watts, server_pue(use.pool.first, setting), tariff)


def spend_micro_usd(use: RouteUse, setting: Setting) -> float:
    """Return what a tenant is charged for a route in one of its pools, micro-USD/h over the day.

    The accelerator time it keeps busy at the price of such a server, and its electricity. A server that
    stands already is charged like a bought one, where it has a price.
    """
    server = use.pool.first
    if server.origin == "rent":
        price = float(rental_micro_usd(server, setting))
    else:
        charged = server
        try:
            server_price_usd(server, setting)
            owning = sum(owning_micro_usd(charged, setting))
        except ValueError:
            owning = infrastructure_micro_usd(server, setting)
        price = float(owning + idle_electricity_micro_usd(server, setting))
    time = use.accelerators(setting) * setting.day[use.route.period].weight
    electricity = use.route.units * dynamic_micro_usd_per_unit(use, setting)
    return time * price / server.accelerators + electricity


def network_micro_usd_per_unit(route: RoutePlan, setting: Setting) -> int:
    """Return the price of sending the answers of one unit to users, micro-USD/h."""
    workload = setting.workload(route.workload)
    if workload is None:
        return 0
    usd_per_gb = float(setting.graph.nodes[route.site]["egress_usd_per_gb"])
    rate = setting.mean_unit_rps(workload, route.period)
    return round(egress_usd_per_h(workload, rate, usd_per_gb) * MICRO)


def unserved_micro_usd_per_unit(name: str, arrived: str, setting: Setting) -> int:
    """Return the price of leaving one unit of a workload unserved, micro-USD/h."""
    workload = setting.workload(name)
    if workload is None or workload.unserved_usd_per_request is None:
        return 0
    rate = setting.mean_missing_unit_rps(workload, arrived)
    return round(workload.unserved_usd_per_request * rate * SECONDS_PER_HOUR * MICRO)


def server_price_usd(server: ServerPlan, setting: Setting) -> float:
    """Return the price of a bought server: the scenario's, else the catalog's, USD.

    Raises:
        LookupError: the catalog does not know the server.
        ValueError: nobody states its price.
    """
    price = setting.scenario.fleet.prices_usd.get(server.server)
    if price is None:
        price = catalog_server(server, setting).price_usd
    if price is None:
        raise ValueError(f"{server.server} has no price: state fleet.prices_usd.{server.server}")
    return price


def server_capex_usd(server: ServerPlan, setting: Setting) -> float:
    """Return what a server takes of the capex budget: price and network if bought, what is paid ahead if
    reserved, else nothing.
    """
    if server.origin == "rent":
        rent = offer_of(server, setting.scenario)
        return 0.0 if rent is None else rent.upfront_usd
    if server.origin != "buy":
        return 0.0
    return server_price_usd(server, setting) * (1 + setting.scenario.economics.network_adder)


def owning_micro_usd(server: ServerPlan, setting: Setting) -> tuple[int, int, int]:
    """Return (depreciation, maintenance, infrastructure) of a bought server, micro-USD/h."""
    rules: Economics = setting.scenario.economics
    price = server_price_usd(server, setting)
    life_h = rules.life_years * HOURS_PER_YEAR
    return (
        round(price * (1 + rules.network_adder) / life_h * MICRO),
        round(price * rules.maintenance_share_per_year / HOURS_PER_YEAR * MICRO),
        infrastructure_micro_usd(server, setting),
    )


def infrastructure_micro_usd(server: ServerPlan, setting: Setting) -> int:
    """Return the hourly share of building, power and cooling behind a server, micro-USD/h."""
    rules: Economics = setting.scenario.economics
    provisioned = provisioned_w(catalog_server(server, setting), server.power_cap_w)
    infrastructure_h = rules.infrastructure_life_years * HOURS_PER_YEAR
    return round(provisioned / WATTS_PER_KW * rules.infrastructure_usd_per_kw / infrastructure_h * MICRO)


def retrofit_usd(rack: str, setting: Setting) -> float:
    """Return the price of turning a rack to liquid, USD; 0 where that is impossible."""
    retrofit = setting.graph.nodes[rack]["retrofit"]
    return 0.0 if retrofit is None else float(retrofit["usd"])


def retrofit_micro_usd(rack: str, setting: Setting) -> int:
    """Return the hourly share of a retrofit, micro-USD/h."""
    life_h = setting.scenario.economics.infrastructure_life_years * HOURS_PER_YEAR
    return round(retrofit_usd(rack, setting) / life_h * MICRO)


def rental_micro_usd(server: ServerPlan, setting: Setting) -> int:
    """Return the rent of a rented server, micro-USD/h.

    Raises:
        LookupError: it takes up no offer of the scenario.
        ValueError: the offer has no price.
    """
    rent = offer_of(server, setting.scenario)
    if rent is None:
        raise LookupError(f"{server.name} is rented, but from no offer of fleet.rent")
    return round((rent_usd_per_h(rent, setting.catalog) + rent.added_usd_per_h) * MICRO)


def rent_usd_per_h(rent: Rent, catalog: Catalog) -> float:
    """Return the price of one unit of an offer, USD per hour: as stated, else the catalog's.

    Raises:
        ValueError: nobody states it.
    """
    if rent.usd_per_h is not None:
        return rent.usd_per_h
    if rent.instance is None:
        known = catalog.accelerators.get(str(rent.accelerator))
        if known is None or known.rent_usd_per_h is None:
            raise ValueError(f"{rent.accelerator} has no price per hour: state usd_per_h in fleet.rent")
        return known.rent_usd_per_h * (rent.count or 1)
    instance = catalog.instances[rent.instance]
    prices = instance.spot_usd_per_h if rent.terms == "spot" else instance.on_demand_usd_per_h
    if rent.region in prices:
        return prices[rent.region]
    wanted = _canonical(rent.region, catalog)
    for region, price in prices.items():
        if wanted is not None and _canonical(region, catalog) == wanted:
            return price
    raise ValueError(f"{rent.instance} has no {rent.terms} price in {rent.region}: state usd_per_h")


def _canonical(region: str, catalog: Catalog) -> str | None:
    try:
        return catalog.regions.resolve(region)
    except LookupError:
        return None
