"""What the servers of a plan are: catalog servers, or likenesses of them for rented units.

A rented unit behaves like the catalog's server of its instance, else like the catalog's first server
with the same accelerator, cut or stretched to the number of accelerators it has (power and host power
in proportion, links per accelerator as they are).
"""

from __future__ import annotations

import math

from planner.catalog import Catalog, Server
from planner.performance.power import server_idle_w, transient_w
from planner.plan.types import ServerPlan
from planner.scenario import Rent, Scenario


def rented_name(rent: Rent) -> str:
    """Return what one unit of an offer is called: the instance, or count and accelerator."""
    if rent.instance is not None:
        return rent.instance
    count = rented_accelerators(rent, None)
    return str(rent.accelerator) if count == 1 else f"{count}x{rent.accelerator}"


def rented_accelerators(rent: Rent, catalog: Catalog | None) -> int:
    """Return how many accelerators one unit has: as stated, as the instance has, or 1."""
    if rent.count is not None:
        return rent.count
    if rent.instance is not None and catalog is not None:
        return catalog.instances[rent.instance].accelerators
    return 1


def rented_accelerator(rent: Rent, catalog: Catalog) -> str:
    """Return the accelerator of an offer."""
    if rent.instance is not None:
        return catalog.instances[rent.instance].accelerator
    return str(rent.accelerator)


def rented_server(rent: Rent, catalog: Catalog) -> Server | None:
    """Return the likeness of one unit of an offer, None if the catalog has nothing like it."""
    model: Server | None = None
    if rent.instance is not None:
        named = catalog.instances[rent.instance].server
        model = None if named is None else catalog.servers.get(named)
    accelerator = rented_accelerator(rent, catalog)
    if model is None:
        model = next((s for s in catalog.servers.values() if s.accelerator == accelerator), None)
    if model is None:
        return None
    count = rented_accelerators(rent, catalog)
    share = count / model.accelerators
    return model.model_copy(
        update={
            "id": rented_name(rent),
            "accelerators": count,
            "rated_w": model.rated_w * share,
            "host_w": model.host_w * share,
        }
    )


def offer_of(server: ServerPlan, scenario: Scenario) -> Rent | None:
    """Return the offer that a rented server of a plan takes up, None if it names none."""
    if server.rent_index is None or not 0 <= server.rent_index < len(scenario.fleet.rent):
        return None
    return scenario.fleet.rent[server.rent_index]


def server_model(server: ServerPlan, scenario: Scenario, catalog: Catalog) -> Server | None:
    """Return the catalog's description of a server of a plan, None if there is none."""
    if server.origin == "rent":
        rent = offer_of(server, scenario)
        return None if rent is None else rented_server(rent, catalog)
    return catalog.servers.get(server.server)


def idle_w(model: Server | None, catalog: Catalog) -> int:
    """Return what a powered server draws without load, whole watts; 0 for what is only a name."""
    if model is None:
        return 0
    return round(server_idle_w(model, catalog.accelerators[model.accelerator]))


def provisioned_w(model: Server | None, cap_w: float | None) -> int:
    """Return what breakers must carry for a server: its rating, or its host and its capped accelerators."""
    if model is None:
        return 0
    if cap_w is None:
        return round(model.rated_w)
    return round(min(model.rated_w, model.host_w + model.accelerators * cap_w))


def heat_w(provisioned: int, model: Server | None) -> tuple[int, int]:
    """Return (air, liquid) watts of a server's provisioned power; they add up to it."""
    liquid = 0 if model is None else round(provisioned * model.liquid_fraction)
    return provisioned - liquid, liquid


def host_label(name: str, cap_w: float | None, shed_priority: int | None) -> str:
    """Return the name of a kind of host: server, `@400w` if it is capped, `~p3` if it may be shed."""
    label = name if cap_w is None else f"{name}@{cap_w:g}w"
    return label if shed_priority is None else f"{label}~p{shed_priority}"


def server_label(server: ServerPlan) -> str:
    """Return the name of the kind of host that a server of a plan is."""
    return host_label(server.server, server.power_cap_w, server.shed_priority)


def peak_w(model: Server | None, provisioned: int, catalog: Catalog) -> int:
    """Return the short peak of a server, whole watts: all accelerators at once, never below provisioned."""
    if model is None:
        return provisioned
    return max(provisioned, math.ceil(transient_w(model, catalog.accelerators[model.accelerator])))


def shed_w(model: Server | None, provisioned: int, cap_w: float | None) -> int:
    """Return what breakers must carry for a server once it is capped, whole watts."""
    return provisioned if cap_w is None else min(provisioned, provisioned_w(model, cap_w))
