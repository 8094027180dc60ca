"""One purchasable box or rack-scale system, or the host behind a rented instance."""

from typing import ClassVar, Literal

from pydantic import Field, model_validator

from planner.catalog.accelerators import Rate, Watts
from planner.catalog.prices import PriceRange
from planner.catalog.provenance import CatalogEntry
from planner.files import FieldProblem


class Server(CatalogEntry):
    """A server: equal accelerators, a host, power, weight, heat and network.

    Powers are of the whole server. `cloud_only` servers are rented, never bought or placed by the
    user: their rack units and weight do not matter and may be 0.
    """

    kind_name: ClassVar[str] = "server"

    accelerator: str = Field(description="catalog id of its accelerators")
    accelerators: int = Field(gt=0, le=100_000, description="how many of them")
    rated_w: Watts = Field(description="what breakers must carry, whole server, W")
    typical_w: Watts | None = Field(
        default=None, description="largest power measured or expected in practice, W"
    )
    host_w: float = Field(default=0.0, ge=0, description="rated_w less accelerators x tdp_w, W")
    rack_units: int = Field(default=0, ge=0, le=1_000, description="height, U")
    weight_kg: float = Field(default=0.0, ge=0, le=100_000, description="weight, kg")
    cooling: Literal["air", "liquid"] = Field(description="liquid: needs a liquid loop")
    liquid_fraction: float = Field(
        default=0.0, ge=0, le=1, description="share of the heat that goes to liquid"
    )
    nic_gb_s: Rate = Field(description="scale-out bandwidth of one accelerator, one direction, GB/s")
    storage_nics: str = Field(default="", description="storage and management network")
    host_cpu: str = Field(default="", description="host processors")
    host_memory_gb: Rate | None = Field(default=None, description="host memory, GB")
    power_supplies: str = Field(default="", description="power supplies and their redundancy")
    inlet_c: str = Field(default="", description="allowed air or liquid inlet temperature, C")
    cloud_only: bool = Field(default=False, description="rented, never bought")
    price_range: PriceRange | None = Field(
        default=None, alias="price_usd", description="street price, USD: a number or {low, high}"
    )

    @model_validator(mode="after")
    def _typical_below_rated(self) -> "Server":
        if self.typical_w is not None and self.typical_w > self.rated_w:
            found = f"{self.typical_w:g} W typical of {self.rated_w:g} W rated"
            raise FieldProblem(found, "typical_w not above rated_w", at=("typical_w",))
        return self

    @model_validator(mode="after")
    def _consistent(self) -> "Server":
        if self.cooling == "air" and self.liquid_fraction > 0:
            raise FieldProblem(
                f"cooling: air with liquid_fraction {self.liquid_fraction}",
                "liquid_fraction: 0 for air",
                "write cooling: liquid when part of the heat leaves by liquid",
            )
        if not self.cloud_only and not (self.rack_units and self.weight_kg):
            raise FieldProblem(
                f"rack_units {self.rack_units} and weight_kg {self.weight_kg}",
                "both above 0",
                "or cloud_only: true for what is never placed in a rack",
            )
        return self

    @property
    def price_usd(self) -> float | None:
        """Middle of the price range, None when not sold or not known."""
        return self.price_range.middle_usd if self.price_range is not None else None

    def value_behind(self, field: str) -> str:
        """Return the written value behind host_w and price_range_usd."""
        return {"host_w": "rated_w", "price_range_usd": "price_usd"}.get(field, field)
