"""What must hold besides latency: limits, reliability; and what to optimize."""

import itertools
from collections.abc import Mapping
from typing import Annotated, Literal, Self

from pydantic import BeforeValidator, Field, PositiveFloat, model_validator

from planner.files import FieldProblem, FileModel

Loss = Literal["server", "scale_up_domain", "rack", "feed", "cooling_loop", "site", "spot"]
LevelOf = Literal[Loss, "upgrade"]
Share = Annotated[float, Field(gt=0, le=1)]
Weight = Annotated[float, Field(ge=0, le=1e6)]

WEIGHTED = "weighted"
"""The goal that stands for a weighted sum."""
Cheaper = Literal["cost", "power", "carbon", "servers", "usd_per_mtok"]
Weighed = Literal["cost", "power", "carbon", "servers"]
Better = Literal["served", "tokens_per_s_per_mw"]


def _as_list(value: object) -> object:
    """Let a single name stand for a list of one."""
    return [value] if isinstance(value, str) else value


class Limits(FileModel):
    """Upper limits over the whole plan. None: no limit."""

    capex_usd: float | None = Field(
        default=None, ge=0, description="Money for bought servers and retrofits, USD."
    )
    opex_usd_per_h: float | None = Field(
        default=None, ge=0, description="Rent, electricity, maintenance and network, USD per hour."
    )
    grid_kw: float | None = Field(
        default=None,
        ge=0,
        description="Power drawn from the grid by all owned sites together (provisioned IT x PUE),"
        " kW. A site's own contract is `grid_kw` of the site.",
    )
    expected_kw: float | None = Field(
        default=None,
        ge=0,
        description="What all powered servers are expected to draw at the planned load (IT power, rented"
        " servers included), kW.",
    )
    carbon_g_per_mtok: float | None = Field(
        default=None, ge=0, description="Carbon per million tokens served (input and output), g."
    )
    carbon_kg_per_h: float | None = Field(default=None, ge=0, description="Carbon per hour, kg.")
    water_l_per_h: float | None = Field(
        default=None, ge=0, description="Water evaporated by all sites together, litres per hour."
    )
    servers: int | None = Field(default=None, ge=0, description="Powered servers, owned and rented.")


class Spares(FileModel):
    """Spare servers that replace failed ones while those are repaired."""

    availability: float = Field(
        default=0.99,
        ge=0.5,
        lt=1,
        description="Probability that at a random moment a spare is at hand for every server in repair.",
    )
    repair_h: float = Field(
        default=96.0,
        gt=0,
        description="Hours until a failed server or its replacement is back. Default: the middle of 3-5 days"
        " for physical replacement.",
    )
    failures_per_accelerator_year: float = Field(
        default=0.09,
        gt=0,
        description="Failures that need hardware, per accelerator and year. Default: faulty GPUs and memory"
        " in 54 days of 16,384 H100 (Llama 3 405B): 0.091.",
    )
    mtbf_h: Mapping[str, Annotated[float, Field(gt=0)]] = Field(
        default_factory=dict,
        description="Mean hours between failures of one server by id, where you know better.",
    )


class Shed(FileModel):
    """One step of shedding power: servers of less important workloads are capped."""

    priority: int = Field(
        ge=1,
        description="Servers that serve nothing more important than this are capped (1 is most important).",
    )
    power_caps_w: Mapping[str, PositiveFloat] = Field(
        description="Cap per accelerator by server id, W; what is not listed is not capped."
    )


class Reliability(FileModel):
    """What may fail without breaking a promise."""

    survive: Annotated[list[Loss], BeforeValidator(_as_list, json_schema_input_type=list[Loss] | Loss)] = (
        Field(
            default_factory=list,
            description="The loss of any one of these, one at a time, is survived. spot: all spot units of"
            " a region at once.",
        )
    )
    level: float = Field(
        default=1.0,
        gt=0,
        le=1,
        description="Share of each workload's demand that still meets its SLO after a loss.",
    )
    levels: Mapping[LevelOf, Share] = Field(
        default_factory=dict,
        description="That share for some losses, e.g. {site: 0.7}; `upgrade`: while servers are upgraded."
        " Unlisted: `level`.",
    )
    upgrade_servers: int = Field(
        default=0,
        ge=0,
        description="Servers of one type in one fabric domain (or rented place) that are taken out of service"
        " together for a rolling upgrade, batch after batch, while demand holds. 0: none.",
    )
    spares: Spares | None = Field(
        default=None,
        description="Spare servers at each site for its own servers, by type; they wait unpowered, outside of"
        " the racks. None: no spares.",
    )
    shedding: list[Shed] = Field(
        default_factory=list,
        description="What is capped, in this order (least important first), when an oversubscribed power node"
        " is short; after all steps everything must fit. A server that may be capped serves only workloads of"
        " its step's priority or less important ones.",
    )
    headroom: float = Field(
        default=0.0, ge=0, lt=1, description="Share of every pool's capacity kept free in normal times."
    )
    confidence: float | None = Field(
        default=None,
        ge=0.5,
        lt=1,
        description="Probability with which a replica is no slower than it was sized for: sizes on the"
        " pessimistic side of the performance model's error band. None: the central estimate (0.5).",
    )

    @model_validator(mode="after")
    def _least_important_first(self) -> Self:
        order = [step.priority for step in self.shedding]
        if any(after >= before for before, after in itertools.pairwise(order)):
            raise FieldProblem(
                f"priorities {order}", "larger numbers (less important) first, each once", at=("shedding",)
            )
        return self

    def shed_cap_w(self, server: str, priority: int) -> float | None:
        """Return the cap of a server of a step of shedding, None if the step does not list it."""
        return next((s.power_caps_w.get(server) for s in self.shedding if s.priority == priority), None)

    def level_of(self, loss: LevelOf) -> float:
        """Return the share of demand that must be served after a loss of a kind."""
        return self.levels.get(loss, self.level)


class Objective(FileModel):
    """What to optimize, in order: `maximize` goals first, then `minimize` goals."""

    minimize: Annotated[
        list[Cheaper] | None,
        BeforeValidator(_as_list, json_schema_input_type=list[Cheaper] | Cheaper | None),
    ] = Field(
        default=None,
        description="cost (USD/h), power (expected IT kW), carbon (kg/h), servers (powered),"
        " usd_per_mtok (cost per million tokens served, input and output).",
    )
    maximize: Annotated[
        list[Better] | None,
        BeforeValidator(_as_list, json_schema_input_type=list[Better] | Better | None),
    ] = Field(
        default=None,
        description="served (demand, by priority), tokens_per_s_per_mw (output tokens per second and MW at"
        " the grid, cooling included).",
    )
    weights: Mapping[Weighed, Weight] | None = Field(
        default=None,
        description="Minimize one sum instead of a list: USD/h that each USD/h of cost, kW of expected power,"
        " kg/h of carbon and powered server counts, e.g. {cost: 1, carbon: 0.2}; three decimals count.",
    )

    @model_validator(mode="after")
    def _has_a_goal(self) -> Self:
        goals = [name for _, name in self.goals]
        if len(set(goals)) < len(goals):
            raise FieldProblem(f"a goal twice in {goals}", "each goal once")
        if self.weights is not None and self.minimize:
            raise FieldProblem("weights and minimize", "one of the two", at=("weights",))
        if self.weights is not None and not self.weights:
            raise FieldProblem("no weight", "e.g. {cost: 1, carbon: 0.2}", at=("weights",))
        return self

    @property
    def goals(self) -> list[tuple[Literal["minimize", "maximize"], str]]:
        """The goals in order, each with its sense; minimize cost if nothing is said."""
        goals: list[tuple[Literal["minimize", "maximize"], str]] = []
        goals += [("maximize", name) for name in self.maximize or []]
        goals += [("minimize", name) for name in self.minimize or []]
        if self.weights is not None:
            goals.append(("minimize", WEIGHTED))
        return goals or [("minimize", "cost")]
