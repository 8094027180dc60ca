"""How to solve: effort, reproducibility, and where replica times come from."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from planner.files import FieldProblem, FileModel
from planner.scenario.tenancy import ColdStart

Share = Annotated[float, Field(gt=0, le=1)]


DEFAULT_UNITS = 1000
"""Units of a workload's traffic where nobody states them and none of its sites is small."""


class Solver(FileModel):
    """How long and how exactly to search."""

    time_limit_s: float = Field(default=60.0, gt=0, description="Wall-clock time for the search, s.")
    relative_gap: float = Field(
        default=0.01, ge=0, lt=1, description="Stop when the plan is proven this near to the optimum."
    )
    seed: int = Field(default=0, ge=0, description="Seed of every random choice.")
    workers: int = Field(default=0, ge=0, description="Solver threads; 0 takes all cores.")
    reproducible: bool = Field(
        default=False,
        description="The same answer every time: stops by deterministic work, never by the clock.",
    )
    periods: int = Field(
        default=6,
        ge=1,
        le=24,
        description="The most periods that a day is planned in. Hours alike in demand and tariffs are one;"
        " beyond this number the most similar ones are merged, at the larger demand.",
    )
    demand_units: int | None = Field(
        default=None,
        ge=10,
        le=100_000,
        description="Equal units each workload's traffic is split into; routing is a whole number of units."
        " None: 1000, or as many more as it takes until a unit is at most a quarter of what the smallest"
        " site can serve.",
    )

    @property
    def units(self) -> int:
        """The equal units that each workload's traffic is split into."""
        return self.demand_units or DEFAULT_UNITS


class Performance(FileModel):
    """Where the times of a replica come from."""

    provider: Literal["analytic", "table", "aiconfigurator"] = Field(
        default="analytic",
        description="`analytic` is built in; `table` reads measured rates; `aiconfigurator` needs"
        " that package.",
    )
    path: str | None = Field(
        default=None,
        description="Provider `table`: CSV with columns llm, accelerator, tp, pp, dp, ep, role,"
        " workload, max_rps; relative to the scenario file. A missing or zero rate cannot serve.",
    )
    memory_fraction: float | None = Field(
        default=None,
        gt=0,
        le=1,
        description="Share of accelerator memory the engine may use. None: the engine's default.",
    )

    max_loras: int = Field(
        default=1,
        ge=1,
        description="LoRA adapters that one replica holds at a time; their memory is taken from the cache."
        " Default: vLLM's.",
    )
    cold_start: ColdStart | None = Field(
        default=None, description="How long a further replica takes to start; for `ramp_per_min`."
    )
    derate: Mapping[str, Share] = Field(
        default_factory=dict,
        description="Share of the predicted rate of a replica that is used, by workload; a replay that"
        " misses an SLO sets it. Unlisted: 1.",
    )
    refined: Mapping[str, Mapping[str, Annotated[float, Field(ge=0, le=100)]]] = Field(
        default_factory=dict,
        description="Factor on the predicted rate of a replica, by workload and shape (as `planner shapes`"
        " names it), found by replaying pools of it; `planner solve` sets it. Unlisted: 1.",
    )

    def refinement(self, workload: str, shape: str) -> float:
        """Return the rate that replays found for a shape over the one that the formulas predict."""
        return self.refined.get(workload, {}).get(shape, 1.0)

    @model_validator(mode="after")
    def _path_for_a_table(self) -> Self:
        if self.provider == "table" and self.path is None:
            raise FieldProblem("nothing", "the CSV of measured rates", at=("path",))
        if self.provider != "table" and self.path is not None:
            raise FieldProblem(
                f"'{self.path}' for provider {self.provider}",
                "a path with provider: table only",
                at=("path",),
            )
        return self
