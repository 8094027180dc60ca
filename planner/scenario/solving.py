"""How to solve: effort, reproducibility, and where replica times come from."""

from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from planner.files import FieldProblem, FileModel
from planner.scenario.tenancy import ColdStart

Share = Annotated[float, Field(gt=0, le=1)]
Provider = Literal["analytic", "table", "aiconfigurator"]


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
    method: Literal["auto", "monolith", "two-stage"] = Field(
        default="auto",
        description="How to search. two-stage: round a relaxation near its counts, then improve site by site."
        " monolith: the whole program at once. auto: the first, then the second with the time left.",
    )
    demand_units: int | None = Field(
        default=None,
        ge=10,
        le=100_000,
        description="Equal units each workload's traffic is split into; routing is a whole number of units."
        " None: 1000, or as many more as it takes until a unit is at most a quarter of what the smallest"
        " site can serve, and a hundredth of a replica.",
    )

    @property
    def units(self) -> int:
        """The equal units that each workload's traffic is split into."""
        return self.demand_units or DEFAULT_UNITS


class Performance(FileModel):
    """Where the times of a replica come from."""

    provider: Provider = Field(
        default="analytic",
        description="`analytic` is built in; `table` reads measured rates; `aiconfigurator` needs"
        " that package.",
    )
    by_accelerator: Mapping[str, Provider] = Field(
        default_factory=dict,
        description="Another provider for single accelerators, such as `{h100-sxm: table}`.",
    )
    analytic_where_unknown: bool = Field(
        default=False,
        description="What `aiconfigurator` has no tables for is timed by `analytic` instead of refused.",
    )
    expert_skew: float = Field(
        default=0.4,
        ge=0,
        le=2,
        description="How unevenly tokens choose experts: exponent of a power law of their popularity. 0 is"
        " balanced; NVIDIA's kernel tables measure 0, 1.01 and 1.2, served traffic lies between 0 and 1.",
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

    def provider_of(self, accelerator: str) -> Provider:
        """Return who times the replicas on an accelerator."""
        return self.by_accelerator.get(accelerator, self.provider)

    @property
    def uses_table(self) -> bool:
        """Whether any rate comes from the table."""
        return "table" in (self.provider, *self.by_accelerator.values())

    @property
    def measured_throughout(self) -> bool:
        """Whether every rate comes from the table; then names need no catalog and promises no latency."""
        return {self.provider, *self.by_accelerator.values()} == {"table"}

    @model_validator(mode="after")
    def _path_for_a_table(self) -> Self:
        if self.uses_table and self.path is None:
            raise FieldProblem("nothing", "the CSV of measured rates", at=("path",))
        if not self.uses_table and self.path is not None:
            raise FieldProblem(
                f"'{self.path}' for provider {self.provider}",
                "a path with provider: table only",
                at=("path",),
            )
        return self
