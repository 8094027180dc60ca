"""What requests put on the network."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from planner.performance.profile import RequestProfile
from planner.scenario import Workload
from planner.scenario.distributions import TokenDistribution

STREAMED_BYTES_PER_OUTPUT_TOKEN = 200.0
"""A token streamed to the user: a server-sent event with a JSON chunk of the OpenAI chat format, about
200 bytes on the wire. Not verified; it hardly matters beside the price of a GPU."""

SECONDS_PER_HOUR = 3600.0
BYTES_PER_GB = 1e9


def egress_gb_s(workload: Workload, rate_rps: float) -> float:
    """Return what answers at `rate_rps` send to users, GB/s."""
    tokens_per_s = rate_rps * float(workload.output_tokens.mean)
    return tokens_per_s * STREAMED_BYTES_PER_OUTPUT_TOKEN / BYTES_PER_GB


def egress_usd_per_h(workload: Workload, rate_rps: float, usd_per_gb: float) -> float:
    """Return the price of sending the answers at `rate_rps` to users, USD/h."""
    return egress_gb_s(workload, rate_rps) * SECONDS_PER_HOUR * usd_per_gb


def mean_requests(workloads: Iterable[Workload]) -> RequestProfile | None:
    """Return what the requests of several workloads are like on average, None without any.

    Lengths and prefix hits weigh by the rate of their workload.
    """
    asked = [workload for workload in workloads if workload.rate_rps > 0]
    rate = sum(workload.rate_rps for workload in asked)
    if not rate:
        return None

    def mean(value: Callable[[Workload], float]) -> float:
        return sum(workload.rate_rps * value(workload) for workload in asked) / rate

    return RequestProfile(
        input_tokens=TokenDistribution.model_validate(mean(lambda w: float(w.input_tokens.mean))),
        output_tokens=TokenDistribution.model_validate(mean(lambda w: float(w.output_tokens.mean))),
        prefix_hit_rate=mean(lambda w: w.prefix_hit_rate),
    )
