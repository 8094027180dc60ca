"""What may be used: servers to buy, instances to rent, and the stock of the seller."""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, NonNegativeFloat, NonNegativeInt, PositiveFloat, model_validator

from planner.files import FieldProblem, FileModel
from planner.scenario.workload import ANYWHERE

HOURS_PER_MONTH = 730.0

TERMS_OF = {"interruptions_per_h": "spot", "usd_per_interruption": "spot", "upfront_usd": "reserved"}
"""Fields of an offer that only mean something with these terms."""


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
    terms: Literal["on_demand", "spot", "reserved"] = Field(
        default="on_demand",
        description="on_demand: any hour. spot: may be taken away (`survive: [spot]` plans for that)."
        " reserved: committed for a term; state usd_per_h, and what is paid ahead.",
    )
    interruptions_per_h: float = Field(
        default=0.0,
        ge=0,
        description="spot: how often one unit is taken away, per hour of use; 0.05 is once in 20 hours.",
    )
    usd_per_interruption: float = Field(
        default=0.0,
        ge=0,
        description="spot: what one interruption costs (answers lost, a replica loaded again), USD.",
    )
    upfront_usd: float = Field(
        default=0.0, ge=0, description="reserved: paid ahead for one unit, USD; part of limits.capex_usd."
    )
    term_months: float = Field(
        default=12.0, gt=0, description="reserved: months over which upfront_usd is written off."
    )

    @model_validator(mode="after")
    def _one_kind(self) -> Self:
        if (self.instance is None) == (self.accelerator is None):
            raise FieldProblem(
                "neither" if self.instance is None else "both",
                "either `instance` or `accelerator`",
            )
        for field, terms in TERMS_OF.items():
            if getattr(self, field) and self.terms != terms:
                raise FieldProblem(
                    f"{getattr(self, field):g} with terms: {self.terms}",
                    f"only with terms: {terms}",
                    at=(field,),
                )
        if self.terms == "reserved" and self.usd_per_h is None:
            raise FieldProblem(
                "nothing", "the price by the hour of a reserved unit", "state usd_per_h", at=("usd_per_h",)
            )
        return self

    @property
    def added_usd_per_h(self) -> float:
        """What a unit costs per hour besides its price: money paid ahead, interruptions expected."""
        ahead = self.upfront_usd / (self.term_months * HOURS_PER_MONTH)
        return ahead + self.interruptions_per_h * self.usd_per_interruption


class Delivery(FileModel):
    """A batch of servers that the seller can deliver."""

    count: NonNegativeInt = Field(description="Servers in the batch.")
    weeks: float = Field(ge=0, description="Weeks from now until they run.")


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
    delivery: Mapping[str, list[Delivery]] = Field(
        default_factory=dict,
        description="When servers of an id can run if bought now, batch by batch, e.g."
        " {dgx-h200: [{count: 4, weeks: 6}, {count: 100, weeks: 40}]}. Unlisted: any number, at once.",
    )
    needed_in_weeks: float | None = Field(
        default=None,
        ge=0,
        description="Weeks until the plan must run; batches that come later cannot be bought. None: no"
        " hurry, all batches count.",
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

    def deliverable(self, server: str) -> int | None:
        """Return how many servers of an id can be had by the time they are needed, None if any number."""
        batches = self.delivery.get(server)
        if batches is None:
            return None
        latest = self.needed_in_weeks
        return sum(batch.count for batch in batches if latest is None or batch.weeks <= latest)
