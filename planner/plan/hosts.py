"""Which catalog server a host of a plan is: by its id, or as a share of a like server when rented."""

from __future__ import annotations

from planner.catalog import Catalog, Server
from planner.scenario import Rent, Scenario


def host_server(name: str, accelerator: str, catalog: Catalog, scenario: Scenario) -> Server | None:
    """Return the server behind a host name (`dgx-h200`, `p5en.48xlarge`, `2xa100-80-sxm`).

    A cap behind `@` does not matter here. Rented units take links and host power from the first catalog
    server with their accelerator, scaled to their count; None if the catalog knows none.
    """
    plain = name.split("@")[0]
    if plain in catalog.servers:
        return catalog.servers[plain]
    for rent in scenario.fleet.rent:
        if rented_name(rent) == plain:
            return rented_server(rent, catalog)
    return None


def rented_name(rent: Rent) -> str:
    """Return the host name of a rented unit: the instance, or `2xa100-80-sxm` for two accelerators."""
    if rent.instance is not None:
        return rent.instance
    count = rent.count or 1
    return str(rent.accelerator) if count == 1 else f"{count}x{rent.accelerator}"


def rented_accelerators(rent: Rent, catalog: Catalog) -> tuple[str, int]:
    """Return the accelerator of a rented unit and how many it has."""
    if rent.instance is not None:
        instance = catalog.instances[rent.instance]
        return instance.accelerator, rent.count or instance.accelerators
    return str(rent.accelerator), rent.count or 1


def rented_server(rent: Rent, catalog: Catalog) -> Server | None:
    """Return what a rented unit is like: a catalog server scaled to its accelerators, None if unknown."""
    accelerator, count = rented_accelerators(rent, catalog)
    like: Server | None = None
    if rent.instance is not None and catalog.instances[rent.instance].server:
        like = catalog.servers.get(str(catalog.instances[rent.instance].server))
    if like is None:
        like = next((s for s in catalog.servers.values() if s.accelerator == accelerator), None)
    if like is None:
        return None
    share = count / like.accelerators
    return like.model_copy(
        update={
            "id": rented_name(rent),
            "accelerators": count,
            "rated_w": like.rated_w * share,
            "host_w": like.host_w * share,
        }
    )
