"""What the requests of one workload are like."""

from __future__ import annotations

from dataclasses import dataclass

from planner.scenario.distributions import TokenDistribution


@dataclass(frozen=True)
class RequestProfile:
    """What the requests of one workload are like.

    Attributes:
        input_tokens: prompt lengths.
        output_tokens: answer lengths.
        prefix_hit_rate: share of prompt tokens found in the prefix cache, 0..1.
        burstiness_cv: coefficient of variation of the times between arrivals; 1 is Poisson.

    """

    input_tokens: TokenDistribution
    output_tokens: TokenDistribution
    prefix_hit_rate: float = 0.0
    burstiness_cv: float = 1.0


def written_profile(profile: RequestProfile) -> tuple[str, str, float, float]:
    """Return a profile as something that can be compared and hashed."""
    return (
        profile.input_tokens.model_dump_json(),
        profile.output_tokens.model_dump_json(),
        profile.prefix_hit_rate,
        profile.burstiness_cv,
    )
