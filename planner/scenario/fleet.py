"""What may be used: servers to buy, instances to rent, and the stock of the seller."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, model_validator

from planner.files import FieldProblem, FileModel
from planner.scenario.workload import ANYWHERE


class Rent(FileModel):
    """One offer by the hour: a cloud instance, or a number of accelerators at a stated price."""

    instance: str | None = Field(
        default=None, description="Instance id of the catalog, e.g. p5en.48xlarge. Or give `accelerator`."
    )
    accelerator: str | None = Field(
        default=None, description="Accelerator id of the catalog (or of the rate table)."
    )
    count: int | None = Field(
        default=None,
        ge=1,
        description="Accelerators in one rented unit. None: 1, or what the instance has.",
    )
    usd_per_h: float | None = Field(
        default=None,
        ge=0,
        description="Price of one rented unit, USD per hour. None: the catalog's price of the"
        " instance in the region, or count times the accelerator's.",
    )
    region: str = Field(
        default=ANYWHERE, description="Cloud region, or `any`: nearby wherever the users are."
    )
    max_count: int | None = Field(
        default=None, ge=0, description="The most units that can be had. None: any number."
    )
    terms: Literal["on_demand", "spot"] = Field(
        default="on_demand", description="Which of the catalog's prices to take."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.instance is None) == (self.accelerator is None):
            raise FieldProblem(
                "neither" if self.instance is None else "both",
                "either `instance` or `accelerator`",
            )
        return self


class Fleet(FileModel):
    """Where servers may come from, besides those that stand in the topology already."""

    buy: list[str] = Field(
        default_factory=list,
        description="Server ids that may be bought and placed in free rack slots.",
    )
    rent: list[Rent] = Field(default_factory=list, description="Offers by the hour.")
    stock: Mapping[str, NonNegativeInt] = Field(
        default_factory=dict,
        description="The most servers of each id that can be bought now. Unlisted: any number.",
    )
    prices_usd: Mapping[str, NonNegativeFloat] = Field(
        default_factory=dict,
        description="Price of one server by id, where you know better than the catalog, USD.",
    )
    power_caps_w: Mapping[str, list[PositiveFloat]] = Field(
        default_factory=dict,
        description="Power caps per accelerator, W, that may be set on servers of an id (standing or"
        " bought), besides none. A cap makes prefill slower and lets more servers share a feed.",
    )
