"""One thing a cloud rents by the hour."""

from collections.abc import Mapping
from typing import ClassVar

from pydantic import Field, model_validator

from planner.catalog.provenance import CatalogEntry
from planner.files import FieldProblem

DEAREST_USD_PER_H = 100_000
"""Prices beyond this are slips of the finger (the dearest instance: 142 USD/h)."""


class Instance(CatalogEntry):
    """A rentable instance, with its price by region of its provider.

    Regions are written as the provider writes them; `regions.resolve` brings them together.
    """

    kind_name: ClassVar[str] = "instance"

    provider: str = Field(description="the cloud that rents it")
    accelerator: str = Field(description="catalog id of its accelerators")
    accelerators: int = Field(gt=0, description="how many of them")
    server: str | None = Field(
        default=None, description="catalog id of the server it behaves like, where there is one"
    )
    on_demand_usd_per_h: Mapping[str, float] = Field(
        default_factory=dict, description="price of the instance by region, USD/h"
    )
    spot_usd_per_h: Mapping[str, float] = Field(
        default_factory=dict, description="spot price of the instance by region, USD/h"
    )

    @model_validator(mode="after")
    def _priced(self) -> "Instance":
        for name in ("on_demand_usd_per_h", "spot_usd_per_h"):
            for region, price in getattr(self, name).items():
                if not 0 < price <= DEAREST_USD_PER_H:
                    allowed = f"a price above 0, at most {DEAREST_USD_PER_H:,}"
                    raise FieldProblem(f"{price:g}", allowed, at=(name, region))
        if not self.on_demand_usd_per_h and not self.spot_usd_per_h:
            raise FieldProblem("no price", "on_demand_usd_per_h or spot_usd_per_h", "write {region: price}")
        return self

    @property
    def regions(self) -> tuple[str, ...]:
        """Regions with a price, as the provider writes them."""
        return tuple(sorted({*self.on_demand_usd_per_h, *self.spot_usd_per_h}))
