"""The whole question, as the user wrote it and fully resolved."""

from collections.abc import Iterator, Mapping
from typing import Any, Self

from pydantic import Field, PrivateAttr, model_validator

from planner.files import Document, FieldProblem, FieldProblems, FileModel
from planner.scenario.churn import Churn
from planner.scenario.economics import Economics
from planner.scenario.fleet import Fleet
from planner.scenario.paths import find
from planner.scenario.promises import Limits, Objective, Reliability
from planner.scenario.solving import Performance, Solver
from planner.scenario.tenancy import Quality, ReplicaRule, Tenant
from planner.scenario.workload import Workload


class Scenario(FileModel):
    """What must be served, what may be used, where it can stand, and what to optimize."""

    name: str = Field(
        default="scenario", min_length=1, description="Name in reports. Default: the file's name."
    )
    topology: str | Mapping[str, Any] = Field(
        description="A shipped topology, the path of one (relative to the scenario file), the word"
        " `cloud` (one boundless place per rented region), or the topology itself, inline."
    )
    topology_changes: list[str] = Field(
        default_factory=list,
        description="Changes to the topology, each `path=value` as for --set, e.g."
        " `sites.ams1.grid_kw=*0.9`.",
    )
    workloads: list[Workload] = Field(min_length=1, description="What must be served.")
    fleet: Fleet = Field(default_factory=Fleet, description="What may be bought and rented.")
    engines: list[str] = Field(
        default_factory=lambda: ["vllm"], min_length=1, description="Serving engines allowed."
    )
    quality: Quality | None = Field(
        default=None, description="Scores of LLMs, for workloads with a `quality` floor."
    )
    replicas: list[ReplicaRule] = Field(
        default_factory=list, description="Least and most replicas by LLM and site."
    )
    tenants: list[Tenant] = Field(default_factory=list, description="Quotas of groups of workloads.")
    limits: Limits = Field(default_factory=Limits, description="Upper limits over the plan.")
    reliability: Reliability = Field(
        default_factory=Reliability, description="What may fail without breaking a promise."
    )
    churn: Churn = Field(default_factory=Churn, description="What runs already, and what changing it costs.")
    objective: Objective = Field(default_factory=Objective, description="What to optimize.")
    economics: Economics = Field(default_factory=Economics, description="How purchases become USD per hour.")
    solver: Solver = Field(default_factory=Solver, description="Effort of the search.")
    performance: Performance = Field(
        default_factory=Performance, description="Where replica times come from."
    )
    catalog: str | Mapping[str, Any] | None = Field(
        default=None,
        description="Catalog entries of your own: the path of a file, or the entries inline.",
    )

    _document: Document | None = PrivateAttr(None)

    @model_validator(mode="after")
    def _names_are_unique(self) -> Self:
        seen: set[str] = set()
        problems = []
        for index, workload in enumerate(self.workloads):
            if workload.name in seen:
                problems.append(
                    FieldProblem(
                        f"the name '{workload.name}' again",
                        "a name for each workload",
                        "rename one of the two",
                        at=("workloads", index, "name"),
                    )
                )
            seen.add(workload.name)
        if problems:
            raise FieldProblems(problems)
        return self

    @model_validator(mode="after")
    def _demand_is_consistent(self) -> Self:
        problems = [*self._quality_problems(), *self._tenant_problems(), *self._adapter_problems()]
        for index, workload in enumerate(self.workloads):
            if workload.ramp_per_min and self.performance.cold_start is None:
                problems.append(
                    FieldProblem(
                        f"{workload.ramp_per_min:g} without performance.cold_start",
                        "performance: {cold_start: {load_gb_s: ...}} beside it",
                        "how long a further replica takes decides what must stay free",
                        at=("workloads", index, "ramp_per_min"),
                    )
                )
        if problems:
            raise FieldProblems(problems)
        return self

    def _quality_problems(self) -> Iterator[FieldProblem]:
        for index, workload in enumerate(self.workloads):
            if workload.quality is None:
                continue
            if self.quality is None:
                yield FieldProblem(
                    f"{workload.quality:g} without scores",
                    "quality: {source: ..., scores: {LLM: ...}} in the scenario",
                    at=("workloads", index, "quality"),
                )
                continue
            for place, llm in enumerate(workload.llms):
                if llm not in self.quality.scores:
                    yield FieldProblem(
                        f"'{llm}', which quality.scores does not have",
                        "an LLM with a score: " + ", ".join(self.quality.scores),
                        "state its score, or leave it out",
                        at=("workloads", index, "llms", place),
                    )

    def _tenant_problems(self) -> Iterator[FieldProblem]:
        names = {workload.name for workload in self.workloads}
        seen: set[str] = set()
        for index, tenant in enumerate(self.tenants):
            if tenant.name in seen:
                at: tuple[str | int, ...] = ("tenants", index, "name")
                yield FieldProblem(f"the name '{tenant.name}' again", "a name for each tenant", at=at)
            seen.add(tenant.name)
            for place, name in enumerate(tenant.workloads):
                if name not in names:
                    yield FieldProblem(
                        f"'{name}'",
                        "a workload: " + ", ".join(sorted(names)),
                        at=("tenants", index, "workloads", place),
                    )

    def _adapter_problems(self) -> Iterator[FieldProblem]:
        listed = {llm for workload in self.workloads for llm in workload.llms}
        for index, rule in enumerate(self.replicas):
            if rule.llm not in listed:
                yield FieldProblem(
                    f"'{rule.llm}'",
                    "an LLM of a workload: " + ", ".join(sorted(listed)),
                    at=("replicas", index, "llm"),
                )

    @property
    def document(self) -> Document | None:
        """The file this came from, with its lines; None for a scenario made in memory."""
        return self._document

    def line(self, field: str) -> int | None:
        """Return the line of a field such as `limits.capex_usd` or `workloads.chat.rate_rps`."""
        if self._document is None:
            return None
        return self._document.line(find(self._document.data, field).loc)

    def workload(self, name: str) -> Workload:
        """Return the workload `name`.

        Raises:
            KeyError: there is none.
        """
        for workload in self.workloads:
            if workload.name == name:
                return workload
        raise KeyError(name)
