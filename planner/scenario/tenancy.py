"""Who may use how much, which LLMs are good enough, and how many replicas stand at least or at most."""

from collections.abc import Mapping
from typing import Annotated, Self

from pydantic import Field, NonNegativeFloat, model_validator

from planner.files import FieldProblem, FileModel
from planner.scenario.workload import Weights


class Quality(FileModel):
    """Scores of LLMs on one scale of your choice, for workloads with a `quality` floor."""

    source: str = Field(
        min_length=1, description="Where the scores are from: a benchmark and its date, your own evaluation."
    )
    scores: Mapping[str, float] = Field(
        min_length=1, description="Score of each LLM in the precision it was published in; higher is better."
    )
    loss: Mapping[Weights, NonNegativeFloat] = Field(
        default_factory=dict,
        description="Points lost in other weight precisions. Unlisted ones are used only where a workload's"
        " `precision` lists them, and then count as lossless.",
    )


class ReplicaRule(FileModel):
    """Stated numbers of replicas of an LLM, at a site or anywhere."""

    llm: str = Field(description="An LLM that a workload lists.")
    site: str | None = Field(default=None, description="A site of the topology. None: all together.")
    at_least: int = Field(default=0, ge=0, description="Replicas that stand whatever the demand.")
    at_most: int | None = Field(default=None, ge=0, description="Replicas that may stand. None: any number.")

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.at_most is None and self.at_least == 0:
            raise FieldProblem("neither number", "at_least or at_most")
        if self.at_most is not None and self.at_most < self.at_least:
            raise FieldProblem(
                f"{self.at_most}, below at_least {self.at_least}", "at least as much", at=("at_most",)
            )
        return self


class Tenant(FileModel):
    """Workloads of one payer, and what they may use together. None: no limit."""

    name: str = Field(min_length=1, description="Unique name; used in rows and reports.")
    workloads: list[str] = Field(min_length=1, description="Names of its workloads.")
    accelerators: float | None = Field(
        default=None, ge=0, description="Accelerators its traffic may keep busy at any hour."
    )
    rps: float | None = Field(default=None, ge=0, description="Requests/s that are served at any hour.")
    usd_per_h: float | None = Field(
        default=None,
        ge=0,
        description="Mean spend, USD per hour: the accelerator time its traffic keeps busy at the price of"
        " the servers (owning and idle electricity, or rent), its own electricity and its network.",
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.accelerators is None and self.rps is None and self.usd_per_h is None:
            raise FieldProblem("no limit", "at least one of accelerators, rps, usd_per_h")
        return self


class ColdStart(FileModel):
    """How long a further replica takes from the order to its first request."""

    load_gb_s: Annotated[float, Field(gt=0)] = Field(
        description="Weights one server reads per second (from its disks, or the network), GB/s."
    )
    start_s: float = Field(
        default=0.0,
        ge=0,
        description="Everything else: scheduling, starting the engine, compiling, capturing graphs, s.",
    )
