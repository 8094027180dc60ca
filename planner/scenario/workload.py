"""What must be served: workloads and their latency objectives."""

from typing import Annotated, Literal, Self

from pydantic import Field, field_validator, model_validator

from planner.files import FieldProblem, FileModel
from planner.scenario.distributions import TokenDistribution

HOURS_PER_DAY = 24

SHARE_TOLERANCE = 1e-6
"""How far the shares of the origins may be from a sum of 1 (rounding of written decimals)."""

Share = Annotated[float, Field(ge=0, le=1)]
Weights = Literal["bf16", "fp8", "fp4", "int8", "int4"]

ANYWHERE = "any"
"""An origin with no round trip to any site, and a rented place in no particular region."""


class Slo(FileModel):
    """Latency objective: every stated time holds at the stated percentile (or on average)."""

    ttft_ms: float | None = Field(
        default=None,
        gt=0,
        description="Time to first token, with queueing and network round trip. None: no limit.",
    )
    tpot_ms: float | None = Field(
        default=None, gt=0, description="Time per output token after the first. None: no limit."
    )
    e2e_ms: float | None = Field(default=None, gt=0, description="Arrival to last token. None: no limit.")
    percentile: Annotated[float, Field(gt=0, lt=100)] | Literal["mean"] = Field(
        default=99.0, description="The percentile of requests that keeps the times, or `mean`."
    )

    @model_validator(mode="after")
    def _says_something(self) -> Self:
        if self.ttft_ms is None and self.tpot_ms is None and self.e2e_ms is None:
            raise FieldProblem("no latency", "at least one of ttft_ms, tpot_ms, e2e_ms", "or leave slo out")
        return self


class Workload(FileModel):
    """Requests of one kind."""

    name: str = Field(min_length=1, description="Unique name; used in messages, rows and reports.")
    preset: str | None = Field(
        default=None,
        description="A workload to start from (`planner catalog list presets`): gives what is not stated of"
        " input_tokens, output_tokens, prefix_hit_rate, burstiness_cv and, field by field, slo.",
    )
    llms: list[str] = Field(
        min_length=1,
        description="LLMs that may answer: catalog ids, Hugging Face ids or paths to a config.json."
        " Any one of them may serve a request; the cheapest is chosen.",
    )
    origins: dict[str, Share] = Field(
        default_factory=lambda: {ANYWHERE: 1.0},
        description="Share of the requests by region of their users; the shares sum to 1."
        " Region names of the common clouds are understood; `any` has no round trip to any site.",
    )
    rate_rps: float = Field(
        ge=0,
        description="Arrival rate at the peak, requests/s. With a `trace` it may be left out: the"
        " rate of the trace's busiest minute (longer where that holds few).",
    )
    profile: list[Annotated[float, Field(ge=0)]] | None = Field(
        default=None,
        description="24 hourly factors of rate_rps, hour 0 (UTC) first. None: always the peak.",
    )
    trace: str | None = Field(
        default=None,
        description="File of real requests: Azure LLM inference, BurstGPT, Mooncake, or a CSV with the"
        " columns `t_s`, `in_tokens`, `out_tokens` and optionally `cached_tokens` or `prefix_hash`. Gives"
        " what is not stated of rate_rps, profile, token lengths, prefix_hit_rate and burstiness_cv.",
    )
    input_tokens: TokenDistribution = Field(
        description="Prompt length, tokens: a number, or some of mean, p50 and p99, or quantiles,"
        " or a histogram. With a `trace` it may be left out."
    )
    output_tokens: TokenDistribution = Field(
        description="Answer length, tokens, written like input_tokens. With a `trace` it may be left out."
    )
    prefix_hit_rate: float = Field(
        default=0.0,
        ge=0,
        lt=1,
        description="Share of prompt tokens found in the prefix cache (saves prefill only).",
    )
    burstiness_cv: float = Field(
        default=1.0,
        gt=0,
        description="Coefficient of variation of the time between arrivals; 1 is Poisson. With a"
        " `trace` and nothing stated: that of the trace.",
    )
    slo: Slo | None = Field(
        default=None, description="Latency objective. None: only throughput counts (batch, measured rates)."
    )
    priority: int = Field(
        default=1, ge=1, description="1 is served first when capacity is short; larger numbers give way."
    )
    tier: Literal["interactive", "batch"] = Field(
        default="interactive", description="`batch` work may wait until its deadline and fills valleys."
    )
    deadline_h: float | None = Field(
        default=None, gt=0, le=HOURS_PER_DAY, description="Batch tier: hours a request may wait. None: 24."
    )
    unserved_usd_per_request: float | None = Field(
        default=None,
        ge=0,
        description="Price of not serving a request, USD. None: every request must be served.",
    )
    minimum_served: Share | None = Field(
        default=None,
        description="Share of the demand (of each origin, at every hour) that is served however short"
        " capacity is; the rest may stay unserved. Without a price in unserved_usd_per_request as much as"
        " possible is served before cost counts, by priority. None: all, or with a price none.",
    )
    quality: float | None = Field(
        default=None,
        description="Lowest score of the scenario's `quality` that an LLM, in its weight precision, must"
        " have. With it, `llms` may be left out: all LLMs with a score that is high enough.",
    )
    loras: int = Field(
        default=0,
        ge=0,
        description="LoRA adapters of the LLM that the requests ask for; each has a slot on some replica"
        " (performance.max_loras slots each).",
    )
    lora_rank: int = Field(default=16, ge=1, le=1024, description="Rank of the adapters.")
    ramp_per_min: float = Field(
        default=0.0,
        ge=0,
        description="How fast traffic may rise beyond the plan, as a share of it per minute. Room for what"
        " comes while a further replica starts (performance.cold_start) is kept free.",
    )
    precision: list[Weights] | None = Field(
        default=None,
        min_length=1,
        description="Weight precisions that are good enough. None: the precision the LLM was"
        " published in, and fp8 where the accelerator computes it.",
    )
    serving: list[Literal["aggregated", "split"]] = Field(
        default=["aggregated"],
        min_length=1,
        description="How requests may be served: `aggregated` (a replica does prefill and decode) or `split`"
        " (prefill on one pool, decode on another of the same fabric domain, the cache handed over). With"
        " both, the cheaper mix is chosen.",
    )
    regions: list[str] | None = Field(
        default=None,
        min_length=1,
        description="Regions whose sites may serve it (data residency). None: all.",
    )

    @field_validator("origins")
    @classmethod
    def _shares_sum_to_one(cls, value: dict[str, float]) -> dict[str, float]:
        total = sum(value.values())
        if abs(total - 1) > SHARE_TOLERANCE:
            raise FieldProblem(
                f"shares that sum to {total:g}", "shares that sum to 1", "scale or complete them"
            )
        return value

    @field_validator("profile")
    @classmethod
    def _a_factor_for_each_hour(cls, value: list[float] | None) -> list[float] | None:
        if value is not None and (len(value) != HOURS_PER_DAY or max(value) <= 0):
            raise FieldProblem(
                f"{len(value)} factors" if len(value) != HOURS_PER_DAY else "only zeros",
                f"{HOURS_PER_DAY} factors, one of them above 0",
                "one factor per hour of the day, hour 0 UTC first",
            )
        return value

    @model_validator(mode="after")
    def _split_promises_both_times(self) -> Self:
        if self.serving == ["split"] and self.slo is not None and self.slo.e2e_ms is not None:
            raise FieldProblem(
                "only `split` with an slo.e2e_ms",
                "ttft_ms and tpot_ms for split serving",
                "two pools promise their own times, not their sum; allow `aggregated` too or drop e2e_ms",
                at=("serving",),
            )
        return self

    @model_validator(mode="after")
    def _adapters_of_one_llm(self) -> Self:
        if self.loras and len(self.llms) != 1:
            raise FieldProblem(
                f"{len(self.llms)} LLMs for a workload with LoRA adapters",
                "one LLM",
                "adapters are trained for one LLM",
                at=("llms",),
            )
        return self

    @model_validator(mode="after")
    def _deadline_for_batch(self) -> Self:
        if self.deadline_h is not None and self.tier != "batch":
            raise FieldProblem(
                f"{self.deadline_h:g} for an interactive workload",
                "a deadline for tier: batch only",
                "set tier: batch or remove deadline_h",
                at=("deadline_h",),
            )
        return self
